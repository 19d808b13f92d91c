//! A disk that has room for a part of a record: each of these runs in a process of its own, whose files may not grow beyond
//! a limit. A write up to it is cut there, and one behind it fails, as on a disk that is full.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

const CHILD: &str = "POLYSECRETS_TEST_AUDIT_FULL";

/// Runs this test once more, in a process that does not die of the signal that tells of the limit.
fn in_a_process_of_its_own(test: &str, run: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        run();
        return;
    }
    let test = format!("audit::tests::full::{test}");
    let output = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Files may not become longer than this; `None` for as long as they like.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = bytes.or(maximum);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

fn length(room: &Room) -> u64 {
    fs::metadata(room.path()).unwrap().len()
}

fn to_file(room: &Room, config: &AuditConfig) -> AuditLayer {
    let sink: Box<dyn AuditSink> = Box::new(sink(&room.path(), config));
    AuditLayer::new(
        config.clone(),
        vec![sink],
        Arc::default(),
        Arc::new(SystemClock),
    )
    .unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// How many records the gaps of a log tell of.
fn missing(room: &Room) -> u64 {
    let mut missing = 0;
    AuditLog::read(&room.log().files().unwrap(), |_, record| {
        missing += match record.event {
            Event::Gap => record.count.unwrap(),
            _ => 0,
        };
    })
    .unwrap();
    missing
}

/// However many bytes are left: a write without its intent is not done, one without its outcome is reported to be done, and
/// what was written in part is gone again.
#[test]
fn a_write_meets_a_full_disk_at_every_byte() {
    in_a_process_of_its_own("a_write_meets_a_full_disk_at_every_byte", || {
        block_on(async {
            let (mut refused, mut unrecorded, mut whole) = (0, 0, 0);
            // An intent has some 290 bytes, an outcome 390.
            for left in (0..800).step_by(if is_deep() { 1 } else { 7 }) {
                let room = Room::new();
                let layer = to_file(&room, &AuditConfig::default().with_sync(FsyncMode::None));
                let done = Arc::new(AtomicUsize::new(0));
                let count = done.clone();
                let service = layer.layer(service_fn(move |request: Request| {
                    count.fetch_add(1, Ordering::SeqCst);
                    answer(request)
                }));
                service.clone().oneshot(get("a")).await.unwrap();
                done.store(0, Ordering::SeqCst);
                let before = length(&room);
                limit(Some(before + left));
                let put = service.clone().oneshot(put("p")).await;
                limit(None);
                let missed = match (put, done.load(Ordering::SeqCst)) {
                    (Ok(_), calls) => {
                        whole += 1;
                        assert_eq!(calls, 1);
                        0
                    }
                    (Err(error), 0) => {
                        refused += 1;
                        assert_eq!(error.kind(), ErrorKind::Unavailable);
                        assert_eq!(error.hint(), Some("make room on the disk"));
                        assert_eq!(length(&room), before, "{left} bytes left");
                        1
                    }
                    (Err(error), calls) => {
                        unrecorded += 1;
                        let said = "the put is done, but its outcome is not recorded";
                        assert_eq!((calls, error.message()), (1, said));
                        assert!(!error.is_retryable());
                        assert!(length(&room) > before);
                        1
                    }
                };
                assert_eq!(room.whole().unfinished, 0, "{left} bytes left");
                // What was missed is reported as soon as there is room.
                service.clone().oneshot(get("a")).await.unwrap();
                assert_eq!(missing(&room), missed);
                room.whole();
            }
            assert!(refused > 20 && unrecorded > 20 && whole > 0);
            eprintln!("{refused} refused, {unrecorded} done and not recorded, {whole} recorded");
        });
    });
}

#[test]
fn nothing_is_read_while_the_disk_is_full() {
    in_a_process_of_its_own("nothing_is_read_while_the_disk_is_full", || {
        block_on(async {
            const READS: u64 = 10_000;
            for sync in [FsyncMode::Batch, FsyncMode::Each, FsyncMode::None] {
                let room = Room::new();
                let layer = to_file(&room, &AuditConfig::default().with_sync(sync));
                let stack = stack(&layer);
                stack.clone().oneshot(get("first")).await.unwrap();
                let before = length(&room);
                limit(Some(before + 100));
                let reads = (0..READS).map(|at| {
                    let read = stack.clone().oneshot(get(&format!("s/{at}")));
                    tokio::spawn(async move {
                        let started = Instant::now();
                        (read.await, started.elapsed())
                    })
                });
                for read in join_all(reads).await {
                    let (answer, took) = read.unwrap();
                    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
                    assert!(took < Duration::from_secs(1), "{took:?}");
                }
                // Nor can the gap be reported.
                layer.flush().await.unwrap_err();
                assert_eq!((length(&room), room.whole().records), (before, 2));
                limit(None);
                stack.clone().oneshot(get("last")).await.unwrap();
                assert_eq!((missing(&room), room.whole().records), (READS, 4));
            }
        });
    });
}

/// Records of one call are there all or not at all, also where each is written by itself.
#[test]
fn several_records_are_taken_back_together() {
    in_a_process_of_its_own("several_records_are_taken_back_together", || {
        for sync in [FsyncMode::Each, FsyncMode::Batch, FsyncMode::None] {
            let room = Room::new();
            let mut sink = sink(&room.path(), &AuditConfig::default().with_sync(sync));
            sink.write(&[record(0)]).unwrap();
            let one = length(&room);
            sink.write(&[record(1)]).unwrap();
            let one = length(&room) - one;
            let before = length(&room);
            for left in (0..3 * one).step_by(17) {
                limit(Some(before + left));
                let error = sink.write(&[record(2), record(3), record(4)]).unwrap_err();
                limit(None);
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert_eq!(length(&room), before, "{left} bytes left");
                assert_eq!(room.whole().records, 3);
            }
            sink.write(&[record(2), record(3), record(4)]).unwrap();
            assert_eq!(room.whole().records, 6);
        }
    });
}

/// There is room to rename a file, and none for the next one.
#[test]
fn a_full_disk_stops_a_log_between_two_files_and_does_not_break_it() {
    let test = "a_full_disk_stops_a_log_between_two_files_and_does_not_break_it";
    in_a_process_of_its_own(test, || {
        // The checkpoint has its place already, so that it is not what there is no room for.
        for left in [0, 234, 235, 300, 500] {
            let room = Room::new();
            let config = AuditConfig::default().with_rotation(1000, None);
            let mut sink = sink(&room.path(), &config);
            let mut at = 0;
            while !room.path().exists() || length(&room) < 1000 {
                sink.write(&[record(at)]).unwrap();
                at += 1;
            }
            let before = room.whole().records;
            limit(Some(left));
            for _ in 0..2 {
                sink.write(&[record(at)]).unwrap_err();
            }
            limit(None);
            assert_eq!(room.whole().records, before, "{left} bytes left");
            sink.write(&[record(at)]).unwrap();
            assert_eq!(room.whole().records, before + 2);
            assert_eq!(room.log().files().unwrap().len(), 2);
        }
    });
}

/// A log that cannot even be begun leaves nothing that would be in the way of the next try.
#[test]
fn a_log_that_was_not_begun_for_want_of_room_is_begun_later() {
    let test = "a_log_that_was_not_begun_for_want_of_room_is_begun_later";
    in_a_process_of_its_own(test, || {
        for left in (0..700).step_by(9) {
            let room = Room::new();
            let config = AuditConfig::default().with_sync(FsyncMode::None);
            let mut sink = sink(&room.path(), &config);
            limit(Some(left));
            let first = sink.write(&[record(0)]);
            limit(None);
            sink.write(&[record(1)]).unwrap();
            let written = 2 + u64::from(first.is_ok());
            assert_eq!(room.whole().records, written, "{left} bytes left");
        }
    });
}
