//! What is reported of a log that is read: its files, its records, and what is wrong with it in words.

use super::super::file::head_path;
use super::*;

#[test]
fn the_files_of_a_log_are_in_the_order_of_their_numbers() {
    let room = Room::new();
    let error = room.log().files().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.message().starts_with("there is no audit log at"),
        "{error}"
    );
    for file in [
        "audit.jsonl.1000000000000",
        "audit.jsonl.000000000200",
        "audit.jsonl.000000000030",
        "audit.jsonl.head",
        "audit.jsonl.00000000004",
        "audit.jsonl.00000000000x",
        "other.jsonl.000000000001",
        "audit.jsonl-000000000001",
    ] {
        fs::write(room.folder.path().join(file), "").unwrap();
    }
    let names = || -> Vec<String> {
        let files = room.log().files().unwrap();
        let name = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(name).collect()
    };
    let filled = [
        "audit.jsonl.000000000030",
        "audit.jsonl.000000000200",
        "audit.jsonl.1000000000000",
    ];
    assert_eq!(names(), filled);
    fs::write(room.path(), "").unwrap();
    assert_eq!(names(), [&filled[..], &["audit.jsonl"]].concat());
}

#[test]
fn only_the_current_file_is_held_against_the_checkpoint() {
    let room = Room::new();
    let config = rotated(1000);
    let mut sink = sink(&room.path(), &config);
    for at in 0..10 {
        sink.write(&[record(at)]).unwrap();
    }
    let files = room.log().files().unwrap();
    let all = room.log().verify_files(&files).unwrap();
    assert!(all.anchored && all.keyed && all.fault.is_none() && all.first == 1);
    let filled = &files[..files.len() - 1];
    let part = room.log().verify_files(filled).unwrap();
    assert!(!part.anchored && part.fault.is_none() && part.last < all.last);
    let later = room.log().verify_files(&files[1..]).unwrap();
    assert!(later.anchored && later.first > 1 && later.fault.is_none());
    assert_eq!(
        (later.last, later.records),
        (all.last, all.last + 1 - later.first)
    );
    // Copies without the checkpoint can be verified too, but for their end.
    let copy = room.folder.path().join("copy.jsonl");
    fs::copy(room.path(), &copy).unwrap();
    let log = AuditLog::new(&copy, key());
    let copied = log.verify_files(std::slice::from_ref(&copy)).unwrap();
    assert!(!copied.anchored && copied.fault.is_none() && copied.last == all.last);
    let fault = log.verify().unwrap().fault.unwrap();
    assert_eq!(fault.kind, FaultKind::NoCheckpoint);
    // Of a file that is no longer written nothing is unfinished.
    let text = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &text[..text.len() - 1]).unwrap();
    let cut = room.log().verify_files(filled).unwrap();
    assert_eq!(cut.fault.unwrap().kind, FaultKind::CutOff);
}

#[test]
fn a_log_that_is_written_meanwhile_raises_no_alarm() {
    let room = Room::new();
    let config = rotated(10_000);
    let path = room.path();
    sink(&path, &config).write(&[record(0)]).unwrap();
    let writer = std::thread::spawn(move || {
        let mut sink = sink(&path, &config);
        for at in 1..150 {
            sink.write(&[record(at)]).unwrap();
            std::thread::sleep(Duration::from_millis(4));
        }
    });
    let mut times = 0;
    while !writer.is_finished() {
        let verified = room.log().verify().unwrap();
        assert_eq!(verified.fault, None, "after {times} times");
        times += 1;
    }
    writer.join().unwrap();
    assert!(times > 3, "{times}");
    assert!(room.whole().records > 150);
}

#[test]
fn a_line_without_an_end_is_not_read_into_memory() {
    let room = Room::with(3);
    let whole = fs::read(room.path()).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let long = vec![b'x'; (3 << 20) + 5];
    fs::write(
        room.path(),
        [&whole[..second], &long, &whole[second..]].concat(),
    )
    .unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (2, FaultKind::NoRecord));
    let mut names = 0;
    AuditLog::read(&[room.path()], |_, _| names += 1).unwrap();
    // What stood before the long line, and what stands behind its own.
    assert_eq!(names, 3);
}

#[test]
fn an_earlier_state_is_proved_by_its_number_and_hash() {
    let room = Room::with(2);
    let early = room.whole();
    let mut sink = sink(
        &room.path(),
        &AuditConfig::default().with_rotation(1000, None),
    );
    for at in 0..10 {
        sink.write(&[record(at)]).unwrap();
    }
    let log = room.log();
    assert!(log.files().unwrap().len() > 2);
    assert!(log.goes_through(early.last, &early.hash).unwrap());
    let late = room.whole();
    assert!(log.goes_through(late.last, &late.hash).unwrap());
    assert!(!log.goes_through(early.last, &late.hash).unwrap());
    assert!(!log.goes_through(late.last + 1, &late.hash).unwrap());
    assert_eq!(log.path(), room.path());
}

#[test]
fn reading_strictly_ends_at_the_first_line_that_does_not_follow() {
    let room = Room::with(5);
    let whole = fs::read_to_string(room.path()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let read = |text: String| {
        fs::write(room.path(), text).unwrap();
        let mut seqs = Vec::new();
        let end = AuditLog::read_strictly(&[room.path()], |seq, _| seqs.push(seq));
        (
            seqs,
            end.map_err(|error| (error.kind(), error.message().to_owned())),
        )
    };
    let all: Vec<u64> = (1..=6).collect();
    assert_eq!(read(whole.clone()), (all.clone(), Ok(())));
    assert_eq!(read(lines[2..].concat()), (all[2..].to_vec(), Ok(())));
    assert_eq!(read(format!("{whole}{{\"seq\":7")), (all.clone(), Ok(())));
    for (text, before, said) in [
        (
            lines[..2].concat() + &lines[3..].concat(),
            2,
            ":3: record 4: 1 record is missing before this record",
        ),
        (
            lines[..3].concat() + lines[1],
            3,
            ":4: record 2: the record was put here",
        ),
        (
            lines[..3].concat() + "no\n" + lines[3],
            3,
            ":4: record 4: not a record",
        ),
    ] {
        let (seqs, end) = read(text);
        assert_eq!(seqs, all[..before]);
        let (kind, message) = end.unwrap_err();
        assert_eq!(kind, ErrorKind::IntegrityFailure);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn faults_are_told_in_words() {
    let reported = |kind: FaultKind| {
        let fault = ChainFault {
            file: PathBuf::from("audit.jsonl"),
            line: 3,
            seq: 4,
            kind,
        };
        let text = fault.to_string();
        text.strip_prefix("audit.jsonl:3: record 4: ")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        reported(FaultKind::Missing(1)),
        "1 record is missing before this record"
    );
    assert_eq!(
        reported(FaultKind::Missing(2)),
        "2 records are missing before this record"
    );
    assert_eq!(
        reported(FaultKind::EndMissing(3)),
        "3 records are missing at the end"
    );
    let all = [
        FaultKind::NoRecord,
        FaultKind::Changed,
        FaultKind::OtherKey,
        FaultKind::Moved,
        FaultKind::NoBeginning,
        FaultKind::CutOff,
        FaultKind::NoCheckpoint,
        FaultKind::DamagedCheckpoint,
        FaultKind::OtherHistory,
    ];
    let mut words: Vec<String> = all.into_iter().map(reported).collect();
    assert!(
        words
            .iter()
            .all(|text| !text.is_empty() && !text.ends_with('.'))
    );
    words.sort();
    words.dedup();
    assert_eq!(words.len(), all.len());
}

/// Where the head is missing, a file that is cut is not excused by it.
#[test]
fn a_cut_without_a_checkpoint_is_told() {
    let room = Room::with(3);
    let whole = fs::read(room.path()).unwrap();
    fs::write(room.path(), &whole[..whole.len() - 5]).unwrap();
    fs::remove_file(head_path(&room.path())).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (4, FaultKind::CutOff));
}

#[test]
fn a_log_without_a_key_says_so() {
    let room = Room::new();
    let config = AuditConfig::default();
    let mut sink = FileSink::new(
        room.path(),
        &config,
        None,
        Arc::default(),
        Arc::new(SystemClock),
    );
    sink.write(&[record(1)]).unwrap();
    assert!(format!("{sink:?}").contains("keyed: false"));
    let verified = AuditLog::new(room.path(), None).verify().unwrap();
    assert_eq!((verified.fault, verified.keyed), (None, false));
    let mut notes = Vec::new();
    AuditLog::read(&[room.path()], |_, record| notes.extend(record.note)).unwrap();
    assert_eq!(notes, ["format=1 key=none"]);
    // With a key, the report says that this was not written with it.
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (1, FaultKind::OtherKey));
}
