//! The store on real files, also on one that two processes have open.

use std::{collections::HashSet, path::Path};

use super::*;
use crate::{chat::Author, database::DatabaseFile};

/// A store on a file of its own; `another` opens the same one as another process would.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        Self { folder, store }
    }

    async fn another(&self) -> Store {
        open(self.folder.path()).await
    }
}

async fn open(folder: &Path) -> Store {
    Store::new(DatabaseFile::open(&folder.join("test.sqlite")).await.unwrap().migrate().await.unwrap())
}

fn draft(room: &str, text: &str) -> Draft {
    let author = Author::User("ada".to_owned());
    let (room, text) = (room.parse().unwrap(), text.parse().unwrap());
    Draft { room, author, peer: None, text, nonce: None }
}

fn at(sent: i32) -> SafeInteger {
    sent.into()
}

async fn say(store: &Store, room: &str, text: &str) -> Message {
    store.add(&draft(room, text), at(1)).await.unwrap().unwrap()
}

async fn page(store: &Store, room: &str, before: Option<SafeInteger>) -> Page {
    store.page(&room.parse().unwrap(), before).await.unwrap()
}

fn ids(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.id.get()).collect()
}

#[tokio::test]
async fn what_is_kept_comes_back_as_it_was() {
    let scene = Scene::set().await;
    let draft = Draft {
        author: Author::Outside("Zoë 'x'".parse().unwrap()),
        nonce: Some(Uuid::new_v4()),
        ..draft("lobby", "日本\n\"'; --")
    };
    let message = scene.store.add(&draft, at(7)).await.unwrap().unwrap();
    assert_eq!((message.author.as_str(), message.outside, message.sent), ("Zoë 'x'", true, at(7)));
    assert_eq!((message.text.as_str(), message.nonce), ("日本\n\"'; --", draft.nonce));
    for store in [&scene.store, &scene.another().await] {
        assert_eq!(page(store, "lobby", None).await.messages, std::slice::from_ref(&message));
    }
}

#[tokio::test]
async fn ids_grow_and_are_never_given_out_twice() {
    let scene = Scene::set().await;
    let (first, second) = (say(&scene.store, "a", "1").await, say(&scene.store, "b", "2").await);
    assert!(first.id < second.id);
    let delete = sqlx::query("DELETE FROM messages WHERE id = ?").bind(second.id.get());
    delete.execute(scene.store.database.writer()).await.unwrap();
    assert!(say(&scene.store, "a", "3").await.id > second.id);
}

#[tokio::test]
async fn pages_lead_back_to_the_first_message() {
    let scene = Scene::set().await;
    let mut said = Vec::new();
    for number in 0..120 {
        said.push(say(&scene.store, "lobby", &number.to_string()).await.id.get());
        say(&scene.store, "elsewhere", "x").await;
    }
    let mut before = None;
    for (expected, earlier) in [(&said[70..], true), (&said[20..70], true), (&said[..20], false)] {
        let page = page(&scene.store, "lobby", before).await;
        assert_eq!((ids(&page.messages).as_slice(), page.earlier), (expected, earlier));
        before = Some(page.messages[0].id);
    }
    let nothing = Page { messages: vec![], earlier: false };
    assert_eq!(page(&scene.store, "lobby", before).await, nothing);
    assert_eq!(page(&scene.store, "nowhere", None).await, nothing);
}

#[tokio::test]
async fn a_page_that_has_them_all_says_so() {
    let scene = Scene::set().await;
    for _ in 0..PAGE {
        say(&scene.store, "lobby", "x").await;
    }
    let page = page(&scene.store, "lobby", None).await;
    assert_eq!((page.messages.len(), page.earlier), (PAGE, false));
}

#[tokio::test]
async fn a_page_is_found_by_an_index() {
    let scene = Scene::set().await;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {PAGE_STATEMENT}"));
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
        .bind("lobby")
        .bind(9)
        .bind(51)
        .fetch_all(scene.store.database.readers())
        .await
        .unwrap();
    let steps: Vec<_> = plan.into_iter().map(|(_, _, _, step)| step).collect();
    assert_eq!(steps, ["SEARCH messages USING INDEX messages_by_room (room=? AND rowid<?)"]);
}

#[tokio::test]
async fn what_is_sent_twice_is_one_message() {
    let scene = Scene::set().await;
    let draft = Draft { nonce: Some(Uuid::new_v4()), ..draft("lobby", "hello") };
    let first = scene.store.add(&draft, at(1)).await.unwrap();
    assert_eq!(scene.store.add(&draft, at(2)).await.unwrap(), first);
    assert_eq!(page(&scene.store, "lobby", None).await.messages, first.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_nonce_is_good_for_one_message() {
    let scene = Scene::set().await;
    let first = Draft { nonce: Some(Uuid::new_v4()), ..draft("lobby", "hello") };
    scene.store.add(&first, at(1)).await.unwrap().unwrap();
    let outside = Author::Outside("ada".parse().unwrap());
    for other in [
        Draft { text: "bye".parse().unwrap(), ..first.clone() },
        Draft { room: "attic".parse().unwrap(), ..first.clone() },
        Draft { author: Author::User("bob".to_owned()), ..first.clone() },
        Draft { author: outside, ..first.clone() },
    ] {
        assert_eq!(scene.store.add(&other, at(2)).await.unwrap(), None, "{other:?}");
    }
    assert_eq!(page(&scene.store, "attic", None).await.messages, []);
    assert_eq!(page(&scene.store, "lobby", None).await.messages.len(), 1);
}

#[tokio::test]
async fn messages_without_a_nonce_have_nothing_to_do_with_each_other() {
    let scene = Scene::set().await;
    assert_ne!(say(&scene.store, "lobby", "hello").await, say(&scene.store, "lobby", "hello").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eight_tasks_of_two_processes_send_at_once_is_one_message() {
    let scene = Scene::set().await;
    let stores = [scene.store.clone(), scene.another().await];
    for _ in 0..20 {
        let draft = Draft { nonce: Some(Uuid::new_v4()), ..draft("lobby", "hello") };
        let attempts = (0..8).map(|task| {
            let (store, draft) = (stores[task % 2].clone(), draft.clone());
            tokio::spawn(async move { store.add(&draft, at(task as i32)).await.unwrap().unwrap() })
        });
        let mut kept = Vec::new();
        for attempt in attempts.collect::<Vec<_>>() {
            kept.push(attempt.await.unwrap());
        }
        assert!(kept.iter().all(|message| *message == kept[0]), "{kept:?}");
    }
    assert_eq!(page(&scene.store, "lobby", None).await.messages.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_lose_nothing_of_what_they_write_at_the_same_time() {
    let scene = Scene::set().await;
    let stores = [scene.store.clone(), scene.another().await];
    let tasks = (0..8).map(|task| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for _ in 0..25 {
                kept.push(say(&store, "lobby", "hello").await.id.get());
            }
            kept
        })
    });
    let mut kept = HashSet::new();
    for task in tasks.collect::<Vec<_>>() {
        kept.extend(task.await.unwrap());
    }
    assert_eq!(kept.len(), 200);
    assert_eq!(scene.store.rooms().await.unwrap()[0].messages, at(200));
}

#[tokio::test]
async fn rooms_are_listed_by_what_was_said_last() {
    let scene = Scene::set().await;
    let rooms = async || {
        let rooms = scene.store.rooms().await.unwrap();
        rooms
            .into_iter()
            .map(|room| (room.name.to_string(), room.messages.get(), room.latest.map(SafeInteger::get)))
            .collect::<Vec<_>>()
    };
    assert_eq!(rooms().await, [("lobby".to_owned(), 0, None)]);
    for (room, sent) in [("attic", 5), ("cellar", 9), ("attic", 7), ("cellar", 8)] {
        scene.store.add(&draft(room, "x"), at(sent)).await.unwrap();
    }
    let expected = [("cellar".to_owned(), 2, Some(9)), ("attic".to_owned(), 2, Some(7))];
    assert_eq!(rooms().await[..2], expected);
    for number in 0..150 {
        scene.store.add(&draft(&format!("room-{number}"), "x"), at(100 + number)).await.unwrap();
    }
    let rooms = rooms().await;
    assert_eq!((rooms.len(), rooms[0].0.as_str()), (100, "room-149"));
}

#[tokio::test]
async fn a_database_that_others_hold_is_told_from_one_that_fails() {
    let scene = Scene::set().await;
    let store = scene.another().await;
    sqlx::query("PRAGMA busy_timeout = 0").execute(store.database.writer()).await.unwrap();
    let writing = scene.store.database.writer().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = store.add(&draft("lobby", "x"), at(1)).await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(error.to_string().starts_with("cannot keep a message: the database is busy"), "{error}");
    // Who reads waits for nobody.
    assert_eq!(page(&store, "lobby", None).await.messages, []);
    drop(writing);

    store.database.close().await;
    let error = store.add(&draft("lobby", "x"), at(1)).await.unwrap_err();
    assert!(!error.is_busy(), "{error}");
}

#[tokio::test]
async fn a_row_that_no_message_can_be_is_an_error() {
    let scene = Scene::set().await;
    for (room, id, nonce) in [("Attic", "1", "NULL"), ("attic", "1 << 53", "NULL"), ("attic", "2", "'x'")] {
        let statement = format!(
            "DELETE FROM messages; INSERT INTO messages (id, room, author, outside, text, sent, nonce)
             VALUES ({id}, '{room}', 'ada', 0, 'x', 1, {nonce})"
        );
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        statement.execute(scene.store.database.writer()).await.unwrap();
        let read: Result<Vec<Message>, _> =
            sqlx::query_as("SELECT * FROM messages").fetch_all(scene.store.database.readers()).await;
        assert!(matches!(read, Err(sqlx::Error::Decode(_))), "{read:?}");
    }
}
