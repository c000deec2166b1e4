//! The places where a handover can be made to fail, for tests. Release builds have none.

use super::{HandoverError, wire::Wire};

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that hands over.
    Old,
    /// The one that takes over.
    New,
}

/// A place where a process can be made to fail: `DUPLEX_FAIL_AT=<name>:<fault>` in its environment, in a debug build.
#[derive(Clone, Copy, Debug)]
pub struct FailPoint {
    /// The process it is in.
    pub side: Side,
    /// Its name.
    pub name: &'static str,
    /// What can happen there: the process is killed (`kill`) or stopped as by SIGSTOP (`hang`), says something that is no
    /// message and gives up (`garbage`), or ends the line (`close`); at the first one it may also say that it has another
    /// `version`, or room for three `descriptors`.
    pub faults: &'static [&'static str],
}

const ANY: &[&str] = &["kill", "hang", "garbage", "close"];

const fn point(side: Side, name: &'static str) -> FailPoint {
    FailPoint { side, name, faults: ANY }
}

/// All of them, in the order in which a handover passes them.
pub const FAIL_POINTS: &[FailPoint] = &[
    FailPoint {
        side: Side::New,
        name: "hello",
        faults: &["kill", "hang", "garbage", "close", "version", "descriptors"],
    },
    point(Side::Old, "welcome"),
    point(Side::New, "welcomed"),
    point(Side::New, "ready"),
    point(Side::Old, "ahead"),
    point(Side::New, "ahead-received"),
    point(Side::Old, "freeze"),
    point(Side::Old, "frozen"),
    point(Side::New, "state-received"),
    point(Side::Old, "state-sent"),
    point(Side::Old, "socket-sent"),
    point(Side::New, "socket-received"),
    point(Side::New, "before-commit"),
    point(Side::Old, "before-commit-received"),
    point(Side::New, "committed"),
    point(Side::Old, "commit-received"),
    // The line is in use by others here.
    FailPoint { side: Side::New, name: "started", faults: &["kill", "hang"] },
    point(Side::Old, "forwarding"),
];

/// Fails here if the environment says so.
#[cfg(debug_assertions)]
pub(super) fn reach(name: &str, wire: &mut Wire) -> Result<(), HandoverError> {
    reach_alone(name);
    match fault_at(name).as_deref() {
        Some("garbage") => {
            wire.send_garbage()?;
            wire.hang_up();
            return Err(HandoverError::OutOfTurn(format!("garbage, at {name}")));
        }
        Some("close") => {
            wire.hang_up();
            return Err(HandoverError::HungUp);
        }
        _ => {}
    }
    Ok(())
}

/// The same where there is no line at hand.
#[cfg(debug_assertions)]
pub(super) fn reach_alone(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    match fault_at(name).as_deref() {
        Some("kill") => drop(kill_process(getpid(), Signal::KILL)),
        Some("hang") => {
            let _ = kill_process(getpid(), Signal::STOP);
            // The system stops one thread after the other, and this one must not get any further.
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        _ => {}
    }
}

/// The fault that is asked for at a place.
#[cfg(debug_assertions)]
pub(super) fn fault_at(name: &str) -> Option<String> {
    let asked = std::env::var("DUPLEX_FAIL_AT").ok()?;
    let (at, fault) = asked.split_once(':')?;
    (at == name).then(|| fault.to_owned())
}

#[cfg(not(debug_assertions))]
#[expect(clippy::unnecessary_wraps, reason = "the same as in debug builds")]
pub(super) fn reach(_: &str, _: &mut Wire) -> Result<(), HandoverError> {
    Ok(())
}

#[cfg(not(debug_assertions))]
pub(super) fn reach_alone(_: &str) {}

#[cfg(not(debug_assertions))]
pub(super) fn fault_at(_: &str) -> Option<String> {
    None
}
