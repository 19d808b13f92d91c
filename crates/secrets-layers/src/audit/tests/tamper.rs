//! Changes of a log: each is found, and reported where it is.
//!
//! `cargo xtask test --deep` tries every one of them, else a part.

use std::fs::File;

use super::*;

/// How many lines the logs have.
const LINES: usize = 1000;

/// The indices that are tried.
fn tried(count: usize, step: usize) -> impl Iterator<Item = usize> {
    let step = if is_deep() { 1 } else { step };
    let ends = [0, 1, count - 2, count - 1];
    let between = (2..count - 2).step_by(step);
    between.chain(ends).take(count)
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What the verification knows before each line of a log that is whole.
fn states(lines: &[&[u8]]) -> Vec<Verifier> {
    let mut verifier = Verifier::new(Seal::new(key()), None);
    let before = |line: &&[u8]| {
        let before = verifier.clone();
        verifier.line(line.strip_suffix(b"\n").unwrap()).unwrap();
        before
    };
    lines.iter().map(before).collect()
}

/// Which line is the first that does not follow. One that has lost its end is none: the checkpoint says that it had one.
fn first_bad(mut judge: Verifier, text: &[u8]) -> Option<usize> {
    let judged = |line: &[u8]| match line.strip_suffix(b"\n") {
        Some(line) => judge.line(line).is_err(),
        None => true,
    };
    text.split_inclusive(|byte| *byte == b'\n').position(judged)
}

/// What comes before a change does not depend on it, so that each change is judged from the state before its line.
#[test]
fn every_changed_added_or_missing_byte_is_found_in_its_line() {
    let room = Room::with(LINES - 1);
    let whole = fs::read(room.path()).unwrap();
    let lines = lines_of(&whole);
    assert_eq!(lines.len(), LINES);
    let states = states(&lines);
    let mut random = fastrand::Rng::with_seed(4);
    let (mut changed, mut moved) = (0_u64, 0_u64);
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let found = |text: &[u8]| first_bad(states[at].clone(), &[text, next].concat());
        for place in 0..line.len() {
            let is_end = place == line.len() - 1;
            let replaced: Vec<u8> = if is_deep() {
                (0..=255).collect()
            } else if is_end || random.u8(..) < 4 {
                vec![line[place] ^ 1 << random.u8(..8), b'\n', b'"']
            } else {
                continue;
            };
            let mut other = line.to_vec();
            for byte in replaced.into_iter().filter(|byte| *byte != line[place]) {
                other[place] = byte;
                assert_eq!(found(&other), Some(0), "byte {place} of {at} as {byte}");
                changed += 1;
            }
            other.remove(place);
            assert_eq!(found(&other), Some(0), "byte {place} of {at} away");
            for byte in [line[place], b'\n', b' '] {
                other.clear();
                other.extend_from_slice(&line[..place]);
                other.push(byte);
                other.extend_from_slice(&line[place..]);
                // An empty line behind it leaves the line itself as it was.
                let place_of_it = usize::from(is_end && byte == b'\n');
                assert_eq!(
                    found(&other),
                    Some(place_of_it),
                    "{byte} at {place} of {at}"
                );
            }
            moved += 4;
        }
    }
    assert!(changed > 5000, "{changed}");
    eprintln!("{changed} bytes changed, {moved} added or taken away: all found in their lines");
}

#[test]
fn no_record_can_take_the_place_of_another() {
    let room = Room::with(LINES - 1);
    let whole = fs::read(room.path()).unwrap();
    let lines = lines_of(&whole);
    let mut pairs = 0_u64;
    let states = states(&lines);
    for place in tried(LINES, 97) {
        for (at, line) in lines.iter().enumerate().filter(|(at, _)| *at != place) {
            let line = line.strip_suffix(b"\n").unwrap();
            let problem = match (place, at) {
                (0, _) => FaultKind::NoBeginning,
                _ if at > place => FaultKind::Missing((at - place) as u64),
                _ => FaultKind::Moved,
            };
            assert_eq!(
                states[place].clone().line(line),
                Err(problem),
                "{at} at {place}"
            );
            pairs += 1;
        }
    }
    eprintln!("{pairs} records in the places of others: all found");
}

/// The whole log is verified after each change, as `secrets audit verify` does it.
#[test]
fn every_missing_doubled_or_swapped_record_and_every_cut_is_located() {
    let room = Room::with(LINES - 1);
    let whole = fs::read(room.path()).unwrap();
    let lines = lines_of(&whole);
    let mut random = fastrand::Rng::with_seed(5);
    let fault_of = |parts: &[&[u8]]| {
        fs::write(room.path(), parts.concat()).unwrap();
        let fault = room.log().verify().unwrap().fault.unwrap();
        assert_eq!(fault.file, room.path());
        (fault.line, fault.kind)
    };
    let mut changes = 0;
    for at in tried(LINES, 97) {
        let (before, line, after) = (&lines[..at], lines[at], &lines[at + 1..]);
        let (before, after) = (before.concat(), after.concat());
        let number = at as u64 + 1;
        let missing = match at {
            0 => (1, FaultKind::NoBeginning),
            _ if at == LINES - 1 => (number - 1, FaultKind::EndMissing(1)),
            _ => (number, FaultKind::Missing(1)),
        };
        assert_eq!(fault_of(&[&before, &after]), missing, "{at}");
        let doubled = fault_of(&[&before, line, line, &after]);
        assert_eq!(doubled, (number + 1, FaultKind::Moved));
        if let Some(next) = lines.get(at + 1) {
            let swapped = fault_of(&[&before, next, line, &after[next.len()..]]);
            let problem = match at {
                0 => FaultKind::NoBeginning,
                _ => FaultKind::Missing(1),
            };
            assert_eq!(swapped, (number, problem));
        }
        let end = FaultKind::EndMissing((LINES - at) as u64);
        assert_eq!(fault_of(&[&before]), (number - 1, end));
        let part = &line[..random.usize(1..line.len())];
        assert_eq!(fault_of(&[&before, part]), (number, FaultKind::CutOff));
        let mut other = line.to_vec();
        other[random.usize(..line.len())] ^= 1 << random.u8(..8);
        assert_eq!(fault_of(&[&before, &other, &after]).0, number);
        changes += 6;
    }
    fs::write(room.path(), &whole).unwrap();
    assert_eq!(room.whole().records, LINES as u64);
    eprintln!("{changes} changes of a log of {LINES}: all located");
}

/// A log of this many records in files of some ten each, so that what is before and behind a change is soon verified.
struct Files {
    room: Room,
    files: Vec<PathBuf>,
    texts: Vec<Vec<u8>>,
    /// The number of the first record of each.
    firsts: Vec<u64>,
}

impl Files {
    fn new() -> Self {
        let room = Room::new();
        let config = rotated(4000);
        let mut sink = sink(&room.path(), &config);
        let mut at = 0;
        while room.log().files().map_or(0, |files| files.len()) < 2 || room.whole_last() < LINES {
            sink.write(&[record(at)]).unwrap();
            at += 1;
        }
        let files = room.log().files().unwrap();
        let texts: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let mut first = 1;
        let firsts = texts.iter().map(|text| {
            let of_this = first;
            first += lines_of(text).len() as u64;
            of_this
        });
        Self {
            firsts: firsts.collect(),
            room,
            files,
            texts,
        }
    }

    /// The file, and those beside it.
    fn around(&self, at: usize) -> &[PathBuf] {
        &self.files[at.saturating_sub(1)..=(at + 1).min(self.files.len() - 1)]
    }

    #[track_caller]
    fn fault(&self, at: usize) -> ChainFault {
        let verified = self.room.log().verify_files(self.around(at)).unwrap();
        verified.fault.unwrap()
    }
}

impl Room {
    /// The number of the last record, as the checkpoint tells it.
    fn whole_last(&self) -> usize {
        let head = fs::read(self.folder.path().join("audit.jsonl.head")).unwrap_or_default();
        Head::decode(&head, &Seal::new(key())).map_or(0, |head| head.link.seq as usize)
    }
}

#[test]
fn every_changed_byte_of_the_files_is_located() {
    use std::os::unix::fs::FileExt;

    let log = Files::new();
    assert!(log.files.len() > 50, "{}", log.files.len());
    let mut random = fastrand::Rng::with_seed(9);
    let mut changes = 0;
    for (at, text) in log.texts.iter().enumerate() {
        let file = File::options().write(true).open(&log.files[at]).unwrap();
        for place in 0..text.len() {
            if !is_deep() && place != text.len() - 1 && random.u16(..) > 64 {
                continue;
            }
            let ends = |byte: &&u8| **byte == b'\n';
            let line = text[..place].iter().filter(ends).count() as u64;
            let byte = text[place];
            for other in [byte ^ 1 << random.u8(..8), random.u8(..), b'\n'] {
                if other == byte {
                    continue;
                }
                file.write_all_at(&[other], place as u64).unwrap();
                let fault = log.fault(at);
                assert_eq!(
                    (&fault.file, fault.line, fault.seq),
                    (&log.files[at], line + 1, log.firsts[at] + line),
                    "byte {place}: {fault}"
                );
                changes += 1;
            }
            file.write_all_at(&[byte], place as u64).unwrap();
        }
    }
    assert_eq!(log.room.whole().records, LINES as u64);
    eprintln!(
        "{changes} changed bytes in {} files: all located",
        log.files.len()
    );
}

#[test]
fn every_cut_of_a_file_and_every_missing_file_is_located() {
    let log = Files::new();
    let last = log.files.len() - 1;
    let mut cuts = 0;
    for (at, text) in log.texts.iter().enumerate() {
        let file = File::options().write(true).open(&log.files[at]).unwrap();
        let count = lines_of(text).len();
        let step = if is_deep() { 1 } else { 409 };
        for length in (0..text.len()).rev().step_by(step).chain([0]) {
            file.set_len(length as u64).unwrap();
            let left = lines_of(&text[..length]);
            let cut = left.last().is_some_and(|line| !line.ends_with(b"\n"));
            let missing = (count - left.len()) as u64;
            let around = log.room.log().verify_files(log.around(at)).unwrap();
            if at == 0 && length == 0 {
                // The oldest files may go; that they did is reported.
                assert_eq!((around.fault, around.first), (None, log.firsts[1]));
                continue;
            }
            let fault = around.fault.unwrap();
            let (file, line, problem) = match (cut, at == last) {
                (true, _) => (at, left.len(), FaultKind::CutOff),
                (false, false) => (at + 1, 1, FaultKind::Missing(missing)),
                (false, true) => (at, left.len(), FaultKind::EndMissing(missing)),
            };
            assert_eq!(
                (&fault.file, fault.line, fault.kind),
                (&log.files[file], line as u64, problem),
                "{length} bytes left of file {at}"
            );
            cuts += 1;
        }
        fs::write(&log.files[at], text).unwrap();
    }
    for at in tried(log.files.len(), 31) {
        let away = log.room.folder.path().join("away");
        fs::rename(&log.files[at], &away).unwrap();
        let verified = log.room.log().verify().unwrap();
        let missing = lines_of(&log.texts[at]).len() as u64;
        match (at, verified.fault) {
            (0, fault) => assert_eq!((fault, verified.first), (None, log.firsts[1])),
            (_, Some(fault)) if at == last => {
                assert_eq!(fault.kind, FaultKind::EndMissing(missing));
            }
            (_, Some(fault)) => assert_eq!(
                (fault.file, fault.line, fault.kind),
                (log.files[at + 1].clone(), 1, FaultKind::Missing(missing))
            ),
            (_, None) => panic!("file {at} is not missed"),
        }
        fs::rename(&away, &log.files[at]).unwrap();
    }
    assert_eq!(log.room.whole().records, LINES as u64);
    eprintln!("{cuts} cuts of {} files: all located", log.files.len());
}

#[test]
fn every_change_of_the_checkpoint_is_found() {
    let room = Room::with(3);
    let head = room.folder.path().join("audit.jsonl.head");
    let whole = fs::read(&head).unwrap();
    let problem = |bytes: &[u8]| {
        fs::write(&head, bytes).unwrap();
        room.log().verify().unwrap().fault.map(|fault| fault.kind)
    };
    for place in 0..whole.len() {
        let step = if is_deep() { 1 } else { 50 };
        for other in (1..=255).step_by(step) {
            let mut changed = whole.clone();
            changed[place] ^= other;
            assert_eq!(
                problem(&changed),
                Some(FaultKind::DamagedCheckpoint),
                "{place}"
            );
        }
        assert_eq!(problem(&whole[..place]), Some(FaultKind::DamagedCheckpoint));
    }
    let longer = [&whole[..], b"\n"].concat();
    assert_eq!(problem(&longer), Some(FaultKind::DamagedCheckpoint));
    assert_eq!(problem(&whole), None);
    fs::remove_file(&head).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!(fault.kind, FaultKind::NoCheckpoint);
}

#[test]
fn another_history_and_records_without_the_key_are_found() {
    let room = Room::with(9);
    // A record of somebody who does not have the key.
    let mut forged = Vec::new();
    let mut link = Link::START;
    for at in 0..10 {
        link.append(&record(at), &Seal::new(None), &mut forged)
            .unwrap();
    }
    fs::write(room.path(), forged).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (1, FaultKind::OtherKey));
    // And one of somebody who has it, but did not write the checkpoint.
    let other = Room::with(9);
    fs::copy(other.path(), room.path()).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.kind), (10, FaultKind::OtherHistory));
}

/// Whoever can make true hashes still has to make all that follow.
#[test]
fn a_record_that_was_replaced_by_a_true_one_does_not_fit_the_next() {
    let room = Room::with(9);
    let whole = fs::read(room.path()).unwrap();
    let lines = lines_of(&whole);
    for at in 1..9 {
        let before = Line::parse(lines[at - 1].strip_suffix(b"\n").unwrap()).unwrap();
        let mut other = Vec::new();
        let mut link = before.link();
        link.append(&record(77), &Seal::new(key()), &mut other)
            .unwrap();
        let parts = [&lines[..at].concat(), &other, &lines[at + 1..].concat()];
        fs::write(room.path(), parts.map(Vec::as_slice).concat()).unwrap();
        let fault = room.log().verify().unwrap().fault.unwrap();
        let number = at as u64 + 2;
        assert_eq!(
            (fault.line, fault.seq, fault.kind),
            (number, number, FaultKind::Moved)
        );
    }
}

/// Each file tells where it begins, so that none can be cut in two.
#[test]
fn a_file_that_was_cut_in_two_is_found() {
    let room = Room::with(9);
    let whole = fs::read(room.path()).unwrap();
    let lines = lines_of(&whole);
    let filled = room.folder.path().join("audit.jsonl.000000000004");
    fs::write(&filled, lines[..4].concat()).unwrap();
    fs::write(room.path(), lines[4..].concat()).unwrap();
    let fault = room.log().verify().unwrap().fault.unwrap();
    assert_eq!(
        (fault.file, fault.line, fault.seq, fault.kind),
        (room.path(), 1, 5, FaultKind::NoBeginning)
    );
}
