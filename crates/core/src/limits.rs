//! The limits of the hub, with their units and defaults, checked once at start.

use std::time::Duration;

/// What a hub allows. Every field has a default that suits a server with some gigabytes of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Open connections in the whole process; further ones get 503. Default 100 000.
    pub max_connections: usize,
    /// Bytes of one message from a client, all its fragments together; more closes with 1009. Default 1 MiB.
    pub max_message_bytes: usize,
    /// Bytes that may wait for one connection before it counts as a slow consumer and is closed with 1013. A message
    /// is admitted when what waits *before* it fits, so one message may be larger than this. Each frame counts 64 bytes
    /// beside its own. Default 1 MiB.
    pub queue_bytes: usize,
    /// Bytes that may wait in the inbox of one shard before publishers have to wait. Default 64 MiB.
    pub inbox_bytes: usize,
    /// How long a publisher waits for room in an inbox before it gets `Overloaded`. Default 5 s.
    pub inbox_deadline: Duration,
    /// Channels that one connection may be subscribed to; a further subscription is refused and logged. Default 1000.
    pub max_channels: usize,
    /// How long one hook may take. Past it `authenticate` refuses, the others close with 1011. Default 10 s.
    pub hook_deadline: Duration,
    /// A hook that holds its thread longer than this in one poll is logged, and runs on the application runtime from
    /// then on. Default 5 ms.
    pub slow_poll: Duration,
    /// A ping goes to a connection that has been silent for this long. Default 25 s.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take before the connection counts as dead. Default 10 s.
    pub pong_timeout: Duration,
    /// A connection whose peer sends no message for this long is closed with 1000. Waiting for a hook does not count.
    /// Default: never.
    pub idle_timeout: Option<Duration>,
    /// How long a closing connection has for the close handshake and its last bytes. Default 5 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_message_bytes: 1 << 20,
            queue_bytes: 1 << 20,
            inbox_bytes: 64 << 20,
            inbox_deadline: Duration::from_secs(5),
            max_channels: 1000,
            hook_deadline: Duration::from_secs(10),
            slow_poll: Duration::from_millis(5),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            idle_timeout: None,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// A limit that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} must be greater than zero")]
pub struct BadLimit {
    name: &'static str,
}

impl Limits {
    /// Checks that every limit leaves room for anything at all.
    ///
    /// # Errors
    /// [`BadLimit`] names the first limit that is zero.
    pub fn check(&self) -> Result<(), BadLimit> {
        let zero_durations = [
            ("inbox_deadline", self.inbox_deadline),
            ("hook_deadline", self.hook_deadline),
            ("slow_poll", self.slow_poll),
            ("ping_interval", self.ping_interval),
            ("pong_timeout", self.pong_timeout),
            ("close_timeout", self.close_timeout),
            ("idle_timeout", self.idle_timeout.unwrap_or(Duration::MAX)),
        ];
        let zero_counts = [
            ("max_connections", self.max_connections),
            ("max_message_bytes", self.max_message_bytes),
            ("queue_bytes", self.queue_bytes),
            ("inbox_bytes", self.inbox_bytes),
            ("max_channels", self.max_channels),
        ];
        let duration = zero_durations.iter().find(|(_, value)| value.is_zero()).map(|(name, _)| *name);
        let count = zero_counts.iter().find(|(_, value)| *value == 0).map(|(name, _)| *name);
        duration.or(count).map_or(Ok(()), |name| Err(BadLimit { name }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_zero_is_named() {
        let limits = Limits { queue_bytes: 0, ..Limits::default() };
        assert_eq!(limits.check(), Err(BadLimit { name: "queue_bytes" }));
    }
}
