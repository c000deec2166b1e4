//! How commands are carried out: on whatever thread, with the connection known by its [`Socket`] only.

use std::{sync::Arc, time::SystemTime};

use super::super::{Outcome, Terms};
use crate::{
    Channel, ClientInfo, DisconnectCode, ErrorCode, HubError, Identity, Json, Message, Since, Socket,
    centrifuge::{
        ConnectRequest, Empty, HistoryRequest, HistoryResult, Object, PresenceResult, PresenceStatsResult,
        REJECT_UNRECOVERED, Reply, RpcResult, SubscribeRequest,
    },
    hooks::{Calling, Connecting, ErasedHooks, Publishing, Reading, Rejection, Subscribing},
    hub::{HistoryQuery, Joining, Missing, ReadLimits, Target},
};

/// Who asks, and who decides.
pub(super) struct Context {
    pub(super) hooks: Arc<dyn ErasedHooks>,
    pub(super) socket: Socket,
}

type Carried = Result<Outcome, Rejection>;

impl Context {
    /// `upgraded` is who the upgrade request named; a token says it anew.
    pub(super) async fn connect(self, upgraded: Identity, request: ConnectRequest) -> Carried {
        let Self { hooks, socket } = self;
        let (identity, channels) = match request.token.as_str() {
            "" => (upgraded, Vec::new()),
            token => {
                let token = socket.hub().settings().tokens.connection(token)?;
                (token.identity, token.channels)
            }
        };
        let refreshable = !request.token.is_empty();
        let expires = identity.expires();
        check_expiry(expires, refreshable)?;
        socket.identify(identity);
        let positions = request.subs.into_iter().filter(|(_, Object(sub))| sub.recover);
        let positions = Arc::new(positions.map(|(channel, Object(sub))| (channel, position(&sub))).collect());
        let socket = socket.returning(&positions);
        let connecting = Connecting { data: request.data, name: request.name, version: request.version };
        let connected = hooks.on_connecting(&socket, connecting).await?;
        for channel in channels {
            socket.subscribe(channel.as_str()).await?;
        }
        socket.open();
        hooks.on_connect(socket).await.map_err(Rejection::failed)?;
        Ok(Outcome::Connect { data: connected.data, expires, refreshable })
    }

    pub(super) async fn subscribe(
        self,
        command: u32,
        channel: Channel,
        request: SubscribeRequest,
    ) -> Carried {
        let Self { hooks, socket } = self;
        let since = request.recover.then(|| position(&request));
        let terms = Terms { command: Some(command), join_leave: request.join_leave, ..Terms::default() };
        let terms = if request.token.is_empty() {
            let subscribing =
                Subscribing { channel: channel.clone(), data: request.data, recovering: request.recover };
            let grant = hooks.on_subscribe(&socket, subscribing).await?;
            Terms { expires: grant.expires, info: grant.info, data: grant.data, ..terms }
        } else {
            let token = socket.hub().settings().tokens.subscription(&request.token, &socket, &channel)?;
            Terms { expires: token.expires, info: token.info, refreshable: true, ..terms }
        };
        check_expiry(terms.expires, terms.refreshable)?;
        let joining = Joining {
            target: Target::Connection(socket.id()),
            channel,
            since,
            positioned: request.positioned || request.recoverable || request.recover,
            all_or_nothing: request.flag & REJECT_UNRECOVERED != 0,
            terms,
        };
        match socket.hub().join(joining).await? {
            Ok(()) => Ok(Outcome::Posted),
            Err(Missing) => Err(ErrorCode::UNRECOVERABLE_POSITION.into()),
        }
    }

    pub(super) async fn publish(self, publishing: Publishing, info: Arc<ClientInfo>) -> Carried {
        let channel = publishing.channel.clone();
        let data = self.hooks.on_publish(&self.socket, publishing).await?;
        self.socket.hub().publish_json(&channel, data, Some(info)).await?;
        Ok(Outcome::Reply(Reply::Publish(Empty {})))
    }

    pub(super) async fn presence(self, reading: Reading) -> Carried {
        let channel = reading.channel.clone();
        self.hooks.on_read(&self.socket, reading).await?;
        let present = self.socket.hub().read_presence(&channel).await?;
        let presence = present.into_iter().map(|info| (info.client, info)).collect();
        Ok(Outcome::Reply(Reply::Presence(PresenceResult { presence })))
    }

    pub(super) async fn presence_stats(self, reading: Reading) -> Carried {
        let channel = reading.channel.clone();
        self.hooks.on_read(&self.socket, reading).await?;
        let stats = self.socket.hub().read_presence_stats(&channel).await?;
        let result = PresenceStatsResult { num_clients: stats.clients, num_users: stats.users };
        Ok(Outcome::Reply(Reply::PresenceStats(result)))
    }

    pub(super) async fn history(self, reading: Reading, request: HistoryRequest) -> Carried {
        let channel = reading.channel.clone();
        self.hooks.on_read(&self.socket, reading).await?;
        let hub = self.socket.hub();
        let query = HistoryQuery {
            since: request.since.map(|Object(since)| since),
            limit: usize::try_from(request.limit).ok(),
            reverse: request.reverse,
        };
        let limits = &hub.settings().limits;
        let limits = ReadLimits { publications: limits.max_history, bytes: limits.max_history_bytes };
        let history = match hub.read_history(&channel, &query, limits).await {
            Ok(history) => history,
            Err(HubError::Unrecoverable) => return Err(ErrorCode::UNRECOVERABLE_POSITION.into()),
            Err(error) => return Err(error.into()),
        };
        let result = HistoryResult {
            publications: history.publications,
            epoch: history.top.epoch,
            offset: history.top.offset,
        };
        Ok(Outcome::Reply(Reply::History(result)))
    }

    pub(super) async fn call(self, calling: Calling) -> Carried {
        let data = self.hooks.on_call(&self.socket, calling).await?;
        Ok(Outcome::Reply(Reply::Rpc(RpcResult { data })))
    }

    pub(super) async fn send(self, data: Json) -> Carried {
        let message = Message::from(data.as_str());
        self.hooks.on_message(self.socket, message).await.map_err(Rejection::failed)?;
        Ok(Outcome::Silent)
    }

    pub(super) async fn refresh(self, token: String) -> Carried {
        let token = self.socket.hub().settings().tokens.connection(&token)?;
        if token.identity.user_id() != self.socket.identity().user_id() {
            return Err(Rejection::disconnect(DisconnectCode::INVALID_TOKEN));
        }
        let expires = token.identity.expires();
        check_expiry(expires, true)?;
        Ok(Outcome::Refresh { expires })
    }

    pub(super) async fn sub_refresh(self, channel: Channel, token: String) -> Carried {
        let tokens = &self.socket.hub().settings().tokens;
        let token = tokens.subscription(&token, &self.socket, &channel)?;
        check_expiry(token.expires, true)?;
        Ok(Outcome::SubRefresh { channel, expires: token.expires })
    }
}

fn position(request: &SubscribeRequest) -> Since {
    Since { epoch: request.epoch.clone(), offset: request.offset }
}

/// A token that has ended since it was read is as old as one that had ended before.
fn check_expiry(expires: Option<SystemTime>, by_token: bool) -> Result<(), ErrorCode> {
    match expires {
        Some(expires) if expires > SystemTime::now() => Ok(()),
        Some(_) if by_token => Err(ErrorCode::TOKEN_EXPIRED),
        Some(_) => Err(ErrorCode::EXPIRED),
        None => Ok(()),
    }
}
