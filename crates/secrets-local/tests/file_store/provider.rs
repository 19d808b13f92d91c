use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polysecrets_local::file::{FileConfig, open};
use secrets_core::{
    Clock, DeleteMode, DeleteOptions, DescribeOptions, ErrorKind, GetItem, GetOptions, ListOptions,
    PutMode, PutOptions, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
};

use crate::support::{Room, get, name, put};

#[tokio::test]
async fn values_come_back_byte_for_byte_after_a_new_opening() {
    let room = Room::new();
    let provider = room.provider().await;
    let values: Vec<Vec<u8>> = vec![
        vec![],
        (0..=255).collect(),
        b"line\r\nline\n".to_vec(),
        "\u{feff}ключ".into(),
        vec![7; 65_536],
        b"<<<<<<< HEAD\n".to_vec(),
    ];
    for (number, value) in values.iter().enumerate() {
        let (key, value) = (name(&format!("k/{number}")), SecretValue::from(&value[..]));
        provider
            .put(&key, &value, &PutOptions::default())
            .await
            .unwrap();
    }
    let again = room.provider().await;
    for (number, value) in values.iter().enumerate() {
        let key = name(&format!("k/{number}"));
        let read = again.get(&key, &GetOptions::default()).await.unwrap();
        assert_eq!(read.value.expose_bytes(), value);
    }
}

#[tokio::test]
async fn names_of_all_kinds_are_kept() {
    let room = Room::new();
    let names = [
        "a b",
        "ключ/naïve",
        "arn:aws:secretsmanager:eu:1:secret:x-AbC",
        "-",
        "a%20b",
        "..a",
        "A",
        "a",
        &"x".repeat(512),
    ];
    let provider = room.provider().await;
    for text in names {
        put(&provider, text, text).await;
    }
    let again = room.provider().await;
    for text in names {
        assert_eq!(get(&again, text).await.unwrap(), text);
    }
    let page = again.list(&ListOptions::default()).await.unwrap();
    assert_eq!(page.items.len(), names.len());
}

#[tokio::test]
async fn the_file_shows_names_and_no_values() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "db/password", "hunter2-hunter2").await;
    let text = String::from_utf8(room.bytes()).unwrap();
    assert!(text.contains("\nentry db/password 1 enabled "));
    assert!(text.contains(&room.recipient));
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMi"));
    assert!(!text.contains('\r') && text.ends_with('\n'));
    let attributes =
        std::fs::read_to_string(room.project().join(".secrets/.gitattributes")).unwrap();
    assert_eq!(attributes, "store.txt -text merge=polysecrets\n");
}

#[tokio::test]
async fn versions_are_kept_to_their_number_and_rolled_back() {
    let room = Room::new();
    let config = FileConfig::default().with_keep_versions(std::num::NonZeroUsize::new(3).unwrap());
    let provider = open(config, room.context()).await.unwrap();
    for number in 1..=5 {
        put(&provider, "key", &format!("v{number}")).await;
    }
    let key = name("key");
    let first = provider
        .versions(&key, &VersionsOptions::default().with_page_size(2))
        .await
        .unwrap();
    let ids = |items: &[secrets_core::Metadata]| -> Vec<String> {
        items
            .iter()
            .map(|item| item.version.clone().unwrap().to_string())
            .collect()
    };
    assert_eq!(ids(&first.items), ["5", "4"]);
    let rest = VersionsOptions::default().with_page_token(first.next);
    let rest = provider.versions(&key, &rest).await.unwrap();
    assert_eq!((ids(&rest.items), rest.next), (vec!["3".to_owned()], None));
    let of = |version: &'static str| GetOptions::default().with_version(Version::from(version));
    assert_eq!(
        provider.get(&key, &of("4")).await.unwrap().value,
        SecretValue::from("v4")
    );
    assert_eq!(
        provider.get(&key, &of("1")).await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    for version in ["6", "0", "04", "x", ""] {
        assert_eq!(
            provider.get(&key, &of(version)).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    let now = provider
        .rollback(&key, &"3".into(), &Default::default())
        .await
        .unwrap();
    assert_eq!(now.version, Some("6".into()));
    assert_eq!(get(&provider, "key").await.unwrap(), "v3");
}

#[tokio::test]
async fn conditional_writes_hold_their_condition() {
    let room = Room::new();
    let provider = room.provider().await;
    let key = name("key");
    let with = |mode| PutOptions::default().with_mode(mode);
    let try_put = async |mode| {
        provider
            .put(&key, &SecretValue::from("v"), &with(mode))
            .await
    };
    let kind = |result: secrets_core::Result<_>| {
        result
            .map(|_: secrets_core::Metadata| ())
            .unwrap_err()
            .kind()
    };
    assert_eq!(
        kind(try_put(PutMode::IfVersion("1".into())).await),
        ErrorKind::Conflict
    );
    assert_eq!(
        try_put(PutMode::Create).await.unwrap().version,
        Some("1".into())
    );
    let revision = room.store().summary().unwrap().revision;
    assert_eq!(
        kind(try_put(PutMode::Create).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(try_put(PutMode::IfVersion("2".into())).await),
        ErrorKind::Conflict
    );
    assert_eq!(
        room.store().summary().unwrap().revision,
        revision,
        "a refused write writes nothing"
    );
    assert_eq!(
        try_put(PutMode::IfVersion("1".into()))
            .await
            .unwrap()
            .version,
        Some("2".into())
    );
}

#[tokio::test]
async fn deleted_restored_and_purged() {
    let room = Room::new();
    let provider = room.provider().await;
    let key = name("key");
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    put(&provider, "key", "one").await;
    put(&provider, "key", "two").await;
    provider
        .delete(&key, &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(
        get(&provider, "key").await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    assert_eq!(
        provider
            .delete(&key, &DeleteOptions::default())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Deleted
    );
    let described = provider
        .describe(&key, &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(described.state, SecretState::Deleted);
    assert!(
        provider
            .list(&ListOptions::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    provider.restore(&key).await.unwrap();
    let again = room.provider().await;
    assert_eq!(get(&again, "key").await.unwrap(), "two");
    let first = GetOptions::default().with_version(Version::from("1"));
    assert_eq!(
        again.get(&key, &first).await.unwrap().value,
        SecretValue::from("one")
    );
    provider.delete(&key, &purge).await.unwrap();
    for result in [
        provider.delete(&key, &purge).await,
        provider.restore(&key).await,
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(
        get(&again, "key").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let versions = again.versions(&key, &VersionsOptions::default()).await;
    assert_eq!(versions.unwrap_err().kind(), ErrorKind::NotFound);
    let create = PutOptions::default().with_mode(PutMode::Create);
    let made = again
        .put(&key, &SecretValue::from("three"), &create)
        .await
        .unwrap();
    assert_eq!(
        made.version,
        Some("3".into()),
        "a number is never used twice"
    );
    let window = DeleteOptions::default().with_mode(DeleteMode::Window(Duration::from_secs(1)));
    assert_eq!(
        provider.delete(&key, &window).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn a_deleted_value_stays_deleted_when_a_new_one_is_written() {
    let room = Room::new();
    let provider = room.provider().await;
    let key = name("key");
    put(&provider, "key", "leaked").await;
    provider
        .delete(&key, &DeleteOptions::default())
        .await
        .unwrap();
    let create = PutOptions::default().with_mode(PutMode::Create);
    let error = provider
        .put(&key, &SecretValue::from("new"), &create)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let stale = PutOptions::default().with_mode(PutMode::IfVersion("1".into()));
    let error = provider
        .put(&key, &SecretValue::from("new"), &stale)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    put(&provider, "key", "new").await;
    assert_eq!(get(&provider, "key").await.unwrap(), "new");
    let first = GetOptions::default().with_version(Version::from("1"));
    assert_eq!(
        provider.get(&key, &first).await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    let rollback = provider
        .rollback(&key, &"1".into(), &Default::default())
        .await;
    assert_eq!(rollback.unwrap_err().kind(), ErrorKind::Deleted);
}

#[tokio::test]
async fn tags_stay_until_they_are_replaced() {
    let room = Room::new();
    let provider = room.provider().await;
    let tags: BTreeMap<String, String> = [("team", "a=b, c"), ("", ""), ("-", "%")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    let (key, value) = (name("key"), SecretValue::from("v"));
    let tagged = PutOptions::default().with_tags(tags.clone());
    provider.put(&key, &value, &tagged).await.unwrap();
    let kept = provider
        .put(&key, &value, &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(kept.tags, tags);
    let again = room
        .provider()
        .await
        .describe(&key, &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(again, kept);
    let none = PutOptions::default().with_tags(BTreeMap::new());
    assert!(
        provider
            .put(&key, &value, &none)
            .await
            .unwrap()
            .tags
            .is_empty()
    );
}

#[derive(Debug)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + self.monotonic()
    }
}

#[tokio::test]
async fn a_value_ends_to_be_valid() {
    let room = Room::new();
    let clock = Arc::new(SetClock(AtomicU64::new(1_000)));
    let context = room.context().with_clock(clock.clone());
    let provider = open(FileConfig::default(), context).await.unwrap();
    let key = name("key");
    let end = UNIX_EPOCH + Duration::new(2_000, 7);
    let options = PutOptions::default().with_expires_at(end);
    provider
        .put(&key, &SecretValue::from("v"), &options)
        .await
        .unwrap();
    let read = provider.get(&key, &GetOptions::default()).await.unwrap();
    assert_eq!(read.metadata.expires_at, Some(end));
    clock.0.store(2_001, Ordering::Relaxed);
    let error = provider
        .get(&key, &GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    let listed = provider.list(&ListOptions::default()).await.unwrap();
    assert_eq!(listed.items[0].state, SecretState::Disabled);
    // A clock that was set back does not make a newer version older.
    clock.0.store(10, Ordering::Relaxed);
    let now = provider
        .put(&key, &SecretValue::from("w"), &PutOptions::default())
        .await
        .unwrap();
    assert!(now.created_at > Some(UNIX_EPOCH + Duration::from_secs(1_000)));
}

#[tokio::test]
async fn listing_pages_through_a_prefix() {
    let room = Room::new();
    let provider = room.provider().await;
    for number in 0..7 {
        put(&provider, &format!("a/{number}"), "v").await;
    }
    for other in ["a", "b/1", "A/1", "a0"] {
        put(&provider, other, "v").await;
    }
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let options = ListOptions::default()
            .with_prefix("a/")
            .with_page_size(3)
            .with_page_token(token);
        let page = provider.list(&options).await.unwrap();
        seen.extend(page.items.into_iter().map(|item| item.name.to_string()));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(
        seen,
        (0..7)
            .map(|number| format!("a/{number}"))
            .collect::<Vec<_>>()
    );
    let none = ListOptions::default().with_page_size(0);
    assert_eq!(
        provider.list(&none).await.unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
    let all = provider.list(&ListOptions::default()).await.unwrap();
    assert_eq!(all.items.len(), 11);
}

#[tokio::test]
async fn many_are_read_in_the_order_asked() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "a", "1").await;
    put(&provider, "b", "2").await;
    let items =
        ["b", "missing", "a", "b"].map(|key| GetItem::new(name(key), GetOptions::default()));
    let values: Vec<_> = provider
        .get_many(&items)
        .await
        .into_iter()
        .map(|result| {
            result
                .map(|secret| secret.value)
                .map_err(|error| error.kind())
        })
        .collect();
    let value = |text: &str| Ok(SecretValue::from(text));
    assert_eq!(
        values,
        [value("2"), Err(ErrorKind::NotFound), value("1"), value("2")]
    );
}

#[tokio::test]
async fn many_are_written_as_one_change_or_not_at_all() {
    let room = Room::new();
    let store = room.store();
    let secret = |key: &str, size| (name(key), SecretValue::from(vec![b'x'; size]));
    store
        .put_all([secret("a", 1), secret("b", 2), secret("a", 3)])
        .unwrap();
    assert_eq!(store.summary().unwrap().revision, 2);
    assert_eq!(get(&room.provider().await, "a").await.unwrap(), "xxx");
    let before = room.bytes();
    let error = store
        .put_all([secret("c", 1), secret("d", 2 << 20)])
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.name()),
        (ErrorKind::InvalidValue, Some(&name("d")))
    );
    assert_eq!(room.bytes(), before);
}

#[tokio::test]
async fn a_closed_provider_can_be_used_again() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "key", "v").await;
    provider.close().await.unwrap();
    provider.close().await.unwrap();
    assert_eq!(get(&provider, "key").await.unwrap(), "v");
}

#[test]
fn works_without_a_runtime() {
    use std::task::{Context, Poll, Waker};
    let room = Room::new();
    let mut future = std::pin::pin!(async {
        let provider = room.provider().await;
        put(&provider, "key", "v").await;
        get(&provider, "key").await.unwrap()
    });
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => assert_eq!(value, "v"),
        Poll::Pending => panic!("it waited for a runtime that is not there"),
    }
}
