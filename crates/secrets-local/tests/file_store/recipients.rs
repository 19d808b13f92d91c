use std::time::{Duration, Instant};

use polysecrets_local::file::{FileConfig, FileProvider, FileStore, open};
use secrets_core::{ErrorKind, OpenContext, SecretValue};

use crate::support::{Room, context, get, put};

/// A colleague: another identity, another state folder, the same project.
struct Colleague {
    recipient: String,
    context: OpenContext,
}

impl Colleague {
    fn of(room: &Room, called: &str) -> Self {
        let home = room.path(called);
        let recipient = FileStore::generate_identity(home.join("user/identity.txt")).unwrap();
        Self {
            recipient,
            context: context(&room.project(), &home),
        }
    }

    async fn provider(&self) -> FileProvider {
        open(FileConfig::default(), self.context.clone())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_recipient_is_added_and_removed() {
    let room = Room::new();
    let store = room.store();
    let mine = room.provider().await;
    put(&mine, "key", "value").await;
    let anna = Colleague::of(&room, "anna");
    let error = get(&anna.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("recipients add"));

    assert!(
        store
            .add_recipient(&format!("  {} ", anna.recipient))
            .unwrap()
    );
    assert!(!store.add_recipient(&anna.recipient).unwrap());
    let mut both = vec![room.recipient.clone(), anna.recipient.clone()];
    both.sort();
    assert_eq!(store.recipients().unwrap().public_keys, both);
    assert_eq!(get(&anna.provider().await, "key").await.unwrap(), "value");
    put(&anna.provider().await, "hers", "too").await;
    assert_eq!(get(&mine, "hers").await.unwrap(), "too");

    let before = room.bytes();
    assert!(store.remove_recipient(&anna.recipient).unwrap());
    assert!(!store.remove_recipient(&anna.recipient).unwrap());
    let error = get(&anna.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(get(&mine, "key").await.unwrap(), "value");
    assert_eq!(get(&room.provider().await, "hers").await.unwrap(), "too");
    assert!(
        common_entries(&before, &room.bytes()).is_empty(),
        "every value is encrypted again"
    );
}

#[tokio::test]
async fn rekeying_encrypts_everything_anew_for_the_same_people() {
    let room = Room::new();
    let provider = room.provider().await;
    for key in ["a", "b"] {
        put(&provider, key, "value").await;
        put(&provider, key, "value 2").await;
    }
    let before = room.bytes();
    room.store().rekey().unwrap();
    assert!(common_entries(&before, &room.bytes()).is_empty());
    assert_eq!(get(&room.provider().await, "b").await.unwrap(), "value 2");
    assert_eq!(
        room.store().recipients().unwrap().public_keys,
        [room.recipient.as_str()]
    );
}

fn common_entries(first: &[u8], second: &[u8]) -> Vec<String> {
    let lines = |text: &[u8]| -> Vec<String> {
        String::from_utf8(text.to_vec())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let second = lines(second);
    lines(first)
        .into_iter()
        .filter(|line| line.starts_with("entry ") && second.contains(line))
        .collect()
}

#[tokio::test]
async fn the_last_recipient_stays_and_no_stranger_comes_in() {
    let room = Room::new();
    let store = room.store();
    let before = room.bytes();
    assert_eq!(
        store.remove_recipient(&room.recipient).unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
    for wrong in ["", "age1", "AGE-SECRET-KEY-1QQQ", "bob@example.com"] {
        assert_eq!(
            store.add_recipient(wrong).unwrap_err().kind(),
            ErrorKind::InvalidConfig
        );
    }
    assert_eq!(room.bytes(), before);
    let nobody = Room::without_store();
    assert_eq!(
        nobody.create([]).unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
    assert!(!nobody.store_path().exists());
}

#[tokio::test]
async fn a_passphrase_opens_a_store_with_or_without_recipients() {
    let room = Room::without_store();
    let nobody = room
        .context()
        .with_user_dirs(None, Some(room.path("state")));
    let with = |passphrase: &str| {
        FileConfig::default()
            .with_passphrase(SecretValue::from(passphrase))
            .with_work_factor(10)
    };
    let store = FileStore::create(with("correct horse"), &nobody, [] as [&str; 0]).unwrap();
    assert!(store.recipients().unwrap().passphrase);
    put(
        &open(with("correct horse"), nobody.clone()).await.unwrap(),
        "key",
        "v",
    )
    .await;
    for (config, said) in [
        (with("wrong"), "does not open"),
        (FileConfig::default(), "none is given"),
    ] {
        let error = get(&open(config, nobody.clone()).await.unwrap(), "key")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.message().contains(said), "{error}");
    }
    assert!(store.add_recipient(&room.recipient).unwrap());
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "v");
    assert_eq!(
        get(
            &open(with("correct horse"), nobody.clone()).await.unwrap(),
            "key"
        )
        .await
        .unwrap(),
        "v"
    );

    // The identity alone cannot wrap a new key with the passphrase, and a mistyped one must not lock others out.
    let error = room.store().rekey().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let mistyped = FileStore::open(with("corect horse"), &room.context()).unwrap();
    assert_eq!(
        mistyped.rekey().unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );

    store.set_passphrase(None).unwrap();
    assert!(!room.store().recipients().unwrap().passphrase);
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "v");
    let error = get(&open(with("correct horse"), nobody).await.unwrap(), "key")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_passphrase_is_worked_out_once_and_not_for_every_write() {
    let room = Room::without_store();
    let config = FileConfig::default().with_passphrase(SecretValue::from("correct horse"));
    let start = Instant::now();
    FileStore::create(config.clone(), &room.context(), [] as [&str; 0]).unwrap();
    let once = start.elapsed();
    let provider = open(config, room.context()).await.unwrap();
    put(&provider, "key", "0").await;
    let start = Instant::now();
    for number in 0..10 {
        put(&provider, "key", &number.to_string()).await;
    }
    assert!(
        start.elapsed() < once.max(Duration::from_millis(100)) * 5,
        "{:?} against {once:?}",
        start.elapsed()
    );
}

#[test]
fn own_recipients_are_those_of_the_identity() {
    let room = Room::new();
    assert_eq!(
        room.store().own_recipients().unwrap(),
        [room.recipient.as_str()]
    );
    let nobody = room.context().with_user_dirs(None, None);
    let store = FileStore::open(FileConfig::default(), &nobody).unwrap();
    assert_eq!(
        store.own_recipients().unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );
}
