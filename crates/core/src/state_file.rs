//! The file that keeps a state from a graceful stop to the next start. It is written whole or not at all, believed only if
//! every byte is as it was written, and gone from the disk before anybody uses what was in it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crc32fast::Hasher;
use rustix::io::Errno;
use serde::{Serialize, de::DeserializeOwned};

use crate::hub::STREAMS_VERSION;

/// What the file begins with.
const MAGIC: [u8; 8] = *b"DUPLEX\x0D\x0A";

/// The version of the format: that of what channels keep. Whoever changes the header counts on there, too.
const FORMAT: u32 = STREAMS_VERSION;

/// Magic, format version, length of the body (all numbers big endian), checksum of the body.
const HEADER: usize = 8 + 4 + 8 + 4;

/// How much is read at once to check it.
const PIECE: usize = 64 * 1024;

/// Why the state cannot be kept, or one that was kept cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFileError {
    /// What is there is none of ours to replace.
    #[error(
        "the state file {path} is there and is no ordinary file: choose another path, or remove it",
        path = path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },

    /// It cannot be read.
    #[error("cannot read the state file {path}: let this user read it, or remove it", path = path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// It cannot be written.
    #[error(
        "cannot write the state file {path}: choose one in a directory that is there and can be written",
        path = path.display()
    )]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// It would still be there after a crash, and bring back what is long past.
    #[error(
        "the state file {path} cannot be removed, so it must not be used: let this user write its directory, or remove it",
        path = path.display()
    )]
    Undeletable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("it is no state file")]
    Foreign,
    #[error("it has format {0}, this program reads format {FORMAT}")]
    OtherFormat(u32),
    #[error("it has {is} bytes, {announced} were written")]
    Length { is: u64, announced: u64 },
    #[error("its checksum is wrong")]
    Checksum,
    #[error("its content is not understood: {0}")]
    Content(#[from] rmp_serde::decode::Error),
    #[error("it cannot be read to its end: {0}")]
    Io(#[from] io::Error),
}

/// Whether a state can be written to the file some day: the time to find out is the start, not the stop.
///
/// # Errors
/// [`StateFileError::NotAFile`] and [`StateFileError::Unwritable`].
pub fn check_state_file(path: &Path) -> Result<(), StateFileError> {
    is_there(path)?;
    let trial = with_suffix(path, ".try");
    let tried = make(&trial).and_then(|_| fs::remove_file(&trial));
    tried.map_err(|source| StateFileError::Unwritable { path: path.to_owned(), source })
}

/// Writes a state in the place of what was there before. After an error, or a crash on the way, either the one or the other is there, whole.
pub(crate) fn write(path: &Path, state: &impl Serialize) -> Result<(), StateFileError> {
    let beside = with_suffix(path, ".new");
    let written = make(&beside)
        .and_then(|file| write_into(file, state))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_directory(path));
    written.map_err(|source| {
        let _ = fs::remove_file(&beside);
        StateFileError::Unwritable { path: path.to_owned(), source }
    })
}

/// Reads a state and removes it from the disk, so that it can be had only once. `None` if there is none, or none that can be
/// believed: what was there instead is then put aside under another name.
pub(crate) fn take<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateFileError> {
    take_with(path, |path| fs::remove_file(path).and_then(|()| sync_directory(path)))
}

/// Removes a state that must not be used any more, because the hub has gone on without it.
pub(crate) fn discard(path: &Path) -> Result<(), StateFileError> {
    if !is_there(path)? {
        return Ok(());
    }
    let removed = fs::remove_file(path).and_then(|()| sync_directory(path));
    removed.map_err(|source| StateFileError::Undeletable { path: path.to_owned(), source })
}

fn take_with<T: DeserializeOwned>(
    path: &Path,
    remove: impl Fn(&Path) -> io::Result<()>,
) -> Result<Option<T>, StateFileError> {
    if !is_there(path)? {
        return Ok(None);
    }
    let file =
        File::open(path).map_err(|source| StateFileError::Unreadable { path: path.to_owned(), source })?;
    let read = read_from(file);
    let left = match &read {
        Ok(_) => remove(path),
        Err(damage) => put_aside(path, damage).or_else(|_| remove(path)),
    };
    match left {
        Ok(()) => Ok(read.ok()),
        Err(source) => Err(StateFileError::Undeletable { path: path.to_owned(), source }),
    }
}

/// Renames a file that is not believed, and says so: somebody may want to look into it.
fn put_aside(path: &Path, damage: &Damage) -> io::Result<()> {
    let aside = with_suffix(path, ".unusable");
    let renamed = fs::rename(path, &aside).and_then(|()| sync_directory(path));
    let where_it_is = match &renamed {
        Ok(()) => format!("it is {} now", aside.display()),
        Err(error) => format!("it is removed, because it cannot be put aside: {error}"),
    };
    log::warn!(
        "the state file {} is not used: {damage}. Clients that come back do not recover what they missed; {where_it_is}",
        path.display()
    );
    renamed
}

/// Whether there is a file. Anything else that may be there is left alone.
fn is_there(path: &Path) -> Result<bool, StateFileError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(StateFileError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StateFileError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Makes a file that is this user's own, in the place of what a crash may have left.
fn make(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The header comes last, when what it tells of the body is known: a state is never held in memory a second time.
fn write_into(mut file: File, state: &impl Serialize) -> io::Result<()> {
    file.write_all(&[0; HEADER])?;
    let mut body = Measured { inner: BufWriter::new(file), length: 0, hasher: Hasher::new() };
    rmp_serde::encode::write_named(&mut body, state).map_err(io::Error::other)?;
    let Measured { inner, length, hasher } = body;
    let mut file = inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(length, hasher.finalize()))?;
    file.sync_all()
}

fn header(length: u64, checksum: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_be_bytes());
    header[12..20].copy_from_slice(&length.to_be_bytes());
    header[20..].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// Checks every byte before the first is understood. Nothing is allocated by what the file says of itself.
fn read_from<T: DeserializeOwned>(mut file: File) -> Result<T, Damage> {
    let checksum = read_header(&mut file)?;
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if hasher.finalize() != checksum {
        return Err(Damage::Checksum);
    }
    file.seek(SeekFrom::Start(HEADER as u64))?;
    let mut body = BufReader::new(file);
    let state = rmp_serde::from_read(&mut body)?;
    // Another program's state may begin like one of ours.
    if body.read(&mut [0])? != 0 { Err(Damage::Foreign) } else { Ok(state) }
}

/// Returns the checksum of the body, of which there is as much as there should be.
fn read_header(file: &mut File) -> Result<u32, Damage> {
    let size = file.metadata()?.len();
    if size < HEADER as u64 {
        return Err(Damage::Foreign);
    }
    let (mut magic, mut format, mut length, mut checksum) = ([0; 8], [0; 4], [0; 8], [0; 4]);
    for field in [&mut magic[..], &mut format, &mut length, &mut checksum] {
        file.read_exact(field)?;
    }
    if magic != MAGIC {
        return Err(Damage::Foreign);
    }
    let (format, announced) = (u32::from_be_bytes(format), u64::from_be_bytes(length));
    if format != FORMAT {
        return Err(Damage::OtherFormat(format));
    }
    let is = size - HEADER as u64;
    if is != announced { Err(Damage::Length { is, announced }) } else { Ok(u32::from_be_bytes(checksum)) }
}

/// Makes sure that what happened to names in a file's directory survives a loss of power.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(directory)?.sync_all() {
        // Some file systems have nothing to say to that.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        synced => synced,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Passes bytes on, and keeps count of them and their checksum.
struct Measured<W> {
    inner: W,
    length: u64,
    hasher: Hasher,
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.length += count as u64;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct State {
        epoch: String,
        tops: Vec<(String, u64)>,
        #[serde(with = "serde_bytes_like")]
        data: Vec<u8>,
    }

    /// Bytes as one value, as publications' data are.
    mod serde_bytes_like {
        use serde::{Deserialize as _, Deserializer, Serializer};

        pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(bytes)
        }

        pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
            Ok(bytes::Bytes::deserialize(deserializer)?.to_vec())
        }
    }

    fn state() -> State {
        State {
            epoch: "e1".into(),
            tops: vec![("chat:a".into(), 7), ("b".into(), 1 << 60)],
            data: vec![9; 3],
        }
    }

    /// A directory with a state file.
    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn with(bytes: &[u8]) -> Self {
            let place = Self::new();
            fs::write(place.path(), bytes).unwrap();
            place
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("state")
        }

        fn entries(&self) -> Vec<String> {
            let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
            let mut entries: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(name).collect();
            entries.sort();
            entries
        }

        /// The content is not used, and put aside as it is.
        #[track_caller]
        fn assert_unusable(&self, bytes: &[u8]) {
            assert_eq!(take::<State>(&self.path()).unwrap(), None);
            assert_eq!(self.entries(), ["state.unusable"]);
            assert_eq!(fs::read(self.0.path().join("state.unusable")).unwrap(), bytes);
        }
    }

    fn written() -> Vec<u8> {
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        fs::read(place.path()).unwrap()
    }

    fn damage(bytes: &[u8]) -> String {
        let place = Place::with(bytes);
        read_from::<State>(File::open(place.path()).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_had_once() {
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        assert_eq!(place.entries(), ["state"]);
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(take(&place.path()).unwrap(), Some(state()));
        assert_eq!(take::<State>(&place.path()).unwrap(), None);
        assert!(place.entries().is_empty());
    }

    #[test]
    fn more_than_fits_into_a_piece_comes_back_as_well() {
        let place = Place::new();
        let large = State { data: (0..3 * PIECE).map(|index| index as u8).collect(), ..state() };
        write(&place.path(), &large).unwrap();
        assert_eq!(take(&place.path()).unwrap(), Some(large));
    }

    #[test]
    fn a_later_state_replaces_an_earlier_one() {
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        let later = State { epoch: "e2".into(), ..state() };
        write(&place.path(), &later).unwrap();
        assert_eq!(take(&place.path()).unwrap(), Some(later));
    }

    #[test]
    fn a_program_that_knows_more_or_less_fields_reads_it() {
        #[derive(Debug, Deserialize, PartialEq, Serialize)]
        struct Other {
            epoch: String,
            #[serde(default)]
            added: Option<u32>,
        }
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        assert_eq!(take(&place.path()).unwrap(), Some(Other { epoch: "e1".into(), added: None }));
    }

    #[test]
    fn a_file_that_ends_early_is_put_aside_wherever_it_ends() {
        let written = written();
        for length in 0..written.len() {
            Place::with(&written[..length]).assert_unusable(&written[..length]);
        }
    }

    #[test]
    fn a_file_with_a_changed_byte_is_put_aside_whichever_it_is() {
        let written = written();
        for index in 0..written.len() {
            for mask in [1, 0x80, 0xFF] {
                let mut changed = written.clone();
                changed[index] ^= mask;
                Place::with(&changed).assert_unusable(&changed);
            }
        }
    }

    #[test]
    fn a_file_that_goes_on_is_put_aside() {
        let longer = [written(), vec![0]].concat();
        Place::with(&longer).assert_unusable(&longer);
    }

    #[test]
    fn a_length_that_is_not_there_is_not_believed() {
        let mut claims = written();
        claims[12..20].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(damage(&claims).ends_with("18446744073709551615 were written"));
        Place::with(&claims).assert_unusable(&claims);
    }

    /// A file as it should be, but for its body.
    fn genuine(body: &[u8]) -> Vec<u8> {
        [&header(body.len() as u64, crc32fast::hash(body))[..], body].concat()
    }

    #[test]
    fn lengths_inside_the_body_are_not_believed_either() {
        // An array, a map, a text, bytes: each of 4294967295 or so.
        for marker in [0xDD, 0xDF, 0xDB, 0xC6] {
            let file = genuine(&[marker, 255, 255, 255, 255]);
            Place::with(&file).assert_unusable(&file);
        }
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        let file = genuine(&[0x91; 100_000]);
        Place::with(&file).assert_unusable(&file);
    }

    #[test]
    fn each_kind_of_damage_is_told() {
        assert_eq!(damage(b"# notes, and more of them than a header has"), "it is no state file");
        assert_eq!(damage(b""), "it is no state file");
        let mut newer = written();
        newer[11] = 2;
        assert_eq!(damage(&newer), "it has format 2, this program reads format 1");
        let mut flipped = written();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(damage(&flipped), "its checksum is wrong");
        assert!(damage(&genuine(b"\x01")).starts_with("its content is not understood: "));
        let body = rmp_serde::to_vec_named(&state()).unwrap();
        assert_eq!(damage(&genuine(&[body, vec![1]].concat())), "it is no state file");
    }

    #[test]
    fn an_unusable_file_replaces_an_earlier_one() {
        let place = Place::with(b"second");
        fs::write(place.0.path().join("state.unusable"), "first").unwrap();
        place.assert_unusable(b"second");
    }

    #[test]
    fn an_unusable_file_that_cannot_be_put_aside_is_removed() {
        let place = Place::with(b"notes");
        let aside = place.0.path().join("state.unusable");
        fs::create_dir(&aside).unwrap();
        assert_eq!(take::<State>(&place.path()).unwrap(), None);
        assert_eq!(place.entries(), ["state.unusable"]);
        assert!(aside.is_dir());
    }

    #[test]
    fn what_can_neither_be_put_aside_nor_removed_is_an_error() {
        let place = Place::with(b"notes");
        fs::create_dir(place.0.path().join("state.unusable")).unwrap();
        let error = take_with::<State>(&place.path(), |_| Err(Errno::ROFS.into())).unwrap_err();
        assert!(matches!(error, StateFileError::Undeletable { .. }), "{error}");
    }

    #[test]
    fn a_state_that_would_stay_on_the_disk_is_not_used() {
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        let error = take_with::<State>(&place.path(), |_| Err(Errno::ROFS.into())).unwrap_err();
        assert!(error.to_string().contains("state cannot be removed, so it must not be used"), "{error}");
    }

    #[test]
    fn a_state_that_is_discarded_is_gone() {
        let place = Place::new();
        discard(&place.path()).unwrap();
        write(&place.path(), &state()).unwrap();
        discard(&place.path()).unwrap();
        assert!(place.entries().is_empty());
    }

    #[test]
    fn what_is_no_file_is_an_error_and_stays() {
        let place = Place::new();
        fs::create_dir(place.path()).unwrap();
        for error in [take::<State>(&place.path()).unwrap_err(), check_state_file(&place.path()).unwrap_err()]
        {
            assert!(matches!(error, StateFileError::NotAFile { .. }), "{error}");
        }
        assert!(matches!(write(&place.path(), &state()), Err(StateFileError::Unwritable { .. })));
        assert_eq!(place.entries(), ["state"]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_at_the_start() {
        let place = Place::new();
        let path = place.0.path().join("missing/state");
        let message = check_state_file(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot write the state file {}", path.display())), "{message}");
        assert!(write(&path, &state()).is_err());
        assert_eq!(take::<State>(&path).unwrap(), None);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_told_at_the_start() {
        let place = Place::new();
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o500)).unwrap();
        // The superuser may write it all the same.
        let forbidden = File::create(place.0.path().join("probe")).is_err();
        assert_eq!(check_state_file(&place.path()).is_err(), forbidden);
        assert_eq!(write(&place.path(), &state()).is_err(), forbidden);
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn the_check_leaves_everything_as_it_was() {
        let place = Place::new();
        check_state_file(&place.path()).unwrap();
        assert!(place.entries().is_empty());
        write(&place.path(), &state()).unwrap();
        check_state_file(&place.path()).unwrap();
        assert_eq!(take(&place.path()).unwrap(), Some(state()));
    }

    #[test]
    fn a_crash_before_the_end_leaves_the_earlier_state_whole() {
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        // What a process that was killed while it wrote leaves behind, with somebody else's rights.
        let beside = place.0.path().join("state.new");
        fs::write(&beside, &written()[..30]).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).unwrap();
        let earlier = fs::read(place.path()).unwrap();
        assert_eq!(earlier, written());
        write(&place.path(), &state()).unwrap();
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(place.entries(), ["state"]);
    }

    #[test]
    fn a_state_that_cannot_be_written_leaves_the_earlier_one_whole() {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let place = Place::new();
        write(&place.path(), &state()).unwrap();
        assert!(write(&place.path(), &(state(), Fails)).is_err());
        assert_eq!(place.entries(), ["state"]);
        assert_eq!(take(&place.path()).unwrap(), Some(state()));
    }

    proptest! {
        #[test]
        fn any_content_is_understood_or_put_aside(body in any::<Vec<u8>>()) {
            let file = genuine(&body);
            let place = Place::with(&file);
            if take::<State>(&place.path()).unwrap().is_none() {
                prop_assert_eq!(place.entries(), ["state.unusable"]);
            }
        }
    }
}
