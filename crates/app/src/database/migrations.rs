//! The steps that the database's schema has taken, and how they are taken.
//!
//! A change of the schema is a new file in `migrations`, named `0002_what_it_does.sql`, and a line in [`MIGRATIONS`].
//! Three rules:
//!
//! 1. **The program before must be able to live with it.** While a server is replaced, the old one works on the file that
//!    the new one has changed already. So add tables, indices, and columns that are null or have a default, and drop
//!    something only when the program before has stopped using it.
//! 2. **What has been applied is not edited.** A database keeps the text of its migrations, and a program that has
//!    another one refuses to start.
//! 3. **It is applied whole or not at all**, inside a transaction, together with all others that are due. So it has no
//!    `BEGIN` and no `PRAGMA`.
//!
//! sqlx has migrations too. Not used here: on SQLite they take no lock, so that two servers that start together would be
//! in each other's way, and they bring the drivers of other databases into the lock file.

use std::path::Path;

use sqlx::{SqliteConnection, SqlitePool};

use super::DatabaseError;

/// A step.
#[derive(Clone, Copy)]
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// All steps, in order, numbered from 1.
const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, name: "messages", sql: include_str!("../../migrations/0001_messages.sql") }];

/// What the database remembers of the steps that it has taken.
const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    sql TEXT NOT NULL,
    applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT";

/// Takes the steps that are due.
///
/// # Errors
/// [`DatabaseError::Newer`], [`DatabaseError::Changed`], [`DatabaseError::Migration`] and [`DatabaseError::Ledger`]; the
/// database is as it was before.
pub(super) async fn apply(writer: &SqlitePool, path: &Path) -> Result<(), DatabaseError> {
    apply_these(MIGRATIONS, writer, path).await
}

async fn apply_these(
    migrations: &'static [Migration],
    writer: &SqlitePool,
    path: &Path,
) -> Result<(), DatabaseError> {
    let ledger = |cause| DatabaseError::Ledger { path: path.to_owned(), cause };
    // Takes the lock of writers at once, so that of two processes that start together one finds the other's work done.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(ledger)?;
    sqlx::query(LEDGER).execute(&mut *transaction).await.map_err(ledger)?;
    let applied = sqlx::query_as::<_, (i64, String, String)>(
        "SELECT number, name, sql FROM migrations ORDER BY number",
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(ledger)?;
    let due = due(migrations, &applied, path)?;
    for migration in due {
        let Migration { number, name, .. } = *migration;
        log::info!("database {}: migration {number} ({name})", path.display());
        take(migration, &mut transaction).await.map_err(|cause| DatabaseError::Migration {
            path: path.to_owned(),
            number,
            name,
            cause,
        })?;
    }
    transaction.commit().await.map_err(ledger)
}

/// The steps behind those that have been taken, if these are the program's own.
fn due(
    migrations: &'static [Migration],
    applied: &[(i64, String, String)],
    path: &Path,
) -> Result<&'static [Migration], DatabaseError> {
    if let Some((number, name, _)) = applied.get(migrations.len()..).and_then(<[_]>::last) {
        return Err(DatabaseError::Newer { path: path.to_owned(), number: *number, name: name.clone() });
    }
    let (known, due) = migrations.split_at(applied.len());
    let differs = |(migration, (number, _, sql)): &(&Migration, &(i64, String, String))| {
        migration.number != *number || migration.sql != sql
    };
    if let Some((Migration { number, name, .. }, _)) = known.iter().zip(applied).find(differs) {
        return Err(DatabaseError::Changed { path: path.to_owned(), number: *number, name });
    }
    Ok(due)
}

async fn take(migration: &Migration, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(migration.sql).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO migrations (number, name, sql) VALUES (?, ?, ?)")
        .bind(migration.number)
        .bind(migration.name)
        .bind(migration.sql)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::pools;

    const FIRST: Migration =
        Migration { number: 1, name: "first", sql: "CREATE TABLE a (b); INSERT INTO a VALUES (1);" };
    const SECOND: Migration = Migration { number: 2, name: "second", sql: "ALTER TABLE a ADD COLUMN c;" };
    const OTHER_FIRST: Migration = Migration { sql: "CREATE TABLE a (b INTEGER);", ..FIRST };
    const BROKEN: Migration =
        Migration { number: 2, name: "broken", sql: "CREATE TABLE c (d); CREATE TABLE a (b);" };

    struct Scene {
        folder: tempfile::TempDir,
        writer: SqlitePool,
    }

    impl Scene {
        async fn set() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = pools::open(&folder.path().join("test.sqlite")).await.unwrap();
            Self { folder, writer: database.writer().clone() }
        }

        async fn apply(&self, migrations: &'static [Migration]) -> Result<(), DatabaseError> {
            apply_these(migrations, &self.writer, Path::new("test.sqlite")).await
        }

        /// The text of everything in the schema, and how many rows there are where the first migration put one.
        async fn state(&self) -> (Vec<String>, i64) {
            let schema =
                sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
            let rows = sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&self.writer).await;
            (schema.fetch_all(&self.writer).await.unwrap(), rows.unwrap_or(0))
        }
    }

    #[test]
    fn the_list_is_that_of_the_files() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let named = |migration: &Migration| format!("{:04}_{}.sql", migration.number, migration.name);
        assert_eq!(
            files
                .iter()
                .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            MIGRATIONS.iter().map(named).collect::<Vec<_>>()
        );
        for (migration, (file, number)) in MIGRATIONS.iter().zip(files.iter().zip(1..)) {
            assert_eq!((migration.number, migration.sql), (number, &*std::fs::read_to_string(file).unwrap()));
        }
    }

    #[tokio::test]
    async fn what_is_due_is_applied_once() {
        let scene = Scene::set().await;
        scene.apply(&[FIRST]).await.unwrap();
        let state = scene.state().await;
        scene.apply(&[FIRST]).await.unwrap();
        assert_eq!(scene.state().await, state);
        scene.apply(&[FIRST, SECOND]).await.unwrap();
        let (schema, rows) = scene.state().await;
        assert!(schema.contains(&"CREATE TABLE a (b, c)".to_owned()), "{schema:?}");
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let scene = Scene::set().await;
        let before = scene.state().await;
        let message = scene.apply(&[FIRST, BROKEN]).await.unwrap_err().to_string();
        assert!(
            message.starts_with("migration 2 (broken) of the database test.sqlite failed: "),
            "{message}"
        );
        assert!(message.contains("table a already exists"), "{message}");
        assert_eq!(scene.state().await, before);
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_and_left_alone() {
        let scene = Scene::set().await;
        scene.apply(&[FIRST, SECOND]).await.unwrap();
        let before = scene.state().await;
        let error = scene.apply(&[FIRST]).await.unwrap_err();
        assert!(matches!(&error, DatabaseError::Newer { number: 2, .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("test.sqlite is newer than this program"), "{message}");
        assert!(message.contains("migration 2 (second)"), "{message}");
        assert_eq!(scene.state().await, before);
    }

    #[tokio::test]
    async fn a_migration_that_was_edited_is_refused() {
        let scene = Scene::set().await;
        scene.apply(&[FIRST]).await.unwrap();
        let before = scene.state().await;
        let error = scene.apply(&[OTHER_FIRST, SECOND]).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Changed { number: 1, name: "first", .. }), "{error}");
        assert_eq!(scene.state().await, before);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_servers_that_start_together_one_finds_the_others_work_done() {
        const BOTH: &[Migration] = &[FIRST, SECOND];
        for present in [&[], &BOTH[..1]].repeat(10) {
            let scene = Scene::set().await;
            scene.apply(present).await.unwrap();
            let mut starts = Vec::new();
            for _ in 0..4 {
                let another = pools::open(&scene.folder.path().join("test.sqlite")).await.unwrap();
                starts
                    .push(async move { apply_these(BOTH, another.writer(), Path::new("test.sqlite")).await });
            }
            for start in starts.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
                start.await.unwrap().unwrap();
            }
        }
    }

    #[tokio::test]
    async fn the_real_ones_can_be_applied() {
        let scene = Scene::set().await;
        apply(&scene.writer, &scene.folder.path().join("test.sqlite")).await.unwrap();
        let (schema, _) = scene.state().await;
        assert!(schema.iter().any(|statement| statement.starts_with("CREATE TABLE messages")), "{schema:?}");
    }
}
