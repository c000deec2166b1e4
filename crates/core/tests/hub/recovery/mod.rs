//! Recovery, by a model: publishers, subscribers, drops, slow readers and resubscribes at random, and a model that says
//! what each client must have seen.

mod client;
mod kind;
mod log;
mod model;
mod run;
mod script;
mod seen;
mod stage;
mod tally;

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use duplex_core::{Connected, Grant};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tokio::{runtime::Handle, task::block_in_place};

use self::{kind::Kind, script::Script, tally::Tally};
use crate::support::{Plan, Running, eventually, serve};

const CASES: u32 = 50;

const MAX_RECOVERY: usize = 12;
const MAX_RECOVERY_BYTES: usize = 900;

/// More than a client can be sent in a round without a flood.
const QUEUE_BYTES: usize = 256 << 10;

/// How often a script that is to be made smaller is played: what happens at the same time does so differently each time.
const ATTEMPTS: usize = 5;

/// What is spent on making a script smaller: time in milliseconds, and steps.
const SHRINK_TIME: u32 = 60_000;
const SHRINK_STEPS: u32 = 5000;

#[test]
fn clients_get_exactly_what_they_missed_or_are_told_that_they_do_not() {
    serve(plan(), async |server| {
        let (tally, cases) = block_in_place(|| play_at_random(server));
        eventually("the end of all connections", || server.hub.count() == 0).await;
        for name in (1..=cases).flat_map(|case| Kind::ALL.map(|kind| kind.channel(case))) {
            // A subscription that came too late for its client is taken back a moment later.
            let wanted = format!("the end of all subscriptions to {name}");
            eventually(&wanted, || server.hub.subscribers(&name) == Ok(0)).await;
        }
        println!("{tally:?}");
        tally.check();
    });
}

fn plan() -> Plan {
    Plan::new()
        .narrow()
        .namespaces(Kind::namespaces())
        .limits(|limits| {
            limits.max_recovery = MAX_RECOVERY;
            limits.max_recovery_bytes = MAX_RECOVERY_BYTES;
            limits.queue_bytes = QUEUE_BYTES;
            // A client that reads nothing for a while still gets to its close frame, and needs no ping to be there.
            limits.close_timeout = Duration::from_secs(60);
            limits.ping_interval = Duration::from_secs(3600);
        })
        .on_connecting(async |socket, connecting| {
            let channels = connecting.data.map(|data| serde_json::from_str::<Vec<String>>(data.as_str()));
            for channel in channels.unwrap().unwrap() {
                socket.subscribe(&channel).await?;
            }
            Ok(Connected::default())
        })
        .on_subscribe(async |_, _| Ok(Grant::default()))
        .on_publish(async |_, publishing| Ok(publishing.data))
}

/// Plays scripts, each in channels of its own. Gives what has happened, and how many cases there were.
fn play_at_random(server: &Running) -> (Tally, u64) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_time: SHRINK_TIME,
        max_shrink_iters: SHRINK_STEPS,
        ..Config::default()
    };
    let (case, failed, tally) = (Cell::new(0), Cell::new(false), RefCell::new(Tally::default()));
    let played = TestRunner::new(config).run(&Script::any(), |script| {
        // Playing it may also panic.
        let shrinking = failed.replace(true);
        for _ in 0..if shrinking { ATTEMPTS } else { 1 } {
            case.set(case.get() + 1);
            let mut tally = tally.borrow_mut();
            let played = Handle::current().block_on(run::play(server, case.get(), &script, &mut tally));
            played.map_err(TestCaseError::fail)?;
        }
        failed.set(shrinking);
        Ok(())
    });
    match played {
        Ok(()) => (tally.into_inner(), case.get()),
        Err(TestError::Fail(reason, script)) => panic!("{reason}\n{script:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
