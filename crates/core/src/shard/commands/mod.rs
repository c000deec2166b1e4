//! The commands of a client of the protocol. They are carried out one after the other:
//!
//! 1. A line is read and checked against what is known on the shard. What is wrong is answered, or ends the connection.
//! 2. The rest is one future, in `carry_out`: the hook decides, then the hub acts.
//! 3. The answer comes by letter, behind everything the hook has sent; then the next line has its turn.

mod carry_out;

use std::{rc::Rc, sync::Arc};

use self::carry_out::Context;
use super::{Connection, Outcome, Shard, session::Stage};
use crate::{
    Channel, ClientInfo, DisconnectCode, ErrorCode, Json, Namespace,
    centrifuge::{
        BadCommand, Command, ConnectRequest, Empty, PublishRequest, Reply, Request, SubRefreshRequest,
        SubscribeRequest,
    },
    hooks::{Calling, HookName, Progress, Publishing, Readable, Reading, Rejection},
};

/// A command that is being carried out.
pub(super) struct Running {
    pub(super) id: u32,
    pub(super) name: HookName,
    pub(super) progress: Progress<Result<Outcome, Rejection>>,
}

/// What a line comes to on the shard.
pub(super) enum Step {
    /// It is done: there is nothing to say, or it has been said.
    Done,
    /// It goes on elsewhere.
    Started(Running),
}

type Checked<T> = Result<T, Rejection>;

impl Shard {
    /// Begins to carry out one line.
    pub(super) fn command(&self, connection: &Rc<Connection>, line: &str) -> Step {
        let (id, request) = match Command::parse(line) {
            Ok(Command { id, request }) => (id, request),
            Err(BadCommand::Several { id }) if id > 0 => {
                return self.refuse(connection, id, ErrorCode::BAD_REQUEST.into());
            }
            Err(error) => {
                log::debug!("connection {} sent a bad command: {error}", connection.socket.id());
                return self.refuse(connection, 0, bad_request());
            }
        };
        if !matches!(request, Request::Pong) {
            connection.note_message();
        }
        match self.check(connection, id, request) {
            Ok(step) => step,
            Err(rejection) => self.refuse(connection, id, rejection),
        }
    }

    fn refuse(&self, connection: &Rc<Connection>, id: u32, rejection: Rejection) -> Step {
        self.answer(connection, id, Err(rejection));
        Step::Done
    }

    /// Whether the command fits the state of the connection; then it is started.
    fn check(&self, connection: &Rc<Connection>, id: u32, request: Request) -> Checked<Step> {
        let connected = connection.session().is_some_and(|session| matches!(session.stage, Stage::Connected));
        let expects_reply = !matches!(request, Request::Pong | Request::Send(_));
        match request {
            _ if expects_reply && id == 0 => Err(bad_request()),
            Request::Connect(request) => self.start_connect(connection, id, request),
            _ if !connected => Err(bad_request()),
            Request::Pong if connection.pong() => Ok(Step::Done),
            Request::Pong => Err(bad_request()),
            Request::Ping(_) => Ok(self.say(connection, id, Reply::Ping(Empty {}))),
            Request::Subscribe(request) => self.start_subscribe(connection, id, request),
            Request::Unsubscribe(request) => {
                if let Ok(channel) = Channel::new(&request.channel) {
                    self.unsubscribe(connection, &channel, None);
                }
                Ok(self.say(connection, id, Reply::Unsubscribe(Empty {})))
            }
            Request::Publish(request) => self.start_publish(connection, id, request),
            Request::Presence(request) => {
                let reading = self.reading(connection, &request.channel, Readable::Presence)?;
                Ok(self.begin(connection, id, HookName::Read, |context| context.presence(reading)))
            }
            Request::PresenceStats(request) => {
                let reading = self.reading(connection, &request.channel, Readable::Presence)?;
                Ok(self.begin(connection, id, HookName::Read, |context| context.presence_stats(reading)))
            }
            Request::History(request) => {
                let reading = self.reading(connection, &request.channel, Readable::History)?;
                Ok(self.begin(connection, id, HookName::Read, |context| context.history(reading, request)))
            }
            Request::Rpc(request) => {
                let calling =
                    Calling { method: request.method, data: request.data.unwrap_or_else(Json::null) };
                Ok(self.begin(connection, id, HookName::Call, |context| context.call(calling)))
            }
            Request::Send(request) => {
                let data = request.data.ok_or_else(bad_request)?;
                Ok(self.begin(connection, id, HookName::Message, |context| context.send(data)))
            }
            Request::Refresh(request) => {
                let refreshable = connection.session().is_some_and(|session| session.refreshable);
                check_refresh(refreshable, &request.token)?;
                Ok(self.begin(connection, id, HookName::Connecting, |context| context.refresh(request.token)))
            }
            Request::SubRefresh(request) => self.start_sub_refresh(connection, id, request),
        }
    }

    /// Says what needs no hook.
    fn say(&self, connection: &Rc<Connection>, id: u32, reply: Reply) -> Step {
        self.answer(connection, id, Ok(Outcome::Reply(reply)));
        Step::Done
    }

    fn start_connect(&self, connection: &Rc<Connection>, id: u32, request: ConnectRequest) -> Checked<Step> {
        let upgraded = connection.session().and_then(|mut session| session.begin_to_connect());
        let upgraded = upgraded.ok_or_else(bad_request)?;
        if request.token.is_empty() {
            // From now on, so that whoever throws this user out throws this connection out, wherever its hook runs.
            connection.socket.identify(upgraded.clone());
        }
        Ok(self.begin(connection, id, HookName::Connecting, |context| context.connect(upgraded, request)))
    }

    fn start_subscribe(
        &self,
        connection: &Rc<Connection>,
        id: u32,
        request: SubscribeRequest,
    ) -> Checked<Step> {
        let (channel, _) = self.channel(&request.channel)?;
        if request.kind != 0 {
            return Err(ErrorCode::NOT_AVAILABLE.into());
        }
        if connection.is_subscribed(&channel) {
            return Err(ErrorCode::ALREADY_SUBSCRIBED.into());
        }
        if connection.subscriptions.borrow().len() >= self.limits.max_channels {
            return Err(ErrorCode::LIMIT_EXCEEDED.into());
        }
        if let Some(mut session) = connection.session() {
            session.begin_subscribing(channel.clone());
        }
        Ok(self.begin(connection, id, HookName::Subscribe, |context| context.subscribe(id, channel, request)))
    }

    fn start_publish(&self, connection: &Rc<Connection>, id: u32, request: PublishRequest) -> Checked<Step> {
        let (channel, _) = self.channel(&request.channel)?;
        let data = request.data.ok_or(ErrorCode::BAD_REQUEST)?;
        let subscribed = connection.is_subscribed(&channel);
        let publishing = Publishing { channel, data, subscribed };
        let info = connection.info_in(&publishing.channel).unwrap_or_else(|| {
            Arc::new(ClientInfo::new(connection.socket.id(), connection.socket.identity(), None))
        });
        Ok(self.begin(connection, id, HookName::Publish, |context| context.publish(publishing, info)))
    }

    fn start_sub_refresh(
        &self,
        connection: &Rc<Connection>,
        id: u32,
        request: SubRefreshRequest,
    ) -> Checked<Step> {
        let (channel, _) = self.channel(&request.channel)?;
        let refreshable = connection.is_refreshable(&channel).ok_or(ErrorCode::PERMISSION_DENIED)?;
        check_refresh(refreshable, &request.token)?;
        let token = request.token;
        Ok(self.begin(connection, id, HookName::Subscribe, |context| context.sub_refresh(channel, token)))
    }

    fn reading(&self, connection: &Rc<Connection>, channel: &str, what: Readable) -> Checked<Reading> {
        let (channel, namespace) = self.channel(channel)?;
        let offered = match what {
            Readable::Presence => namespace.presence,
            Readable::History => namespace.keeps_history(),
        };
        if !offered {
            return Err(ErrorCode::NOT_AVAILABLE.into());
        }
        let subscribed = connection.is_subscribed(&channel);
        Ok(Reading { channel, what, subscribed })
    }

    /// The channel that a client names, and its namespace.
    fn channel(&self, name: &str) -> Checked<(Channel, &Namespace)> {
        let channel = Channel::new(name).map_err(|_| ErrorCode::BAD_REQUEST)?;
        let namespace = self.namespaces().of(&channel).ok_or(ErrorCode::UNKNOWN_CHANNEL)?;
        Ok((channel, namespace))
    }

    /// Starts the future that carries a command out. Until its answer is here, the connection's next command waits.
    fn begin<F>(
        &self,
        connection: &Rc<Connection>,
        id: u32,
        name: HookName,
        future: impl FnOnce(Context) -> F,
    ) -> Step
    where
        F: Future<Output = Result<Outcome, Rejection>> + Send + 'static,
    {
        if let Some(mut session) = connection.session() {
            session.awaits_answer = true;
        }
        let socket = connection.socket.clone();
        let progress = self.runner.start(name, |hooks| Box::pin(future(Context { hooks, socket })));
        Step::Started(Running { id, name, progress })
    }
}

/// What came without a token has none to be refreshed.
fn check_refresh(refreshable: bool, token: &str) -> Result<(), ErrorCode> {
    match (refreshable, token) {
        (false, _) => Err(ErrorCode::NOT_AVAILABLE),
        (true, "") => Err(ErrorCode::BAD_REQUEST),
        (true, _) => Ok(()),
    }
}

/// The client does not speak the protocol: there is nothing to talk about.
fn bad_request() -> Rejection {
    Rejection::disconnect(DisconnectCode::BAD_REQUEST)
}
