//! The audit of a whole handle: with a real cache, and in a process that is asked to open its log again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(feature = "memory")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polysecrets::layers::{AuditConfig, AuditSink, CacheConfig, Event, Hits, Record, RecordSource};
use polysecrets::{Answer, ErrorKind, Freshness, Result, SecretRef, Secrets};
use support::{Failing, memory};

const NAMES: [&str; 4] = ["db/a", "db/b", "api", "key"];

/// A sink that keeps what it gets, unless a test makes it fail.
#[derive(Debug, Clone, Default)]
struct Kept {
    records: Arc<Mutex<Vec<Record>>>,
    fails: Arc<AtomicBool>,
}

impl AuditSink for Kept {
    fn write(&mut self, records: &[Record]) -> Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(polysecrets::Error::from(ErrorKind::Unavailable));
        }
        self.records.lock().unwrap().extend_from_slice(records);
        Ok(())
    }
}

/// How often each secret came from where.
type Uses = BTreeMap<(String, &'static str), u64>;

impl Kept {
    fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    /// What the records say of gets.
    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for record in self.records() {
            let count = match record.event {
                Event::Read => 1,
                Event::Hits => record.count.unwrap(),
                _ => continue,
            };
            let source = record.source.unwrap().as_str();
            *uses.entry((record.name.unwrap(), source)).or_default() += count;
        }
        uses
    }
}

fn source(answer: &Answer) -> &'static str {
    let source = match answer.origin.freshness {
        Freshness::Cached { .. } => RecordSource::Cache,
        Freshness::Stale { .. } => RecordSource::Stale,
        _ => RecordSource::Provider,
    };
    source.as_str()
}

/// A handle with a cache, over a provider that has all the names, whose puts are not among the records.
async fn cached(hits: Hits, kept: &Kept) -> (Secrets, Arc<Failing>) {
    let memory = memory("main").await;
    for name in NAMES {
        let value = format!("value of {name}");
        memory
            .put(
                &polysecrets::SecretName::new(name).unwrap(),
                &value.as_str().into(),
                &polysecrets::PutOptions::default(),
            )
            .await
            .unwrap();
    }
    let provider = Arc::new(Failing::counting(memory));
    let secrets = Secrets::builder()
        .provider("main", provider.clone())
        .default_provider("main")
        .cache(CacheConfig::default())
        .audit(AuditConfig::default().with_hits(hits))
        .audit_sink(kept.clone())
        .build()
        .unwrap();
    (secrets, provider)
}

/// Reads until asked to stop, and tells what was given.
fn reader(
    secrets: &Secrets,
    stop: &Arc<AtomicBool>,
    pause: Duration,
) -> tokio::task::JoinHandle<Uses> {
    let (secrets, stop) = (secrets.clone(), stop.clone());
    tokio::spawn(async move {
        let mut given = Uses::new();
        for at in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let name = NAMES[at % NAMES.len()];
            if let Ok(answer) = secrets.get_with_origin(name).await {
                *given.entry((name.to_owned(), source(&answer))).or_default() += 1;
            }
            tokio::time::sleep(pause).await;
        }
        given
    })
}

async fn sum(readers: Vec<tokio::task::JoinHandle<Uses>>) -> Uses {
    let mut sum = Uses::new();
    for reader in readers {
        for (key, count) in reader.await.unwrap() {
            *sum.entry(key).or_default() += count;
        }
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_of_the_cache_are_all_recorded_singly_or_in_counts() {
    for hits in [Hits::Each, Hits::Aggregate] {
        let kept = Kept::default();
        let (secrets, provider) = cached(hits, &kept).await;
        let stop = Arc::new(AtomicBool::new(false));
        let readers = (0..8)
            .map(|at| reader(&secrets, &stop, Duration::from_millis(1 + at % 3)))
            .collect();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        stop.store(true, Ordering::SeqCst);
        let given = sum(readers).await;
        secrets.close().await.unwrap();
        assert_eq!(kept.uses(), given, "{hits:?}");
        assert_eq!(provider.gets(), NAMES.len());
        let from_cache: u64 = given
            .iter()
            .filter_map(|((_, source), count)| (*source == "cache").then_some(count))
            .sum();
        assert!(from_cache > 1000, "{given:?}");
        let counted: Vec<Record> = kept
            .records()
            .into_iter()
            .filter(|record| record.event == Event::Hits)
            .collect();
        if hits == Hits::Each {
            assert!(counted.is_empty());
            continue;
        }
        // One a second for each secret, and one more when the handle is closed.
        let seconds = counted.len() / NAMES.len();
        assert!((2..=5).contains(&seconds), "{} records", counted.len());
        for record in &counted {
            let span = record.time.duration_since(record.since.unwrap()).unwrap();
            assert!(span < Duration::from_millis(1900), "{span:?}");
            assert_eq!(record.source, Some(RecordSource::Cache));
        }
    }
}

/// Who reads on while the handle is closed is recorded all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_add_up_across_the_closing_and_the_end_of_a_handle() {
    let kept = Kept::default();
    let (secrets, _) = cached(Hits::Aggregate, &kept).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers = (0..4)
        .map(|_| reader(&secrets, &stop, Duration::from_micros(300)))
        .collect();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        secrets.close().await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let given = sum(readers).await;
    // The last handle goes without being closed.
    drop(secrets);
    let waited = Instant::now();
    while kept.uses() != given {
        assert!(
            waited.elapsed() < Duration::from_secs(5),
            "{:?} of {given:?}",
            kept.uses()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A sink that fails now and then: what was counted meanwhile is reported later, and what was refused is not reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_add_up_when_the_sink_fails_for_a_while() {
    let kept = Kept::default();
    let (secrets, _) = cached(Hits::Aggregate, &kept).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers = (0..4)
        .map(|_| reader(&secrets, &stop, Duration::from_millis(1)))
        .collect();
    for fails in [false, true, false, true, false] {
        kept.fails.store(fails, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let given = sum(readers).await;
    secrets.close().await.unwrap();
    assert_eq!(kept.uses(), given);
    let records = kept.records();
    let missed = records.iter().filter(|record| record.event == Event::Gap);
    assert!(missed.filter_map(|record| record.count).sum::<u64>() > 0);
}

/// Without a record nothing comes from the cache either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hits_give_nothing_while_the_sink_fails() {
    const HITS: usize = 10_000;
    for hits in [Hits::Each, Hits::Aggregate] {
        let kept = Kept::default();
        let (secrets, _) = cached(hits, &kept).await;
        for name in NAMES {
            secrets.get(name).await.unwrap();
        }
        kept.fails.store(true, Ordering::SeqCst);
        if hits == Hits::Aggregate {
            // What is counted may be given until the first count cannot be reported.
            secrets.get(NAMES[0]).await.unwrap();
            secrets.audit().unwrap().flush().await.unwrap_err();
        }
        let given = Arc::new(AtomicU64::new(0));
        let reads = (0..HITS).map(|at| {
            let (secrets, given) = (secrets.clone(), given.clone());
            tokio::spawn(async move {
                let started = Instant::now();
                let answer = secrets.get(NAMES[at % NAMES.len()]).await;
                given.fetch_add(u64::from(answer.is_ok()), Ordering::SeqCst);
                started.elapsed()
            })
        });
        for read in futures_util::future::join_all(reads).await {
            let took = read.unwrap();
            assert!(took < Duration::from_secs(1), "{hits:?}: {took:?}");
        }
        assert_eq!(given.load(Ordering::SeqCst), 0, "{hits:?}");
        kept.fails.store(false, Ordering::SeqCst);
        secrets.get(NAMES[0]).await.unwrap();
    }
}

/// An item of a get-many that is not recorded is not given, and neither are those beside it.
#[tokio::test]
async fn many_at_once_are_recorded_one_by_one_or_refused_together() {
    let kept = Kept::default();
    let (secrets, _) = cached(Hits::Each, &kept).await;
    let references = NAMES.map(|name| name.parse::<SecretRef>().unwrap());
    for answer in secrets.get_many(&references).await {
        answer.unwrap();
    }
    for answer in secrets.get_many(&references).await {
        assert_eq!(source(&answer.unwrap()), "cache");
    }
    let reported = kept.records();
    assert_eq!(reported.len(), 2 * NAMES.len());
    assert!(
        reported
            .iter()
            .all(|record| record.operation.as_deref() == Some("get-many"))
    );
    kept.fails.store(true, Ordering::SeqCst);
    for answer in secrets.get_many(&references).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[cfg(target_os = "linux")]
mod hangup {
    use std::fs;
    use std::io::{BufRead, BufReader, Lines, Write};
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

    use polysecrets::layers::AuditLog;
    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// The folder of the log, and whether SIGHUP opens it again.
    const CHILD: &str = "POLYSECRETS_TEST_AUDIT_HANGUP";

    /// A process that reads a secret whenever it is asked to.
    struct Reader {
        child: Child,
        orders: ChildStdin,
        answers: Lines<BufReader<ChildStdout>>,
    }

    impl Reader {
        fn start(folder: &Path, reopens: bool) -> Self {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["hangup::a_process_that_reads", "--exact", "--nocapture"])
                .env(CHILD, format!("{reopens} {}", folder.display()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            Self {
                orders: child.stdin.take().unwrap(),
                answers: BufReader::new(child.stdout.take().unwrap()).lines(),
                child,
            }
        }

        fn read(&mut self) {
            self.orders.write_all(b"read\n").unwrap();
            let is_done = |line: std::io::Result<String>| line.unwrap().ends_with("read:true");
            assert!(self.answers.any(is_done), "it ended");
        }

        fn hang_up(&self) {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::HUP).unwrap();
        }

        /// Whether it has a file of this name open.
        fn holds(&self, path: &Path) -> bool {
            let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
            descriptors
                .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                .any(|target| target == path)
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// The process itself; without an order there is nothing to do, and the tests below give one.
    #[test]
    fn a_process_that_reads() {
        let Some(order) = std::env::var_os(CHILD) else {
            return a_log_that_is_moved_away_is_let_go_at_a_hangup();
        };
        let order = order.into_string().unwrap();
        let (reopens, folder) = order.split_once(' ').unwrap();
        let mut audit = AuditConfig::default().with_path(PathBuf::from(folder).join("audit.jsonl"));
        if reopens == "true" {
            audit = audit.with_reopen_on_hangup();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let memory = memory("main").await;
            let secrets = Secrets::builder()
                .provider("main", memory)
                .default_provider("main")
                .audit(audit)
                .build()
                .unwrap();
            let mut orders = std::io::stdin().lines();
            while let Some(Ok(_)) = tokio::task::block_in_place(|| orders.next()) {
                let error = secrets.get("none").await.unwrap_err();
                let mut out = std::io::stdout().lock();
                writeln!(out, "read:{}", error.kind() == ErrorKind::NotFound).unwrap();
                out.flush().unwrap();
            }
        });
    }

    fn a_log_that_is_moved_away_is_let_go_at_a_hangup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("audit.jsonl");
        let moved = path.with_file_name("moved");
        let mut reader = Reader::start(path.parent().unwrap(), true);
        reader.read();
        assert!(reader.holds(&path));
        fs::rename(&path, &moved).unwrap();
        assert!(reader.holds(&moved));
        reader.hang_up();
        let waited = Instant::now();
        while reader.holds(&moved) {
            assert!(waited.elapsed() < Duration::from_secs(10), "it holds it");
            std::thread::sleep(Duration::from_millis(5));
        }
        reader.read();
        reader.hang_up();
        reader.read();
        let log = AuditLog::new(&path, None);
        let verified = log.verify_files(&[moved, path]).unwrap();
        assert_eq!((verified.fault, verified.records), (None, 5));
    }

    #[test]
    fn a_hangup_ends_a_process_that_did_not_ask_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::start(folder.path(), false);
        reader.read();
        reader.hang_up();
        let status = reader.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::HUP.as_raw()));
        let log = AuditLog::new(folder.path().join("audit.jsonl"), None);
        assert_eq!(log.verify().unwrap().records, 2);
    }
}
