use std::collections::BTreeMap;

use polysecrets_local::file::{FileConfig, FileProvider, open};
use secrets_core::{
    DeleteMode, DeleteOptions, ErrorKind, GetOptions, PutOptions, SecretProvider, SecretValue,
};

use crate::support::{Room, deep, get, name, put};

/// A store with some of everything that a line can be.
async fn sample(seed: u64) -> (Room, FileProvider) {
    let room = Room::new();
    // Every rewritten file would be remembered as seen; what is tested here is the file itself.
    let context = room.context().with_user_dirs(Some(room.path("user")), None);
    let provider = open(FileConfig::default(), context).await.unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 0..2 + seed % 3 {
        let length = random.usize(..40);
        let mut value = vec![0; length];
        random.fill(&mut value);
        let key = name(&format!("k{}/{number}", random.u32(..10)));
        let tags = BTreeMap::from([("t".to_owned(), number.to_string())]);
        let options = PutOptions::default().with_tags(seed.is_multiple_of(2).then_some(tags));
        for _ in 0..1 + random.u32(..2) {
            provider
                .put(&key, &SecretValue::from(&value[..]), &options)
                .await
                .unwrap();
        }
        let delete = |mode| DeleteOptions::default().with_mode(mode);
        match random.u32(..6) {
            0 => provider
                .delete(&key, &delete(DeleteMode::Soft))
                .await
                .unwrap(),
            1 => provider
                .delete(&key, &delete(DeleteMode::Purge))
                .await
                .unwrap(),
            _ => {}
        }
    }
    (room, provider)
}

fn samples() -> u64 {
    if deep() { 20 } else { 3 }
}

async fn expect_refused(room: &Room, provider: &FileProvider, bytes: &[u8], what: &str) {
    room.replace(bytes);
    let result = provider.get(&name("k"), &GetOptions::default()).await;
    match result {
        Ok(_) => panic!("{what}: a value came out"),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::IntegrityFailure | ErrorKind::InvalidConfig | ErrorKind::Unauthenticated
            ),
            "{what}: {error:?}"
        ),
    }
}

#[tokio::test]
async fn every_changed_byte_is_noticed() {
    for seed in 0..samples() {
        let (room, provider) = sample(seed).await;
        let good = room.bytes();
        let mut random = fastrand::Rng::with_seed(!seed);
        for at in 0..good.len() {
            let mut bad = good.clone();
            let bit = 1 << (random.u32(..8));
            // Half of the changes leave the text printable, so that they get past the first look.
            bad[at] = match at % 2 {
                0 => bad[at] ^ bit,
                _ if bad[at] == b'A' => b'B',
                _ => b'A',
            };
            expect_refused(&room, &provider, &bad, &format!("sample {seed}, byte {at}")).await;
        }
        room.replace(&good);
        let error = get(&provider, "k").await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::NotFound,
            "the good store still opens: {error}"
        );
    }
}

#[tokio::test]
async fn every_truncation_is_noticed() {
    for seed in 0..samples() {
        let (room, provider) = sample(seed).await;
        let good = room.bytes();
        for length in 0..good.len() {
            expect_refused(
                &room,
                &provider,
                &good[..length],
                &format!("sample {seed}, length {length}"),
            )
            .await;
        }
        for more in [&b"\n"[..], b"x", b"entry"] {
            let longer = [&good, more].concat();
            expect_refused(
                &room,
                &provider,
                &longer,
                &format!("sample {seed} with more"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn every_swapped_doubled_or_dropped_line_is_noticed() {
    for seed in 0..samples() {
        let (room, provider) = sample(seed).await;
        let good = String::from_utf8(room.bytes()).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let text = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        for first in 0..lines.len() {
            for second in first + 1..lines.len() {
                let mut bad = lines.clone();
                bad.swap(first, second);
                let what = format!("sample {seed}, lines {first} and {second}");
                expect_refused(&room, &provider, text(&bad).as_bytes(), &what).await;
            }
            let mut dropped = lines.clone();
            dropped.remove(first);
            expect_refused(&room, &provider, text(&dropped).as_bytes(), "dropped").await;
            let mut doubled = lines.clone();
            doubled.insert(first, lines[first]);
            expect_refused(&room, &provider, text(&doubled).as_bytes(), "doubled").await;
        }
    }
}

#[tokio::test]
async fn values_cannot_change_places() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "a", "value of a").await;
    put(&provider, "b", "value of b").await;
    let text = String::from_utf8(room.bytes()).unwrap();
    let mut lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let at: Vec<usize> = (0..lines.len())
        .filter(|line| lines[*line][0] == "entry")
        .collect();
    for field in [9, 10] {
        let other = lines[at[0]][field];
        lines[at[0]][field] = lines[at[1]][field];
        lines[at[1]][field] = other;
    }
    let swapped: String = lines.iter().map(|line| line.join(" ") + "\n").collect();
    room.replace(swapped.as_bytes());
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
}

#[tokio::test]
async fn an_error_names_the_place_and_no_content() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "a", "value").await;
    let good = String::from_utf8(room.bytes()).unwrap();
    let line = good
        .lines()
        .position(|line| line.starts_with("entry "))
        .unwrap()
        + 1;
    for (from, to, column) in [
        (" enabled ", " eNabled ", 11),
        ("entry a 1 ", "entry a 01 ", 9),
        ("entry a 1 ", "entry %61 1 ", 7),
        ("entry a 1 ", "entry a/ 1 ", 7),
    ] {
        room.replace(good.replace(from, to).as_bytes());
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        let position = error.position().unwrap();
        assert_eq!((position.line, position.column), (line, column), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(room.store_path().to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn converted_line_ends_are_named_with_the_remedy() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "a", "value").await;
    let good = room.bytes();
    let text = String::from_utf8(good.clone()).unwrap();
    room.replace(text.replace('\n', "\r\n").as_bytes());
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert!(
        error.hint().unwrap().contains(".gitattributes"),
        "{:?}",
        error.hint()
    );
    assert_eq!(error.position().unwrap().line, 1);
    room.replace(&good);
    assert_eq!(get(&provider, "a").await.unwrap(), "value");
}
