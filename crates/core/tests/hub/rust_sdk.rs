//! What an SDK for Rust, `tokio-centrifuge`, can do with the server: the facts of `e2e/sdk` as far as it goes, most under
//! the same names.
//!
//! The SDK has no call for presence, for history, for recovery from a position or for a new token on an open connection.
//! It does not pass on the codes of disconnects, which are therefore looked up on the server, and expects camel case where
//! the protocol has snake case, so that `conn_info` never arrives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duplex_core::{
    DisconnectCode, Ended, ErrorCode, Json, PresenceStats, Socket, TokenKeys, UnsubscribeCode,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_centrifuge::{
    client::{Client as Sdk, RequestError},
    config::Config,
    protocol::{Error, Publication},
    subscription::{State, Subscription},
};

use crate::support::{Client, Plan, Running, serve, within};

const SECRET: &str = "a secret of both sides";
const LONG: Duration = Duration::from_secs(3600);

/// A server that lets clients do everything and knows the secret. Its only remote procedure is `echo`.
fn plan() -> Plan {
    Plan::new()
        .everything()
        .on_call(async |_, call| match call.method.as_str() {
            "echo" => Ok(call.data),
            _ => Err(ErrorCode::METHOD_NOT_FOUND.into()),
        })
        .settings(|settings| settings.tokens = TokenKeys::default().hs256(SECRET))
}

fn sign(claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Data as the SDK takes it.
fn bytes(data: &Value) -> Vec<u8> {
    data.to_string().into_bytes()
}

/// Data as the SDK gives it.
fn value(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap()
}

/// What the SDK tells.
#[derive(Debug, PartialEq)]
enum Event {
    Connecting,
    /// With the name of the connection.
    Connected(String),
    Disconnected,
    Subscribed,
    Unsubscribed(u32, String),
    Published(Box<Publication>),
    Error(String),
}

/// A client of the SDK that remembers what it is told, in order.
struct Visitor {
    sdk: Sdk,
    tell: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
}

impl Visitor {
    /// A client that is not connected yet.
    fn new(server: &Running, token: String) -> Self {
        let url = format!("ws://{}/connection/websocket", server.address);
        let (tell, events) = unbounded_channel();
        // Longer than `within` waits.
        let config = Config::new().with_token(token).with_read_timeout(Duration::from_secs(60));
        let visitor = Self { sdk: Sdk::new(&url, config), tell, events };
        let tell = visitor.teller();
        visitor.sdk.on_connecting(move |_| tell(Event::Connecting));
        let tell = visitor.teller();
        visitor.sdk.on_connected(move |event| tell(Event::Connected(event.client_id.to_owned())));
        let tell = visitor.teller();
        visitor.sdk.on_disconnected(move |_| tell(Event::Disconnected));
        let tell = visitor.teller();
        visitor.sdk.on_error(move |error| tell(Event::Error(error.to_string())));
        visitor
    }

    /// A client that is connected, with a token that says nothing but who it is, and its connection as the hooks see it.
    async fn connected(server: &Running, user: &str) -> (Self, Socket) {
        let mut visitor = Self::new(server, sign(&json!({ "sub": user }), SECRET));
        visitor.connect().await;
        (visitor, server.connected().await)
    }

    fn teller(&self) -> impl Fn(Event) + Send + 'static {
        let tell = self.tell.clone();
        move |event| {
            // A test that has seen enough has no reader any more.
            let _ = tell.send(event);
        }
    }

    /// Connects, and returns the name of the connection. The SDK's future is ready a moment before its state is.
    async fn connect(&mut self) -> String {
        within("the connection", self.sdk.connect().into_future()).await.unwrap();
        self.expect_connection().await
    }

    /// Expects that the SDK connects: the name of the connection.
    async fn expect_connection(&mut self) -> String {
        assert_eq!(self.event().await, Event::Connecting);
        match self.event().await {
            Event::Connected(client) => client,
            other => panic!("wanted a connection, got {other:?}"),
        }
    }

    /// Prepares a subscription.
    fn listener(&self, channel: &str) -> Subscription {
        let subscription = self.sdk.new_subscription(channel);
        let tell = self.teller();
        subscription.on_subscribed(move |_| tell(Event::Subscribed));
        let tell = self.teller();
        subscription
            .on_unsubscribed(move |event| tell(Event::Unsubscribed(event.code, event.reason.to_owned())));
        let tell = self.teller();
        subscription.on_publication(move |publication| tell(Event::Published(Box::new(publication))));
        subscription
    }

    /// Subscribes, and waits until that is done.
    async fn subscribe(&mut self, channel: &str) -> Subscription {
        let subscription = self.listener(channel);
        within("the subscription", subscription.subscribe().into_future()).await.unwrap();
        assert_eq!(self.event().await, Event::Subscribed);
        subscription
    }

    /// The next event.
    async fn event(&mut self) -> Event {
        within("an event", self.events.recv()).await.unwrap()
    }

    /// The next event, which has to be a publication.
    async fn publication(&mut self) -> Publication {
        match self.event().await {
            Event::Published(publication) => *publication,
            other => panic!("wanted a publication, got {other:?}"),
        }
    }

    /// The data of the next publications.
    async fn received(&mut self, count: usize) -> Vec<Value> {
        let mut received = Vec::with_capacity(count);
        while received.len() < count {
            received.push(value(&self.publication().await.data));
        }
        received
    }

    async fn rpc(&self, method: &str, data: &Value) -> Result<Value, RequestError> {
        let answer = within("the answer", self.sdk.rpc(method, bytes(data)).into_future()).await;
        answer.map(|data| value(&data))
    }

    /// What remains to be told. That ends when all tasks of the SDK for this client have, because they own it: it will
    /// not come back. Subscriptions own it too.
    async fn rest(self) -> Vec<Event> {
        let Self { sdk, tell, mut events } = self;
        drop((sdk, tell));
        let mut rest = Vec::new();
        while let Some(event) = within("the end of the SDK's tasks", events.recv()).await {
            rest.push(event);
        }
        rest
    }

    /// Disconnects; nothing else has happened since the last event.
    async fn leave(self) {
        within("the disconnect", self.sdk.disconnect().into_future()).await;
        assert_eq!(self.rest().await, [Event::Disconnected]);
    }
}

#[test]
fn a_token_says_who_is_connected_and_for_how_long() {
    serve(plan(), async |server| {
        let exp = (SystemTime::now() + LONG).duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "sub": "ada", "exp": exp, "info": { "name": "Ada" } });
        let mut ada = Visitor::new(server, sign(&claims, SECRET));
        let client = ada.connect().await;
        let socket = server.connected().await;
        assert_eq!(socket.id().to_string(), client);
        assert_eq!(socket.identity().user_id(), Some("ada"));
        assert_eq!(socket.identity().info().map(Json::as_str), Some(r#"{"name":"Ada"}"#));
        let info = ada.sdk.server_info();
        assert_eq!((info.client_id, info.token_expires), (client, true));
        assert!((1..=3600).contains(&info.token_ttl), "{} s", info.token_ttl);
        assert_eq!((info.server_ping, info.send_pong), (25, true));
        ada.leave().await;
    });
}

#[test]
fn without_a_token_the_user_is_nobody() {
    serve(plan(), async |server| {
        let mut nobody = Visitor::new(server, String::new());
        nobody.connect().await;
        assert_eq!(server.connected().await.identity().user_id(), None);
        nobody.leave().await;
    });
}

#[test]
fn a_forged_token_is_refused_for_good() {
    serve(plan(), async |server| {
        let mut forger = Visitor::new(server, sign(&json!({ "sub": "ada" }), "another secret"));
        assert_eq!(within("the refusal", forger.sdk.connect().into_future()).await, Err(()));
        assert_eq!(forger.event().await, Event::Connecting);
        assert_eq!(forger.rest().await, []);
        assert!(!server.has_seen_a_connection().await);
    });
}

#[test]
fn a_publication_comes_back_to_its_publisher() {
    serve(plan(), async |server| {
        let (mut ada, socket) = Visitor::connected(server, "ada").await;
        let news = ada.subscribe("news").await;
        let data = json!({ "text": "grüß dich", "numbers": [1, 2.5, -3] });
        within("the reply", news.publish(bytes(&data)).into_future()).await.unwrap();
        let publication = ada.publication().await;
        assert_eq!((publication.offset, value(&publication.data)), (1, data));
        let info = publication.info.unwrap();
        assert_eq!((info.user, info.client), ("ada".to_owned(), socket.id().to_string()));
        drop(news);
        ada.leave().await;
    });
}

#[test]
fn publications_reach_every_subscriber_in_order() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        let (mut bob, _) = Visitor::connected(server, "bob").await;
        ada.subscribe("news").await;
        bob.subscribe("news").await;
        let numbers: Vec<_> = (0..50).map(Value::from).collect();
        // The SDK sends those that wait as one message, a command to a line.
        let replies: Vec<_> =
            numbers.iter().map(|number| ada.sdk.publish("news", bytes(number)).into_future()).collect();
        for reply in replies {
            within("a reply", reply).await.unwrap();
        }
        assert_eq!(ada.received(50).await, numbers);
        assert_eq!(bob.received(50).await, numbers);
        ada.leave().await;
        bob.leave().await;
    });
}

#[test]
fn an_unknown_namespace_ends_the_subscription() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        let nowhere = ada.listener("nowhere:news");
        assert_eq!(within("the refusal", nowhere.subscribe().into_future()).await, Err(()));
        let ErrorCode { code, message, .. } = ErrorCode::UNKNOWN_CHANNEL;
        assert_eq!(ada.event().await, Event::Unsubscribed(code.into(), message.to_owned()));
        drop(nowhere);
        ada.leave().await;
    });
}

#[test]
fn a_remote_procedure_returns_what_it_is_given() {
    serve(plan(), async |server| {
        let (ada, _) = Visitor::connected(server, "ada").await;
        let data = json!({ "text": "grüß dich", "nested": [{ "deep": true }, null] });
        assert_eq!(ada.rpc("echo", &data).await.unwrap(), data);
        ada.leave().await;
    });
}

#[test]
fn an_unknown_remote_procedure_is_an_error_that_the_connection_survives() {
    serve(plan(), async |server| {
        let (ada, _) = Visitor::connected(server, "ada").await;
        let answer = ada.rpc("nothing of that name", &json!({})).await;
        let Err(RequestError::ErrorResponse(error)) = answer else {
            panic!("wanted an error, got {answer:?}")
        };
        let ErrorCode { code, message, temporary } = ErrorCode::METHOD_NOT_FOUND;
        assert_eq!(error, Error { code: code.into(), message: message.to_owned(), temporary });
        assert_eq!(ada.rpc("echo", &json!("still here")).await.unwrap(), "still here");
        ada.leave().await;
    });
}

#[test]
fn pings_are_answered_as_the_server_wants_it() {
    // On one shard all pings are due by the same clock.
    let plan = plan().settings(|settings| settings.shards = 1).limits(|limits| {
        limits.ping_interval = Duration::from_millis(50);
        limits.pong_timeout = Duration::from_secs(2);
    });
    serve(plan, async |server| {
        let (ada, _) = Visitor::connected(server, "ada").await;
        // This one came later, answers nothing, and is given up.
        let mut silent = Client::connected(server).await;
        silent.expect_disconnect(DisconnectCode::NO_PONG.code).await;
        assert_eq!(ada.rpc("echo", &json!("still here")).await.unwrap(), "still here");
        ada.leave().await;
    });
}

#[test]
fn a_dropped_client_comes_back_by_itself_and_is_told_what_follows() {
    serve(plan(), async |server| {
        let (mut ada, before) = Visitor::connected(server, "ada").await;
        ada.subscribe("news").await;
        server.hub.publish("news", "before").await.unwrap();
        assert_eq!(ada.received(1).await, ["before"]);
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_RECONNECT).await.unwrap();
        let client = ada.expect_connection().await;
        let (gone, ended) = server.disconnected().await;
        assert_eq!(
            (gone.id(), ended),
            (before.id(), Ended::ByServer(DisconnectCode::FORCE_RECONNECT.into()))
        );
        let after = server.connected().await;
        assert_eq!((after.id().to_string(), after.identity().user_id()), (client, Some("ada")));
        assert_ne!(after.id(), before.id());
        assert_eq!(ada.event().await, Event::Subscribed);
        server.hub.publish("news", "after").await.unwrap();
        assert_eq!(ada.received(1).await, ["after"]);
        ada.leave().await;
    });
}

#[test]
fn a_client_that_is_thrown_out_stays_out() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        ada.subscribe("news").await;
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_NO_RECONNECT).await.unwrap();
        assert_eq!(server.ended().await, Ended::ByServer(DisconnectCode::FORCE_NO_RECONNECT.into()));
        assert_eq!(ada.rest().await, [Event::Disconnected]);
        assert!(!server.has_seen_a_connection().await);
    });
}

#[test]
fn the_server_ends_a_subscription_of_the_client() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        let news = ada.subscribe("news").await;
        server.hub.unsubscribe_user("ada", "news").await.unwrap();
        let UnsubscribeCode { code, reason } = UnsubscribeCode::SERVER;
        assert_eq!(ada.event().await, Event::Unsubscribed(code.into(), reason.to_owned()));
        assert_eq!(news.state(), State::Unsubscribed);
        drop(news);
        ada.leave().await;
    });
}

#[test]
fn a_client_unsubscribes_and_subscribes_again() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        let news = ada.subscribe("news").await;
        server.hub.publish("news", "one").await.unwrap();
        assert_eq!(ada.received(1).await, ["one"]);
        assert_present(server, 1).await;
        within("the reply", news.unsubscribe().into_future()).await;
        assert_eq!(ada.event().await, Event::Unsubscribed(0, "unsubscribe called".to_owned()));
        assert_present(server, 0).await;
        server.hub.publish("news", "two").await.unwrap();
        within("the subscription", news.subscribe().into_future()).await.unwrap();
        assert_eq!(ada.event().await, Event::Subscribed);
        server.hub.publish("news", "three").await.unwrap();
        assert_eq!(ada.received(1).await, ["three"]);
        drop(news);
        ada.leave().await;
    });
}

#[test]
fn a_client_that_disconnects_is_gone() {
    serve(plan(), async |server| {
        let (mut ada, _) = Visitor::connected(server, "ada").await;
        ada.subscribe("news").await;
        server.hub.publish("news", "one").await.unwrap();
        assert_eq!(ada.received(1).await, ["one"]);
        assert_present(server, 1).await;
        ada.leave().await;
        assert_eq!(server.ended().await, Ended::ByPeer(None));
        assert_present(server, 0).await;
    });
}

#[test]
fn what_the_sdk_has_no_use_for_does_not_disturb_it() {
    let plan = plan().on_connect(async |socket| Ok(socket.subscribe("welcome").await?));
    serve(plan, async |server| {
        let (ada, _) = Visitor::connected(server, "ada").await;
        let hub = &server.hub;
        hub.publish("welcome", "in the reply to the connect command").await.unwrap();
        hub.send_user("ada", "a message").await.unwrap();
        hub.subscribe_user("ada", "pushed").await.unwrap();
        hub.publish("pushed", "for a subscription of the server").await.unwrap();
        hub.unsubscribe_user("ada", "pushed").await.unwrap();
        hub.refresh_user("ada", Some(SystemTime::now() + LONG)).await.unwrap();
        assert_eq!(ada.rpc("echo", &json!("still here")).await.unwrap(), "still here");
        ada.leave().await;
    });
}

/// Expects that so many are subscribed to `news`, as the server sees it.
async fn assert_present(server: &Running, clients: usize) {
    let stats = server.hub.presence_stats("news").await.unwrap();
    assert_eq!(stats, PresenceStats { clients, users: clients });
}
