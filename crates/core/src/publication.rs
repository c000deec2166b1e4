//! What is published to a channel, and who did.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ConnectionId, Identity, Json};

/// A publication. Cloning one shares its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Its place in the channel's stream; 0 where the channel keeps no history.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// What was published.
    pub data: Json,
    /// The client that published it; nothing when the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Arc<ClientInfo>>,
}

/// A client as others in a channel see it. The names are those of the Centrifuge protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The user; empty for an anonymous connection.
    pub user: String,
    /// The connection.
    pub client: ConnectionId,
    /// What the identity carries: [`Identity::with_info`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_info: Option<Json>,
    /// What the subscription carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chan_info: Option<Json>,
}

impl ClientInfo {
    pub(crate) fn new(client: ConnectionId, identity: &Identity, chan_info: Option<Json>) -> Self {
        Self {
            user: identity.user_id().unwrap_or_default().to_owned(),
            client,
            conn_info: identity.info().cloned(),
            chan_info,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(offset: &u64) -> bool {
    *offset == 0
}
