//! What is wrong with a configuration, and what is said about it.

use std::fs;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use secrets_core::ErrorKind;

use super::{Config, Room, hint, refused, toml};
use crate::config::keys::ROOT;

#[test]
fn unknown_keys_are_refused_with_the_known_ones_and_the_nearest() {
    let error = refused("default = \"env\"\nprovidrs = {}\n", 2, 1);
    assert_eq!(error.message(), "unknown key \"providrs\"");
    assert!(
        hint(&error).starts_with("did you mean `providers`?"),
        "{}",
        hint(&error)
    );
    assert!(hint(&error).contains("timeouts"));

    let error = refused("[retry]\nmax_atempts = 3\n", 2, 1);
    assert!(hint(&error).contains("did you mean `max_attempts`?"));
    let error = refused("[secrets.A]\nrefrence = \"a\"\n", 2, 1);
    assert!(hint(&error).contains("`reference`"));
    let error = refused(
        "[chains.a]\nproviders = [{ provider = \"env\", onerror = \"skip\" }]\n",
        2,
        34,
    );
    assert!(hint(&error).contains("`on_error`"));
    // A profile that nobody chose is held to the same rules.
    refused("[profiles.dev.timeouts]\ndedline = \"1s\"\n", 2, 1);
    let error = refused("[profiles.dev.profiles.x]\n", 1, 15);
    assert!(!hint(&error).contains("profiles"));
}

#[test]
fn a_long_unknown_key_is_cut_in_the_error() {
    let error = toml(&format!("{} = 1\n", "k".repeat(100_000))).unwrap_err();
    assert!(
        error.to_string().len() < 300,
        "{} bytes",
        error.to_string().len()
    );
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_where_it_says_so() {
    let role = "[policy.roles.reader]\noperations = [\"read\"]\nnames = [\"db/*\"]\n";
    for (text, line, column, message, reported) in [
        (
            "\n[policy]\n",
            2,
            2,
            "neither roles nor files",
            "add a role",
        ),
        (
            "[policy.roles.r]\nnames = [\"a\"]\n",
            1,
            15,
            "has no `operations`",
            "operations = [",
        ),
        (
            "[policy.roles.r]\noperations = [\"get\"]\n",
            1,
            15,
            "has no `names`",
            "**",
        ),
        (
            "[policy.roles.r]\noperations = [\"get\", \"gte\"]\nnames = [\"a\"]\n",
            2,
            22,
            "unknown operation \"gte\"",
            "did you mean `get`?",
        ),
        (
            "[policy.roles.r]\noperations = [\"get\"]\nnames = [\"a\", \"db//x\"]\n",
            3,
            15,
            "the pattern \"db//x\" matches no name: it has an empty segment",
            "segments",
        ),
        (
            "[policy.roles.r]\noperations = [\"get\"]\nnames = [\"a\"]\nscopes = []\n",
            4,
            10,
            "`scopes` is empty",
            "leave it out",
        ),
        (
            "[policy.roles.r]\noperations = [\"get\"]\nnames = [\"a\"]\nenvironments = [\"prd\"]\n[profiles.prod]\n",
            1,
            15,
            "unknown profile \"prd\"",
            "did you mean `prod`?",
        ),
        (
            &format!("{role}[policy.principals]\nann = [\"reader\", \"raeder\"]\n"),
            5,
            18,
            "unknown role \"raeder\"",
            "did you mean `reader`?",
        ),
        (
            &format!("{role}[policy.principals]\n\"\" = [\"reader\"]\n"),
            5,
            1,
            "cannot be the name of a principal",
            "256",
        ),
    ] {
        let error = refused(text, line, column);
        assert!(error.message().contains(message), "{error}");
        assert!(hint(&error).contains(reported), "{}", hint(&error));
    }
    let config = toml(&format!(
        "{role}scopes = [\"mian\"]\n[providers.main]\ntype = \"memory\"\n"
    ));
    let error = config.unwrap().check_names(["env"]).unwrap_err();
    assert_eq!(error.message(), "unknown provider \"mian\"");
    assert_eq!(error.position().unwrap().line, 1);
}

#[test]
fn a_policy_is_there_only_if_it_is_asked_for() {
    assert!(toml("").unwrap().policy.is_none());
    let text =
        "[policy]\nenabled = false\n[policy.roles.r]\noperations = [\"*\"]\nnames = [\"**\"]\n";
    assert!(toml(text).unwrap().policy.is_none());
    let config = toml(
        "[policy.roles.r]\noperations = [\"read\", \"get\", \"put\"]\nnames = [\"db/*\", \"api/**\"]\n\
         [policy.principals]\n\"*\" = [\"r\"]\n\"ci@example.com\" = []\n",
    )
    .unwrap();
    let policy = config.policy.as_ref().unwrap();
    assert_eq!(policy.roles["r"].operations.len(), 5);
    assert_eq!(policy.roles["r"].names[1].position().unwrap().column, 18);
    assert_eq!(policy.principals["*"][0].role, "r");
    let rows = config.describe();
    let shown = super::row(&rows, "policy.roles.r.names");
    assert_eq!(shown.value, "db/*, api/**");
    assert_eq!(super::row(&rows, "policy.principals.*").value, "r");
}

#[test]
fn a_cache_that_makes_no_sense_is_refused_where_it_says_so() {
    for (text, line, column, message) in [
        (
            "[cache]\nttl = \"0s\"\nrefresh_ahead = true",
            3,
            17,
            "nothing can be refreshed ahead with a `ttl` of 0",
        ),
        (
            "[cache]\nttl = \"10m\"\nmax_stale = \"1m\"",
            3,
            13,
            "`max_stale` is less than `ttl`",
        ),
        (
            "[cache]\nnegative_ttl = \"6s\"",
            2,
            16,
            "an absence is remembered for 5 seconds at most",
        ),
        (
            "[cache]\nmax_entries = 0",
            2,
            15,
            "expected a whole number from 1 to 100000000",
        ),
    ] {
        let error = refused(text, line, column);
        assert_eq!(error.message(), message);
    }
}

#[test]
fn an_audit_that_makes_no_sense_is_refused_where_it_says_so() {
    for (text, line, column, message) in [
        (
            "[audit]\nkey = \"local://k\"\nkey_file = \"k\"",
            3,
            12,
            "`key` and `key_file` are one setting",
        ),
        (
            "[audit]\ntrace = true\nkey = \"local://k\"",
            3,
            7,
            "there is a key, but no file whose records it would chain",
        ),
        (
            "[audit]\nkey = \"k?default=weak\"",
            2,
            7,
            "the key of the audit log has no default",
        ),
        (
            "[audit]\nsync = \"always\"",
            2,
            8,
            "unknown value for `sync`",
        ),
        (
            "[audit]\ndeadline = \"0s\"",
            2,
            12,
            "expected a duration longer than nothing",
        ),
    ] {
        let error = refused(text, line, column);
        assert_eq!(error.message(), message);
    }
    let audit = |text: &str| toml(text).unwrap().audit;
    assert!(audit("").is_none() && audit("[audit]\nenabled = false").is_none());
    let set = audit("[audit]\nhits = \"aggregate\"\nmax_age = \"24h\"").unwrap();
    assert_eq!(set.hits.as_str(), "aggregate");
    assert_eq!(set.max_age.unwrap().as_secs(), 86_400);
}

#[test]
fn a_cache_is_there_only_if_it_is_asked_for() {
    let ttl = |text: &str| toml(text).unwrap().cache.map(|cache| cache.ttl.as_secs());
    assert_eq!(ttl(""), None);
    assert_eq!(ttl("[cache]"), Some(300));
    assert_eq!(ttl("[cache]\nenabled = false\nttl = \"1m\""), None);
    assert_eq!(ttl("[cache]\nttl = \"2h\""), Some(7200));
    let config = toml("[cache]\nttl = \"0s\"\n[secrets.A]\ncache_ttl = \"5s\"").unwrap();
    assert!(!config.cache.unwrap().refresh_ahead);
    assert_eq!(config.secrets[0].cache_ttl.unwrap().as_secs(), 5);
}

#[test]
fn wrong_types_and_values_are_told_with_their_place() {
    for (text, line, column, message) in [
        (
            "default = 7",
            1,
            11,
            "expected the name of a provider, found an integer",
        ),
        (
            "default = \"Main\"",
            1,
            11,
            "\"Main\" cannot be the name of a provider",
        ),
        ("providers = 1", 1, 13, "expected a table, found an integer"),
        (
            "[providers.Main]\ntype = \"env\"",
            1,
            12,
            "\"Main\" cannot be the name of a provider",
        ),
        ("[providers.a]\nx = 1", 1, 12, "provider `a` has no `type`"),
        ("[providers.a]\ntype = \"a b\"", 2, 8, "not a provider type"),
        (
            "[providers.a]\ntype = \"env\"\nconcurrency = 0",
            3,
            15,
            "expected a whole number from 1 to 10000",
        ),
        (
            "concurrency = \"many\"",
            1,
            15,
            "expected a whole number from 1 to 10000, found a string",
        ),
        ("[chains.a]\n", 1, 9, "chain `a` has no `providers`"),
        (
            "[chains.a]\nproviders = []",
            1,
            9,
            "chain `a` has no `providers`",
        ),
        (
            "[chains.a]\nproviders = \"env\"",
            2,
            13,
            "expected an array, found a string",
        ),
        (
            "[chains.a]\nproviders = [\"env\", \"env\"]",
            2,
            21,
            "chain `a` asks provider `env` twice",
        ),
        (
            "[chains.a]\nproviders = [{ on_error = \"skip\" }]",
            2,
            14,
            "this member of the chain has no `provider`",
        ),
        (
            "[chains.a]\nproviders = [{ provider = \"env\", on_error = \"stop\" }]",
            2,
            45,
            "unknown value for `on_error`",
        ),
        (
            "[chains.a]\nproviders = [\"env\"]\nwrite = \"main\"",
            3,
            9,
            "\"main\" is no member of chain `a`",
        ),
        (
            "[providers.a]\ntype = \"env\"\n[chains.a]\nproviders = [\"env\"]",
            3,
            9,
            "`a` is a provider and a chain",
        ),
        (
            "[timeouts]\ndeadline = 30",
            2,
            12,
            "expected a duration such as \"200ms\" or \"30s\", found an integer",
        ),
        (
            "[timeouts]\ndeadline = \"30\"",
            2,
            12,
            "expected a duration such as \"200ms\" or \"30s\"",
        ),
        (
            "[timeouts]\nattempt = \"0s\"",
            2,
            11,
            "expected a duration longer than nothing",
        ),
        (
            "[retry]\nmax_attempts = 0",
            2,
            16,
            "expected a whole number from 1 to 100",
        ),
        (
            "[secrets]\nA = 1",
            2,
            5,
            "expected a string or a table, found an integer",
        ),
        (
            "[secrets]\n\"a b\" = \"x\"",
            2,
            1,
            "\"a b\" cannot be the name of a secret",
        ),
        (
            "[secrets]\ndb-password = \"x\"",
            2,
            1,
            "\"db-password\" cannot be the name of an environment variable",
        ),
        (
            "[secrets.A]\nenv = \"A=B\"",
            2,
            7,
            "this cannot be the name of an environment variable",
        ),
        (
            "[secrets.A]\nrequired = \"no\"",
            2,
            12,
            "expected `true` or `false`, found a string",
        ),
        (
            "[secrets.A]\nformat = \"yaml\"",
            2,
            10,
            "unknown value for `format`",
        ),
        (
            "[secrets.A]\nreference = \"a?default=x\"\ndefault = \"y\"",
            3,
            11,
            "the reference has a default already",
        ),
        (
            "[secrets]\nA = \"x\"\nB = { env = \"A\" }",
            3,
            1,
            "the secrets `A` and `B` end in the same variable A",
        ),
        (
            "preload = [\"A\"]\n[secrets]\nB = \"x\"",
            1,
            12,
            "\"A\" is no declared secret",
        ),
        ("a = [", 1, 6, "this array is never closed"),
    ] {
        let error = refused(text, line, column);
        assert_eq!(error.message(), message, "{text}");
    }
}

#[test]
fn a_bad_reference_is_told_with_its_place_and_its_rule() {
    let error = refused("[secrets]\nA = \"main://../x\"", 2, 5);
    assert!(error.message().contains("`..`"), "{error}");
    let error = refused("[secrets]\nA = \"x?versio=1\"", 2, 5);
    assert!(error.message().contains("unknown parameter"), "{error}");
}

#[test]
fn a_location_holds_no_credential_and_is_of_the_providers_type() {
    let error = refused(
        "[providers.a]\nlocation = \"vault://me:hunter2@host\"",
        2,
        12,
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = refused(
        "[providers.a]\ntype = \"file\"\nlocation = \"vault://host\"",
        3,
        12,
    );
    assert_eq!(
        error.message(),
        "the location is of scheme \"vault\", but the provider is of type \"file\""
    );
    let config =
        toml("[providers.a]\ntype = \"aws\"\nlocation = \"aws_sm://eu-west-1?x=1\"").unwrap();
    let entry = &config.providers["a"];
    assert_eq!(entry.scheme, "aws-sm");
    let place = entry.settings.location_position().unwrap();
    assert_eq!((place.line, place.column), (3, 12));
    assert_eq!(
        entry.settings.location().unwrap().to_string(),
        "aws-sm://eu-west-1?x=1"
    );
}

#[test]
fn a_type_that_nobody_knows_is_left_to_the_registry() {
    let config = toml("[providers.a]\ntype = \"valut\"\n").unwrap();
    assert_eq!(config.providers["a"].scheme, "valut");
    let position = config.providers["a"].position.as_ref().unwrap();
    assert_eq!((position.line, position.column), (2, 8));
}

#[test]
fn names_of_providers_are_checked_against_what_there_is() {
    let text = "default = \"mian\"\n[providers.main]\ntype = \"vault\"\n";
    let error = toml(text)
        .unwrap()
        .check_names(["env", "file"])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("secrets.toml:1:11: unknown provider \"mian\""),
        "{error}"
    );
    assert_eq!(
        hint(&error),
        "did you mean `main`? known providers: env, file, main"
    );

    let text = "[chains.c]\nproviders = [\"env\", \"main\"]\n";
    let error = toml(text).unwrap().check_names(["env"]).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(":2:21: unknown provider \"main\""),
        "{error}"
    );

    let text = "[secrets]\nA = \"vualt://a\"\n";
    let error = toml(text).unwrap().check_names(["vault"]).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(":2:1: unknown provider \"vualt\""),
        "{error}"
    );

    let fine = "default = \"env\"\n[secrets]\nA = \"aws://a\"\n";
    toml(fine).unwrap().check_names(["env", "aws-sm"]).unwrap();
}

#[test]
fn providers_that_need_each_other_are_named_with_their_cycle() {
    let text = r#"
[providers.a]
type = "vault"
token = "${secret:b://token}"
[providers.b]
type = "vault"
token = "x${secret:c://token}"
[providers.c]
type = "vault"
auth = { token = "${secret:a://token}" }
"#;
    let error = refused(text, 10, 18);
    assert_eq!(
        error.message(),
        "providers need each other to open: a → b → c → a"
    );

    let error = refused(
        "[providers.a]\ntype = \"vault\"\ntoken = \"${secret:a://t}\"",
        3,
        9,
    );
    assert!(error.message().ends_with("a → a"), "{error}");
}

#[test]
fn cycles_through_the_default_a_chain_or_a_declared_secret_are_found() {
    let text = r#"
default = "all"
[providers.main]
type = "vault"
token = "${secret:token}"
[chains.all]
providers = ["env", "main"]
"#;
    let error = toml(text).unwrap_err();
    assert!(
        error.message().contains("all → main → all")
            || error.message().contains("main → all → main"),
        "{error}"
    );

    let text = r#"
[providers.main]
type = "vault"
token = "${secret:TOKEN}"
[secrets]
TOKEN = "main://token"
"#;
    let error = refused(text, 4, 9);
    assert!(error.message().ends_with("main → main"), "{error}");

    // The same with a provider that opens by itself.
    let config = toml(&text.replace("main://token", "env://token#field")).unwrap();
    let references = config.providers["main"].settings.references();
    assert_eq!(references[0].0.to_string(), "env://token#field");
    assert_eq!(references[0].1.line, 4);
}

#[test]
fn chains_hold_no_chains_nor_themselves() {
    let error = refused("[chains.a]\nproviders = [\"env\", \"a\"]", 2, 21);
    assert!(error.message().ends_with("a → a"), "{error}");
    let text = "[chains.a]\nproviders = [\"b\"]\n[chains.b]\nproviders = [\"env\"]";
    let error = refused(text, 2, 14);
    assert_eq!(error.message(), "chain `a` has the chain `b` as a member");
}

#[test]
fn thousands_of_providers_in_a_row_are_no_deep_recursion() {
    const COUNT: usize = 20_000;
    let mut text = String::new();
    for number in 0..COUNT {
        text.push_str(&format!(
            "[providers.p{number}]\ntype = \"vault\"\ntoken = \"${{secret:p{}://t}}\"\n",
            (number + 1) % COUNT
        ));
    }
    let error = toml(&text).unwrap_err();
    assert!(error.message().contains("→ … →"), "{error}");
    assert!(error.to_string().len() < 500);
}

#[test]
fn a_configuration_of_100_mb_is_refused_at_once() {
    let room = Room::new();
    let file = fs::File::create(room.path("secrets.toml")).unwrap();
    file.set_len(100 << 20).unwrap();
    let started = Instant::now();
    let error = room.named("secrets.toml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("larger than 16 MiB"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn what_is_no_file_of_text_is_refused() {
    let room = Room::new();
    assert!(
        room.named("none.toml")
            .unwrap_err()
            .message()
            .contains("does not exist")
    );
    fs::create_dir(room.path("folder.toml")).unwrap();
    assert!(
        room.named("folder.toml")
            .unwrap_err()
            .message()
            .contains("is no regular file")
    );
    room.write("a.conf", "");
    assert!(
        room.named("a.conf")
            .unwrap_err()
            .message()
            .contains("no known format")
    );
    fs::write(
        room.path("secrets.toml"),
        b"default = \"env\"\nx = \"\xff\"",
    )
    .unwrap();
    let error = room.named("secrets.toml").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("secrets.toml:2:6: the file is not UTF-8 text"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hang() {
    let room = Room::new();
    let path = room.path("secrets.toml");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(
        room.found()
            .unwrap_err()
            .message()
            .contains("is no regular file")
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::with("secrets.toml", "default = \"env\"");
    let path = room.path("secrets.toml");
    for mode in [0o666, 0o602, 0o646] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for loaded in [room.named("secrets.toml"), room.found()] {
            let error = loaded.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(
                error.message().contains("can be written by others"),
                "{error}"
            );
            assert!(hint(&error).contains("chmod go-w"));
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    room.named("secrets.toml").unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_or_link_of_another_user_is_refused() {
    use std::os::unix::fs::{chown, lchown, symlink};

    let room = Room::with("secrets.toml", "default = \"env\"");
    let other = Some(rustix::process::geteuid().as_raw() + 4242);
    let path = room.path("secrets.toml");
    // Only a superuser can give a file away; anybody else has none of another user to test with.
    if chown(&path, other, None).is_err() {
        assert_ne!(rustix::process::geteuid().as_raw(), 0);
        return;
    }
    let error = room.found().unwrap_err();
    assert!(
        error.message().contains("belongs to another user"),
        "{error}"
    );

    chown(&path, Some(0), None).unwrap();
    symlink(&path, room.path("link.toml")).unwrap();
    room.named("link.toml").unwrap();
    lchown(room.path("link.toml"), other, None).unwrap();
    let error = room.named("link.toml").unwrap_err();
    assert!(
        error.message().contains("symbolic link of another user"),
        "{error}"
    );
}

#[test]
fn a_second_document_of_our_own_file_is_refused() {
    let room = Room::with("secrets.yaml", "default: env\n---\ndefault: file\n");
    let error = room.named("secrets.yaml").unwrap_err();
    assert_eq!(error.position().unwrap().line, 3);
}

/// Every table of keys, with the path of tables that leads to it.
fn every_key(schema: &serde_json::Value, found: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(|all| all.as_object()) {
        found.extend(properties.keys().cloned());
        properties.values().for_each(|one| every_key(one, found));
    }
    for part in ["additionalProperties", "items"] {
        if let Some(inner) = schema.get(part) {
            every_key(inner, found);
        }
    }
    if let Some(all) = schema.get("anyOf").and_then(|any| any.as_array()) {
        all.iter().for_each(|one| every_key(one, found));
    }
}

#[test]
fn the_schema_has_the_keys_that_the_reader_takes() {
    let schema = Config::schema();
    assert_eq!(schema["additionalProperties"], false);
    let properties = schema["properties"].as_object().unwrap();
    for key in ROOT {
        assert!(properties.contains_key(key.name), "{}", key.name);
    }
    assert!(
        !schema["$defs"]["overlay"]["properties"]
            .as_object()
            .unwrap()
            .contains_key("profiles")
    );
    let mut keys = Vec::new();
    every_key(&schema, &mut keys);
    for key in [
        "type",
        "location",
        "on_error",
        "write",
        "rotate_after",
        "max_attempts",
        "deadline",
        "attempt_timeout",
    ] {
        assert!(keys.iter().any(|known| known == key), "{key}");
    }
    // A key that the schema does not have is one that the reader refuses, and the other way round.
    for name in properties.keys() {
        let error = toml(&format!("{name} = 1979-05-27\n")).unwrap_err();
        assert!(
            !error.message().starts_with("unknown key"),
            "{name}: {error}"
        );
    }
}

proptest! {
    #[test]
    fn loading_never_panics(text in "[a-z\\[\\].={}\",$: \n0-9-]{0,200}") {
        let room = Room::new();
        for name in ["secrets.toml", "secrets.json", "secrets.yaml", "other.yaml"] {
            room.write(name, &text);
            let _ = room.named(name);
        }
    }

    #[test]
    fn nor_does_a_mutated_one(at in 0_usize..2000, bytes in "\\PC{0,6}") {
        let mut text = Config::scaffold(Some(&"vault://h:8200/secret".parse().unwrap()));
        text.push_str("[secrets.A]\nreference = \"main://a?default=${B}#c\"\n[profiles.x]\ndefault = \"env\"\n");
        let at = text.char_indices().map(|(at, _)| at).nth(at).unwrap_or(text.len());
        text.insert_str(at, &bytes);
        match toml(&text) {
            Ok(config) => prop_assert!(!config.describe().is_empty()),
            Err(error) => prop_assert!(matches!(error.kind(), ErrorKind::InvalidConfig | ErrorKind::InvalidName), "{:?}", error),
        }
    }
}
