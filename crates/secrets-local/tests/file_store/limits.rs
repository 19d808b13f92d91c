use std::process::Command;
use std::time::{Duration, Instant};

use polysecrets_local::file::{FileConfig, open};
use secrets_core::{ErrorKind, HealthStatus, PutOptions, SecretProvider, SecretValue};

use crate::child::{Order, Writer};
use crate::support::{Room, get, name, put};

#[tokio::test]
async fn a_full_disk_is_an_error_and_harms_nothing() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "key", "old").await;
    let before = room.bytes();
    // A limit for files of 8 blocks of 512 bytes, met as an error rather than a signal.
    let mut shell = Command::new("sh");
    let binary = std::env::current_exe().unwrap();
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(binary);
    let order = Order {
        prefix: "key",
        same: true,
        count: 1,
        padding: 20_000,
    };
    let reports = Writer::start_with(shell, room.folder.path(), &order).finish();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("Unavailable cannot write "),
        "{reports:?}"
    );
    assert_eq!(room.bytes(), before);
    let files = std::fs::read_dir(room.project().join(".secrets"))
        .unwrap()
        .count();
    assert_eq!(
        files, 2,
        "the store and .gitattributes, and nothing half written"
    );
    put(&provider, "key", "new").await;
    assert_eq!(get(&provider, "key").await.unwrap(), "new");
}

#[tokio::test]
async fn a_file_of_100_mb_is_refused_at_once() {
    let room = Room::new();
    let file = std::fs::File::create(room.store_path()).unwrap();
    file.set_len(100 << 20).unwrap();
    let start = Instant::now();
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("64 MiB"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn garbage_within_the_limit_is_refused() {
    let room = Room::new();
    let error = |bytes: Vec<u8>| {
        room.replace(&bytes);
        room.store().summary().unwrap_err()
    };
    for bytes in [
        vec![],
        vec![0; 32 << 20],
        b"<html>".to_vec(),
        b"polysecrets".to_vec(),
    ] {
        let error = error(bytes);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert_eq!(error.position().unwrap().line, 1);
    }
    let newer = error(b"polysecrets-store 3\n".to_vec());
    assert_eq!(newer.kind(), ErrorKind::InvalidConfig);
    assert!(newer.message().contains("format 3"), "{newer}");
    let many = format!(
        "polysecrets-store 1\nstore {}\nrevision 1\nentries 99999999999999\n",
        "0".repeat(32)
    );
    assert_eq!(error(many.into_bytes()).kind(), ErrorKind::IntegrityFailure);
}

#[tokio::test]
async fn a_value_over_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let room = Room::new();
    let provider = room.provider().await;
    let limit = provider.info().capabilities.max_value_bytes.unwrap();
    assert_eq!(limit, 1 << 20);
    let over = SecretValue::from(vec![0xff; limit + 1]);
    let error = provider
        .put(&name("key"), &over, &PutOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.to_string().contains("1048576") && error.hint().is_some());
    let exact = SecretValue::from(vec![0xff; limit]);
    provider
        .put(&name("key"), &exact, &PutOptions::default())
        .await
        .unwrap();
    let read = room
        .provider()
        .await
        .get(&name("key"), &Default::default())
        .await
        .unwrap();
    assert_eq!(read.value, exact);
}

#[tokio::test]
async fn a_missing_store_is_not_a_missing_secret() {
    let room = Room::without_store();
    let provider = room.provider().await;
    let error = get(&provider, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("secrets init"));
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
}

#[tokio::test]
async fn health_says_what_is_not_protected() {
    let room = Room::new();
    let health = room.provider().await.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!(health.detail, "0 secrets, revision 1");
    let context = room.context().with_user_dirs(Some(room.path("user")), None);
    let provider = open(FileConfig::default(), context).await.unwrap();
    let health = provider.health().await.unwrap();
    assert!(
        health.detail.contains("no protection against rollback"),
        "{}",
        health.detail
    );
}
