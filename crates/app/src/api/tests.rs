//! The handlers as a client finds them.

use std::net::SocketAddr;

use actix_web::{
    App, ResponseError as _,
    body::to_bytes,
    http::{StatusCode, header},
    test::{TestRequest, call_service, init_service},
    web::Data,
};
use duplex_core::{Environment, Hub, HubError};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{error::ApiError, session::end_sockets};
use crate::{
    Application,
    chat::{Chat, ChatError, SendError, Store},
    database::{Database, DatabaseFile},
    pace::Pace,
    session::Sessions,
    testing::{self, BusyHub, DEADLINE},
};

const MESSAGES: &str = "/api/rooms/lobby/messages";

struct Scene {
    _folder: tempfile::TempDir,
    database: Database,
    app: Data<Application>,
    sessions: Data<Sessions>,
    hub: Hub,
}

struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    body: Value,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = DatabaseFile::open(&folder.path().join("test.sqlite")).await.unwrap();
        let database = file.migrate().await.unwrap();
        let (hub, pace) = (testing::hub(), Pace::new());
        let chat = Chat::new(Store::new(database.clone()), hub.clone(), pace.clone());
        let app = Data::new(Application { chat, pace });
        let sessions = Data::new(Sessions::from_environment(&Environment::default()));
        Self { _folder: folder, database, app, sessions, hub }
    }

    async fn ask(&self, request: TestRequest) -> Answer {
        let app = App::new()
            .app_data(self.hub.clone())
            .app_data(self.app.clone())
            .app_data(self.sessions.clone())
            .service(actix_web::web::scope("/api").configure(super::routes));
        let app = init_service(app).await;
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body()).await.unwrap();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn post(&self, body: Value) -> Answer {
        self.ask(TestRequest::post().uri(MESSAGES).set_json(body)).await
    }

    /// The same by somebody who is signed in.
    async fn post_as(&self, user: &str, body: Value) -> Answer {
        self.ask(self.as_user(user, TestRequest::post().uri(MESSAGES)).set_json(body)).await
    }

    async fn list_as(&self, user: &str, query: &str) -> Answer {
        self.ask(self.as_user(user, TestRequest::get().uri(&format!("{MESSAGES}{query}")))).await
    }

    fn as_user(&self, user: &str, request: TestRequest) -> TestRequest {
        let cookie = self.sessions.cookie(user).stripped().to_string();
        request.insert_header((header::COOKIE, cookie))
    }
}

impl Answer {
    #[track_caller]
    fn refuses(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        let error = self.body["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{words} is not in {error}");
        assert_eq!(self.headers.get(header::CONTENT_TYPE).unwrap(), "application/json");
    }

    fn retry_after(&self) -> Option<u64> {
        self.headers.get(header::RETRY_AFTER)?.to_str().unwrap().parse().ok()
    }
}

#[actix_web::test]
async fn who_has_no_session_says_who_they_are() {
    let scene = Scene::set().await;
    let answer = scene.post(json!({ "text": " hello ", "author": "curl" })).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let sent = answer.body["sent"].as_u64().unwrap();
    assert_eq!(
        answer.body,
        json!({
            "id": 1, "room": "lobby", "author": "curl", "outside": true, "text": "hello", "sent": sent, "nonce": null
        })
    );
    let history = scene.hub.history("chat:lobby", &duplex_core::HistoryQuery::default()).await.unwrap();
    assert_eq!(history.publications[0].data.read::<Value>().unwrap(), answer.body);
}

#[actix_web::test]
async fn who_is_signed_in_is_the_author() {
    let scene = Scene::set().await;
    for body in [json!({ "text": "a" }), json!({ "text": "b", "author": "ada" })] {
        let answer = scene.post_as("ada", body).await;
        assert_eq!((answer.status, &answer.body["author"]), (StatusCode::CREATED, &json!("ada")));
        assert_eq!(answer.body["outside"], false);
    }
    scene.post_as("ada", json!({ "text": "c", "author": "bob" })).await.refuses(422, "author: ");
}

#[actix_web::test]
async fn what_is_wrong_is_named() {
    let scene = Scene::set().await;
    let long = "x".repeat(2001);
    for (body, words) in [
        (json!({ "text": " ", "author": "a" }), "text: there is nothing in it"),
        (json!({ "text": long, "author": "a" }), "text: it has more than 2000 characters"),
        (json!({ "text": "\u{1b}[2J", "author": "a" }), "text: it has control characters"),
        (json!({ "text": "x" }), "author: say who you are"),
        (json!({ "text": "x", "author": "" }), "author: a name has 1 to 64 characters"),
        (json!({ "text": "x", "author": "a", "nonce": "1" }), "nonce: "),
        (json!({ "text": 5, "author": "a" }), "text: invalid type: integer `5`, expected a string"),
        (json!({ "author": "a" }), "missing field `text`"),
        (json!([1]), "invalid"),
    ] {
        let answer = scene.post(body).await;
        answer.refuses(422, words);
        // Line and column of what a program has written help nobody.
        assert!(!answer.body["error"].as_str().unwrap().contains("column"), "{}", answer.body);
    }
    let elsewhere = TestRequest::post().uri("/api/rooms/Attic/messages");
    scene
        .ask(elsewhere.set_json(json!({ "text": "x", "author": "a" })))
        .await
        .refuses(422, "room: a room's name");
    assert_eq!(scene.list_as("ada", "").await.body["messages"], json!([]));
}

#[actix_web::test]
async fn what_is_no_json_is_refused_in_json() {
    let scene = Scene::set().await;
    let post = || TestRequest::post().uri(MESSAGES);
    let json_type = ("content-type", "application/json");
    scene.ask(post().set_payload("text=x")).await.refuses(415, "application/json");
    scene.ask(post().insert_header(json_type).set_payload("{\"text\":")).await.refuses(400, "not JSON");
    scene.ask(post().insert_header(json_type).set_payload("")).await.refuses(400, "not JSON");
    let large = json!({ "text": "x", "author": "x".repeat(40_000) });
    scene.ask(post().set_json(large)).await.refuses(413, "32768 bytes");
}

#[actix_web::test]
async fn the_longest_text_fits_however_it_is_written() {
    let scene = Scene::set().await;
    let body = format!("{{\"author\":\"a\",\"text\":\"{}\"}}", "\\ud83d\\ude42".repeat(2000));
    let json_type = ("content-type", "application/json");
    let answer =
        scene.ask(TestRequest::post().uri(MESSAGES).insert_header(json_type).set_payload(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.body["text"], "🙂".repeat(2000));
}

#[actix_web::test]
async fn what_is_sent_again_is_answered_again() {
    let scene = Scene::set().await;
    let body = json!({ "text": "x", "author": "a", "nonce": "6f1c1a52-7f5e-4a55-9d6b-0a4d2f2b7c11" });
    let first = scene.post(body.clone()).await;
    let second = scene.post(body.clone()).await;
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((&first.body, &first.body["nonce"]), (&second.body, &body["nonce"]));
    let mut other = body;
    other["text"] = json!("y");
    scene.post(other).await.refuses(422, "nonce: ");
}

#[actix_web::test]
async fn who_is_too_fast_is_told_when_to_come_back() {
    let scene = Scene::set().await;
    let from = async |peer: &str, author: u32| {
        let peer: SocketAddr = peer.parse().unwrap();
        let body = json!({ "text": "x", "author": format!("a{author}") });
        scene.ask(TestRequest::post().uri(MESSAGES).peer_addr(peer).set_json(body)).await
    };
    let mut answers = Vec::new();
    for author in 0..30 {
        answers.push(from("192.0.2.1:1000", author).await);
    }
    let accepted = answers.iter().take_while(|answer| answer.status == StatusCode::CREATED).count();
    assert!((5..30).contains(&accepted), "{accepted}");
    let refusal = &answers[accepted];
    refusal.refuses(429, "too many messages");
    assert_eq!(refusal.retry_after(), Some(1));
    assert_eq!(from("192.0.2.2:1000", 1).await.status, StatusCode::CREATED);
    assert_eq!(scene.post_as("ada", json!({ "text": "x" })).await.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_room_is_read_page_by_page_by_who_is_signed_in() {
    let scene = Scene::set().await;
    for user in ["ada", "bob"] {
        for _ in 0..5 {
            assert_eq!(scene.post_as(user, json!({ "text": "x" })).await.status, StatusCode::CREATED);
        }
    }
    let ids = |answer: &Answer| {
        let messages = answer.body["messages"].as_array().unwrap().clone();
        messages.iter().map(|message| message["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let page = scene.list_as("ada", "").await;
    assert_eq!((page.status, ids(&page)), (StatusCode::OK, (1..=10).collect()));
    assert_eq!(page.body["earlier"], false);
    assert_eq!(ids(&scene.list_as("ada", "?before=4").await), [1, 2, 3]);
    for query in ["?before=", "?before=x", "?before=9007199254740992", "?before=1.5"] {
        scene.list_as("ada", query).await.refuses(422, "before: ");
    }
    scene.list_as("ada", "?before=1&before=2").await.refuses(422, "duplicate field `before`");
    scene.ask(TestRequest::get().uri(MESSAGES)).await.refuses(401, "sign in first");
}

#[actix_web::test]
async fn a_failure_is_not_explained_to_whoever_asks() {
    let scene = Scene::set().await;
    scene.database.close().await;
    let answer = scene.post(json!({ "text": "x", "author": "a" })).await;
    answer.refuses(500, "internal error");
    assert_eq!(answer.retry_after(), None);
}

#[test]
fn who_comes_at_a_bad_moment_is_told_to_come_back() {
    for failure in [HubError::Stopped.into(), ChatError::Late(DEADLINE), ChatError::Crowded] {
        let response = ApiError::from(failure).error_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
    }
    let response = ApiError::from(SendError::TooFast { wait: 1001 }).error_response();
    assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "2");
}

#[actix_web::test]
async fn a_name_to_sign_in_with_is_checked() {
    let scene = Scene::set().await;
    let sign_in = |body: Value| TestRequest::post().uri("/api/session").set_json(body);
    scene.ask(sign_in(json!({ "name": " " }))).await.refuses(422, "name: a name has 1 to 64 characters");
    scene.ask(sign_in(json!({}))).await.refuses(422, "missing field `name`");
    let answer = scene.ask(sign_in(json!({ "name": " Ada " }))).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!({ "user": "Ada" })));
}

#[actix_web::test]
async fn who_signs_in_as_one_after_the_other_is_told_to_wait() {
    let scene = Scene::set().await;
    let sign_in = async |peer: &str, name: usize| {
        let request = TestRequest::post().uri("/api/session").peer_addr(peer.parse().unwrap());
        scene.ask(request.set_json(json!({ "name": name.to_string() }))).await
    };
    let mut answers = Vec::new();
    for name in 0..60 {
        answers.push(sign_in("192.0.2.1:1000", name).await);
    }
    let refusal = answers.iter().find(|answer| answer.status != StatusCode::OK).unwrap();
    refusal.refuses(429, "too many sign-ins");
    assert_eq!((refusal.retry_after(), refusal.headers.get(header::SET_COOKIE)), (Some(1), None));
    assert_eq!(sign_in("192.0.2.2:1000", 0).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn who_posts_as_one_user_after_the_other_is_told_to_wait() {
    let scene = Scene::set().await;
    let post = async |user: usize| {
        let request = TestRequest::post().uri(MESSAGES).peer_addr("192.0.2.1:1000".parse().unwrap());
        let request = scene.as_user(&user.to_string(), request);
        scene.ask(request.set_json(json!({ "text": "x" }))).await
    };
    let mut answers = Vec::new();
    for user in 0..100 {
        answers.push(post(user).await);
    }
    answers
        .iter()
        .find(|answer| answer.status != StatusCode::CREATED)
        .unwrap()
        .refuses(429, "too many messages");
}

#[actix_web::test]
async fn sockets_of_who_has_signed_out_end_when_there_is_room() {
    let busy = BusyHub::listening_to("chat:lobby").await;
    let hub = busy.hub();
    let mut ending = std::pin::pin!(end_sockets(&hub, "ada"));
    assert!(timeout(5 * BusyHub::PATIENCE, &mut ending).await.is_err(), "it has given up");
    busy.start();
    timeout(DEADLINE, ending).await.unwrap().unwrap();
}

#[test]
fn a_host_that_makes_no_url_is_repeated_and_panics_nobody() {
    for (host, url) in
        [("localhost:3004", "http://localhost:3004/api/test?a=b"), ("[", "http://[/api/test?a=b")]
    {
        let request = TestRequest::with_uri("/api/test?a=b").insert_header(("host", host)).to_http_request();
        assert_eq!(super::url_of(&request), url);
    }
}
