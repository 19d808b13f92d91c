use polysecrets_local::file::{FileConfig, FileStore, open};
use secrets_core::{ErrorKind, HealthStatus, SecretProvider};

use crate::support::{Room, get, put, put_file};

#[tokio::test]
async fn an_older_store_is_noticed_until_it_is_accepted() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "key", "old").await;
    let old = room.bytes();
    put(&provider, "key", "new").await;
    room.replace(&old);
    for provider in [&provider, &room.provider().await] {
        let error = get(provider, "key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert!(error.message().contains("rollback"), "{error}");
        assert!(error.hint().unwrap().contains("secrets store accept"));
        assert_eq!(
            provider.health().await.unwrap().status,
            HealthStatus::Unavailable
        );
    }
    let accepted = room.store().accept().unwrap();
    assert_eq!((accepted.revision, accepted.seen_before), (2, Some(3)));
    assert_eq!(get(&provider, "key").await.unwrap(), "old");
    put(&provider, "key", "newer").await;
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "newer");
}

#[tokio::test]
async fn it_is_noticed_at_every_path_and_by_every_write() {
    let room = Room::new();
    let provider = room.provider().await;
    let old = room.bytes();
    put(&provider, "key", "new").await;
    let copy = room.project().join("copy.txt");
    put_file(&copy, &old);
    let at_copy = open(FileConfig::default().with_path("copy.txt"), room.context())
        .await
        .unwrap();
    let name = crate::support::name("key");
    let error = at_copy
        .put(&name, &"v".into(), &Default::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert_eq!(std::fs::read(&copy).unwrap(), old);
}

#[tokio::test]
async fn a_forged_store_in_its_place_is_noticed() {
    let room = Room::new();
    put(&room.provider().await, "key", "mine").await;
    // Whoever knows the public key can make a store that the identity opens.
    let forger = Room::without_store();
    forger.create([room.recipient.as_str()]).unwrap();
    room.replace(&forger.bytes());
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert!(error.hint().unwrap().contains("secrets store accept"));
    room.store().accept().unwrap();
    assert_eq!(
        get(&room.provider().await, "key").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_key_that_was_changed_elsewhere_is_noticed() {
    let room = Room::new();
    put(&room.provider().await, "key", "v").await;
    let colleague = room
        .context()
        .with_user_dirs(Some(room.path("user")), Some(room.path("state 2")));
    FileStore::open(FileConfig::default(), &colleague)
        .unwrap()
        .rekey()
        .unwrap();
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    room.store().accept().unwrap();
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "v");
}

#[tokio::test]
async fn a_damaged_memory_is_no_memory_but_an_error() {
    let room = Room::new();
    put(&room.provider().await, "key", "v").await;
    for record in std::fs::read_dir(room.path("state/stores")).unwrap() {
        std::fs::write(record.unwrap().path(), "7").unwrap();
    }
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    room.store().accept().unwrap();
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "v");
}

#[tokio::test]
async fn without_a_state_folder_there_is_no_protection_and_nothing_to_accept() {
    let room = Room::new();
    let context = room.context().with_user_dirs(Some(room.path("user")), None);
    let provider = open(FileConfig::default(), context).await.unwrap();
    put(&provider, "key", "old").await;
    let old = room.bytes();
    put(&provider, "key", "new").await;
    room.replace(&old);
    assert_eq!(get(&provider, "key").await.unwrap(), "old");
    assert!(!provider.store().summary().unwrap().rollback_protected);
    assert_eq!(
        provider.store().accept().unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn a_clone_of_the_repository_opens_it() {
    let room = Room::new();
    put(&room.provider().await, "key", "v").await;
    let clone = room.path("clone/.secrets");
    std::fs::create_dir_all(&clone).unwrap();
    std::fs::copy(room.store_path(), clone.join("store.txt")).unwrap();
    let context = room.context().with_base_dir(room.path("clone"));
    let provider = open(FileConfig::default(), context).await.unwrap();
    assert_eq!(get(&provider, "key").await.unwrap(), "v");
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_written_keeps_nobody_from_their_secrets() {
    let room = Room::new();
    put(&room.provider().await, "key", "v").await;
    std::fs::write(room.path("no folder"), "").unwrap();
    let user = Some(room.path("user"));
    let context = room
        .context()
        .with_user_dirs(user, Some(room.path("no folder/state")));
    let provider = open(FileConfig::default(), context).await.unwrap();
    for _ in 0..2 {
        assert_eq!(get(&provider, "key").await.unwrap(), "v");
        let health = provider.health().await.unwrap();
        assert_eq!(health.status, HealthStatus::Healthy);
        assert!(health.detail.contains("no protection against rollback"));
        assert!(!provider.store().summary().unwrap().rollback_protected);
        put(&provider, "key", "v").await;
    }
}
