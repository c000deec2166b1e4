//! How large a run is.

use std::time::Duration;

use crate::talker::{Habit, Plan};

/// How many there are of everything.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Clients of a mixed crowd.
    pub(crate) crowd: usize,
    /// Clients that only talk.
    pub(crate) steady: usize,
    /// Clients that say something after each swap only.
    pub(crate) idle: usize,
    /// The time between two messages of those who talk.
    pub(crate) pace: Duration,
    /// Loops of HTTP.
    pub(crate) callers: usize,
    /// The time between two requests of each.
    pub(crate) gap: Duration,
    /// The time between two messages to everybody.
    pub(crate) shout: Duration,
    /// At least so many requests are sent.
    pub(crate) requests: u64,
    pub(crate) swaps: u32,
    /// Before each of them everybody does the same once, and nobody takes over: what is noticed then is the load's.
    pub(crate) control: bool,
    /// The time between two swaps.
    pub(crate) rest: Duration,
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

impl Scale {
    /// For every build.
    pub(crate) fn small() -> Scale {
        Scale {
            crowd: 40,
            steady: 20,
            idle: 0,
            pace: ms(50),
            callers: 8,
            gap: ms(20),
            shout: ms(100),
            requests: 2000,
            swaps: 5,
            control: false,
            rest: ms(200),
        }
    }

    pub(crate) fn full() -> Scale {
        Scale {
            crowd: 500,
            steady: 0,
            pace: ms(100),
            callers: 16,
            gap: ms(20),
            shout: ms(500),
            requests: 50_000,
            swaps: 20,
            control: true,
            rest: ms(500),
            ..Scale::small()
        }
    }

    pub(crate) fn ten_thousand() -> Scale {
        Scale {
            crowd: 0,
            steady: 100,
            idle: 9900,
            pace: ms(20),
            callers: 4,
            shout: ms(5000),
            control: true,
            rest: ms(2000),
            ..Scale::small()
        }
    }

    /// What the environment asks for.
    pub(crate) fn asked_for() -> Scale {
        match std::env::var("DUPLEX_HANDOVER").as_deref() {
            Err(_) | Ok("") => Scale::small(),
            Ok("full") => Scale::full(),
            Ok("10000") => Scale::ten_thousand(),
            Ok(other) => panic!("DUPLEX_HANDOVER is `{other}`, but it has to be `full` or `10000`"),
        }
    }

    /// Everybody.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let crowd = (0..self.crowd).map(|number| Plan::of_crowd(number, self.pace));
        let rest = (self.crowd..self.crowd + self.steady + self.idle).map(|number| {
            let habit = if number < self.crowd + self.steady { Habit::Steady } else { Habit::Idle };
            Plan { number, protocol: number % 2 == 1, habit, pace: self.pace }
        });
        crowd.chain(rest).collect()
    }
}
