//! The name of a connection, unique across processes, which also says where the connection lives.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a connection: a version 7 UUID (RFC 9562 section 5.7), so ids sort by the time they were made and stay
/// unique when connections move between processes.
///
/// Its last byte, random by the RFC, names the shard that owns the connection; nobody has to look that up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(Uuid);

impl ConnectionId {
    /// A fresh id for a connection of `shard`.
    pub(crate) fn new(shard: u8) -> Self {
        let mut bytes = Uuid::now_v7().into_bytes();
        bytes[15] = shard;
        Self(Uuid::from_bytes(bytes))
    }

    /// The shard that owns the connection, in a hub of `shards` shards.
    pub(crate) fn shard(self, shards: usize) -> usize {
        usize::from(self.0.as_bytes()[15]) % shards.max(1)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::str::FromStr for ConnectionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_shard_and_survives_its_text_form() {
        let id = ConnectionId::new(3);
        assert_eq!(id.shard(4), 3);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn ids_of_one_shard_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| ConnectionId::new(0)).collect();
        assert_eq!(ids.len(), 1000);
    }
}
