//! HTTP without a pause beside the sockets. Nothing is tried twice: whatever is not answered as it should be has failed.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    http::{Caller, Request},
    session,
    site::{SCRIPT, Site},
    socket::source,
};

/// What came of the requests so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Messages to everybody that were asked for and answered.
    pub(crate) shouts: AtomicU64,
    /// The first failures in words.
    pub(crate) complaints: Mutex<Vec<String>>,
}

impl Tally {
    fn fail(&self, complaint: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut complaints = self.complaints.lock().unwrap();
        if complaints.len() < 10 {
            complaints.push(complaint);
        }
    }
}

/// Everybody who asks.
pub(crate) struct Callers {
    pub(crate) tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// The numbers of the callers' addresses, away from those of sockets.
const FIRST: usize = 20_000;

impl Callers {
    /// Starts as many loops: half of them keep their connections, half take a new one each time. One more has a message
    /// sent to everybody, now and then.
    pub(crate) fn start(site: &Site, count: usize, gap: Duration, shout: Duration) -> Callers {
        let (tally, stop) = (Arc::new(Tally::default()), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..=count {
            let caller = Caller::new(site.address, source(FIRST + 100 * number), number % 2 == 0);
            let shouts = number == count;
            let caller = Loop {
                caller,
                cookie: session::of("ada"),
                shouts,
                gap: if shouts { shout } else { gap },
                tally: Arc::clone(&tally),
            };
            tasks.spawn(caller.run(stop.subscribe()));
        }
        Callers { tally, stop, tasks }
    }

    /// Lets every request that runs come to its end.
    pub(crate) async fn stop(mut self) -> Arc<Tally> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.tally
    }
}

struct Loop {
    caller: Caller,
    cookie: String,
    shouts: bool,
    gap: Duration,
    tally: Arc<Tally>,
}

impl Loop {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut turn = 0;
        while !*stop.borrow() {
            turn += 1;
            self.ask(turn).await;
            tokio::select! {
                () = sleep(self.gap) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn ask(&mut self, turn: u32) {
        let (path, expected) = match turn % 4 {
            _ if self.shouts => ("/api/test", None),
            0 => ("/healthz", Some("ok\n")),
            // It asks the database.
            1 => ("/api/rooms/lobby/messages", Some("{\"messages\":[],\"earlier\":false}")),
            _ => (SCRIPT.0, Some(SCRIPT.1)),
        };
        let answer = self.caller.ask(&Request::get(path).cookie(&self.cookie)).await;
        match answer {
            Ok(answer) if answer.status == 200 && expected.is_none_or(|body| body == answer.body) => {
                self.tally.answered.fetch_add(1, Ordering::Relaxed);
                self.tally.shouts.fetch_add(self.shouts.into(), Ordering::Relaxed);
            }
            Ok(answer) => self.tally.fail(format!("{path}: {answer:?}")),
            Err(error) => self.tally.fail(format!("{path}: {error:?}")),
        }
    }
}
