use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use secrets_core::{
    Answer, Call, Clock, DeleteOptions, DescribeOptions, Error, ErrorKind, Freshness, GetItem,
    GetOptions, ListOptions, Metadata, Origin, PutOptions, Reply, Request, Response, Result,
    RollbackOptions, Secret, SecretName, SystemClock, Version, VersionsOptions,
};
use tempfile::TempDir;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::hash_chain::{Head, Line, Link, Seal};
use super::verify::Verifier;
use super::*;

mod counted;
mod crash;
mod file;
#[cfg(unix)]
mod full;
mod opening;
mod queue;
mod reading;
#[cfg(unix)]
mod tamper;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn get(text: &str) -> Request {
    Request::new(Call::Get {
        name: name(text),
        options: GetOptions::default(),
    })
}

fn put(text: &str) -> Request {
    Request::new(Call::Put {
        name: name(text),
        value: "new".into(),
        options: PutOptions::default(),
    })
}

fn secret(text: &str) -> Secret {
    let metadata = Metadata::new(name(text)).with_version(Version::new("7"));
    Secret::new("hunter2".into(), metadata)
}

/// Answers each get with a value; what starts with `cached` comes from the cache, `missing` is not there.
async fn answer(request: Request) -> Result<Response> {
    let origin = |name: &SecretName| match name.as_str().starts_with("cached") {
        true => Origin::fresh("main".into()).with_freshness(Freshness::Cached {
            age: Duration::from_secs(1),
        }),
        false => Origin::fresh("main".into()),
    };
    let one = |name: &SecretName| match name.as_str().starts_with("missing") {
        true => Err(Error::not_found(name)),
        false => Ok(Answer::new(secret(name.as_str()), origin(name))),
    };
    match &request.call {
        Call::Get { name, .. } => {
            let answer = one(name)?;
            Ok(Response::new(Reply::Secret(answer.secret), answer.origin))
        }
        Call::GetMany { items } => Ok(Response::new(
            Reply::Secrets(items.iter().map(|item| one(&item.name)).collect()),
            Origin::fresh("main".into()),
        )),
        Call::Put { name, .. } => Ok(Response::new(
            Reply::Metadata(Metadata::new(name.clone()).with_version(Version::new("8"))),
            Origin::fresh("main".into()),
        )),
        _ => Ok(Response::new(Reply::Done, Origin::fresh("main".into()))),
    }
}

/// A sink that keeps what it gets, and can be made to fail, panic and block.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    records: Mutex<Vec<Record>>,
    mode: AtomicU8,
    calls: AtomicUsize,
    gate: Mutex<()>,
    bell: Condvar,
}

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const BLOCKS: u8 = 2;
const PANICS: u8 = 3;

impl Kept {
    fn set(&self, mode: u8) {
        self.0.mode.store(mode, Ordering::SeqCst);
        self.0.bell.notify_all();
    }

    fn records(&self) -> Vec<Record> {
        self.0.records.lock().unwrap().clone()
    }

    fn mode(&self) -> u8 {
        self.0.mode.load(Ordering::SeqCst)
    }
}

impl AuditSink for Kept {
    fn write(&mut self, records: &[Record]) -> Result<()> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let mut gate = self.0.gate.lock().unwrap();
        while self.mode() == BLOCKS {
            gate = self
                .0
                .bell
                .wait_timeout(gate, Duration::from_millis(20))
                .unwrap()
                .0;
        }
        drop(gate);
        match self.mode() {
            FAILS => Err(Error::new(ErrorKind::Unavailable, "no room")),
            PANICS => panic!("a sink of a test"),
            _ => {
                self.0.records.lock().unwrap().extend_from_slice(records);
                Ok(())
            }
        }
    }
}

fn layer(config: AuditConfig, kept: &Kept) -> AuditLayer {
    let actor = Actor::default().with_user("ann");
    AuditLayer::new(
        config,
        vec![Box::new(kept.clone())],
        Arc::new(actor),
        Arc::new(SystemClock),
    )
    .unwrap()
}

type Made = tower::util::BoxCloneSyncService<Request, Response, Error>;

fn stack(layer: &AuditLayer) -> Made {
    tower::util::BoxCloneSyncService::new(layer.layer(service_fn(answer)))
}

fn story(records: &[Record]) -> Vec<(Event, String, String)> {
    let tell = |record: &Record| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (
            record.event,
            text(record.name.as_deref()),
            text(record.outcome.as_deref()),
        )
    };
    records.iter().map(tell).collect()
}

fn reported(event: Event, name: &str, outcome: &str) -> (Event, String, String) {
    (event, name.to_owned(), outcome.to_owned())
}

#[tokio::test]
async fn each_use_has_its_records_and_no_value() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let stack = stack(&layer);
    let read = get("a")
        .with_target(Some("main".into()))
        .with_reason(Some(Arc::from("ticket 7")));
    stack.clone().oneshot(read).await.unwrap();
    assert_eq!(
        stack
            .clone()
            .oneshot(get("missing"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    stack.clone().oneshot(get("cached")).await.unwrap();
    let items =
        ["b", "missing/b", "cached/b"].map(|one| GetItem::new(name(one), GetOptions::default()));
    let many = Request::new(Call::GetMany {
        items: items.to_vec(),
    });
    stack.clone().oneshot(many).await.unwrap();
    stack.clone().oneshot(put("p")).await.unwrap();
    let delete = Call::Delete {
        name: name("d"),
        options: DeleteOptions::default(),
    };
    stack.clone().oneshot(Request::new(delete)).await.unwrap();
    stack
        .clone()
        .oneshot(Request::new(Call::Health))
        .await
        .unwrap();

    let records = kept.records();
    assert_eq!(
        story(&records),
        [
            reported(Event::Read, "a", "ok"),
            reported(Event::Read, "missing", "not_found"),
            reported(Event::Read, "cached", "ok"),
            reported(Event::Read, "b", "ok"),
            reported(Event::Read, "missing/b", "not_found"),
            reported(Event::Read, "cached/b", "ok"),
            reported(Event::Intent, "p", ""),
            reported(Event::Outcome, "p", "ok"),
            reported(Event::Intent, "d", ""),
            reported(Event::Outcome, "d", "ok"),
        ]
    );
    let first = &records[0];
    assert_eq!(first.reason.as_deref(), Some("ticket 7"));
    assert_eq!(
        (first.provider.as_deref(), first.version.as_deref()),
        (Some("main"), Some("7"))
    );
    assert_eq!(first.actor.user.as_deref(), Some("ann"));
    assert_eq!(
        (first.source, records[2].source),
        (Some(RecordSource::Provider), Some(RecordSource::Cache))
    );
    assert_eq!(records[7].version.as_deref(), Some("8"));
    assert_eq!(records[6].id, records[7].id);
    assert_ne!(records[6].id, records[8].id);
    assert!(
        !format!("{records:?}{}", serde_json::to_string(&records).unwrap()).contains("hunter2")
    );
    assert_eq!(
        layer.stats(),
        AuditStats {
            written: 10,
            refused: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_reads_give_nothing_while_the_sink_fails_is_full_or_blocks() {
    const READS: usize = 10_000;
    for (mode, queue) in [(FAILS, 1024), (BLOCKS, 1024), (BLOCKS, 1), (PANICS, 1024)] {
        for hits in [Hits::Each, Hits::Aggregate] {
            let kept = Kept::default();
            let config = AuditConfig::default()
                .with_queue(queue, Duration::from_millis(500))
                .with_hits(hits);
            let layer = layer(config, &kept);
            let stack = stack(&layer);
            kept.set(mode);
            // A cache cannot have anything before something was read and recorded.
            let first = stack.clone().oneshot(get("first")).await;
            assert_eq!(first.unwrap_err().kind(), ErrorKind::Unavailable);
            let started = Instant::now();
            let reads = (0..READS).map(|at| {
                let stack = stack.clone();
                tokio::spawn(async move {
                    let started = Instant::now();
                    let answer = stack.oneshot(get(&format!("s/{at}"))).await;
                    (answer, started.elapsed())
                })
            });
            let answers = join_all(reads).await;
            let mut longest = Duration::ZERO;
            for answer in answers {
                let (answer, took) = answer.unwrap();
                let error = answer.unwrap_err();
                assert!(error.message().contains("is not recorded"), "{error}");
                longest = longest.max(took);
            }
            assert!(
                longest < Duration::from_secs(1),
                "{mode} {hits:?}: {longest:?}"
            );
            assert!(kept.records().is_empty());
            eprintln!(
                "mode {mode}, queue {queue}, {hits:?}: longest {longest:?}, all {:?}",
                started.elapsed()
            );

            kept.set(WORKS);
            let waited = Instant::now();
            while stack.clone().oneshot(get("after")).await.is_err() {
                assert!(
                    waited.elapsed() < Duration::from_secs(5),
                    "it never works again"
                );
            }
            layer.flush().await.unwrap();
            let records = kept.records();
            let missing: u64 = records
                .iter()
                .filter(|one| one.event == Event::Gap)
                .filter_map(|one| one.count)
                .sum();
            let kept_back = records
                .iter()
                .filter(|one| one.event == Event::Read)
                .count() as u64;
            // The sink may have had some of them in hand when their readers gave up.
            assert!(
                missing + kept_back >= READS as u64,
                "{missing} and {kept_back}"
            );
            assert!(missing > 0);
        }
    }
}

#[tokio::test]
async fn a_write_without_an_intent_is_not_done() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let inner = service_fn(move |request: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(request)
    });
    let service = layer.layer(inner);
    kept.set(FAILS);
    let error = service.clone().oneshot(put("p")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(done.load(Ordering::SeqCst), 0);
    kept.set(WORKS);
    service.oneshot(put("p")).await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_outcome_that_is_not_recorded_tells_that_the_write_happened() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let sink = kept.clone();
    let service = layer.layer(service_fn(move |request: Request| {
        sink.set(FAILS);
        answer(request)
    }));
    let error = service.oneshot(put("p")).await.unwrap_err();
    assert_eq!(
        error.message(),
        "the put is done, but its outcome is not recorded"
    );
    assert!(!error.is_retryable());
    assert_eq!(story(&kept.records()), [reported(Event::Intent, "p", "")]);
}

#[tokio::test]
async fn what_is_given_up_is_told() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let never = service_fn(|_: Request| -> BoxFuture<'static, Result<Response>> {
        Box::pin(std::future::pending())
    });
    let service = layer.layer(never);
    let limit = Duration::from_millis(30);
    assert!(
        tokio::time::timeout(limit, service.clone().oneshot(get("r")))
            .await
            .is_err()
    );
    assert!(
        tokio::time::timeout(limit, service.oneshot(put("w")))
            .await
            .is_err()
    );
    layer.flush().await.unwrap();
    assert_eq!(
        story(&kept.records()),
        [
            reported(Event::Read, "r", "cancelled"),
            reported(Event::Intent, "w", ""),
            reported(Event::Outcome, "w", "cancelled"),
        ]
    );
}

#[tokio::test]
async fn a_warning_lets_it_pass() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_on_failure(OnFailure::Warn),
        &kept,
    );
    let stack = stack(&layer);
    kept.set(FAILS);
    stack.clone().oneshot(get("a")).await.unwrap();
    stack.clone().oneshot(put("a")).await.unwrap();
    kept.set(WORKS);
    stack.oneshot(get("b")).await.unwrap();
    let records = kept.records();
    assert_eq!((records[0].event, records[0].count), (Event::Gap, Some(2)));
    assert_eq!(story(&records[1..]), [reported(Event::Read, "b", "ok")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_are_counted_and_told_within_a_second_or_so() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let stack = stack(&layer);
    for _ in 0..500 {
        stack.clone().oneshot(get("cached/a")).await.unwrap();
    }
    stack.clone().oneshot(get("cached/b")).await.unwrap();
    assert!(kept.records().is_empty());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let reported = |kept: &Kept| -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        for record in kept.records() {
            assert_eq!(
                (record.event, record.source),
                (Event::Hits, Some(RecordSource::Cache))
            );
            assert!(record.since.unwrap() <= record.time);
            *counts.entry(record.name.unwrap()).or_default() += record.count.unwrap();
        }
        counts
    };
    assert_eq!(
        reported(&kept),
        HashMap::from([("cached/a".to_owned(), 500), ("cached/b".to_owned(), 1)])
    );
    stack.clone().oneshot(get("cached/a")).await.unwrap();
    layer.flush().await.unwrap();
    assert_eq!(reported(&kept)["cached/a"], 501);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_stop_when_they_are_not_told_and_none_of_them_is_lost() {
    let kept = Kept::default();
    let config = AuditConfig::default()
        .with_hits(Hits::Aggregate)
        .with_queue(64, Duration::from_millis(200));
    let layer = layer(config, &kept);
    let stack = stack(&layer);
    kept.set(BLOCKS);
    let started = Instant::now();
    let mut given = 0;
    let stopped = loop {
        match stack.clone().oneshot(get("cached/a")).await {
            Ok(_) => given += 1,
            Err(_) => break started.elapsed(),
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "hits are given for ever"
        );
        tokio::time::sleep(Duration::from_micros(200)).await;
    };
    assert!(stopped < Duration::from_secs(3), "{stopped:?}");
    kept.set(WORKS);
    let waited = Instant::now();
    while layer.flush().await.is_err() {
        assert!(waited.elapsed() < Duration::from_secs(5));
    }
    let hits = kept
        .records()
        .into_iter()
        .filter(|record| record.event == Event::Hits);
    assert_eq!(hits.filter_map(|record| record.count).sum::<u64>(), given);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_together_share_one_write() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_queue(1024, Duration::from_secs(5)),
        &kept,
    );
    let stack = stack(&layer);
    kept.set(BLOCKS);
    let reads: Vec<_> = (0..500)
        .map(|at| tokio::spawn(stack.clone().oneshot(get(&format!("s{at}")))))
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    kept.set(WORKS);
    for read in reads {
        read.await.unwrap().unwrap();
    }
    let calls = kept.0.calls.load(Ordering::SeqCst);
    assert_eq!(kept.records().len(), 500);
    assert!(calls < 20, "{calls} writes");
}

// The file.

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn key() -> Option<AuditKey> {
    Some(AuditKey::new(&KEY.into()).unwrap())
}

fn sink(path: &Path, config: &AuditConfig) -> FileSink {
    FileSink::new(path, config, key(), Arc::default(), Arc::new(SystemClock))
}

/// Begins a new file at this many bytes.
fn rotated(bytes: u64) -> AuditConfig {
    AuditConfig::default()
        .with_sync(FsyncMode::None)
        .with_rotation(bytes, None)
}

fn record(at: usize) -> Record {
    let mut record = Record::new(Event::Read, Arc::default(), std::time::SystemTime::now());
    record.operation = Some("get".into());
    record.name = Some(format!("s/{at}"));
    record.outcome = Some("ok".into());
    record
}

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn log(&self) -> AuditLog {
        AuditLog::new(self.path(), key())
    }

    /// Writes this many records, of which the log has one more: its beginning.
    fn with(records: usize) -> Self {
        let room = Self::new();
        let config = AuditConfig::default().with_sync(FsyncMode::None);
        let records: Vec<Record> = (0..records).map(record).collect();
        sink(&room.path(), &config).write(&records).unwrap();
        room
    }

    #[track_caller]
    fn whole(&self) -> ChainReport {
        let verified = self.log().verify().unwrap();
        assert_eq!(verified.fault, None);
        verified
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_private_and_goes_on() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::new();
    let config = AuditConfig::default();
    for sync in [FsyncMode::Each, FsyncMode::Batch, FsyncMode::None] {
        let mut sink = sink(&room.path(), &config.clone().with_sync(sync));
        sink.write(&[record(1), record(2)]).unwrap();
        sink.reopen().unwrap();
        sink.write(&[record(3)]).unwrap();
    }
    for file in ["audit.jsonl", "audit.jsonl.head"] {
        let mode = fs::metadata(room.folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let verified = room.whole();
    assert_eq!(
        (verified.first, verified.last, verified.records),
        (1, 10, 10)
    );
    assert!(verified.anchored && verified.keyed && verified.unfinished == 0);
    assert!(room.log().goes_through(10, &verified.hash).unwrap());
    assert!(!room.log().goes_through(9, &verified.hash).unwrap());
    let mut names = Vec::new();
    AuditLog::read(&room.log().files().unwrap(), |seq, record| {
        names.push((seq, record.name))
    })
    .unwrap();
    assert_eq!(names[1], (2, Some("s/1".to_owned())));
}

#[test]
fn what_was_taken_away_is_missed_also_when_the_log_goes_on() {
    let room = Room::with(9);
    let whole = fs::read_to_string(room.path()).unwrap();
    let cut: String = whole.split_inclusive('\n').take(7).collect();
    fs::write(room.path(), &cut).unwrap();
    sink(&room.path(), &AuditConfig::default())
        .write(&[record(9)])
        .unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (8, FaultKind::Missing(3)));
    fs::remove_file(room.folder.path().join("audit.jsonl.head")).unwrap();
    fs::write(room.path(), &cut).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!(fault.kind, FaultKind::NoCheckpoint);
}

#[test]
fn a_full_or_old_file_is_followed_by_another_without_a_break() {
    let room = Room::new();
    let config = rotated(2000);
    let mut sink = sink(&room.path(), &config);
    for at in 0..40 {
        sink.write(&[record(at)]).unwrap();
    }
    let files = room.log().files().unwrap();
    assert!(files.len() > 4, "{files:?}");
    let verified = room.whole();
    assert_eq!(verified.records, 40 + files.len() as u64);
    // Somebody else's tool moves the file away: the chain goes on all the same.
    fs::rename(room.path(), room.folder.path().join("moved")).unwrap();
    sink.write(&[record(40)]).unwrap();
    let mut moved = files.clone();
    *moved.last_mut().unwrap() = room.folder.path().join("moved");
    moved.push(room.path());
    let whole = room.log().verify_files(&moved).unwrap();
    assert_eq!((whole.fault, whole.records), (None, verified.records + 2));
    // A filled file that is gone is missed.
    fs::remove_file(&moved[2]).unwrap();
    moved.remove(2);
    let fault = room.log().verify_files(&moved).unwrap().fault.unwrap();
    assert!(
        matches!(fault.kind, FaultKind::Missing(_)) && fault.line == 1,
        "{fault}"
    );
}

#[test]
fn age_begins_a_new_file() {
    let room = Room::new();
    let clock = Arc::new(secrets_testkit::ManualClock::new());
    let config = AuditConfig::default().with_rotation(1 << 20, Some(Duration::from_secs(3600)));
    let mut sink = FileSink::new(room.path(), &config, key(), Arc::default(), clock.clone());
    sink.write(&[record(1)]).unwrap();
    clock.advance(Duration::from_secs(3599));
    sink.write(&[record(2)]).unwrap();
    assert_eq!(room.log().files().unwrap().len(), 1);
    clock.advance(Duration::from_secs(1));
    sink.write(&[record(3)]).unwrap();
    assert_eq!(room.log().files().unwrap().len(), 2);
    assert_eq!(room.whole().records, 5);
}

#[test]
fn several_writers_keep_one_chain() {
    let room = Room::new();
    let config = rotated(20_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut sink = sink(&room.path(), &config);
                for at in 0..200 {
                    sink.write(&[record(at)]).unwrap();
                }
            });
        }
    });
    let files = room.log().files().unwrap().len() as u64;
    assert!(files > 2);
    assert_eq!(room.whole().records, 800 + files);
}

#[test]
fn what_a_crash_leaves_unfinished_is_taken_away_and_told() {
    let room = Room::with(3);
    let mut text = fs::read(room.path()).unwrap();
    text.extend_from_slice(b"{\"seq\":5,\"id\":\"01");
    fs::write(room.path(), &text).unwrap();
    assert_eq!(room.whole().unfinished, 17);
    sink(&room.path(), &AuditConfig::default())
        .write(&[record(4)])
        .unwrap();
    let verified = room.whole();
    assert_eq!((verified.records, verified.unfinished), (6, 0));
    let mut notes = Vec::new();
    AuditLog::read(&[room.path()], |_, record| notes.extend(record.note)).unwrap();
    assert!(notes[1].starts_with("17 bytes"), "{notes:?}");
}

#[test]
fn other_keys_and_other_files_are_refused() {
    let room = Room::with(2);
    let other = AuditKey::new(&"another key of 16 bytes".into()).unwrap();
    let mut wrong = FileSink::new(
        room.path(),
        &AuditConfig::default(),
        Some(other),
        Arc::default(),
        Arc::new(SystemClock),
    );
    assert_eq!(
        wrong.write(&[record(0)]).unwrap_err().kind(),
        ErrorKind::IntegrityFailure
    );
    assert_eq!(room.whole().records, 3);
    let file = room.folder.path().join("notes.txt");
    fs::write(&file, "not a log\n").unwrap();
    let error = sink(&file, &AuditConfig::default())
        .write(&[record(0)])
        .unwrap_err();
    assert!(error.message().ends_with("is no audit log"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a log\n");
}

#[cfg(unix)]
#[test]
fn a_link_and_a_file_of_all_are_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let room = Room::with(1);
    let link = room.folder.path().join("link.jsonl");
    symlink(room.path(), &link).unwrap();
    let error = sink(&link, &AuditConfig::default())
        .write(&[record(0)])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let error = sink(&room.path(), &AuditConfig::default())
        .write(&[record(0)])
        .unwrap_err();
    assert!(
        error.message().ends_with("can be written by others"),
        "{error}"
    );
}

fn is_deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some_and(|value| value == "1")
}
