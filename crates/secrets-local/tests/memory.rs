//! What the memory provider does beyond the conformance suite, on a clock that the test moves.
#![cfg(feature = "memory")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use polysecrets_local::memory::{self, MemoryConfig, MemoryProvider};
use secrets_core::{
    Clock, DeleteMode, DeleteOptions, DescribeOptions, ErrorKind, GetItem, GetOptions, ListOptions,
    OpenContext, PutMode, PutOptions, RollbackOptions, SecretName, SecretProvider, SecretState,
    SecretValue, Version, VersionsOptions,
};
use secrets_testkit::ManualClock;

async fn opened(config: MemoryConfig) -> (MemoryProvider, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let context = OpenContext::new("test").with_clock(clock.clone());
    (memory::open(config, context).await.unwrap(), clock)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

async fn put(provider: &MemoryProvider, to: &str, value: &str) -> Version {
    let options = PutOptions::default();
    let put = provider.put(&name(to), &value.into(), &options).await;
    put.unwrap().version.unwrap()
}

async fn get(provider: &MemoryProvider, from: &str) -> Result<String, ErrorKind> {
    let got = provider.get(&name(from), &GetOptions::default()).await;
    got.map(|secret| secret.value.expose_str().unwrap().to_owned())
        .map_err(|error| error.kind())
}

#[tokio::test]
async fn an_expired_value_is_disabled_and_described() {
    let (provider, clock) = opened(MemoryConfig::default()).await;
    let end = clock.wall() + Duration::from_secs(60);
    let options = PutOptions::default().with_expires_at(end);
    let value = SecretValue::from("short");
    provider.put(&name("a"), &value, &options).await.unwrap();
    assert_eq!(get(&provider, "a").await.unwrap(), "short");
    clock.advance(Duration::from_secs(60));
    assert_eq!(get(&provider, "a").await, Err(ErrorKind::Disabled));
    let described = provider
        .describe(&name("a"), &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (described.state, described.expires_at),
        (SecretState::Disabled, Some(end))
    );
    put(&provider, "a", "long").await;
    assert_eq!(get(&provider, "a").await.unwrap(), "long");
}

#[tokio::test]
async fn a_window_ends_on_the_clock() {
    let (provider, clock) = opened(MemoryConfig::default()).await;
    let window = DeleteOptions::default().with_mode(DeleteMode::Window(Duration::from_secs(10)));
    put(&provider, "a", "1").await;
    provider.delete(&name("a"), &window).await.unwrap();
    assert_eq!(get(&provider, "a").await, Err(ErrorKind::Deleted));
    clock.advance(Duration::from_secs(9));
    provider.restore(&name("a")).await.unwrap();
    assert_eq!(get(&provider, "a").await.unwrap(), "1");
    provider.delete(&name("a"), &window).await.unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(get(&provider, "a").await, Err(ErrorKind::NotFound));
    assert_eq!(
        provider.restore(&name("a")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // The new secret does not inherit the old one's versions.
    assert_eq!(put(&provider, "a", "2").await.as_str(), "2");
    let old = GetOptions::default().with_version(Version::from("1"));
    assert_eq!(
        provider.get(&name("a"), &old).await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
}

#[tokio::test]
async fn writing_to_a_deleted_name_does_not_bring_the_old_value_back() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    let old = put(&provider, "a", "old").await;
    provider
        .delete(&name("a"), &DeleteOptions::default())
        .await
        .unwrap();
    let create = PutOptions::default().with_mode(PutMode::Create);
    let refused = provider
        .put(&name("a"), &"new".into(), &create)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    let stale = PutOptions::default().with_mode(PutMode::IfVersion(old.clone()));
    let refused = provider
        .put(&name("a"), &"new".into(), &stale)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    put(&provider, "a", "new").await;
    assert_eq!(get(&provider, "a").await.unwrap(), "new");
    let options = GetOptions::default().with_version(old.clone());
    assert_eq!(
        provider.get(&name("a"), &options).await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    let back = provider
        .rollback(&name("a"), &old, &RollbackOptions::default())
        .await;
    assert_eq!(back.unwrap_err().kind(), ErrorKind::Deleted);
}

#[tokio::test]
async fn a_purged_name_is_not_mistaken_for_the_one_before() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    let first = put(&provider, "a", "1").await;
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    provider.delete(&name("a"), &purge).await.unwrap();
    assert_eq!(get(&provider, "a").await, Err(ErrorKind::NotFound));
    put(&provider, "a", "2").await;
    let options = PutOptions::default().with_mode(PutMode::IfVersion(first));
    let refused = provider
        .put(&name("a"), &"3".into(), &options)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn old_versions_are_destroyed_and_the_rest_is_listed_newest_first() {
    let keep = NonZeroUsize::new(3).unwrap();
    let (provider, _) = opened(MemoryConfig::default().with_keep_versions(keep)).await;
    for number in 1..=5 {
        put(&provider, "a", &number.to_string()).await;
    }
    let mut options = VersionsOptions::default().with_page_size(2);
    let first = provider.versions(&name("a"), &options).await.unwrap();
    options = options.with_page_token(first.next.clone());
    let second = provider.versions(&name("a"), &options).await.unwrap();
    let ids: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|item| item.version.clone().unwrap())
        .collect();
    assert_eq!(ids, ["5", "4", "3"].map(Version::from));
    assert_eq!(second.next, None);
    for (version, kind) in [
        ("2", ErrorKind::Deleted),
        ("6", ErrorKind::NotFound),
        ("04", ErrorKind::NotFound),
        ("x", ErrorKind::NotFound),
    ] {
        let options = GetOptions::default().with_version(Version::from(version));
        assert_eq!(
            provider.get(&name("a"), &options).await.unwrap_err().kind(),
            kind,
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_repeated_put_is_one_put() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    let options = PutOptions::default()
        .with_mode(PutMode::Create)
        .with_idempotency_token("t".to_owned());
    let first = provider
        .put(&name("a"), &"1".into(), &options)
        .await
        .unwrap();
    let again = provider
        .put(&name("a"), &"1".into(), &options)
        .await
        .unwrap();
    assert_eq!(first, again);
    let other = provider
        .put(&name("a"), &"2".into(), &options)
        .await
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    assert_eq!(get(&provider, "a").await.unwrap(), "1");
}

#[tokio::test]
async fn reads_share_the_value() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    put(&provider, "a", "shared").await;
    let items = [
        GetItem::new(name("a"), GetOptions::default()),
        GetItem::new(name("a"), GetOptions::default()),
    ];
    let got = provider.get_many(&items).await;
    let bytes = |at: usize| got[at].as_ref().unwrap().value.expose_bytes().as_ptr();
    assert_eq!(bytes(0), bytes(1));
}

#[tokio::test]
async fn pages_follow_one_another_while_secrets_come_and_go() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    for at in ["a/1", "a/2", "a/3", "a-", "b"] {
        put(&provider, at, "v").await;
    }
    let mut options = ListOptions::default().with_prefix("a/").with_page_size(1);
    let mut seen = Vec::new();
    loop {
        let page = provider.list(&options).await.unwrap();
        seen.extend(page.items.iter().map(|item| item.name.to_string()));
        if seen.len() == 1 {
            provider
                .delete(&name("a/1"), &DeleteOptions::default())
                .await
                .unwrap();
            put(&provider, "a/0", "v").await;
        }
        match page.next {
            Some(token) => options = options.with_page_token(token),
            None => break,
        }
    }
    assert_eq!(seen, ["a/1", "a/2", "a/3"]);
}

#[tokio::test]
async fn clones_share_and_debug_shows_no_value() {
    let (provider, _) = opened(MemoryConfig::default()).await;
    put(&provider.clone(), "a", "canary").await;
    assert_eq!(get(&provider, "a").await.unwrap(), "canary");
    assert!(!format!("{provider:?}").contains("canary"));
}
