//! What pages may do, by clients of the protocol: in rooms nothing without a session, and with one all that the contract
//! has.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Client,
    http::{ask, sign_in},
    running::{Place, Running},
};

const NONCE: &str = "6f1c1a52-7f5e-4a55-9d6b-0a4d2f2b7c11";
const UNAUTHORIZED: u64 = 101;
const PERMISSION_DENIED: u64 = 103;
const BAD_REQUEST: u64 = 107;
const TOO_MANY_REQUESTS: u64 = 111;
/// The application refuses, and the message says why, as JSON.
const REFUSED: u64 = 400;

struct Scene {
    _place: Place,
    running: Running,
}

impl Scene {
    async fn set() -> Self {
        let place = Place::new();
        Self { running: place.start().await, _place: place }
    }

    async fn connect(&self, user: &str) -> Client {
        let cookie = sign_in(&self.running, user, None).await;
        Client::connect(&self.running, Some(&cookie)).await
    }
}

/// All calls of the contract, with parameters that fit.
fn calls() -> [(&'static str, Value); 4] {
    [
        ("chat.send", json!({ "room": "lobby", "text": "hello", "nonce": NONCE })),
        ("chat.open", json!({ "room": "lobby" })),
        ("chat.earlier", json!({ "room": "lobby", "before": 9 })),
        ("chat.rooms", Value::Null),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_nothing_of_a_room_can_be_had() {
    let scene = Scene::set().await;
    let mut client = Client::connect(&scene.running, None).await;
    for (name, params) in calls() {
        assert_eq!(client.call(name, params).await.unwrap_err(), UNAUTHORIZED, "{name}");
    }
    for channel in ["chat:lobby", "typing:lobby"] {
        assert_eq!(client.subscribe(channel).await.unwrap_err(), UNAUTHORIZED, "{channel}");
    }
    assert_eq!(client.publish("typing:lobby", json!({ "typing": true })).await, Err(PERMISSION_DENIED));
    let opened = scene.connect("ada").await.call("chat.open", json!({ "room": "lobby" })).await.unwrap();
    assert_eq!(opened["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_contract_is_tried_without_a_session() {
    let tried = calls().map(|(name, _)| name.to_owned());
    // A name with a colon is that of a kind of channels.
    let contract = duplex_app::contract();
    let there = contract.fingerprints().into_keys().filter(|name| !name.contains(':'));
    assert_eq!(there.collect::<BTreeSet<_>>(), BTreeSet::from(tried));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_hears_what_is_said_and_who_is_there() {
    let scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.connect("ada").await, scene.connect("bob").await);
    let terms = bob.subscribe("chat:lobby").await.unwrap();
    assert_eq!((&terms["recoverable"], &terms["positioned"]), (&json!(true), &json!(true)));
    ada.subscribe("chat:lobby").await.unwrap();
    while bob.join("chat:lobby").await != "ada" {}
    let said = ada.call("chat.send", calls()[0].1.clone()).await.unwrap();
    assert_eq!(
        (&said["author"], &said["text"], &said["nonce"]),
        (&json!("ada"), &json!("hello"), &json!(NONCE))
    );
    assert_eq!(bob.publication("chat:lobby").await["data"], said);

    let opened = bob.call("chat.open", json!({ "room": "lobby" })).await.unwrap();
    assert_eq!((&opened["messages"], &opened["position"]["offset"]), (&json!([said]), &json!(1)));
    let earlier = bob.call("chat.earlier", json!({ "room": "lobby", "before": said["id"] })).await.unwrap();
    assert_eq!(earlier, json!({ "messages": [], "earlier": false }));
    let rooms = bob.call("chat.rooms", Value::Null).await.unwrap();
    assert_eq!(rooms, json!([{ "name": "lobby", "messages": 1, "latest": said["sent"] }]));

    let mut there: Vec<_> = bob.presence("chat:lobby").await.unwrap();
    there.sort();
    assert_eq!(there, ["ada", "bob"]);
    // What is said in a room is kept, so nobody can say it past the call.
    assert_eq!(ada.publish("chat:lobby", said).await, Err(PERMISSION_DENIED));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_for_a_reason_that_pages_know() {
    let scene = Scene::set().await;
    let mut ada = scene.connect("ada").await;
    let attic = json!({ "room": "Attic", "text": "hello", "nonce": NONCE, "before": 1 });
    for name in ["chat.send", "chat.open", "chat.earlier"] {
        assert_eq!(ada.call(name, attic.clone()).await, Err(REFUSED), "{name}");
    }
    let (hello, mut bye) = (calls()[0].1.clone(), calls()[0].1.clone());
    bye["text"] = json!("bye");
    ada.call("chat.send", hello).await.unwrap();
    assert_eq!(ada.call("chat.send", bye).await, Err(REFUSED));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_gets_what_was_said_meanwhile() {
    let scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.connect("ada").await, scene.connect("bob").await);
    let left_at = bob.subscribe("chat:lobby").await.unwrap();
    drop(bob);
    let said = ada.call("chat.send", calls()[0].1.clone()).await.unwrap();
    let back = scene.connect("bob").await.recover("chat:lobby", &left_at).await.unwrap();
    assert_eq!((&back["recovered"], &back["publications"][0]["data"]), (&json!(true), &said));
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_told_to_others_but_not_at_any_speed() {
    let scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.connect("ada").await, scene.connect("bob").await);
    for client in [&mut ada, &mut bob] {
        client.subscribe("typing:lobby").await.unwrap();
    }
    assert_eq!(ada.publish("typing:lobby", json!({ "typing": 1 })).await, Err(BAD_REQUEST));
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.push(ada.publish("typing:lobby", json!({ "typing": true })).await);
    }
    let accepted = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert!((4..100).contains(&accepted), "{accepted}");
    assert_eq!(answers[accepted], Err(TOO_MANY_REQUESTS));
    assert_eq!(bob.publish("typing:lobby", json!({ "typing": false })).await, Ok(()));
    let heard = bob.publication("typing:lobby").await;
    assert_eq!((&heard["data"], &heard["info"]["user"]), (&json!({ "typing": true }), &json!("ada")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_fast_by_calls_cannot_go_on_over_http() {
    let scene = Scene::set().await;
    let cookie = sign_in(&scene.running, "ada", None).await;
    let mut ada = Client::connect(&scene.running, Some(&cookie)).await;
    let mut another_tab = Client::connect(&scene.running, Some(&cookie)).await;
    let message = || json!({ "room": "lobby", "text": "hello", "nonce": Uuid::new_v4() });
    while ada.call("chat.send", message()).await.is_ok() {}
    assert_eq!(another_tab.call("chat.send", message()).await, Err(REFUSED));
    let text = Some(json!({ "text": "hello" }));
    let posted = ask(&scene.running, "POST", "/api/rooms/lobby/messages", Some(&cookie), text).await;
    assert_eq!(posted.status, 429, "{}", posted.body);
    scene.connect("bob").await.call("chat.send", message()).await.unwrap();
}
