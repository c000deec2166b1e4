//! What a run has shown, for people.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use crate::ledger::Counts;

/// A swap, as it was seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    pub(crate) number: u32,
    /// Nobody took over, so that what was noticed is the load's.
    pub(crate) control: bool,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// From the start of the new process to the end of the old one.
    pub(crate) took: Duration,
    /// Until everybody was answered who said something after it.
    pub(crate) settled: Duration,
    /// Clients that were in the middle of something.
    pub(crate) prepared: usize,
    /// How long it took them to get there.
    pub(crate) preparing: Duration,
    /// Bytes owed to those who did not read that no kernel held.
    pub(crate) unsent: u64,
    /// How long nobody had the sockets, as the old process says.
    pub(crate) frozen: String,
    /// Messages answered meanwhile.
    pub(crate) messages: u64,
    pub(crate) requests: u64,
}

/// Everything about a run.
pub(crate) struct Report {
    pub(crate) sockets: usize,
    pub(crate) counts: Counts,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) shouts: u64,
    pub(crate) swaps: Vec<Swap>,
    /// By swap: the longest that each client waited for an answer whose silence is the server's alone.
    pub(crate) waited: Vec<Vec<Duration>>,
    /// The first things that were wrong, in words.
    pub(crate) complaints: Vec<String>,
}

impl Swap {
    fn kind(&self) -> &'static str {
        if self.control { "control" } else { "swap" }
    }
}

impl Report {
    /// Everything that must not be.
    pub(crate) fn wrong(&self) -> u64 {
        self.failed + self.counts.wrong()
    }
}

/// Some numbers out of many times.
struct Spread(Vec<Duration>);

impl Spread {
    fn of(times: impl Iterator<Item = Duration>) -> Spread {
        let mut times: Vec<_> = times.collect();
        times.sort();
        Spread(times)
    }

    fn at(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        let index = (last * part).ceil() as usize;
        self.0.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

impl Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} / {:.1} / {:.1}", self.at(0.5), self.at(0.99), self.at(1.0))
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (swap, waited) in self.swaps.iter().zip(&self.waited) {
            let silence = Spread::of(waited.iter().copied());
            writeln!(
                formatter,
                "{} {}: pid {} to {}, {} sockets, {} messages, {} requests; start to old gone {} ms, \
                 settled {} ms; frozen for {}; {} in the middle of something, got there in {} ms, {} bytes unsent; \
                 silence p50/p99/max {silence} ms",
                swap.kind(),
                swap.number,
                swap.from,
                swap.to,
                self.sockets,
                swap.messages,
                swap.requests,
                swap.took.as_millis(),
                swap.settled.as_millis(),
                swap.frozen,
                swap.prepared,
                swap.preparing.as_millis(),
                swap.unsent
            )?;
        }
        for kind in ["control", "swap"] {
            let of_kind = self.swaps.iter().zip(&self.waited).filter(|(swap, _)| swap.kind() == kind);
            let waited: Vec<_> = of_kind.map(|(_, waited)| Spread::of(waited.iter().copied())).collect();
            for (name, part) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                let silence = waited.iter().map(|waited| Duration::from_secs_f64(waited.at(part) / 1e3));
                let silence = Spread::of(silence);
                let (median, most) = (silence.at(0.5), silence.at(1.0));
                writeln!(
                    formatter,
                    "{} times {kind}, {name} over clients: silence median {median:.1} ms, at most {most:.1} ms",
                    waited.len()
                )?;
            }
        }
        for complaint in &self.complaints {
            writeln!(formatter, "{complaint}")?;
        }
        let Counts { sent, echoed, lost, duplicated, reordered, damaged, closed, misheard, strange } =
            &self.counts;
        write!(
            formatter,
            "{} sockets, {sent} messages sent, {echoed} echoed, {lost} lost, {duplicated} duplicated, \
             {reordered} reordered, {damaged} damaged, {closed} closed, {strange} strange; \
             {} messages to everybody, {misheard} misheard; {} requests, {} failed",
            self.sockets,
            self.shouts,
            self.requests + self.failed,
            self.failed
        )
    }
}
