//! What crosses between two processes: it has a shape, and the shape a version; and what of it crosses when.

use std::{
    collections::BTreeMap,
    io::{Read as _, Seek as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Delivery, Greeted, HandoverError, Intent, Packed, Refusal, Rest, STATE_VERSION,
    errands::RunningHooks,
    message::{Answered, Failure, Hello, HookEnd, Question, ToNew, ToOld, Welcome},
    peer::Peer,
    send_ahead,
    wire::{Wire, read},
};
use crate::{
    Channel, ClientInfo, ConnectionId, Grant, HistoryQuery, HookResult, Hooks, Hub, Identity, JoinLeave,
    Json, Message, Namespace, Namespaces, Recovery, Rejection, Settings, Since, Socket, Subscribing, Target,
    Verb,
    codec::{self, Decoder, Opcode},
    hub::{Joining, ReadLimits, STREAMS_VERSION},
    shard::{ConnectionState, Dialect, Incoming, Newcomer, NewcomerState, TaskState, Terms},
};

/// The shape of everything that crosses, for [`STATE_VERSION`], and of what channels keep, for [`STREAMS_VERSION`], of which
/// a change changes the other one as well. If the test fails because the shape was changed: raise the version, here too,
/// and write to the file what the test says.
const STATE: (u32, &str) = (2, include_str!("state.shape"));
const STREAMS: (u32, &str) = (1, include_str!("streams.shape"));

/// Tells how far clients have come.
struct Telling(Arc<Semaphore>);

impl Hooks for Telling {
    async fn on_message(&self, _: &Socket, _: Message) -> HookResult {
        self.0.add_permits(1);
        Ok(())
    }

    async fn on_subscribe(&self, _: &Socket, asked: Subscribing) -> Result<Grant, Rejection> {
        if asked.channel.as_str() == "slow" {
            self.0.add_permits(1);
            std::future::pending::<()>().await;
        }
        Ok(Grant::default())
    }
}

#[test]
fn what_crosses_has_the_shape_of_its_version() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (state, streams) = runtime.block_on(async {
        let everything = Namespace {
            history_size: 10,
            recovery: Recovery::Forced,
            presence: true,
            join_leave: JoinLeave::On,
            ..Namespace::default()
        };
        let namespaces = Namespaces::default().without_namespace(everything);
        let (hub, unstarted) =
            Hub::prepare(Settings { namespaces, shards: 1, ..Settings::default() }).unwrap();
        let told = Arc::new(Semaphore::new(0));
        hub.run(unstarted, Telling(Arc::clone(&told))).unwrap();
        let mut raw = client(&hub, Dialect::Raw);
        let mut protocol = client(&hub, Dialect::Centrifuge);
        // Behind a whole message, one in two frames, the second of which is cut.
        let cut = &frame(true, Opcode::Continuation, b"here")[..8];
        raw.write_all(
            &[&frame(true, Opcode::Text, b"whole"), &frame(false, Opcode::Text, b"cut")[..], cut].concat(),
        )
        .unwrap();
        // The command behind the slow one waits.
        for command in [
            r#"{"id":1,"connect":{}}"#,
            r#"{"id":2,"subscribe":{"channel":"lobby"}}"#,
            "{\"id\":3,\"subscribe\":{\"channel\":\"slow\"}}\n{\"id\":4,\"ping\":{}}",
        ] {
            protocol.write_all(&frame(true, Opcode::Text, command.as_bytes())).unwrap();
        }
        let _both = told.acquire_many(2).await.unwrap();
        hub.publish("lobby", "kept").await.unwrap();
        hub.freeze().await;
        let (mut streams, mut state) = (Shape::default(), Shape::default());
        streams.add("Hub", &ToNew::Hub { fresh: hub.fresh_epoch() });
        for part in hub.stream_states().filter(|part| !part.is_empty()) {
            streams.add("Streams", &ToNew::Streams(part));
        }
        what_old_is_told().iter().for_each(|message| state.add("ToOld", message));
        what_new_is_told().iter().for_each(|message| state.add("ToNew", message));
        let (packed, mut batches) = mpsc::channel(1);
        hub.pack(&packed, usize::MAX);
        drop(packed);
        while let Some(batch) = batches.recv().await {
            let Packed { parcels, mut file, .. } = batch.unwrap();
            file.rewind().unwrap();
            for parcel in &parcels {
                let mut next = |length| {
                    let mut bytes = vec![0; length];
                    file.read_exact(&mut bytes).unwrap();
                    bytes
                };
                let (connection, task) = read::<(ConnectionState, TaskState)>(&next(parcel.state)).unwrap();
                state.add("Connection", &connection);
                state.add("Task", &task);
                state.add("Decoder", &read::<Decoder>(&next(parcel.decoder)).unwrap());
            }
            state.add("ToNew", &ToNew::Connections(parcels));
        }
        (state.to_string(), streams.to_string())
    });
    let versions = [STATE_VERSION, STREAMS_VERSION];
    assert_eq!([STATE.0, STREAMS.0], versions, "a shape belongs to another version");
    for (shape, expected, file) in [(state, STATE.1, "state.shape"), (streams, STREAMS.1, "streams.shape")] {
        assert!(
            shape == expected,
            "what crosses has changed: raise the version, and write this to {file}:\n{shape}"
        );
    }
}

#[test]
fn connections_that_are_not_what_the_message_says_are_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (hub, unstarted) = Hub::prepare(Settings { shards: 1, ..Settings::default() }).unwrap();
        hub.run(unstarted, Telling(Arc::new(Semaphore::new(0)))).unwrap();
        let _clients = [client(&hub, Dialect::Raw), client(&hub, Dialect::Raw)];
        hub.freeze().await;
        let packed = async |most_sockets| {
            let (packed, mut batches) = mpsc::channel(2);
            hub.pack(&packed, most_sockets);
            drop(packed);
            let mut all = Vec::new();
            while let Some(batch) = batches.recv().await {
                all.push(batch.unwrap());
            }
            all
        };
        let one_each: Vec<_> = packed(1).await.iter().map(|batch| batch.sockets.len()).collect();
        assert_eq!(one_each, [1, 1]);
        let mut hooks = RunningHooks::new(tokio::runtime::Handle::current(), Duration::from_secs(1));
        let mut take_in = |batch: Packed, sockets| {
            let mut descriptors = vec![batch.file.into()];
            descriptors.extend(batch.sockets.into_iter().take(sockets));
            Delivery::new(batch.parcels, descriptors, &hub, &mut hooks).map(|delivery| delivery.len())
        };
        let mut whole = packed(10).await;
        assert_eq!(take_in(whole.remove(0), 2).unwrap(), 2);
        let missing = take_in(packed(10).await.remove(0), 1);
        assert!(matches!(missing, Err(HandoverError::Miscounted { announced: 2, arrived: 1 })));
        let cut = packed(10).await.remove(0);
        cut.file.set_len(cut.file.metadata().unwrap().len() - 1).unwrap();
        assert!(matches!(take_in(cut, 2), Err(HandoverError::HungUp)));
        let mut long = packed(10).await.remove(0);
        long.parcels[0].unsent = usize::MAX;
        assert!(take_in(long, 2).is_err());
    });
}

#[test]
fn what_is_much_is_left_in_the_file() {
    const HALF: usize = 20_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (hub, unstarted) = Hub::prepare(Settings { shards: 1, ..Settings::default() }).unwrap();
        hub.run(unstarted, Telling(Arc::new(Semaphore::new(0)))).unwrap();
        let (_idle, mut busy) = (client(&hub, Dialect::Raw), client(&hub, Dialect::Raw));
        busy.write_all(&frame(true, Opcode::Binary, &[b'x'; 2 * HALF])[..HALF]).unwrap();
        // Until all of it has come.
        let packed = loop {
            hub.freeze().await;
            let (packed, mut batches) = mpsc::channel(1);
            hub.pack(&packed, usize::MAX);
            let batch = batches.recv().await.unwrap().unwrap();
            if batch.parcels.iter().any(|parcel| parcel.decoder >= HALF) {
                break batch;
            }
            hub.resume();
        };
        let mut hooks = RunningHooks::new(tokio::runtime::Handle::current(), Duration::from_secs(1));
        let mut descriptors = vec![packed.file.into()];
        descriptors.extend(packed.sockets);
        let delivery = Delivery::new(packed.parcels, descriptors, &hub, &mut hooks).unwrap();
        let decoders = delivery.unpack().unwrap().map(|(_, unpacked)| unpacked.unwrap().decoder);
        let mut held: Vec<_> = decoders
            .map(|decoder| match decoder {
                Rest::Read(decoder) => (false, decoder.heap_bytes()),
                Rest::Late(part) => (true, part.value::<Decoder>().unwrap().heap_bytes()),
            })
            .collect();
        held.sort_unstable();
        assert_eq!(held[0], (false, 0));
        assert!(held.len() == 2 && held[1].0 && held[1].1 >= HALF - 100, "{held:?}");
    });
}

#[test]
fn what_channels_keep_is_sent_while_the_hub_serves() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let keeping = Namespace { history_size: 10, ..Namespace::default() };
        let namespaces = Namespaces::default().without_namespace(keeping);
        let (hub, unstarted) =
            Hub::prepare(Settings { namespaces, shards: 1, ..Settings::default() }).unwrap();
        hub.run(unstarted, Telling(Arc::new(Semaphore::new(0)))).unwrap();
        let published = hub.publish("lobby", "kept").await.unwrap();
        let sent_to = |intent| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let (wire, mut theirs) = (Wire::new(ours).unwrap(), Wire::new(theirs).unwrap());
            let peer = Peer::of(&wire, 1);
            drop(send_ahead(Greeted { wire, peer, number: 1, intent, process: 1 }, &hub).unwrap());
            let messages = std::iter::from_fn(|| theirs.receive::<ToNew>().unwrap());
            messages.map(|(message, _)| message).collect::<Vec<_>>()
        };
        let sent = sent_to(Intent::TakeOver);
        let [ToNew::Hub { .. }, ToNew::Streams(streams)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(streams.iter().map(|stream| Some(stream.position())).collect::<Vec<_>>(), [published]);
        assert_eq!(hub.publish("lobby", "more").await.unwrap().unwrap().offset, 2);
        // A process of another version would not know that the rest comes later.
        assert!(sent_to(Intent::TakeStreams).is_empty());
    });
}

/// One of each kind, filled. A kind that is added to [`ToOld`] is to be added here: the match says so.
fn what_old_is_told() -> Vec<ToOld> {
    let all = vec![
        ToOld::Hello(Hello { version: 1, streams: 1, process: 1, descriptors: 1 }),
        ToOld::Ready { descriptors: 1 },
        ToOld::Replace,
        ToOld::Taken(1),
        ToOld::Commit,
        ToOld::Started,
        ToOld::Answer { number: 1, answer: Ok(Bytes::from_static(b"answer")) },
        ToOld::Answer { number: 1, answer: Err(Failure::NoHistory(channel())) },
    ];
    for one in &all {
        match one {
            ToOld::Hello(_) | ToOld::Ready { .. } | ToOld::Replace | ToOld::Taken(_) => {}
            ToOld::Commit | ToOld::Started | ToOld::Answer { .. } => {}
        }
    }
    all
}

/// The same for [`ToNew`]; what channels keep, and connections, are real ones.
fn what_new_is_told() -> Vec<ToNew> {
    let (connection, json) = (ConnectionId::new(0), Json::string("text"));
    let identity = || Identity::user("ada").with_info(serde_json::json!({ "name": "Ada" }));
    let welcome = Welcome { version: 1, streams: 1, process: 1, build: Some("build".to_owned()) };
    let early = Bytes::from_static(b"early");
    let newcomer =
        NewcomerState { id: connection, dialect: Dialect::Raw, identity: identity(), peer: None, early };
    let command = HookEnd::Command {
        result: Ok(Answered::Connect { data: Some(json), expires: Some(UNIX_EPOCH), refreshable: true }),
        identity: identity(),
        opened: true,
    };
    let mut all = vec![
        ToNew::Welcome(welcome),
        ToNew::Refused(Refusal::Descriptors { needed: 1, available: 1 }),
        ToNew::Luggage("name".to_owned(), Bytes::from_static(b"packed")),
        ToNew::Forgotten(vec![channel()]),
        ToNew::Complete { sockets: 1 },
        ToNew::HookEnded { connection, ended: HookEnd::Hook(Err("why".to_owned())) },
        ToNew::HookEnded { connection, ended: command },
        ToNew::Newcomer(newcomer),
        ToNew::Farewell,
    ];
    all.extend(questions().into_iter().map(|question| ToNew::Errand { number: 1, question }));
    for one in &all {
        match one {
            ToNew::Welcome(_) | ToNew::Refused(_) | ToNew::Hub { .. } | ToNew::Streams(_) => {}
            ToNew::Forgotten(_) => {}
            ToNew::Luggage(..) | ToNew::Connections(_) | ToNew::Complete { .. } | ToNew::Errand { .. } => {}
            ToNew::HookEnded { .. } | ToNew::Newcomer(_) | ToNew::Farewell => {}
        }
    }
    all
}

fn questions() -> Vec<Question> {
    let since = || Some(Since { epoch: "epoch".to_owned(), offset: 1 });
    let json = || Some(Json::string("text"));
    let terms = Terms {
        command: Some(1),
        join_leave: true,
        expires: Some(UNIX_EPOCH),
        refreshable: true,
        info: json(),
        data: json(),
    };
    let joining = Joining {
        target: Target::User("ada".to_owned()),
        channel: channel(),
        since: since(),
        positioned: true,
        all_or_nothing: true,
        terms,
    };
    let query = HistoryQuery { since: since(), limit: Some(1), reverse: true };
    let limits = ReadLimits { publications: 1, bytes: 1 };
    let info = Arc::new(ClientInfo::new(ConnectionId::new(0), &Identity::user("ada"), json()));
    vec![
        Question::Apply(Verb::Refresh { target: Target::All, expires: Some(UNIX_EPOCH) }),
        Question::Publish { channel: channel(), data: Json::null(), info: Some(info) },
        Question::Join(Box::new(joining)),
        Question::History { channel: channel(), query, limits },
        Question::Presence(channel()),
        Question::PresenceStats(channel()),
        Question::Connections,
    ]
}

fn channel() -> Channel {
    Channel::new("lobby").unwrap()
}

/// A connection to the hub, and the client's end of it.
fn client(hub: &Hub, dialect: Dialect) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, peer) = listener.accept().unwrap();
    let id = ConnectionId::new(0);
    hub.accept(Newcomer {
        id,
        dialect,
        identity: Identity::user("ada").with_info(serde_json::json!({ "name": "Ada" })),
        peer: Some(peer),
        hub: hub.clone(),
        place: hub.place_for(id),
        transport: Incoming::Tcp(theirs),
        early: Bytes::new(),
    });
    ours
}

/// A frame of a client whose mask is zero.
fn frame(last: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let unmasked = codec::encode(opcode, payload);
    let header = unmasked.len() - payload.len();
    let mut bytes = unmasked[..header].to_vec();
    bytes[0] = if last { bytes[0] } else { bytes[0] & 0x7f };
    bytes[1] |= 0x80;
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// The names and kinds of everything in some messages. A list has the kinds of all that is in it.
#[derive(Default)]
struct Shape(BTreeMap<String, &'static str>);

impl Shape {
    fn add(&mut self, name: &str, message: &impl serde::Serialize) {
        self.note(name, &serde_json::to_value(message).unwrap());
    }

    fn note(&mut self, path: &str, value: &Value) {
        let kind = match value {
            Value::Null => {
                self.0.entry(path.to_owned()).or_insert("nothing");
                return;
            }
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(list) if list.is_empty() => "list",
            Value::Array(list) => return list.iter().for_each(|one| self.note(&format!("{path}[]"), one)),
            Value::Object(fields) => {
                return fields.iter().for_each(|(name, one)| self.note(&format!("{path}.{name}"), one));
            }
        };
        self.0.insert(path.to_owned(), kind);
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(path, kind)| writeln!(formatter, "{path}: {kind}"))
    }
}
