//! The file of a log: who may write it, where it lies, how it is shared, and what is said when it cannot be used.

use std::fmt::Debug;
use std::io;
use std::sync::mpsc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Metadata as EventMetadata, Subscriber};

use super::super::file::{head_path, io_error};
use super::*;

/// Keeps the fields of each event as text.
#[derive(Default)]
struct Events(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &EventMetadata<'_>) -> bool {
        metadata.target() == "polysecrets::audit"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What is traced meanwhile.
fn traced(run: impl FnOnce()) -> Vec<String> {
    let events = Events::default();
    let kept = events.0.clone();
    tracing::subscriber::with_default(events, run);
    Arc::try_unwrap(kept).unwrap().into_inner().unwrap()
}

#[test]
fn a_checkpoint_is_told_every_thousand_records_and_each_record_by_its_own_sink() {
    let room = Room::new();
    let config = AuditConfig::default().with_sync(FsyncMode::None);
    let mut sink = sink(&room.path(), &config);
    let reported = traced(|| {
        for at in 0..25 {
            let records: Vec<Record> = (0..100).map(|one| record(100 * at + one)).collect();
            sink.write(&records).unwrap();
        }
    });
    // With the one that begins the file, the thousandth is in the tenth call.
    assert_eq!(reported.len(), 2, "{reported:?}");
    for (event, seq) in reported.iter().zip([1001, 2001]) {
        assert!(event.contains(&format!("seq={seq} ")), "{event}");
        let hash = event.split_once("hash=\"").unwrap().1;
        let hash = hash.split_once('"').unwrap().0;
        assert!(room.log().goes_through(seq, hash).unwrap(), "{event}");
    }
    let reported = traced(|| TracingSink.write(&[record(1), record(2)]).unwrap());
    assert!(
        reported[1].contains("name=\"s/2\"") && reported.len() == 2,
        "{reported:?}"
    );
}

#[test]
fn a_sink_lets_others_write_between_its_records() {
    let room = Room::new();
    let mut first = sink(&room.path(), &AuditConfig::default());
    first.write(&[record(1)]).unwrap();
    let (done, wait) = mpsc::channel();
    let path = room.path();
    std::thread::spawn(move || {
        let mut second = sink(&path, &AuditConfig::default());
        second.write(&[record(2)]).unwrap();
        done.send(second).unwrap();
    });
    let mut second = wait.recv_timeout(Duration::from_secs(10)).unwrap();
    first.write(&[record(3)]).unwrap();
    second.write(&[record(4)]).unwrap();
    assert_eq!(room.whole().records, 5);
}

/// Whoever makes the folder and the files first, the others write into the same.
#[test]
fn many_who_begin_a_log_at_once_begin_one() {
    const WRITERS: usize = 8;
    for _ in 0..50 {
        let room = Room::new();
        let path = room.folder.path().join("a/b/audit.jsonl");
        let start = std::sync::Barrier::new(WRITERS);
        std::thread::scope(|scope| {
            for at in 0..WRITERS {
                let (path, start) = (&path, &start);
                let config = AuditConfig::default().with_sync(FsyncMode::None);
                scope.spawn(move || {
                    let mut sink = sink(path, &config);
                    start.wait();
                    sink.write(&[record(at)]).unwrap();
                });
            }
        });
        let verified = AuditLog::new(path, key()).verify().unwrap();
        let records = (verified.fault, verified.records);
        assert_eq!(records, (None, 1 + WRITERS as u64));
    }
}

#[cfg(unix)]
#[test]
fn the_folder_of_a_log_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::new();
    let folder = room.folder.path().join("a/b");
    let path = folder.join("audit.jsonl");
    sink(&path, &AuditConfig::default())
        .write(&[record(1)])
        .unwrap();
    for folder in [folder.parent().unwrap(), &folder] {
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
    // Where a file is, no folder can be made.
    let below = path.join("audit.jsonl");
    let error = sink(&below, &AuditConfig::default())
        .write(&[record(1)])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(error.hint(), Some("check the path"));
}

#[cfg(unix)]
#[test]
fn only_a_file_can_be_a_log() {
    let room = Room::new();
    let fifo = room.folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&fifo)
        .status();
    assert!(made.unwrap().success());
    let error = sink(&fifo, &AuditConfig::default())
        .write(&[record(1)])
        .unwrap_err();
    assert!(
        error.message().ends_with("is not a regular file"),
        "{error}"
    );
    assert_eq!(error.hint(), Some("name a file in `audit.path`"));
    fs::create_dir(room.path()).unwrap();
    let error = sink(&room.path(), &AuditConfig::default())
        .write(&[record(1)])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let hint = "the log has to be a file that you can write";
    assert_eq!(error.hint(), Some(hint));
}

/// In the file system of the kernel nobody can make a file, whoever runs this.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_in_which_no_file_can_be_made_holds_no_log() {
    // The second one says that the file is not found, as a folder does that was removed meanwhile.
    for (kernel, hint) in [
        ("/sys/kernel", "the log has to be a file that you can write"),
        ("/proc/self", "check the path"),
    ] {
        let kernel = Path::new(kernel);
        assert!(kernel.is_dir());
        let error = sink(&kernel.join("audit.jsonl"), &AuditConfig::default())
            .write(&[record(1)])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert_eq!(error.hint(), Some(hint));
    }
}

#[test]
fn a_checkpoint_that_is_longer_or_damaged_is_not_written_over() {
    let room = Room::with(2);
    let head = head_path(&room.path());
    let whole = fs::read(&head).unwrap();
    for damaged in [[&whole[..], b"\n"].concat(), whole[1..].to_vec()] {
        fs::write(&head, &damaged).unwrap();
        let error = sink(&room.path(), &AuditConfig::default())
            .write(&[record(3)])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert_eq!(fs::read(&head).unwrap(), damaged);
    }
    fs::write(&head, &whole).unwrap();
    assert_eq!(room.whole().records, 3);
}

#[test]
fn a_record_behind_one_that_was_cut_off_has_a_line_of_its_own() {
    let room = Room::with(3);
    let whole = fs::read(room.path()).unwrap();
    for cut in [1, 2, 40] {
        fs::write(room.path(), &whole[..whole.len() - cut]).unwrap();
        let head = fs::read(head_path(&room.path())).unwrap();
        let mut sink = sink(&room.path(), &AuditConfig::default());
        sink.write(&[record(4)]).unwrap();
        sink.write(&[record(5)]).unwrap();
        let mut names = Vec::new();
        AuditLog::read(&[room.path()], |seq, record| names.push((seq, record.name))).unwrap();
        let last = names.split_off(names.len() - 2);
        let name = |at| Some(format!("s/{at}"));
        assert_eq!(last, [(5, name(4)), (6, name(5))]);
        let fault = room.log().verify().unwrap().fault;
        match cut {
            // Only the end of the line was missing, and that is what it got.
            1 => assert_eq!(fault, None),
            _ => assert_eq!(fault.unwrap().line, 4),
        }
        fs::write(head_path(&room.path()), head).unwrap();
    }
}

#[test]
fn a_file_that_somebody_emptied_is_begun_anew_and_what_was_in_it_is_missed() {
    let room = Room::with(3);
    let mut sink = sink(&room.path(), &AuditConfig::default());
    fs::write(room.path(), "").unwrap();
    sink.write(&[record(4)]).unwrap();
    sink.write(&[record(5)]).unwrap();
    let verified = room.whole();
    assert_eq!((verified.first, verified.last), (5, 7));
}

#[test]
fn a_sink_that_is_told_to_opens_its_files_anew() {
    let room = Room::new();
    let mut sink = sink(&room.path(), &AuditConfig::default());
    let open = |room: &Room| -> usize {
        let folder = room.folder.path().canonicalize().unwrap();
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        descriptors
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&folder))
            .count()
    };
    sink.write(&[record(1)]).unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(open(&room), 2);
        sink.reopen().unwrap();
        assert_eq!(open(&room), 0);
    }
    assert!(format!("{sink:?}").contains("keyed: true"), "{sink:?}");
}

#[test]
fn what_the_system_says_becomes_a_kind_and_a_hint() {
    use ErrorKind::{InvalidConfig, Unavailable};
    use io::ErrorKind as Cause;

    let path = (InvalidConfig, "check the path");
    let mode = (InvalidConfig, "the log has to be a file that you can write");
    let room = (Unavailable, "make room on the disk");
    let disk = (Unavailable, "look at the disk that the log is on");
    for (cause, (kind, hint)) in [
        (Cause::NotFound, path),
        (Cause::NotADirectory, path),
        (Cause::PermissionDenied, mode),
        (Cause::ReadOnlyFilesystem, mode),
        (Cause::StorageFull, room),
        (Cause::QuotaExceeded, room),
        (Cause::TimedOut, disk),
    ] {
        let error = io_error("write", Path::new("/x/log"), &cause.into());
        assert_eq!(
            (error.kind(), error.hint()),
            (kind, Some(hint)),
            "{cause:?}"
        );
        let message = error.message();
        assert!(
            message.starts_with("cannot write the audit log /x/log: "),
            "{message}"
        );
        assert!(
            !message.contains("os error") && !message.ends_with('.'),
            "{message}"
        );
    }
    #[cfg(unix)]
    {
        let link = io::Error::from_raw_os_error(rustix::io::Errno::LOOP.raw_os_error());
        let error = io_error("open", Path::new("log"), &link);
        assert_eq!(error.hint(), Some("the log may not be a symbolic link"));
    }
}

#[test]
fn a_log_in_the_working_folder_needs_no_other_folder() {
    let folder = super::super::file::folder;
    assert_eq!(folder(Path::new("audit.jsonl")), Path::new("."));
    assert_eq!(folder(Path::new("a/audit.jsonl")), Path::new("a"));
    assert_eq!(folder(Path::new("/audit.jsonl")), Path::new("/"));
}
