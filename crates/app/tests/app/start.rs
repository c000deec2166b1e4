//! What has to be right before the application serves, and that the database comes last.

use duplex_app::{AppError, DatabaseError};
use duplex_core::{Environment, ServeError};

use crate::running::{Place, serve, server};

/// The bytes of the file, and its log's if there is one.
fn bytes(place: &Place) -> Vec<u8> {
    let log = place.database().with_extension("sqlite-wal");
    let mut bytes = std::fs::read(place.database()).unwrap();
    bytes.extend(std::fs::read(log).unwrap_or_default());
    bytes
}

fn has_tables(bytes: &[u8]) -> bool {
    let wanted = b"CREATE TABLE";
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test]
async fn a_server_that_cannot_start_has_not_touched_the_database() {
    let place = Place::new();
    let (server, _) = server();
    // Its settings can no longer be changed, which is the last thing that can go wrong before the database.
    let _hub = server.hub();
    let error = serve(server, &place.environment()).await.unwrap_err();
    assert!(matches!(error, AppError::Server(ServeError::TooLate)), "{error}");
    assert!(!has_tables(&bytes(&place)));

    // The test can tell: one that starts has.
    place.start().await.stop().await;
    assert!(has_tables(&bytes(&place)));
}

#[tokio::test]
async fn without_a_place_for_the_database_there_is_no_start() {
    let place = Place::new();
    let file = place.folder().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.join("test.sqlite").display().to_string();
    let environment = Environment::from_iter([("DATABASE_FILE".to_owned(), path)]);
    let error = serve(server().0, &environment).await.unwrap_err();
    assert!(matches!(error, AppError::Database(DatabaseError::Folder { .. })), "{error}");
}
