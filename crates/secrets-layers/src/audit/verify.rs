//! Finds the first record of a log that is not as it was written.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use secrets_core::{Error, ErrorKind, Result};

use super::hash_chain::{Head, Line, Link, NOTHING, Seal, hex};
use super::record::{Event, Record};

/// The longest line that is taken for a record.
const LONGEST: u64 = 1 << 20;

/// How often a log is looked at while others begin new files of it.
const ATTEMPTS: usize = 10;

/// What was found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainReport {
    /// How many records are as they were written, up to the first that is not.
    pub records: u64,
    /// The number of the first of them. More than 1 if earlier files are not among those that were looked at.
    pub first: u64,
    /// The number of the last of them.
    pub last: u64,
    /// The hash of that one. CacheHit elsewhere, it proves later that nothing before it was changed or taken away.
    pub hash: String,
    /// Whether a key was needed to write them.
    pub keyed: bool,
    /// Whether a checkpoint says where the log ends. Without one, records that are missing at the end are not missed.
    pub anchored: bool,
    /// Bytes after the last record that a crash left and nobody relied on.
    pub unfinished: u64,
    /// What is wrong first.
    pub fault: Option<ChainFault>,
}

/// What is wrong with a log, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainFault {
    /// The file.
    pub file: PathBuf,
    /// The line in it, counted from 1.
    pub line: u64,
    /// The number that the record has, or should have.
    pub seq: u64,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with a record or a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The line has not the form of a record.
    NoRecord,
    /// The record is not as it was written.
    Changed,
    /// The log was written with another key, or the record was changed.
    OtherKey,
    /// Records before this one are missing: this many.
    Missing(u64),
    /// The record stands where another one was written.
    Moved,
    /// The file does not begin with the record that each file begins with.
    NoBeginning,
    /// The last records are missing: this many.
    EndMissing(u64),
    /// The last record is cut off.
    CutOff,
    /// The checkpoint beside the log is missing.
    NoCheckpoint,
    /// The checkpoint beside the log is damaged, or was written with another key.
    DamagedCheckpoint,
    /// The log does not go through the checkpoint.
    OtherHistory,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = |count: u64| match count {
            1 => "1 record is missing".to_owned(),
            _ => format!("{count} records are missing"),
        };
        match self {
            Self::NoRecord => f.write_str("not a record"),
            Self::Changed => f.write_str("the record was changed"),
            Self::OtherKey => f.write_str("the log was written with another key, or this record was changed"),
            Self::Missing(count) => write!(f, "{} before this record", records(*count)),
            Self::Moved => f.write_str("the record was put here from another place, or the one before it was replaced"),
            Self::NoBeginning => f.write_str("the file does not begin where it was begun: records before this one are missing"),
            Self::EndMissing(count) => write!(f, "{} at the end", records(*count)),
            Self::CutOff => f.write_str("the record is cut off"),
            Self::NoCheckpoint => f.write_str("the checkpoint beside the log is missing, so that records may be missing at the end"),
            Self::DamagedCheckpoint => f.write_str("the checkpoint beside the log is damaged, or was written with another key"),
            Self::OtherHistory => f.write_str("the log does not lead to the checkpoint: it was replaced by another one"),
        }
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: record {}: {}",
            self.file.display(),
            self.line,
            self.seq,
            self.kind
        )
    }
}

/// A log: its files, and the key of its chain.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
    seal: Seal,
}

impl AuditLog {
    /// The log whose current file this is.
    pub fn new(path: impl Into<PathBuf>, key: Option<super::AuditKey>) -> Self {
        Self {
            path: path.into(),
            seal: Seal::new(key),
        }
    }

    /// The current file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files of the log, oldest first: those that were filled, then the current one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the folder cannot be read, or there is no file.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let folder = super::file::folder(&self.path);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let failed = |error: io::Error| super::file::io_error("read", folder, &error);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?.file_name();
            let number = entry
                .to_str()
                .and_then(|entry| entry.strip_prefix(&*name)?.strip_prefix('.'));
            if let Some(number) = number.filter(|number| number.len() >= 12)
                && let Ok(number) = number.parse::<u64>()
            {
                files.push((number, folder.join(entry)));
            }
        }
        files.sort_unstable();
        let mut files: Vec<PathBuf> = files.into_iter().map(|(_, file)| file).collect();
        if std::fs::symlink_metadata(&self.path).is_ok() {
            files.push(self.path.clone());
        }
        match files.is_empty() {
            false => Ok(files),
            true => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("there is no audit log at {}", self.path.display()),
            )
            .with_hint("it is begun with the first use of a secret")),
        }
    }

    /// Looks at every record of every file, and whether the last one is there.
    ///
    /// # Errors
    /// If the files cannot be read. What is wrong in them is reported in [`ChainReport::fault`].
    pub fn verify(&self) -> Result<ChainReport> {
        // A writer may begin a new file meanwhile; then what was read is of two moments, or is not where it was.
        for _ in 1..ATTEMPTS {
            let (head, files) = (self.head(), self.files()?);
            let verified = self.verify_with(&files, Some(head));
            let is_whole = matches!(&verified, Ok(verified) if verified.fault.is_none());
            if is_whole || (head == self.head() && files == self.files()?) {
                return verified;
            }
        }
        let head = self.head();
        self.verify_with(&self.files()?, Some(head))
    }

    /// Looks at every record of these files, which follow one another.
    ///
    /// # Errors
    /// If the files cannot be read. What is wrong in them is reported in [`ChainReport::fault`].
    pub fn verify_files(&self, files: &[PathBuf]) -> Result<ChainReport> {
        let anchor = files.last() == Some(&self.path) && self.head_path().exists();
        let head = anchor.then(|| self.head());
        self.verify_with(files, head)
    }

    /// Whether the record of this number has this hash, both as an earlier [`verify`](Self::verify) reported them.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn goes_through(&self, seq: u64, hash: &str) -> Result<bool> {
        for file in self.files()? {
            let mut found = None;
            each_line(&file, |line, _| {
                match Line::parse(line) {
                    Some(line) if line.seq == seq => found = Some(hex(&line.hash) == hash),
                    _ => {}
                }
                found.is_none()
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(false)
    }

    /// The records of these files, in order, each with its number. Lines that are none are left out; whether they are
    /// true is what [`verify`](Self::verify) tells.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn read(files: &[PathBuf], mut take: impl FnMut(u64, Record)) -> Result<()> {
        for file in files {
            each_line(file, |line, _| {
                if let Some(frame) = Line::parse(line)
                    && let Ok(record) = serde_json::from_slice::<Record>(line)
                {
                    take(frame.seq, record);
                }
                true
            })?;
        }
        Ok(())
    }

    /// The records of these files in order, as [`read`](Self::read) gives them, but a line that is not a record, or not the one
    /// that follows, ends it. An unfinished line at the end of a file, as a crash leaves it, is left out. Hashes are not
    /// looked at, so no key is needed.
    ///
    /// # Errors
    /// [`ErrorKind::IntegrityFailure`] with the file, the line and the number of the record; else if a file cannot be read.
    pub fn read_strictly(files: &[PathBuf], mut take: impl FnMut(u64, Record)) -> Result<()> {
        for file in files {
            let (mut number, mut last) = (0, None);
            let mut fault = None;
            each_line(file, |line, ended| {
                if !ended {
                    return false;
                }
                number += 1;
                let expected = last.map_or(1, |last: u64| last.saturating_add(1));
                let frame = Line::parse(line);
                let record = frame.as_ref().and_then(|frame| {
                    let record = serde_json::from_slice::<Record>(line).ok()?;
                    Some((frame.seq, record))
                });
                let (seq, kind) = match record {
                    None => (
                        frame.map_or(expected, |frame| frame.seq),
                        FaultKind::NoRecord,
                    ),
                    Some((seq, _)) if last.is_some() && seq > expected => {
                        (seq, FaultKind::Missing(seq - expected))
                    }
                    Some((seq, _)) if last.is_some() && seq < expected => (seq, FaultKind::Moved),
                    Some((seq, record)) => {
                        last = Some(seq);
                        take(seq, record);
                        return true;
                    }
                };
                fault = Some(ChainFault {
                    file: file.clone(),
                    line: number,
                    seq,
                    kind,
                });
                false
            })?;
            if let Some(fault) = fault {
                let error = Error::new(ErrorKind::IntegrityFailure, fault.to_string());
                return Err(error.with_hint(
                    "`secrets audit verify` tells which records before it can be relied on",
                ));
            }
        }
        Ok(())
    }

    fn head_path(&self) -> PathBuf {
        super::file::head_path(&self.path)
    }

    fn head(&self) -> Result<Head, FaultKind> {
        match std::fs::read(self.head_path()) {
            Ok(bytes) => Head::decode(&bytes, &self.seal).ok_or(FaultKind::DamagedCheckpoint),
            Err(_) => Err(FaultKind::NoCheckpoint),
        }
    }

    fn verify_with(
        &self,
        files: &[PathBuf],
        head: Option<Result<Head, FaultKind>>,
    ) -> Result<ChainReport> {
        let known = head.and_then(Result::ok);
        let mut verifier = Verifier::new(self.seal.clone(), known.map(|head| head.link));
        let mut verified = ChainReport {
            records: 0,
            first: 0,
            last: 0,
            hash: String::new(),
            keyed: self.seal.is_keyed(),
            anchored: known.is_some(),
            unfinished: 0,
            fault: None,
        };
        let mut last_line = (PathBuf::new(), 0);
        'files: for file in files {
            let mut number = 0;
            let mut offset = 0;
            let mut kind = None;
            verifier.begin_file();
            each_line(file, |line, ended| {
                number += 1;
                if !ended {
                    // What was never finished was never relied on, if the checkpoint is older.
                    let relied_on =
                        *file != self.path || known.is_none_or(|head| offset < head.end);
                    match relied_on {
                        true => kind = Some(FaultKind::CutOff),
                        false => verified.unfinished = line.len() as u64,
                    }
                    return false;
                }
                offset += line.len() as u64 + 1;
                kind = verifier.line(line).err();
                kind.is_none()
            })?;
            last_line = (file.clone(), number);
            if let Some(kind) = kind {
                verified.fault = Some(ChainFault {
                    file: file.clone(),
                    line: number,
                    seq: verifier.expected(),
                    kind,
                });
                break 'files;
            }
        }
        verified.first = verifier.first.unwrap_or(0);
        verified.records = verifier.records;
        if let Some(last) = verifier.last {
            (verified.last, verified.hash) = (last.seq, hex(&last.hash));
        }
        if verified.fault.is_none() {
            let kind = match head {
                Some(Err(kind)) => Some(kind),
                Some(Ok(head)) if head.link.seq > verified.last => {
                    Some(FaultKind::EndMissing(head.link.seq - verified.last))
                }
                _ => None,
            };
            verified.fault = kind.map(|kind| ChainFault {
                file: last_line.0,
                line: last_line.1,
                seq: verified.last,
                kind,
            });
        }
        Ok(verified)
    }
}

/// Follows a chain from line to line.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    seal: Seal,
    /// Where the chain has to come through.
    through: Option<Link>,
    pub(super) last: Option<Link>,
    pub(super) records: u64,
    first: Option<u64>,
    at_beginning: bool,
}

impl Verifier {
    pub(super) fn new(seal: Seal, through: Option<Link>) -> Self {
        Self {
            seal,
            through,
            last: None,
            records: 0,
            first: None,
            at_beginning: true,
        }
    }

    /// One that knows where the chain is, in the middle of a file.
    pub(super) fn after(seal: Seal, link: Link) -> Self {
        Self {
            last: Some(link),
            at_beginning: false,
            ..Self::new(seal, None)
        }
    }

    pub(super) fn begin_file(&mut self) {
        self.at_beginning = true;
    }

    /// The number that the next record should have.
    pub(super) fn expected(&self) -> u64 {
        self.last.map_or(1, |last| last.seq + 1)
    }

    /// Looks at the next line, given without its newline.
    pub(super) fn line(&mut self, bytes: &[u8]) -> Result<(), FaultKind> {
        let line = Line::parse(bytes).ok_or(FaultKind::NoRecord)?;
        if !line.is_whole(&self.seal) {
            return Err(match self.records == 0 && self.last.is_none() {
                true => FaultKind::OtherKey,
                false => FaultKind::Changed,
            });
        }
        if self.at_beginning {
            let opens = serde_json::from_slice::<Record>(bytes)
                .is_ok_and(|record| record.event == Event::Opened);
            let starts = line.seq != 1 || line.prev == NOTHING;
            if !opens || (self.last.is_none() && !starts) {
                return Err(FaultKind::NoBeginning);
            }
        }
        if let Some(last) = self.last {
            if line.seq > last.seq + 1 {
                return Err(FaultKind::Missing(line.seq - last.seq - 1));
            }
            if line.seq != last.seq + 1 || line.prev != last.hash {
                return Err(FaultKind::Moved);
            }
        }
        if self
            .through
            .is_some_and(|link| link.seq == line.seq && link.hash != line.hash)
        {
            return Err(FaultKind::OtherHistory);
        }
        self.at_beginning = false;
        self.first.get_or_insert(line.seq);
        self.last = Some(line.link());
        self.records += 1;
        Ok(())
    }
}

/// Gives the lines of a file, without their newlines and with whether they had one, until asked to stop.
pub(super) fn each_line(path: &Path, mut take: impl FnMut(&[u8], bool) -> bool) -> Result<()> {
    let failed = |error: io::Error| super::file::io_error("read", path, &error);
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        let ended = line.last() == Some(&b'\n');
        if ended {
            line.pop();
        }
        // A piece of a line that is too long is no record, and is not the end of the file either.
        let ended = ended || line.len() as u64 == LONGEST;
        if !take(&line, ended) {
            return Ok(());
        }
    }
}
