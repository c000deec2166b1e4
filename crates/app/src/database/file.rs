//! The file of the database: where it is, and that it can be opened.

use std::path::{Path, PathBuf};

use duplex_core::Environment;

use super::{Database, DatabaseError, migrations, pools};

/// The variable that says where the database is.
const VARIABLE: &str = "DATABASE_FILE";

/// Where it is by default, from the folder of the `.env` file. It is in a folder that nobody watches for changes.
const DEFAULT: &str = "data/duplex.sqlite";

/// A database that has been opened, and may have the schema of an older program.
pub(crate) struct DatabaseFile {
    path: PathBuf,
    database: Database,
}

impl DatabaseFile {
    /// Opens the file that `DATABASE_FILE` names; makes it, and its folder, if there is none.
    ///
    /// # Errors
    /// [`DatabaseError::Folder`] and [`DatabaseError::Open`].
    pub(crate) async fn from_environment(environment: &Environment) -> Result<Self, DatabaseError> {
        Self::open(&environment.path(VARIABLE, DEFAULT)).await
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`from_environment`](Self::from_environment).
    pub(crate) async fn open(path: &Path) -> Result<Self, DatabaseError> {
        // Errors can say where it is, and no name of a file can mean something else to SQLite, as `:memory:` does.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|cause| DatabaseError::Folder { path: path.clone(), cause })?;
        }
        match pools::open(&path).await {
            Ok(database) => Ok(Self { path, database }),
            Err(cause) => Err(DatabaseError::Open { path, cause }),
        }
    }

    /// Applies the migrations that it does not have yet.
    ///
    /// # Errors
    /// See [`DatabaseError`]. The database is as it was before.
    pub(crate) async fn migrate(self) -> Result<Database, DatabaseError> {
        migrations::apply(self.database.writer(), &self.path).await?;
        Ok(self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(path: &Path) -> Environment {
        Environment::from_iter([(VARIABLE.to_owned(), path.display().to_string())])
    }

    async fn refusal(path: &Path) -> String {
        DatabaseFile::from_environment(&setting(path)).await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn the_file_and_its_folder_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/chat.sqlite");
        DatabaseFile::from_environment(&setting(&path)).await.unwrap();
        assert!(path.is_file());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let message = refusal(&folder.path().join("file/chat.sqlite")).await;
        assert!(message.starts_with("cannot make the folder for the database /"), "{message}");
        assert!(message.contains("file/chat.sqlite: ") && message.contains("set DATABASE_FILE"), "{message}");
    }

    #[tokio::test]
    async fn what_is_no_database_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let message = refusal(folder.path()).await;
        assert!(message.contains("unable to open database file"), "{message}");

        let path = folder.path().join("notes.txt");
        std::fs::write(
            &path,
            "some notes, and more of them than fit into a header of a hundred bytes\n".repeat(9),
        )
        .unwrap();
        let message = refusal(&path).await;
        assert!(message.contains("notes.txt: ") && message.contains("file is not a database"), "{message}");
        assert!(message.contains("set DATABASE_FILE"), "{message}");
    }

    #[tokio::test]
    async fn a_name_that_sqlite_knows_is_a_file_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(":memory:");
        DatabaseFile::open(&path).await.unwrap();
        assert!(path.is_file());
    }
}
