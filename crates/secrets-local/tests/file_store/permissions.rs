use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use polysecrets_local::file::{FileConfig, FileStore, open};
use secrets_core::{Environment, ErrorKind, SecretProvider, SecretValue};

use crate::support::{Room, get, name, put};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_store_that_others_can_write_is_refused_and_one_that_they_can_read_is_not() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "key", "value").await;
    for (mode, refused) in [
        (0o644, false),
        (0o600, false),
        (0o664, true),
        (0o606, true),
        (0o400, false),
    ] {
        chmod(&room.store_path(), mode);
        match get(&provider, "key").await {
            Ok(value) => assert!(!refused && value == "value", "{mode:o}"),
            Err(error) => {
                assert!(refused, "{mode:o}: {error}");
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                assert!(error.hint().unwrap().contains("chmod go-w"));
            }
        }
    }
}

#[tokio::test]
async fn a_link_in_place_of_the_store_is_refused() {
    let room = Room::new();
    let elsewhere = room.path("elsewhere.txt");
    fs::rename(room.store_path(), &elsewhere).unwrap();
    symlink(&elsewhere, room.store_path()).unwrap();
    let provider = room.provider().await;
    let error = get(&provider, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("symbolic link"), "{error}");
    let before = fs::read(&elsewhere).unwrap();
    let name = crate::support::name("key");
    let error = provider
        .put(&name, &SecretValue::from("v"), &Default::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

/// Needs to be root to give a file away, as tests in a container are; others cannot make such a file.
#[tokio::test]
async fn a_store_of_another_user_is_refused() {
    let room = Room::new();
    let given = std::os::unix::fs::chown(room.store_path(), Some(12345), None);
    let result = get(&room.provider().await, "key").await;
    let expected = match given {
        Ok(()) => ErrorKind::PermissionDenied,
        Err(_) => ErrorKind::NotFound,
    };
    assert_eq!(result.unwrap_err().kind(), expected);
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_without_waiting() {
    let room = Room::new();
    fs::remove_file(room.store_path()).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(room.store_path())
        .status();
    assert!(made.unwrap().success());
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_private_key_that_others_can_read_is_refused() {
    let room = Room::new();
    let identity = room.path("user/identity.txt");
    assert_eq!(mode_of(&identity), 0o600);
    assert_eq!(mode_of(&room.path("user")), 0o700);
    for mode in [0o640, 0o604, 0o660, 0o622] {
        chmod(&identity, mode);
        let error = get(&room.provider().await, "key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{mode:o}");
        assert!(error.hint().unwrap().contains("chmod 600"));
    }
    chmod(&identity, 0o400);
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_made_is_for_its_owner_only_and_replaces_nothing() {
    let room = Room::new();
    assert_eq!(mode_of(&room.store_path()), 0o600);
    let identity = room.path("user/identity.txt");
    let before = fs::read(&identity).unwrap();
    let error = FileStore::generate_identity(&identity).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&identity).unwrap(), before);
    let error = room.create([room.recipient.as_str()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    for record in fs::read_dir(room.path("state/stores")).unwrap() {
        assert_eq!(mode_of(&record.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn the_identity_comes_from_the_variable_first_then_the_settings() {
    let room = Room::new();
    put(&room.provider().await, "key", "value").await;
    let key = fs::read_to_string(room.path("user/identity.txt")).unwrap();
    let key_line = key.lines().last().unwrap();
    let path = room.path("user/identity.txt");
    let nobody = room.context().with_user_dirs(None, None);
    let from_variable = |value: &str| {
        nobody.clone().with_environment(
            [("SECRETS_IDENTITY", value)]
                .into_iter()
                .collect::<Environment>(),
        )
    };
    let wrong = FileConfig::default().with_identity(room.path("absent.txt"));
    let named = FileConfig::default().with_identity(path.clone());
    let given = FileConfig::default().with_identity_key(SecretValue::from(key_line));
    for (config, context, credential) in [
        (wrong.clone(), from_variable(key_line), true),
        (wrong.clone(), from_variable(path.to_str().unwrap()), false),
        (named, nobody.clone(), false),
        (given, nobody.clone(), false),
    ] {
        let provider = open(config, context).await.unwrap();
        assert_eq!(get(&provider, "key").await.unwrap(), "value");
        let variables = &provider.info().credential_variables;
        assert_eq!(
            variables.contains(&"SECRETS_IDENTITY".to_owned()),
            credential
        );
    }
    for config in [wrong, FileConfig::default()] {
        let error = get(&open(config, nobody.clone()).await.unwrap(), "key")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_wrong_line_of_an_identity_is_named_and_not_repeated() {
    let room = Room::new();
    let path = room.path("user/identity.txt");
    fs::write(&path, "# mine\nAGE-SECRET-KEY-1HUNTER2\n").unwrap();
    let error = get(&room.provider().await, "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(error.position().unwrap().line, 2);
    assert!(!format!("{error:?} {error}").contains("HUNTER2"));
}

#[tokio::test]
async fn what_is_wrong_with_the_identity_says_where_it_is_from() {
    let room = Room::new();
    let with_variable = |text: &str| {
        let environment: Environment = [("SECRETS_IDENTITY", text)].into_iter().collect();
        room.context().with_environment(environment)
    };
    let reported = async |context| {
        let provider = open(FileConfig::default(), context).await.unwrap();
        let error = get(&provider, "key").await.unwrap_err();
        (error.to_string(), error.hint().unwrap().to_owned())
    };

    let folder = room.project();
    let (message, hint) = reported(with_variable(folder.to_str().unwrap())).await;
    assert!(message.contains("not a regular file"), "{message}");
    assert!(!hint.contains("chmod"), "{hint}");

    for text in ["AGE-SECRET-KEY-1HUNTER2", "age-secret-key-1HUNTER2"] {
        let (message, hint) = reported(with_variable(text)).await;
        assert!(message.contains("SECRETS_IDENTITY"), "{message}");
        assert!(!format!("{message}{hint}").contains("HUNTER2"), "{message}");
    }

    let path = room.path("user/identity.txt");
    fs::remove_file(&path).unwrap();
    let (message, _) = reported(room.context()).await;
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    let error = room.store().own_recipients().unwrap_err();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_that_is_not_there_is_said_so_whatever_is_asked() {
    let room = Room::without_store();
    for with_folder in [false, true] {
        if with_folder {
            fs::create_dir(room.project().join(".secrets")).unwrap();
        }
        let provider = room.provider().await;
        let options = secrets_core::PutOptions::default();
        let value = SecretValue::from("value");
        let errors = [
            provider
                .put(&name("key"), &value, &options)
                .await
                .unwrap_err(),
            room.store().accept().unwrap_err(),
            room.store().merge(crate::support::agree).unwrap_err(),
            room.store().summary().unwrap_err(),
        ];
        for error in errors {
            assert!(
                error.to_string().contains("there is no store at "),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("secrets init"));
        }
    }
}
