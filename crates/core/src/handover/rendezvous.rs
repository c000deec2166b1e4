//! The Unix socket at which a process that serves is found by the one that takes over from it. It belongs to whoever put
//! it there last, and only processes of one user meet. What they say to each other is not decided here.

use std::{
    ffi::OsString,
    fs::{self, Metadata, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::net::Shutdown;

use super::SuccessorSender;

/// The longest name that the system has room for in the address of a Unix socket.
const MAX_ADDRESS: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What the name a socket is bound at has more than the one it is found at: a dot and the longest process id.
const SUFFIX: usize = 11;

/// How long to wait after an error of the listening socket, which usually is that too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// A path at which a process that serves can be found.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    path: PathBuf,
}

/// Keeps this process to be found. Dropping it ends that, and removes the socket unless a successor has put its own
/// there.
#[derive(Debug)]
pub struct RendezvousGuard {
    path: PathBuf,
    identity: Identity,
    listener: Arc<UnixListener>,
    is_closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why processes cannot meet at a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The address of a Unix socket has a fixed size.
    #[error(
        "the path of the handover socket has {length} bytes, at most {limit} are possible: choose a shorter one than {path}",
        path = path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// How long it may be.
        limit: usize,
    },

    /// The socket would be in no directory.
    #[error(
        "there is no directory {directory} for the handover socket: make it, or choose another path",
        directory = directory.display()
    )]
    NoDirectory {
        /// Where the socket was to be.
        directory: PathBuf,
    },

    /// Something else is there.
    #[error(
        "{path} is there and is no socket: choose another path for the handover socket, or remove it",
        path = path.display()
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },

    /// The process that serves there may be anybody's.
    #[error(
        "the handover socket {path} belongs to the user with id {user}, this process to the one with id {own}: start it as \
         the same user, or choose another path",
        path = path.display()
    )]
    OtherUser {
        /// The path.
        path: PathBuf,
        /// Whose socket it is.
        user: u32,
        /// Whose process this is.
        own: u32,
    },

    /// The system refused.
    #[error("cannot use the handover socket {path}", path = path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Rendezvous {
    /// A path to meet at. Nothing is done there yet.
    ///
    /// # Errors
    /// [`RendezvousError::TooLong`] and [`RendezvousError::NoDirectory`].
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, RendezvousError> {
        let path = path.into();
        let (length, limit) = (path.as_os_str().len(), MAX_ADDRESS - SUFFIX);
        if length > limit {
            return Err(RendezvousError::TooLong { path, length, limit });
        }
        let directory = directory_of(&path);
        if path.file_name().is_none() || !directory.is_dir() {
            return Err(RendezvousError::NoDirectory { directory: directory.to_owned() });
        }
        Ok(Self { path })
    }

    /// A line to the process that serves there; `None` if there is none. Blocks while that one's queue of callers is full.
    ///
    /// # Errors
    /// When what is there is no socket, or another user's. It is left as it is.
    pub fn find(&self) -> Result<Option<UnixStream>, RendezvousError> {
        let Some(metadata) = self.look()? else { return Ok(None) };
        self.check_user(metadata.uid())?;
        let line = match UnixStream::connect(&self.path) {
            Ok(line) => line,
            Err(error) if is_nobody(&error) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        if let Some(user) = peer(&line).map_err(|error| self.failed(error))? {
            self.check_user(user)?;
        }
        Ok(Some(line))
    }

    /// Lets this process be found from now on, in the place of whoever was before: at no instant is nobody there. Callers
    /// of the same user are offered to `successors`.
    ///
    /// # Errors
    /// When something that is no socket is there, or the system refuses.
    pub fn open(&self, successors: SuccessorSender) -> Result<RendezvousGuard, RendezvousError> {
        self.open_to(move |line| successors.offer(line))
    }

    fn open_to(
        &self,
        offer: impl Fn(UnixStream) + Send + 'static,
    ) -> Result<RendezvousGuard, RendezvousError> {
        // The renaming would take the place of a file as well.
        self.look()?;
        let (listener, identity) = self.put_in_place().map_err(|error| self.failed(error))?;
        let (listener, is_closed) = (Arc::new(listener), Arc::new(AtomicBool::new(false)));
        let mut guard =
            RendezvousGuard { path: self.path.clone(), identity, listener, is_closed, thread: None };
        let doorkeeper = Doorkeeper {
            path: guard.path.clone(),
            listener: Arc::clone(&guard.listener),
            is_closed: Arc::clone(&guard.is_closed),
        };
        let thread =
            thread::Builder::new().name("rendezvous".to_owned()).spawn(move || doorkeeper.serve(offer));
        match thread {
            Ok(thread) => guard.thread = Some(thread),
            Err(source) => return Err(RendezvousError::Io { path: guard.path.clone(), source }),
        }
        Ok(guard)
    }

    /// Binds beside the path and renames, so that no caller meets a socket that is not ready, or none.
    fn put_in_place(&self) -> io::Result<(UnixListener, Identity)> {
        let beside = beside(&self.path);
        // Left by an earlier process with this id, which ended between the two steps.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&beside)?;
        let placed = fs::set_permissions(&beside, Permissions::from_mode(0o600))
            .and_then(|()| fs::symlink_metadata(&beside))
            .and_then(|metadata| fs::rename(&beside, &self.path).map(|()| Identity::of(&metadata)));
        match placed {
            Ok(identity) => Ok((listener, identity)),
            Err(error) => {
                let _ = fs::remove_file(&beside);
                Err(error)
            }
        }
    }

    /// What is at the path: a socket, or nothing.
    fn look(&self) -> Result<Option<Metadata>, RendezvousError> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.file_type().is_socket() => Ok(Some(metadata)),
            Ok(_) => Err(RendezvousError::NotASocket { path: self.path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn check_user(&self, user: u32) -> Result<(), RendezvousError> {
        let own = own_user();
        if user == own {
            return Ok(());
        }
        Err(RendezvousError::OtherUser { path: self.path.clone(), user, own })
    }

    fn failed(&self, source: io::Error) -> RendezvousError {
        RendezvousError::Io { path: self.path.clone(), source }
    }
}

impl RendezvousGuard {
    /// Whether callers still meet this process: a successor puts itself in its place as soon as it serves.
    pub fn is_current(&self) -> bool {
        // The listener is open, so no other socket can have its inode.
        let there = fs::symlink_metadata(&self.path);
        there.is_ok_and(|metadata| Identity::of(&metadata) == self.identity)
    }
}

impl Drop for RendezvousGuard {
    fn drop(&mut self) {
        if self.is_current() {
            let _ = fs::remove_file(&self.path);
        }
        self.is_closed.store(true, Ordering::Release);
        let is_woken = rustix::net::shutdown(self.listener.as_fd(), Shutdown::Both).is_ok();
        // Where the system cannot wake it so, the thread waits for a caller that will not come.
        if let Some(thread) = self.thread.take().filter(|_| is_woken) {
            let _ = thread.join();
        }
    }
}

/// Lets callers in, in a thread of its own.
struct Doorkeeper {
    path: PathBuf,
    listener: Arc<UnixListener>,
    is_closed: Arc<AtomicBool>,
}

impl Doorkeeper {
    fn serve(self, offer: impl Fn(UnixStream)) {
        loop {
            let accepted = self.listener.accept();
            if self.is_closed.load(Ordering::Acquire) {
                return;
            }
            match accepted {
                Ok((line, _)) => self.receive(line, &offer),
                Err(error) => {
                    log::warn!("cannot let a process in at {}: {error}", self.path.display());
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    fn receive(&self, line: UnixStream, offer: impl Fn(UnixStream)) {
        match peer(&line) {
            Ok(user) if user.is_none_or(|user| user == own_user()) => offer(line),
            Ok(_) => log::warn!("a process of another user was hung up on at {}", self.path.display()),
            Err(error) => {
                log::warn!(
                    "a process was hung up on at {}, whose user is unknown: {error}",
                    self.path.display()
                );
            }
        }
    }
}

/// Which socket it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The name at which a socket is made.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}", std::process::id()));
    PathBuf::from(name)
}

/// Whether a socket is only the trace of a process that has ended.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user of the process at the other end.
#[cfg(target_os = "linux")]
fn peer(line: &UnixStream) -> io::Result<Option<u32>> {
    Ok(Some(rustix::net::sockopt::socket_peercred(line)?.uid.as_raw()))
}

/// Elsewhere the socket's mode has to do: nobody else may connect.
#[cfg(not(target_os = "linux"))]
fn peer(_: &UnixStream) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read as _, Write as _},
        sync::mpsc,
    };
    use tempfile::TempDir;

    /// A directory with the path to meet at.
    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("handover")
        }

        fn rendezvous(&self) -> Rendezvous {
            Rendezvous::at(self.path()).unwrap()
        }

        fn open(&self) -> (RendezvousGuard, mpsc::Receiver<UnixStream>) {
            let (sender, lines) = mpsc::channel();
            let guard = self.rendezvous().open_to(move |line| sender.send(line).unwrap()).unwrap();
            (guard, lines)
        }

        fn entries(&self) -> Vec<OsString> {
            fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    #[test]
    fn whoever_serves_is_found_and_hears_what_is_said() {
        let place = Place::new();
        let (_guard, lines) = place.open();
        for word in [b"one", b"two"] {
            let mut line = place.rendezvous().find().unwrap().unwrap();
            line.write_all(word).unwrap();
            let mut heard = [0; 3];
            lines.recv().unwrap().read_exact(&mut heard).unwrap();
            assert_eq!(&heard, word);
        }
    }

    #[test]
    fn successors_are_told_of_a_caller() {
        let place = Place::new();
        let (sender, mut successors) = crate::handover::Successors::channel();
        let _guard = place.rendezvous().open(sender).unwrap();
        let _line = place.rendezvous().find().unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(successors.next()).is_some());
    }

    #[test]
    fn only_the_owner_may_connect_and_nothing_else_is_left_there() {
        let place = Place::new();
        let (_guard, _lines) = place.open();
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(place.entries(), ["handover"]);
    }

    #[test]
    fn nobody_is_found_where_nothing_is_or_nobody_listens() {
        let place = Place::new();
        assert!(place.rendezvous().find().unwrap().is_none());
        drop(UnixListener::bind(place.path()).unwrap());
        assert!(place.rendezvous().find().unwrap().is_none());
        assert_eq!(place.entries(), ["handover"]);
    }

    #[test]
    fn the_trace_of_a_dead_process_is_replaced() {
        let place = Place::new();
        drop(UnixListener::bind(place.path()).unwrap());
        drop(UnixListener::bind(beside(&place.path())).unwrap());
        let (_guard, lines) = place.open();
        place.rendezvous().find().unwrap().unwrap();
        lines.recv().unwrap();
        assert_eq!(place.entries(), ["handover"]);
    }

    #[test]
    fn a_guard_that_goes_removes_its_socket_and_ends_its_thread() {
        let place = Place::new();
        let (guard, lines) = place.open();
        drop(guard);
        assert!(place.entries().is_empty());
        // The thread has let go of the other end.
        assert_eq!(lines.recv().unwrap_err(), mpsc::RecvError);
    }

    #[test]
    fn a_successor_takes_the_place_and_keeps_it_when_the_old_one_goes() {
        let place = Place::new();
        let (old, old_lines) = place.open();
        assert!(old.is_current());
        let (new, new_lines) = place.open();
        assert!(new.is_current() && !old.is_current());
        drop(old);
        place.rendezvous().find().unwrap().unwrap();
        new_lines.recv().unwrap();
        assert!(old_lines.try_recv().is_err());
        assert_eq!(place.entries(), ["handover"]);
    }

    #[test]
    fn what_is_no_socket_is_an_error_and_stays() {
        for make in [|path| fs::write(path, "mine"), |path| fs::create_dir(path)] as [fn(PathBuf) -> _; 2] {
            let place = Place::new();
            make(place.path()).unwrap();
            let (sender, _successors) = crate::handover::Successors::channel();
            for error in
                [place.rendezvous().find().err().unwrap(), place.rendezvous().open(sender).err().unwrap()]
            {
                assert!(error.to_string().contains("/handover is there and is no socket"), "{error}");
            }
            assert_eq!(place.entries(), ["handover"]);
        }
    }

    #[test]
    fn a_link_to_a_socket_is_no_socket() {
        let place = Place::new();
        let elsewhere = place.0.path().join("elsewhere");
        let _listener = UnixListener::bind(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
        assert!(matches!(place.rendezvous().find(), Err(RendezvousError::NotASocket { .. })));
    }

    #[test]
    fn the_socket_of_another_user_is_an_error() {
        let place = Place::new();
        let _listener = UnixListener::bind(place.path()).unwrap();
        if std::os::unix::fs::chown(place.path(), Some(own_user() + 1), None).is_err() {
            // Only the superuser can make one.
            return;
        }
        let error = place.rendezvous().find().unwrap_err();
        assert!(matches!(error, RendezvousError::OtherUser { .. }), "{error}");
        assert!(error.to_string().contains("start it as the same user"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_user_of_the_process_counts_besides_that_of_the_socket() {
        use rustix::thread::set_thread_uid;
        let place = Place::new();
        fs::set_permissions(place.0.path(), Permissions::from_mode(0o777)).unwrap();
        let (_guard, lines) = place.open();
        fs::set_permissions(place.path(), Permissions::from_mode(0o666)).unwrap();
        let stranger = rustix::process::Uid::from_raw(own_user() + 1);
        let path = place.path();
        let caller = thread::spawn(move || {
            // Of this thread only; and only the superuser can.
            set_thread_uid(stranger).ok().map(|()| UnixStream::connect(path).unwrap())
        });
        let Some(mut line) = caller.join().unwrap() else { return };
        assert_eq!(line.read(&mut [0]).unwrap(), 0, "it was let in");
        assert!(lines.try_recv().is_err());
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_with_the_limit() {
        let place = Place::new();
        let name = "x".repeat(MAX_ADDRESS);
        let error = Rendezvous::at(place.0.path().join(name)).unwrap_err().to_string();
        assert!(error.contains(&format!("at most {} are possible", MAX_ADDRESS - SUFFIX)), "{error}");
    }

    #[test]
    fn the_longest_path_has_room_for_the_name_beside_it() {
        let place = Place::new();
        let room = MAX_ADDRESS - SUFFIX - place.0.path().as_os_str().len() - 1;
        let path = place.0.path().join("x".repeat(room));
        let (sender, _successors) = crate::handover::Successors::channel();
        Rendezvous::at(&path).unwrap().open(sender).unwrap();
        assert!(beside(&path).as_os_str().len() <= MAX_ADDRESS);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let place = Place::new();
        fs::write(place.path(), "").unwrap();
        for directory in [place.0.path().join("missing"), place.path()] {
            let error = Rendezvous::at(directory.join("socket")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("there is no directory {}", directory.display())), "{error}");
        }
    }
}
