//! The connections to the database, and what is set on each of them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{sleep, timeout};

/// Connections that read. Each is a thread and a page cache of up to 2 MB; reads are short, so a few serve many.
const READERS: u32 = 4;

/// Connections that write. SQLite lets one write at a time. Writers of this process wait for the one connection, first
/// come first served; waiting for each other in SQLite, they would sleep and try again, and the unlucky would give up.
const WRITERS: u32 = 1;

/// How long a statement waits for a connection, and then for another process that writes. Both together are less than the
/// 5 s after which a page gives a call up, and than the 10 s of a hook ([`Limits::hook_deadline`](duplex_core::Limits)): so
/// it ends with an error of its own, also behind others that wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait before a file that was locked is tried again.
const PAUSE: Duration = Duration::from_millis(20);

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
        // With a write-ahead log, a power cut can take the latest messages, but never break the file.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE)
        .foreign_keys(true);
    let writer = open_first(&options).await?;
    // A statement that writes on a connection that reads is an error here, rather than one that waits some day.
    let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Database { readers, writer })
}

/// Opens the connection that makes the file what it has to be. A new file's log is begun with the whole file locked,
/// which SQLite does not wait for; so of servers that start together for the first time, one may have to try again.
async fn open_first(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let options = options
        .clone()
        .create_if_missing(true)
        // Readers and the writer do not wait for each other, and several processes may have the file open.
        .journal_mode(SqliteJournalMode::Wal);
    let began = Instant::now();
    loop {
        match pool(WRITERS).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && began.elapsed() < PATIENCE => sleep(PAUSE).await,
            opened => return opened,
        }
    }
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

/// Whether a statement has failed because others had the database, or all connections to it, for too long.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    /// SQLITE_BUSY: the low byte of the code; the others say more.
    const BUSY: u32 = 5;
    match error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => {
            error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == BUSY)
        }
        _ => false,
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
            assert_eq!(pragma(pool, "PRAGMA busy_timeout").await, "2000");
        }
    }

    #[tokio::test]
    async fn a_new_file_that_somebody_else_writes_to_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sqlite");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let somebody = pool(1).connect_with(options).await.unwrap();
        let writing = somebody.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let mut opening = std::pin::pin!(open(&path));
        assert!(timeout(10 * PAUSE, &mut opening).await.is_err(), "it does not wait");
        drop(writing);
        opening.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn servers_can_open_a_new_file_together() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("chat.sqlite");
            let opening = (0..4).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { open(&path).await })
            });
            for opened in opening.collect::<Vec<_>>() {
                opened.await.unwrap().unwrap();
            }
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
    async fn who_waits_for_both_is_told_before_a_page_gives_up() {
        const PAGE_GIVES_UP: Duration = Duration::from_secs(5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sqlite");
        let (database, another_process) = (open(&path).await.unwrap(), open(&path).await.unwrap());
        sqlx::query("CREATE TABLE a (b)").execute(database.writer()).await.unwrap();
        let _writing = another_process.writer().begin_with("BEGIN IMMEDIATE").await.unwrap();
        let somebody = database.writer().acquire().await.unwrap();
        let began = Instant::now();
        let delete = sqlx::query("DELETE FROM a").execute(database.writer());
        let give_back = async {
            sleep(PATIENCE * 3 / 4).await;
            drop(somebody);
        };
        let (deleted, ()) = tokio::join!(delete, give_back);
        assert!(is_busy(&deleted.unwrap_err()));
        assert!((PATIENCE * 3 / 2..PAGE_GIVES_UP).contains(&began.elapsed()), "{:?}", began.elapsed());
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
