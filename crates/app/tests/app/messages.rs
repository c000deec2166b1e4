//! What was said is there after a restart, and in the one file.

use serde_json::json;

use crate::{
    http::{ask, sign_in},
    running::Place,
};

const MESSAGES: &str = "/api/rooms/lobby/messages";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_outlives_the_server() {
    let place = Place::new();
    let running = place.start().await;
    let said =
        ask(&running, "POST", MESSAGES, None, Some(json!({ "text": "hello", "author": "curl" }))).await;
    assert_eq!(said.status, 201, "{}", said.body);
    running.stop().await;
    let files = std::fs::read_dir(place.database().parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "a server that has ended leaves one file");

    let running = place.start().await;
    let cookie = sign_in(&running, "ada", None).await;
    let page = ask(&running, "GET", MESSAGES, Some(&cookie), None).await;
    assert_eq!(page.body, json!({ "messages": [said.body], "earlier": false }));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_the_database_while_one_takes_over() {
    let place = Place::new();
    let (old, new) = (place.start().await, place.start().await);
    for (running, author) in [(&old, "old"), (&new, "new"), (&old, "old")] {
        let said = ask(running, "POST", MESSAGES, None, Some(json!({ "text": "x", "author": author }))).await;
        assert_eq!(said.status, 201, "{}", said.body);
    }
    old.stop().await;
    let cookie = sign_in(&new, "ada", None).await;
    let page = ask(&new, "GET", MESSAGES, Some(&cookie), None).await;
    let messages = page.body["messages"].as_array().unwrap();
    let authors: Vec<_> = messages.iter().map(|message| message["author"].as_str().unwrap()).collect();
    assert_eq!(authors, ["old", "new", "old"]);
    new.stop().await;
}
