//! Handovers that fail, at each place and in each way at which they can be made to. Whatever happens: nobody is stuck, each
//! socket has one owner, no offset is given twice, and who is told that nothing was missed has missed nothing.

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use duplex_core::handover::{FAIL_POINTS, FailPoint, Side};
use rustix::process::Signal;
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use crate::{
    crowd::Crowd,
    kernel::{self, Sample},
    patience::{PATIENCE, becomes},
    server::Server,
    site::Site,
};

/// What becomes of a handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The new process has all sockets.
    Finished,
    /// The old process has all sockets, as if nothing had been.
    Untouched,
    /// All sockets were closed, so that clients came back.
    Reconnected,
}

/// What may become of it; nothing for what nobody has thought of. There are two possibilities only where the kernel decides
/// which of two things comes first.
fn expected(side: Side, point: &str, fault: &str) -> &'static [Outcome] {
    use Outcome::{Finished, Reconnected, Untouched};
    match (side, point, fault) {
        // The application is of another version: its sockets are closed, and come back to the new process.
        (Side::New, "hello", "version") => &[Reconnected],
        (Side::New, "hello", "descriptors") => &[Untouched],
        (
            Side::New,
            "hello" | "welcomed" | "ready" | "ahead-received" | "state-received" | "socket-received"
            | "before-commit",
            "kill" | "hang" | "garbage" | "close",
        ) => &[Untouched],
        // It has everything, and is gone or ended by the old one before it serves: the old one starts over.
        (Side::New, "committed", "kill" | "hang" | "garbage" | "close") => &[Reconnected],
        (Side::New, "started", "kill" | "hang") => &[Reconnected],
        (
            Side::Old,
            "welcome" | "ahead" | "freeze" | "frozen" | "state-sent" | "socket-sent",
            "kill" | "hang",
        ) => &[Reconnected],
        (
            Side::Old,
            "welcome" | "ahead" | "freeze" | "frozen" | "state-sent" | "socket-sent",
            "garbage" | "close",
        ) => &[Untouched],
        // The new one can still commit to a process that is as good as dead: then everything is its.
        (Side::Old, "before-commit-received", "kill") => &[Reconnected, Finished],
        (Side::Old, "before-commit-received", "hang") => &[Finished],
        // If COMMIT came before the end of the line, the old one cannot know how the new one is, and ends it.
        (Side::Old, "before-commit-received", "garbage" | "close") => &[Untouched, Reconnected],
        (Side::Old, "commit-received" | "forwarding", "kill" | "hang") => &[Finished],
        // It takes the end of the line for the end of the new one, unless that one serves already.
        (Side::Old, "commit-received" | "forwarding", "garbage" | "close") => &[Reconnected, Finished],
        _ => &[],
    }
}

/// Faults that are tried at the same time: most of the time, they wait.
const AT_ONCE: usize = 8;

const CLIENTS: usize = 6;

/// Longer than a process waits for the other one before it gives a handover up.
const GIVEN_UP: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_nobody_is_stuck_or_misled() {
    let only = std::env::var("DUPLEX_FAIL_ONLY").unwrap_or_default();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut cases = JoinSet::new();
    for point in FAIL_POINTS {
        for fault in point.faults {
            let name = format!("{:?} {}:{fault}", point.side, point.name);
            if !name.contains(&only) {
                continue;
            }
            let turns = Arc::clone(&turns);
            cases.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                // A panic is a failure of this case only.
                let case = tokio::spawn(Case::play(point, fault)).await;
                (name, case.unwrap_or_else(|panic| Err(panic.to_string())))
            });
        }
    }
    let mut failures = Vec::new();
    while let Some(case) = cases.join_next().await {
        match case.unwrap() {
            (name, Ok(outcome)) => println!("{name}: {outcome:?}"),
            (name, Err(failure)) => failures.push(format!("{name}: {failure}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A handover with a fault.
struct Case {
    point: &'static FailPoint,
    fault: &'static str,
    crowd: Crowd,
    old: Server,
    new: Server,
    /// What the test starts when nothing runs, as a service manager does.
    third: Option<Server>,
    site: Site,
}

impl Case {
    async fn play(point: &'static FailPoint, fault: &'static str) -> Result<Outcome, String> {
        let expected = expected(point.side, point.name, fault);
        if expected.is_empty() {
            return Err("nobody has said what must become of it: say so in this test".to_owned());
        }
        let site = Site::new();
        let program = |side| {
            let mut program = site.program();
            if point.side == side {
                program.env("DUPLEX_FAIL_AT", format!("{}:{fault}", point.name));
            }
            program
        };
        let old = Server::start(&site, program(Side::Old)).await;
        let crowd = Crowd::gather(&site, CLIENTS).await;
        let new = Server::spawn(program(Side::New));
        let mut case = Case { point, fault, crowd, old, new, third: None, site };
        let outcome = case.settle().await.and_then(|()| case.outcome());
        let outcome = match outcome {
            Ok(outcome) if expected.contains(&outcome) => case.goes_on(outcome).await.map(|()| outcome),
            Ok(outcome) => Err(format!("it is {outcome:?}, and must be one of {expected:?}")),
            Err(failure) => Err(format!("{failure}; it must be one of {expected:?}")),
        };
        let ends: Vec<_> = case.crowd.each().map(|status| status.ends.clone()).collect();
        let Case { crowd, old, new, third, site: _site, .. } = case;
        let wrong = crowd.leave().await;
        let outcome = match outcome {
            Ok(outcome) if wrong.is_empty() => return Ok(outcome),
            Ok(outcome) => Err(format!("it is {outcome:?}, but {wrong:#?}")),
            Err(failure) => Err(format!("{failure}; {wrong:#?}")),
        };
        let run = [old.is_there(), new.is_there()];
        let said = third.map_or(String::new(), |third| third.said());
        outcome.map_err(|failure| {
            format!(
                "{failure}\nold and new run: {run:?}\nsockets: {ends:?}\nold:\n{}\nnew:\n{}\nthird:\n{said}",
                old.said(),
                new.said()
            )
        })
    }

    /// Waits until one process serves, and everybody is answered. Plays the service manager.
    async fn settle(&mut self) -> Result<(), String> {
        match self.fault {
            "hang" => self.end_the_hung().await?,
            _ if becomes(GIVEN_UP, || !self.old.runs() || !self.new.runs()).await => {}
            _ => return Err("both processes go on".to_owned()),
        }
        if self.fault == "kill" {
            let status = self.faulty().ended_within(GIVEN_UP).await;
            let killed = status.and_then(|status| status.signal());
            check(killed == Some(9), || {
                format!("the process was to be killed, and has ended with {status:?}")
            })?;
        }
        self.has_happened().await?;
        let mut answered = false;
        for _ in 0..20 {
            if !self.old.runs() && !self.new.runs() && self.third.is_none() {
                self.third = Some(Server::start(&self.site, self.site.program()).await);
            }
            answered = self.crowd.answered(Duration::from_secs(2)).await;
            if answered {
                break;
            }
        }
        let run = (self.old.runs(), self.new.runs());
        check(answered, || format!("not everybody is answered; old and new run: {run:?}"))?;
        check(run != (true, true), || "both processes go on".to_owned())
    }

    /// The faulty process says what it did, unless the other one has ended it before it could.
    async fn has_happened(&mut self) -> Result<(), String> {
        let told = match self.fault {
            "garbage" => format!("garbage, at {}", self.point.name),
            "close" => "the other process ended the handover".to_owned(),
            _ => return Ok(()),
        };
        let ended_before = self.point.side == Side::New && self.point.name == "committed";
        let happened = ended_before || self.faulty().says_within(&told, GIVEN_UP).await;
        check(happened, || format!("it does not say {told:?}"))
    }

    fn faulty(&mut self) -> &mut Server {
        match self.point.side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }

    /// Ends the process that hangs, when the other one has got over it as far as it can.
    async fn end_the_hung(&mut self) -> Result<(), String> {
        let hung = self.faulty();
        check(becomes(GIVEN_UP, || hung.is_stopped()).await, || "it does not hang".to_owned())?;
        let pid = hung.pid();
        for _ in 0..GIVEN_UP.as_secs() {
            // Where the other one has ended, only a service manager can help; it may also have ended the hung one.
            if !self.old.runs() || !self.new.runs() || self.crowd.answered(Duration::from_secs(1)).await {
                if self.faulty().runs() {
                    self.faulty().kill().await;
                }
                return Ok(());
            }
        }
        Err(format!("{pid} hangs, and nobody gets over it"))
    }

    fn outcome(&mut self) -> Result<Outcome, String> {
        let (ends, ended) = (self.crowd.ends(), self.crowd.ended());
        if ended != 0 && ended != CLIENTS && !self.lost_hooks() {
            return Err(format!("{ended} of {CLIENTS} were closed"));
        }
        if ends > ended {
            return Err(format!("{ended} clients were closed {ends} times"));
        }
        match (ended < CLIENTS, self.old.runs(), self.new.runs()) {
            (true, true, false) => Ok(Outcome::Untouched),
            (true, false, true) => Ok(Outcome::Finished),
            (true, ..) => Err("sockets are open, and nobody has them".to_owned()),
            (false, ..) => Ok(Outcome::Reconnected),
        }
    }

    /// Whether sockets were closed for no other reason than that their hooks were running in the old process, which has
    /// not come to report how they ended.
    fn lost_hooks(&self) -> bool {
        let told =
            |end: &String| end.starts_with("closed with 1011 ") || end.starts_with("closed with 3004 ");
        self.point.side == Side::Old
            && matches!(self.point.name, "before-commit-received" | "commit-received" | "forwarding")
            && matches!(self.fault, "kill" | "hang")
            && self.crowd.each().all(|status| status.ends.iter().all(told))
    }

    /// How the processes have ended, who has the sockets, and that the next handover succeeds.
    async fn goes_on(&mut self, outcome: Outcome) -> Result<(), String> {
        let is_killed = |side| self.point.side == side && matches!(self.fault, "kill" | "hang");
        let starts_over = self.old.line("this one starts over").is_some();
        if outcome == Outcome::Untouched && !is_killed(Side::New) {
            let status = self.new.ended().await;
            check(status.code() == Some(1), || format!("the new process has ended with {status}"))?;
        }
        if outcome == Outcome::Finished && !is_killed(Side::Old) {
            let status = self.old.ended().await;
            check(status.success(), || format!("the old process has ended with {status}"))?;
        }
        if starts_over {
            check(self.old.runs() && !self.new.runs(), || "the old process is to serve again".into())?;
        }
        if self.fault == "version" {
            check(self.old.ended().await.success() && self.new.runs(), || {
                "the new process is to serve".into()
            })?;
            for (number, status) in self.crowd.each().enumerate() {
                let code = if number % 2 == 0 { "closed with 1012 " } else { "closed with 3001 " };
                let told = status.ends.iter().all(|end| end.starts_with(code));
                check(told, || format!("client {number} was told {:?}", status.ends))?;
            }
        }
        self.has_one_owner()?;
        check(self.crowd.talks(3).await, || "nobody talks any more".into())?;
        self.hands_over_again().await
    }

    fn processes(&self) -> Vec<u32> {
        let third = self.third.as_ref().map(Server::pid);
        [self.old.pid(), self.new.pid()].into_iter().chain(third).collect()
    }

    /// The process that serves.
    fn survivor(&mut self) -> &mut Server {
        match &mut self.third {
            Some(third) => third,
            None if self.new.runs() => &mut self.new,
            None => &mut self.old,
        }
    }

    fn has_one_owner(&mut self) -> Result<(), String> {
        let survivor = self.survivor().pid();
        one_owner(&self.crowd, &self.site, &self.processes(), survivor)
    }

    async fn hands_over_again(&mut self) -> Result<(), String> {
        // It would fail again.
        if self.point.side == Side::Old && self.third.is_none() && self.old.runs() {
            return Ok(());
        }
        let before = self.crowd.ends();
        let mut next = Server::spawn(self.site.program());
        let status = self.survivor().ended_within(PATIENCE).await;
        let kept = self.crowd.answered(PATIENCE).await && self.crowd.ends() == before;
        let well = status.is_some_and(|status| status.success()) && kept && next.runs();
        let said = next.said();
        let processes = [self.survivor().pid(), next.pid()];
        let owned = one_owner(&self.crowd, &self.site, &processes, next.pid());
        self.third = Some(next);
        check(well, || format!("the next handover fails, old {status:?}, kept {kept}: {said}"))?;
        owned
    }
}

/// Each socket is open in this process, and in no other one.
fn one_owner(crowd: &Crowd, site: &Site, processes: &[u32], owner: u32) -> Result<(), String> {
    let sample = Sample::of(site.address);
    for (number, status) in crowd.each().enumerate() {
        let end = status.address.and_then(|client| sample.server(client));
        let owners = end.map(|end| kernel::owners(end, processes));
        check(owners == Some(vec![owner]), || {
            format!("client {number}'s socket is open in {owners:?}, and should be in {owner}")
        })?;
    }
    Ok(())
}

fn check(is: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(otherwise()) }
}

/// A site with a server that is to stay as it is, whatever the next one does.
struct Scene {
    crowd: Crowd,
    old: Server,
    site: Site,
}

impl Scene {
    async fn set(clients: usize) -> Scene {
        Scene::set_with(clients, Site::program).await
    }

    async fn set_with(clients: usize, program: impl Fn(&Site) -> Command) -> Scene {
        let site = Site::new();
        let old = Server::start(&site, program(&site)).await;
        let crowd = Crowd::gather(&site, clients).await;
        Scene { crowd, old, site }
    }

    /// The next process gives up, and the old one serves the same sockets. Returns what the next one says.
    async fn refuses(&mut self, next: Command) -> String {
        let mut next = Server::spawn(next);
        let status: ExitStatus = next.ended().await;
        assert_eq!(status.code(), Some(1), "{}", next.said());
        assert!(self.crowd.answered(PATIENCE).await, "not everybody is answered");
        assert_eq!((self.crowd.ends(), self.old.runs()), (0, true), "{}", self.old.said());
        one_owner(&self.crowd, &self.site, &[self.old.pid()], self.old.pid()).unwrap();
        next.said()
    }
}

/// The program under a limit of the shell's `ulimit`.
fn limited(site: &Site, limit: &str) -> Command {
    let program = site.program();
    let program = program.as_std();
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("ulimit {limit}; exec \"$0\" \"$@\""));
    shell.arg(program.get_program()).args(program.get_args());
    shell.current_dir(program.get_current_dir().unwrap()).env_clear();
    for (name, value) in program.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.stdin(Stdio::null()).stdout(Stdio::null());
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_may_open_too_few_files_is_refused_and_told_both_numbers() {
    let mut scene = Scene::set(60).await;
    let said = scene.refuses(limited(&scene.site, "-n 64")).await;
    let number = |behind: &str, before: &str| -> u64 {
        let (_, rest) = said.split_once(behind).unwrap_or_else(|| panic!("{said}"));
        rest.split_once(before).unwrap_or_else(|| panic!("{said}")).0.parse().unwrap()
    };
    let needed = number("which goes on: ", " descriptors are needed");
    let available = number("has room for ", ": raise its limit");
    assert!((60..1000).contains(&needed) && available < 64, "{said}");
    assert_eq!(scene.crowd.leave().await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_can_open_hardly_any_more_files_is_taken_over_from() {
    // With 60 sockets there is room for some dozen files.
    let mut scene = Scene::set_with(60, |site| limited(site, "-n 140")).await;
    let next = Server::spawn(scene.site.program());
    let status = scene.old.ended().await;
    assert!(status.success(), "{status}:\n{}\nand the next one:\n{}", scene.old.said(), next.said());
    assert!(scene.crowd.answered(PATIENCE).await, "not everybody is answered");
    assert_eq!(scene.crowd.ends(), 0, "{}", next.said());
    one_owner(&scene.crowd, &scene.site, &[next.pid()], next.pid()).unwrap();
    assert_eq!(scene.crowd.leave().await, [] as [String; 0]);
}

/// A file system that has room for some files and not for a byte more; unmounted when it is dropped.
struct FullDisk(std::path::PathBuf);

impl FullDisk {
    /// None where this user may mount nothing.
    fn mount(path: std::path::PathBuf, files: u32) -> Option<FullDisk> {
        std::fs::create_dir(&path).unwrap();
        let options = format!("size=4k,nr_inodes={files}");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(FullDisk(path))
    }

    fn fill(&self) {
        std::fs::write(self.0.join("filler"), [0; 4096]).unwrap();
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// What a test says that cannot be made here.
fn skip() {
    println!("skipped: it takes a user who may mount a file system");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_the_state_and_clients_are_told_so() {
    let site = Site::new();
    let Some(disk) = FullDisk::mount(site.path("disk"), 8) else { return skip() };
    let program = || {
        let mut program = site.program();
        program.arg("--state-file").arg(site.path("disk/state"));
        program
    };
    let mut server = Server::start(&site, program()).await;
    let crowd = Crowd::gather(&site, CLIENTS).await;
    disk.fill();
    server.signal(Signal::TERM);
    let status = server.ended().await;
    assert!(status.code().is_some(), "{status}: {}", server.said());
    assert!(server.line("cannot write the state file").is_some(), "{}", server.said());
    assert!(!site.path("disk/state").exists(), "half a state is none");
    let next = Server::start(&site, site.program()).await;
    assert!(crowd.answered(PATIENCE).await, "{}", next.said());
    assert!(crowd.each().skip(1).step_by(2).all(|status| (status.recoveries, status.resets) == (0, 1)));
    assert_eq!(crowd.leave().await, [] as [String; 0]);
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_the_next_handover_socket_no_client_is_lost() {
    let site = Site::new();
    // For the directory itself, and one socket.
    let Some(disk) = FullDisk::mount(site.path("disk"), 2) else { return skip() };
    let program = || {
        let mut program = site.alone();
        program.arg("--handover").arg(site.path("disk/socket"));
        program
    };
    let mut old = Server::start(&site, program()).await;
    let crowd = Crowd::gather(&site, CLIENTS).await;
    assert!(becomes(PATIENCE, || site.path("disk/socket").exists()).await, "{}", old.said());
    let mut new = Server::spawn(program());
    assert!(becomes(PATIENCE, || !old.runs() || !new.runs()).await, "both go on");
    assert!(crowd.answered(PATIENCE).await, "old: {}\nnew: {}", old.said(), new.said());
    assert_eq!(crowd.ends(), 0, "old: {}\nnew: {}", old.said(), new.said());
    let owner = if old.runs() { old.pid() } else { new.pid() };
    one_owner(&crowd, &site, &[old.pid(), new.pid()], owner).unwrap();
    assert!(old.runs() != new.runs());
    println!("without room: {}", if old.runs() { "refused" } else { "taken over" });
    assert_eq!(crowd.leave().await, [] as [String; 0]);
    drop(disk);
}
