//! The limits of the hub, with their units and defaults, checked once at start.

use std::time::Duration;

/// What a hub allows. Every field has a default that suits a server with some gigabytes of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Open connections in the whole process; further ones get 503. Default 100 000.
    pub max_connections: usize,
    /// Bytes of one message from a client, all its fragments together; more closes with 1009. Default 1 MiB.
    pub max_message_bytes: usize,
    /// Bytes that may wait for one connection before it counts as a slow consumer and is closed with 1013, or 3008 for a
    /// client of the protocol. A message
    /// is admitted when what waits *before* it fits, so one message may be larger than this. Each frame counts 64 bytes
    /// beside its own. Default 1 MiB.
    pub queue_bytes: usize,
    /// Bytes that may wait in the inbox of one shard before publishers have to wait. Default 64 MiB.
    pub inbox_bytes: usize,
    /// How long a publisher waits for room in an inbox before it gets `Overloaded`. Default 5 s.
    pub inbox_deadline: Duration,
    /// Channels that one connection may be subscribed to. A client that asks for more gets error 106; a further
    /// subscription by the server is left out and logged. Default 1000.
    pub max_channels: usize,
    /// Publications that one subscription may recover; a client that has missed more is told that it has not recovered.
    /// Default 300.
    pub max_recovery: usize,
    /// Bytes of data that one subscription may recover, and all subscriptions in the reply to one connect command
    /// together. Keep it well below [`queue_bytes`](Self::queue_bytes), or a client that recovers much is closed as slow
    /// for it. Default 512 KiB.
    pub max_recovery_bytes: usize,
    /// Publications that a client may read of a channel's history at once. Default 300.
    pub max_history: usize,
    /// Bytes of data that a client may read of a channel's history at once; one publication it gets in any case. Default
    /// 512 KiB.
    pub max_history_bytes: usize,
    /// How long a client of the protocol may take from the opening of its socket to its connect command, before it is
    /// closed with 3502. Default 15 s.
    pub connect_timeout: Duration,
    /// How much longer than its token a connection or a subscription lives, for the client to bring a new one.
    /// Default 25 s.
    pub refresh_grace: Duration,
    /// How long one hook may take. Past it `authenticate` refuses, a command is answered with error 100, and the others
    /// close with 1011 or 3004. Default 10 s.
    pub hook_deadline: Duration,
    /// A hook that holds its thread longer than this in one poll is logged, and runs on the application runtime from
    /// then on. Default 5 ms.
    pub slow_poll: Duration,
    /// A ping goes to a raw socket that has been silent for this long, and to a client of the protocol this often. Default
    /// 25 s.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take before the connection counts as dead. Default 10 s.
    pub pong_timeout: Duration,
    /// A connection whose peer sends no message, or no command, for this long is closed with 1000, or 3502 for a client of
    /// the protocol. Waiting for a hook does not count.
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
            max_recovery: 300,
            max_recovery_bytes: 512 << 10,
            max_history: 300,
            max_history_bytes: 512 << 10,
            connect_timeout: Duration::from_secs(15),
            refresh_grace: Duration::from_secs(25),
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
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout.unwrap_or(Duration::MAX)),
        ];
        let zero_counts = [
            ("max_connections", self.max_connections),
            ("max_message_bytes", self.max_message_bytes),
            ("queue_bytes", self.queue_bytes),
            ("inbox_bytes", self.inbox_bytes),
            ("max_channels", self.max_channels),
            ("max_history", self.max_history),
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
