//! What stays when one process takes over from another: streams and positions, who is there, who one is and until when, and
//! what was asked and not answered yet.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::{
    client::Client,
    frame,
    http::{self, Request, Response},
    kernel::{self, Sample},
    patience::{PATIENCE, becomes, within},
    server::Server,
    session,
    site::Site,
    socket::{Gone, Opening, RAW},
};

const LOBBY: &str = "chat:lobby";

/// A site and the server that runs there.
struct Scene {
    server: Server,
    site: Site,
}

impl Scene {
    async fn set() -> Scene {
        let site = Site::new();
        let server = Server::start(&site, site.program()).await;
        Scene { server, site }
    }

    /// Has the next process take over.
    async fn swap(&mut self) {
        let next = Server::spawn(self.site.program());
        self.swap_to(next).await;
    }

    /// Waits until this process has taken over.
    async fn swap_to(&mut self, next: Server) {
        let mut last = std::mem::replace(&mut self.server, next);
        let status = last.ended().await;
        assert!(status.success(), "{status}: {}\nand the next: {}", last.said(), self.server.said());
        assert_ne!(last.pid(), self.server.pid());
    }

    async fn client(&self, user: &str) -> Client {
        Client::signed_in(&self.site, &session::of(user)).await
    }

    /// Says something in the lobby over HTTP.
    async fn post(&self, user: &str, text: &str) -> Response {
        let response = http::ask(self.site.address, Ipv4Addr::LOCALHOST, &post(user, text)).await.unwrap();
        assert_eq!(response.status, 201, "{response:?}");
        response
    }
}

fn post(user: &str, text: &str) -> Request {
    Request::post("/api/rooms/lobby/messages", &json!({ "text": text })).cookie(&session::of(user))
}

fn lobby() -> Value {
    json!({ "channel": LOBBY })
}

/// Offsets and texts of publications.
fn said<'a>(publications: impl IntoIterator<Item = &'a Value>) -> Vec<(u64, &'a str)> {
    let said = |one: &'a Value| (one["offset"].as_u64().unwrap(), one["data"]["text"].as_str().unwrap());
    publications.into_iter().map(said).collect()
}

/// Waits until the client has seen as many come in, itself included.
async fn see_come(client: &mut Client, count: usize) {
    for _ in 0..count {
        let push = client.push().await;
        assert!(push.get("join").is_some(), "{push}");
    }
}

/// The next publication. Who comes in is not looked at.
async fn publication(client: &mut Client) -> Value {
    loop {
        let push = client.push().await;
        if push.get("join").is_none() {
            return push.get("pub").unwrap_or_else(|| panic!("{push}")).clone();
        }
    }
}

async fn history(client: &mut Client) -> Value {
    client.result("history", json!({ "channel": LOBBY, "limit": -1 })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_goes_on_where_it_was_and_with_whoever_was_there() {
    let mut scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.client("ada").await, scene.client("bob").await);
    let start = ada.subscribe(LOBBY).await;
    bob.subscribe(LOBBY).await;
    see_come(&mut ada, 2).await;
    see_come(&mut bob, 1).await;
    for text in ["one", "two"] {
        scene.post("eve", text).await;
        for client in [&mut ada, &mut bob] {
            assert_eq!(publication(client).await["data"]["text"], text);
        }
    }
    let (present, stats) =
        (ada.result("presence", lobby()).await, ada.result("presence_stats", lobby()).await);
    assert_eq!(present["presence"].as_object().unwrap().len(), 2);
    let before = history(&mut ada).await;

    for text in ["three", "four"] {
        scene.swap().await;
        assert_eq!(ada.pushed().await, [] as [Value; 0], "nobody has come or gone");
        assert_eq!(ada.result("presence", lobby()).await, present);
        assert_eq!(ada.result("presence_stats", lobby()).await, stats);
        scene.post("eve", text).await;
        for client in [&mut ada, &mut bob] {
            assert_eq!(publication(client).await["data"]["text"], text);
        }
    }

    let after = history(&mut ada).await;
    assert_eq!((&after["epoch"], &after["epoch"]), (&before["epoch"], &start["epoch"]));
    let texts = ["one", "two", "three", "four"];
    let expected: Vec<_> = (1..).zip(texts).collect();
    assert_eq!(said(after["publications"].as_array().unwrap()), expected);

    // Whoever comes and goes now is seen again.
    bob.result("unsubscribe", lobby()).await;
    let leave = ada.push().await;
    assert_eq!(leave["leave"]["info"]["client"], *bob.connection, "{leave}");
    bob.subscribe(LOBBY).await;
    assert_eq!(ada.push().await["join"]["info"]["user"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_after_the_swap_gets_exactly_what_was_missed() {
    let mut scene = Scene::set().await;
    let mut ada = scene.client("ada").await;
    let start = ada.subscribe(LOBBY).await;
    scene.post("eve", "one").await;
    publication(&mut ada).await;
    drop(ada);
    scene.post("eve", "two").await;
    scene.swap().await;
    scene.post("eve", "three").await;

    let mut ada = scene.client("ada").await;
    let position = json!({ "channel": LOBBY, "recover": true, "epoch": start["epoch"], "offset": 1 });
    let result = ada.result("subscribe", position).await;
    assert_eq!((&result["recovered"], &result["epoch"]), (&json!(true), &start["epoch"]), "{result}");
    assert_eq!(said(result["publications"].as_array().unwrap()), [(2, "two"), (3, "three")]);
    scene.post("eve", "four").await;
    assert_eq!(said([&publication(&mut ada).await]), [(4, "four")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_who_it_is() {
    let mut scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.client("ada").await, scene.client("bob").await);
    bob.subscribe(LOBBY).await;
    bob.subscribe("typing:lobby").await;
    ada.subscribe("typing:lobby").await;
    let before = ada.echo("hello").await;
    assert!(before.ends_with(&format!("({})", ada.connection)), "{before}");
    scene.swap().await;
    assert_eq!(ada.echo("hello").await, before);

    let nonce = Uuid::new_v4();
    let data = json!({ "room": "lobby", "text": "it is me", "nonce": nonce });
    let reply = ada.result("rpc", json!({ "method": "chat.send", "data": data })).await;
    assert_eq!((&reply["data"]["author"], &reply["data"]["outside"]), (&json!("ada"), &json!(false)));
    assert_eq!(publication(&mut bob).await["data"], reply["data"]);

    ada.result("publish", json!({ "channel": "typing:lobby", "data": { "typing": true } })).await;
    let info = &publication(&mut bob).await["info"];
    assert_eq!((&info["user"], &info["client"]), (&json!("ada"), &json!(*ada.connection)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_lives_as_long_as_its_session_and_no_longer() {
    let mut scene = Scene::set().await;
    let cookie = session::cookie("ada", Duration::from_secs(6));
    let mut client = Client::signed_in(&scene.site, &cookie).await;
    let opening = Opening::new(scene.site.address, 1, RAW).cookie(&cookie);
    let (mut raw, _writer) = opening.open().await.unwrap();
    scene.swap().await;
    assert!(client.echo("still here").await.contains(&client.connection));
    let raw_gone = async {
        loop {
            if let Err(gone) = raw.frame().await {
                return gone;
            }
        }
    };
    let (client_gone, raw_gone) = (client.gone().await, within("its end", raw_gone).await);
    for gone in [client_gone, raw_gone] {
        assert!(matches!(gone, Gone::Closed(3005, _)), "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_swap_is_answered_after_it() {
    for _ in 0..10 {
        if ask_and_swap().await {
            return;
        }
    }
    panic!("no process takes over before the application gives up waiting for the database");
}

/// Asks for something that takes as long as the test likes, and has the next process take over meanwhile. Returns false if
/// that takes longer than the application waits for its database.
async fn ask_and_swap() -> bool {
    const PATIENCE_OF_APPLICATION: Duration = Duration::from_millis(1500);
    let mut scene = Scene::set().await;
    let (mut ada, mut bob) = (scene.client("ada").await, scene.client("bob").await);
    bob.subscribe(LOBBY).await;

    // Somebody else writes to the database, so that whoever wants to has to wait.
    let file = SqliteConnectOptions::new().filename(scene.site.path("data/duplex.sqlite"));
    let mut lock = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    let began = Instant::now();
    let data = json!({ "room": "lobby", "text": "from a socket", "nonce": Uuid::new_v4() });
    ada.say("rpc", json!({ "method": "chat.send", "data": data })).await.unwrap();
    // It waits behind the call.
    ada.send("meanwhile").await.unwrap();
    let address = scene.site.address;
    let request = post("eve", "from HTTP");
    let posting = tokio::spawn(async move { http::ask(address, Ipv4Addr::LOCALHOST, &request).await });

    // The next process has a database of its own: with this one it could not start.
    let mut program = scene.site.program();
    program.env("DATABASE_FILE", scene.site.path("other.sqlite"));
    let next = Server::spawn(program);
    let moved = || {
        let end = Sample::of(address).server(ada.address());
        end.is_some_and(|end| kernel::owners(end, &[scene.server.pid(), next.pid()]) == [next.pid()])
    };
    assert!(becomes(PATIENCE, || moved() || !next.is_there()).await && moved(), "{}", next.said());
    if began.elapsed() > PATIENCE_OF_APPLICATION {
        return false;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();

    let reply = within("the reply", ada.reply()).await.unwrap();
    assert_eq!(reply["rpc"]["data"]["text"], "from a socket", "{reply}");
    let echo = loop {
        let push = within("the echo", ada.next_push()).await.unwrap();
        let text = push["message"]["data"].as_str().unwrap().to_owned();
        // She was greeted, and told who she is.
        if text.starts_with('"') {
            break text;
        }
    };
    assert_eq!(echo, format!("\"meanwhile\" ({})", ada.connection));
    let response = posting.await.unwrap().unwrap();
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(response.json()["text"], "from HTTP");
    let mut texts = Vec::new();
    for offset in [1, 2] {
        let publication = publication(&mut bob).await;
        assert_eq!(publication["offset"], offset, "{publication}");
        texts.push(publication["data"]["text"].as_str().unwrap().to_owned());
    }
    texts.sort();
    assert_eq!(texts, ["from HTTP", "from a socket"]);
    scene.swap_to(next).await;
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_socket_that_is_cut_in_the_middle_of_a_character_is_answered_whole() {
    use tokio::io::AsyncWriteExt;
    let mut scene = Scene::set().await;
    let opening = Opening::new(scene.site.address, 1, RAW);
    let (mut reader, mut writer) = opening.open().await.unwrap();
    reader.frame().await.unwrap();
    // Each byte of a message before a swap of its own would take long; each of a frame's parts does not.
    let bytes = frame::text("é");
    for byte in &bytes {
        writer.write_all(&[*byte]).await.unwrap();
        scene.swap().await;
    }
    let answer = within("the echo", reader.frame()).await.unwrap();
    assert!(answer.payload.starts_with("é (".as_bytes()), "{answer:?}");
}
