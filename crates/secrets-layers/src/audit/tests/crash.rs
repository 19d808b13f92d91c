//! What a process that is killed, and a machine that loses its power, leave of a log.

use std::process::{Command, Stdio};

use super::*;

const ORDER: &str = "POLYSECRETS_TEST_AUDIT";

/// How many writes one log gets.
const WRITES: u64 = 10_000;

/// Writes records until it is killed, and says after each call how many are on the disk.
#[test]
fn a_child_writes_until_it_is_killed() {
    use std::io::Write;

    let Some(path) = std::env::var_os(ORDER) else {
        return a_killed_writer_leaves_a_whole_chain();
    };
    let config = AuditConfig::default().with_rotation(20_000, None);
    let mut sink = sink(Path::new(&path), &config);
    let mut written = 0;
    for call in 0..WRITES as usize {
        // Now one, now some that waited together.
        let records: Vec<Record> = (0..1 + call % 4).map(record).collect();
        sink.write(&records).unwrap();
        written += records.len();
        let mut out = std::io::stdout().lock();
        writeln!(out, "report:{written}").unwrap();
        out.flush().unwrap();
    }
}

fn a_killed_writer_leaves_a_whole_chain() {
    use std::io::{BufRead, BufReader};

    let kills = if is_deep() { 1000 } else { 50 };
    let mut random = fastrand::Rng::with_seed(11);
    let mut room = Room::new();
    let (mut before, mut sum, mut beyond, mut rotated) = (0, 0, 0, 0);
    for kill in 0..kills {
        if before >= WRITES {
            (room, before) = (Room::new(), 0);
        }
        let test = "audit::tests::crash::a_child_writes_until_it_is_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ORDER, room.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .split(b'\n')
            .map(Result::unwrap);
        let report = |line: &[u8]| -> Option<u64> {
            let line = std::str::from_utf8(line).ok()?;
            line.split_once("report:")?.1.trim().parse().ok()
        };
        let first = lines.find_map(|line| report(&line)).unwrap();
        std::thread::sleep(Duration::from_micros(random.u64(..50_000)));
        child.kill().unwrap();
        let last = lines.filter_map(|line| report(&line)).last();
        child.wait().unwrap();
        let reported = before + last.unwrap_or(first);

        room.whole();
        let files = room.log().files().unwrap();
        let mut reads = 0;
        AuditLog::read(&files, |_, record| {
            reads += u64::from(record.event == Event::Read)
        })
        .unwrap();
        // What was under way may be there or not, or in part; what was reported is.
        assert!(
            reads >= reported,
            "after kill {kill}: {reads} of {reported}"
        );
        assert!(
            reads <= reported + 4,
            "after kill {kill}: {reads} of {reported}"
        );
        beyond += u64::from(reads > reported);
        sum += reads - before;
        before = reads;
        rotated = rotated.max(files.len());
    }
    assert!(beyond > 0, "no kill hit a write, so nothing was tested");
    eprintln!(
        "{kills} kills, {sum} records, {beyond} kills within a write, up to {rotated} files a log"
    );
}

/// How long a log may be that was cut anywhere in this range: any length, or those that are near the end of a line and some
/// others.
fn cuts(log: &[u8], range: std::ops::RangeInclusive<usize>) -> Vec<usize> {
    let near = |length: usize| {
        let around = &log[length.saturating_sub(2)..(length + 1).min(log.len())];
        around.contains(&b'\n')
    };
    range
        .filter(|length| is_deep() || near(*length) || length.is_multiple_of(149))
        .collect()
}

/// A log and its checkpoint after each of some writes.
struct History {
    log: Vec<u8>,
    /// The checkpoint, and how long the log was then.
    heads: Vec<(Vec<u8>, usize)>,
}

impl History {
    fn of(calls: usize) -> Self {
        let room = Room::new();
        let mut sink = sink(&room.path(), &AuditConfig::default());
        let heads = (0..calls).map(|call| {
            let records: Vec<Record> = (0..1 + call % 2).map(record).collect();
            sink.write(&records).unwrap();
            let head = fs::read(super::super::file::head_path(&room.path())).unwrap();
            (head, fs::metadata(room.path()).unwrap().len() as usize)
        });
        let heads = heads.collect();
        Self {
            log: fs::read(room.path()).unwrap(),
            heads,
        }
    }
}

/// The checkpoint of any write since the last that is surely on the disk, and any part of what came after it.
#[test]
fn whatever_a_loss_of_power_leaves_the_chain_goes_on() {
    let history = History::of(6);
    let room = Room::new();
    let head_path = super::super::file::head_path(&room.path());
    let mut states = 0;
    let config = AuditConfig::default().with_sync(FsyncMode::None);
    for (at, (head, end)) in history.heads.iter().enumerate() {
        let later = history
            .heads
            .get(at + 2)
            .map_or(history.log.len(), |head| head.1);
        for length in cuts(&history.log, *end..=later) {
            // A part of a block may be there without its content.
            for zeros in [0, 3] {
                let mut left = history.log[..length].to_vec();
                left.resize(length + zeros, 0);
                let cut = left.iter().rev().take_while(|byte| **byte != b'\n').count();
                fs::write(room.path(), &left).unwrap();
                fs::write(&head_path, head).unwrap();
                let found = room.whole();
                assert_eq!(found.unfinished, cut as u64);
                let mut sink = sink(&room.path(), &config);
                sink.write(&[record(0)]).unwrap();
                let now = room.whole();
                let recovered = u64::from(cut > 0);
                assert_eq!(now.records, found.records + recovered + 1, "{length}");
                assert_eq!(now.unfinished, 0);
                sink.write(&[record(1)]).unwrap();
                assert_eq!(room.whole().records, now.records + 1);
                states += 1;
            }
        }
    }
    eprintln!("{states} states: all whole");
}

/// The checkpoint is missing or empty, as a file is whose content was never written back.
#[test]
fn a_log_whose_checkpoint_is_lost_goes_on_behind_its_last_record() {
    let history = History::of(3);
    let room = Room::new();
    let head_path = super::super::file::head_path(&room.path());
    let opening = history.log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in cuts(&history.log, opening..=history.log.len()) {
        for is_empty in [false, true] {
            fs::write(room.path(), &history.log[..length]).unwrap();
            let _ = fs::remove_file(&head_path);
            if is_empty {
                fs::write(&head_path, "").unwrap();
            }
            let problem = room.log().verify().unwrap().fault.unwrap().kind;
            let cut = !history.log[..length].ends_with(b"\n");
            let expected = match (cut, is_empty) {
                (true, _) => None,
                (false, true) => Some(FaultKind::DamagedCheckpoint),
                (false, false) => Some(FaultKind::NoCheckpoint),
            };
            if let Some(expected) = expected {
                assert_eq!(problem, expected);
            }
            sink(
                &room.path(),
                &AuditConfig::default().with_sync(FsyncMode::None),
            )
            .write(&[record(7)])
            .unwrap();
            let finished = history.log[..length].split_inclusive(|byte| *byte == b'\n');
            let finished = finished.filter(|line| line.ends_with(b"\n")).count();
            let verified = room.whole();
            // It tells of both: of the checkpoint, and of what was cut off.
            assert_eq!(verified.records, (finished + 2 + usize::from(cut)) as u64);
            let mut notes = Vec::new();
            AuditLog::read(&[room.path()], |_, record| {
                if record.event == Event::Recovered {
                    notes.extend(record.note);
                }
            })
            .unwrap();
            assert_eq!(notes.len(), 1 + usize::from(cut), "{notes:?}");
            assert!(notes.last().unwrap().contains("checkpoint"), "{notes:?}");
        }
    }
}

/// A line that does not follow stays where it is, so that it is found.
#[test]
fn what_somebody_put_behind_the_log_is_found_also_when_it_goes_on() {
    for head_is_there in [true, false] {
        let room = Room::with(3);
        let mut text = fs::read(room.path()).unwrap();
        let second = text
            .split_inclusive(|byte| *byte == b'\n')
            .nth(1)
            .unwrap()
            .to_vec();
        text.extend_from_slice(&second);
        text.extend_from_slice(b"{\"seq\":");
        fs::write(room.path(), &text).unwrap();
        if !head_is_there {
            fs::remove_file(super::super::file::head_path(&room.path())).unwrap();
        }
        let mut sink = sink(&room.path(), &AuditConfig::default());
        sink.write(&[record(4)]).unwrap();
        let fault = room.log().verify().unwrap().fault.unwrap();
        assert_eq!((fault.line, fault.kind), (5, FaultKind::Moved));
        let mut seqs = Vec::new();
        AuditLog::read(&[room.path()], |seq, _| seqs.push(seq)).unwrap();
        assert_eq!(
            seqs.iter().rev().take(2).copied().collect::<Vec<_>>(),
            [6, 5]
        );
    }
}
