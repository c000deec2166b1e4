//! The places where a handover can be made to fail, for tests. Release builds have none.

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that hands over.
    Old,
    /// The one that takes over.
    New,
}

/// A place where a process can be made to fail: `DUPLEX_FAIL_AT=<name>:<fault>`.
#[derive(Clone, Copy, Debug)]
pub struct FailPoint {
    /// The process it is in.
    pub side: Side,
    /// Its name.
    pub name: &'static str,
    /// What can happen there.
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
    point(Side::Old, "freeze"),
    point(Side::Old, "frozen"),
    point(Side::Old, "state-sent"),
    point(Side::New, "state-received"),
    point(Side::Old, "socket-sent"),
    point(Side::New, "socket-received"),
    point(Side::New, "before-commit"),
    point(Side::Old, "before-commit-received"),
    point(Side::New, "committed"),
    point(Side::Old, "commit-received"),
    point(Side::New, "started"),
    point(Side::Old, "forwarding"),
];
