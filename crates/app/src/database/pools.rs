//! The connections to the database, and what is set on each of them.

use std::{path::Path, time::Duration};

use actix_web::rt::time::timeout;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// Connections that read. Each is a thread and a page cache of up to 2 MB; reads are short, so a few serve many.
const READERS: u32 = 4;

/// Connections that write. SQLite lets one write at a time. Writers of this process wait for the one connection, first
/// come first served; waiting for each other in SQLite, they would sleep and try again, and the unlucky would give up.
const WRITERS: u32 = 1;

/// How long a statement waits for another process that writes, and for a connection. Half of what a hook may take
/// ([`Limits::hook_deadline`](duplex_core::Limits)), so that it ends with an error of its own.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of the process waits for statements that still run.
const FAREWELL: Duration = Duration::from_secs(2);

/// The application's database. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub(crate) struct Database {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// Opens a file, which shows whether it can be read and written.
pub(super) async fn open(path: &Path) -> Result<Database, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Readers and the writer do not wait for each other, and several processes may have the file open.
        .journal_mode(SqliteJournalMode::Wal)
        // With a write-ahead log, a power cut can take the latest messages, but never break the file.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE)
        .foreign_keys(true);
    let writer = pool(WRITERS).connect_with(options.clone()).await?;
    // A statement that writes on a connection that reads is an error here, rather than one that waits some day.
    let readers =
        pool(READERS).connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
    Ok(Database { readers, writer })
}

/// Connections to a local file neither age nor break, so none is tried out before it is used, or replaced.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

impl Database {
    /// For statements that read.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// For statements that write.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Closes the connections. The last process to do so leaves all that was written in the one file.
    pub(crate) async fn close(&self) {
        let closing = async {
            self.readers.close().await;
            self.writer.close().await;
        };
        if timeout(FAREWELL, closing).await.is_err() {
            log::warn!("the database was still in use {FAREWELL:?} after the server's end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(pool: &SqlitePool, query: &'static str) -> String {
        let mut connection = pool.acquire().await.unwrap();
        match sqlx::query_scalar::<_, String>(query).fetch_one(&mut *connection).await {
            Ok(text) => text,
            Err(_) => {
                sqlx::query_scalar::<_, i64>(query).fetch_one(&mut *connection).await.unwrap().to_string()
            }
        }
    }

    #[tokio::test]
    async fn every_connection_is_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("chat.sqlite")).await.unwrap();
        for pool in [database.readers(), database.writer()] {
            assert_eq!(pragma(pool, "PRAGMA journal_mode").await, "wal");
            assert_eq!(pragma(pool, "PRAGMA synchronous").await, "1");
            assert_eq!(pragma(pool, "PRAGMA foreign_keys").await, "1");
            assert_eq!(pragma(pool, "PRAGMA busy_timeout").await, "5000");
        }
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("chat.sqlite")).await.unwrap();
        let refused = sqlx::query("CREATE TABLE a (b)").execute(database.readers()).await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
        sqlx::query("CREATE TABLE a (b)").execute(database.writer()).await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_database_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("chat.sqlite")).await.unwrap();
        sqlx::query("CREATE TABLE a (b)").execute(database.writer()).await.unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        assert!(files() > 1);
        database.close().await;
        assert_eq!(files(), 1);
    }
}
