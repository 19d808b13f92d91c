//! The log as a file of JSON Lines, for any number of processes at once.
//!
//! Beside the log lies its checkpoint, `LOG.head`: the end of the chain and the length of the file, with a hash of their
//! own. It is locked while records are written, so that processes take turns, and each of them begins where the one before
//! ended. It is brought up to date after the records are on the disk; so after a crash it may be behind the log, and
//! never before it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use secrets_core::{Clock, Error, ErrorKind, Result};

use super::actor::Actor;
use super::config::{AuditConfig, FsyncMode};
use super::hash_chain::{AuditKey, HEAD_BYTES, Head, Seal};
use super::record::{Event, Record};
use super::sink::AuditSink;
use super::verify::{Verifier, each_line};

/// After how many records a checkpoint is reported in the trace, so that it is kept elsewhere too.
const TOLD_EVERY: u64 = 1000;

/// Appends records to a file, each with the hash of the one before it.
///
/// The file is made with mode 0600, with its checkpoint beside it. Several processes may write to one log. When it is
/// full or old, it is renamed to `LOG.NNNNNNNNNNNN`, the number of its last record, and a new one goes on where it ended. A
/// file that somebody else moves away is noticed at the next record.
pub struct FileSink {
    path: PathBuf,
    seal: Seal,
    sync: FsyncMode,
    max_bytes: u64,
    max_age: Option<Duration>,
    actor: Arc<Actor>,
    clock: Arc<dyn Clock>,
    head: Option<File>,
    log: Option<File>,
}

/// A log that is locked, and where it ends.
struct Locked {
    head: File,
    state: Head,
    /// What has to be reported in it before anything else.
    notes: Vec<Record>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The lock goes with the last descriptor at the latest.
        let _ = self.head.unlock();
    }
}

impl FileSink {
    /// A sink for this file, with the rules of this configuration. Nothing is opened yet.
    pub fn new(
        path: impl Into<PathBuf>,
        config: &AuditConfig,
        key: Option<AuditKey>,
        actor: Arc<Actor>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            path: path.into(),
            seal: Seal::new(key),
            sync: config.sync,
            max_bytes: config.max_bytes,
            max_age: config.max_age,
            actor,
            clock,
            head: None,
            log: None,
        }
    }

    fn failed(&self, action: &str) -> impl Fn(io::Error) -> Error + use<> {
        let (path, action) = (self.path.clone(), action.to_owned());
        move |error| io_error(&action, &path, &error)
    }

    /// Waits for the turn of this process, and finds out where the chain is.
    fn lock(&mut self) -> Result<Locked> {
        let failed = self.failed("lock");
        let head_path = head_path(&self.path);
        let (file, made) = loop {
            let (file, made) = match self.head.take() {
                Some(file) => (file, false),
                // It is written from its start, which appending would not do.
                None => {
                    open(&head_path, OpenOptions::new().read(true).write(true)).map_err(&failed)?
                }
            };
            guard(&file, &head_path)?;
            file.lock().map_err(&failed)?;
            if is_at(&file, &head_path) {
                break (file, made);
            }
        };
        self.head = Some(file.try_clone().map_err(&failed)?);
        let mut locked = Locked {
            head: file,
            state: Head::START,
            notes: Vec::new(),
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        locked.head.seek(SeekFrom::Start(0)).map_err(&failed)?;
        (&locked.head)
            .take(HEAD_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        let known = match bytes.is_empty() {
            true => None,
            false => Some(Head::decode(&bytes, &self.seal).ok_or_else(|| {
                Error::new(
                    ErrorKind::IntegrityFailure,
                    format!("the checkpoint {} is damaged, or was written with another key", head_path.display()),
                )
                .with_hint("run `secrets audit verify`; to begin a new log with another key, move both files away")
            })?),
        };
        locked.state = known.unwrap_or(Head::START);
        self.open_log(&mut locked, known.is_some(), made)?;
        Ok(locked)
    }

    /// Opens the file of the log, or makes it, and brings the state of the lock up to it.
    fn open_log(&mut self, locked: &mut Locked, head_known: bool, head_made: bool) -> Result<()> {
        let failed = self.failed("open");
        let log = match self.log.take() {
            Some(log) if is_at(&log, &self.path) => log,
            _ => {
                let mut options = OpenOptions::new();
                let options = options.read(true).append(true);
                let (log, made) = open(&self.path, options).map_err(&failed)?;
                guard(&log, &self.path)?;
                if (made || head_made) && self.sync != FsyncMode::None {
                    sync_folder(&self.path).map_err(&failed)?;
                }
                log
            }
        };
        let length = log.metadata().map_err(&failed)?.len();
        if length == 0 {
            // A new file, or one that somebody emptied: the chain goes on in it. The checkpoint has to know before a
            // record is there, since it would take the new file for the rest of the old one.
            if locked.state.end > 0 {
                locked.state.end = 0;
                self.write_head(&locked.head, locked.state)
                    .and_then(|()| locked.head.sync_data())
                    .map_err(&failed)?;
            }
        } else if !head_known {
            self.rebuild(&log, locked)?;
        } else if length > locked.state.end {
            self.catch_up(&log, locked)?;
        } else if length < locked.state.end {
            // Records were taken away. The chain goes on behind them, so that they are missed.
            end_line(&log, length).map_err(&failed)?;
            locked.state.end = log.metadata().map_err(&failed)?.len();
        }
        self.log = Some(log);
        Ok(())
    }

    /// Takes over what a writer that was killed had written already, and takes away what it had not finished.
    fn catch_up(&self, log: &File, locked: &mut Locked) -> Result<()> {
        let failed = self.failed("read");
        let mut reader = log;
        reader
            .seek(SeekFrom::Start(locked.state.end))
            .map_err(&failed)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(&failed)?;
        let finished = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let mut verifier = Verifier::after(self.seal.clone(), locked.state.link);
        if locked.state.end == 0 {
            verifier.begin_file();
        }
        // What does not fit stays, for whoever verifies the log, and the chain goes on behind it.
        for line in bytes[..finished].split(|byte| *byte == b'\n') {
            if verifier.line(line).is_err() {
                break;
            }
        }
        if let Some(last) = verifier.last {
            locked.state.link = last;
        }
        locked.state.end += finished as u64;
        let unfinished = (bytes.len() - finished) as u64;
        if unfinished > 0 {
            log.set_len(locked.state.end).map_err(&failed)?;
            locked.notes.push(self.unfinished(unfinished));
        }
        Ok(())
    }

    /// Finds the end of the chain where the checkpoint is missing.
    fn rebuild(&self, log: &File, locked: &mut Locked) -> Result<()> {
        let mut verifier = Verifier::new(self.seal.clone(), None);
        let mut begins = None;
        let (mut follows_to, mut unfinished) = (0, 0);
        each_line(&self.path, |line, ended| {
            begins.get_or_insert_with(|| line.starts_with(b"{\"seq\":"));
            if !ended {
                unfinished = line.len() as u64;
            }
            let follows = ended && verifier.line(line).is_ok();
            if follows {
                follows_to += line.len() as u64 + 1;
            }
            follows
        })?;
        if begins != Some(true) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} is no audit log", self.path.display()),
            )
            .with_hint("name a file of its own in `audit.path`"));
        }
        let Some(last) = verifier.last else {
            return Err(Error::new(
                ErrorKind::IntegrityFailure,
                format!(
                    "the audit log {} is damaged, or was written with another key",
                    self.path.display()
                ),
            )
            .with_hint(
                "run `secrets audit verify`; to begin a new log with another key, move it away",
            ));
        };
        let failed = self.failed("write");
        let length = log.metadata().map_err(&failed)?.len();
        if unfinished > 0 && follows_to + unfinished == length {
            log.set_len(follows_to).map_err(&failed)?;
            locked.notes.push(self.unfinished(unfinished));
        } else {
            end_line(log, length).map_err(&failed)?;
        }
        locked.state.link = last;
        locked.state.end = log.metadata().map_err(&failed)?.len();
        locked.state.began = self.now();
        locked.notes.push(self.note(
            Event::Recovered,
            "the checkpoint beside the log was missing".to_owned(),
        ));
        Ok(())
    }

    /// Begins a new file if this one is full or old.
    fn rotate(&mut self, locked: &mut Locked) -> Result<()> {
        let state = &locked.state;
        let age = Duration::from_millis(self.now().saturating_sub(state.began));
        let full = state.end >= self.max_bytes;
        let old = self.max_age.is_some_and(|limit| age >= limit);
        if state.end == 0 || !(full || old) {
            return Ok(());
        }
        let failed = self.failed("rotate");
        // Of a file that goes, all is on the disk, whatever the mode.
        if let Some(log) = self.log.take() {
            log.sync_all().map_err(&failed)?;
        }
        let filled = numbered(&self.path, state.link.seq);
        fs::rename(&self.path, &filled).map_err(&failed)?;
        self.open_log(locked, true, false)
    }

    fn append(&mut self, locked: &mut Locked, records: &[Record]) -> Result<()> {
        let mut state = locked.state;
        let mut text = Vec::with_capacity(512 * (records.len() + 1));
        let reported = state.link.seq / TOLD_EVERY;
        if state.end == 0 {
            state.began = self.now();
            let note = format!("format=1 key={}", self.seal.key_id());
            let opened = self.note(Event::Opened, note);
            state.link.append(&opened, &self.seal, &mut text)?;
        }
        for record in locked.notes.iter().chain(records) {
            state.link.append(record, &self.seal, &mut text)?;
        }
        let failed = self.failed("write");
        let Some(mut log) = self.log.as_ref() else {
            return Err(Error::from(ErrorKind::Unexpected));
        };
        let written = log.write_all(&text).and_then(|()| match self.sync {
            FsyncMode::None => Ok(()),
            FsyncMode::Each | FsyncMode::Batch => log.sync_data(),
        });
        state.end += text.len() as u64;
        let written = written.and_then(|()| {
            self.write_head(&locked.head, state)?;
            match locked.state.end == 0 && self.sync != FsyncMode::None {
                // Later it may be behind; but that there is one at all must not be lost.
                true => locked.head.sync_data(),
                false => Ok(()),
            }
        });
        if let Err(error) = written {
            // Nobody may rely on what is refused now; if it cannot be taken away, the next writer takes it over.
            let _ = log.set_len(locked.state.end);
            return Err(failed(error));
        }
        locked.state = state;
        locked.notes.clear();
        if state.link.seq / TOLD_EVERY > reported {
            tracing::info!(
                target: "polysecrets::audit",
                seq = state.link.seq,
                hash = super::hash_chain::hex(&state.link.hash),
                "checkpoint"
            );
        }
        Ok(())
    }

    fn write_head(&self, mut head: &File, state: Head) -> io::Result<()> {
        head.seek(SeekFrom::Start(0))?;
        head.write_all(&state.encode(&self.seal))
    }

    /// All or none of them: takes the records away that went before one that failed.
    fn take_back(&self, locked: &Locked, start: Head) {
        let back = self.write_head(&locked.head, start);
        if let (Ok(()), Some(log)) = (back, &self.log) {
            // What cannot be taken away, the next writer takes over.
            let _ = log.set_len(start.end);
        }
    }

    fn unfinished(&self, bytes: u64) -> Record {
        let note = format!("{bytes} bytes of a record that was not finished were taken away");
        self.note(Event::Recovered, note)
    }

    fn note(&self, event: Event, note: String) -> Record {
        let mut record = Record::new(event, self.actor.clone(), self.clock.wall());
        record.note = Some(note);
        record
    }

    fn now(&self) -> u64 {
        let now = self
            .clock
            .wall()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

impl AuditSink for FileSink {
    fn write(&mut self, records: &[Record]) -> Result<()> {
        let mut locked = self.lock()?;
        self.rotate(&mut locked)?;
        match self.sync {
            FsyncMode::Each => {
                let start = locked.state;
                for record in records {
                    if let Err(error) = self.append(&mut locked, std::slice::from_ref(record)) {
                        self.take_back(&locked, start);
                        return Err(error);
                    }
                }
                Ok(())
            }
            FsyncMode::Batch | FsyncMode::None => self.append(&mut locked, records),
        }
    }

    fn reopen(&mut self) -> Result<()> {
        self.head = None;
        self.log = None;
        Ok(())
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink")
            .field("path", &self.path)
            .field("sync", &self.sync)
            .field("keyed", &self.seal.is_keyed())
            .finish_non_exhaustive()
    }
}

/// The checkpoint of a log.
pub(super) fn head_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    name.into()
}

fn numbered(path: &Path, seq: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{seq:012}"));
    name.into()
}

pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Opens a file, and makes it if there is none; tells whether it was made.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<(File, bool)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let mut has_folder = false;
    loop {
        match options.open(path) {
            Ok(file) => return Ok((file, false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match options.clone().create_new(true).open(path) {
            Ok(file) => return Ok((file, true)),
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Once: in a folder that was removed under us nothing can be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_folder => {
                make_folder(folder(path))?;
                has_folder = true;
            }
            Err(error) => return Err(error),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;

        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Refuses what is not a file, and one that others could write records into.
#[cfg(unix)]
fn guard(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file
        .metadata()
        .map_err(|error| io_error("read", path, &error))?;
    let refused = |why: &str| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the audit log {} {why}", path.display()),
        )
    };
    if !metadata.is_file() {
        return Err(refused("is not a regular file").with_hint("name a file in `audit.path`"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(refused("can be written by others").with_hint(format!(
            "`chmod go-w {}`, then `secrets audit verify`",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn guard(_: &File, _: &Path) -> Result<()> {
    Ok(())
}

/// Whether this file is still the one at this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder(path))?.sync_all(),
        false => Ok(()),
    }
}

/// Ends a line that was cut off, so that the next record has one of its own.
fn end_line(mut log: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let mut last = [0];
    log.seek(SeekFrom::Start(length - 1))?;
    log.read_exact(&mut last)?;
    match last {
        [b'\n'] => Ok(()),
        _ => log.write_all(b"\n"),
    }
}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_link(_: &io::Error) -> bool {
    false
}

/// An error of the file system as ours.
pub(super) fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind as Io;

    let (kind, hint) = match error.kind() {
        Io::NotFound | Io::NotADirectory => (ErrorKind::InvalidConfig, "check the path"),
        _ if is_link(error) => (
            ErrorKind::InvalidConfig,
            "the log may not be a symbolic link",
        ),
        Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::IsADirectory => (
            ErrorKind::InvalidConfig,
            "the log has to be a file that you can write",
        ),
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
            (ErrorKind::Unavailable, "make room on the disk")
        }
        _ => (
            ErrorKind::Unavailable,
            "look at the disk that the log is on",
        ),
    };
    let reason = error.to_string();
    let reason = reason
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase();
    Error::new(
        kind,
        format!("cannot {action} the audit log {}: {reason}", path.display()),
    )
    .with_hint(hint)
}
