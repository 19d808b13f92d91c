use std::fs;
use std::os::unix::fs::PermissionsExt;

use polysecrets_local::file::{FileConfig, FileStore, open};
use secrets_core::{ErrorKind, OpenContext};

use crate::support::{Room, get, put};

/// Made for this test with `ssh-keygen -t ed25519`; it opens nothing else.
const PRIVATE: &str = include_str!("ssh_ed25519.txt");
const PUBLIC: &str = include_str!("ssh_ed25519.pub.txt");

fn ssh_user(room: &Room, private: &str) -> (FileConfig, OpenContext) {
    let path = room.path("id_ed25519");
    fs::write(&path, private).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let context = room
        .context()
        .with_user_dirs(None, Some(room.path("state of ssh")));
    (FileConfig::default().with_identity(path), context)
}

#[tokio::test]
async fn an_ssh_key_is_a_recipient_and_an_identity() {
    let room = Room::new();
    put(&room.provider().await, "key", "value").await;
    let (config, context) = ssh_user(&room, PRIVATE);
    let error = get(&open(config.clone(), context.clone()).await.unwrap(), "key")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(room.store().add_recipient(PUBLIC).unwrap());
    let theirs = open(config.clone(), context.clone()).await.unwrap();
    assert_eq!(get(&theirs, "key").await.unwrap(), "value");
    put(&theirs, "key", "changed").await;
    assert_eq!(get(&room.provider().await, "key").await.unwrap(), "changed");

    // The comment of the key is not kept, so that it does not matter for taking the right away.
    let own = FileStore::open(config, &context).unwrap().own_recipients();
    let own = own.unwrap().remove(0);
    assert!(PUBLIC.starts_with(&own) && PUBLIC.trim() != own);
    assert!(
        room.store()
            .recipients()
            .unwrap()
            .public_keys
            .contains(&own)
    );
    assert!(room.store().remove_recipient(PUBLIC).unwrap());
    let error = get(&theirs, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_damaged_ssh_key_is_refused_and_not_repeated() {
    let room = Room::new();
    let line = PRIVATE.lines().nth(2).unwrap();
    let (config, context) = ssh_user(&room, &PRIVATE.replace(line, &line[..20]));
    let error = get(&open(config, context).await.unwrap(), "key")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(!format!("{error:?}").contains(&line[..20]));
}
