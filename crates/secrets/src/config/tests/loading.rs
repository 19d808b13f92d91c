//! Where a configuration is looked for, what comes out of it, and what goes before it.

use std::fs;
use std::time::Duration;

use secrets_core::{AmbientCredentials, ErrorKind};

use super::{Config, LoadOptions, Room, hint, is_below, row, toml};
use crate::config::{OnError, RetryConfig, SettingOrigin};

const WHOLE: &str = r#"
default = "all"
preload = ["DB_PASSWORD"]
concurrency = 4

[providers.main]
type = "vault"
location = "vault://127.0.0.1:8200/secret?namespace=team"
attempt_timeout = "2s"
concurrency = 8
retry = { max_attempts = 5 }
token = "${secret:env://VAULT_TOKEN}"

[chains.all]
providers = ["env", { provider = "main", on_error = "skip" }, "local-file"]
write = "main"

[retry]
max_attempts = 2
base = "50ms"
max = "1m"

[timeouts]
deadline = "10s"
attempt = "1s500ms"

[secrets]
API_KEY = "main://api#key"

[secrets.DB_PASSWORD]
reference = "db/password"
env = "PGPASSWORD"
required = false
default = "a&b"
format = "text"
description = "of the application"
rotate_after = "90d"

[secrets.PLAIN]
"#;

fn check_whole(config: &Config) {
    assert_eq!(config.default.as_deref(), Some("all"));
    assert_eq!(config.preload, ["DB_PASSWORD"]);
    assert_eq!(config.concurrency, Some(4));
    let main = &config.providers["main"];
    assert_eq!(main.scheme, "vault");
    assert_eq!(
        main.settings.location().unwrap().parameter("namespace"),
        Some("team")
    );
    assert_eq!(main.attempt_timeout, Some(Duration::from_secs(2)));
    assert_eq!(main.concurrency, Some(8));
    assert_eq!(
        main.retry,
        Some(RetryConfig::default().with_max_attempts(5))
    );
    assert_eq!(
        main.settings.references()[0].0.to_string(),
        "env://VAULT_TOKEN"
    );
    let chain = &config.chains["all"];
    let members: Vec<_> = chain
        .members
        .iter()
        .map(|member| (member.provider.as_str(), member.on_error))
        .collect();
    assert_eq!(
        members,
        [
            ("env", OnError::Fail),
            ("main", OnError::Skip),
            ("file", OnError::Fail)
        ]
    );
    assert_eq!(chain.write.as_deref(), Some("main"));
    assert_eq!(config.retry.max, Duration::from_secs(60));
    assert_eq!(config.timeouts.attempt, Duration::from_millis(1500));
    let names: Vec<_> = config
        .secrets
        .iter()
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(names, ["API_KEY", "DB_PASSWORD", "PLAIN"]);
    assert_eq!(config.secrets[0].reference.to_string(), "main://api#key");
    assert_eq!(config.secrets[0].env_name(), "API_KEY");
    let password = &config.secrets[1];
    assert_eq!(password.reference.default(), Some("a&b"));
    assert_eq!(
        (password.env_name(), password.required),
        ("PGPASSWORD", false)
    );
    assert_eq!(
        password.rotate_after,
        Some(Duration::from_secs(90 * 86_400))
    );
    assert_eq!(config.secrets[2].reference.name().as_str(), "PLAIN");
    assert!(config.secrets[2].required);
}

#[test]
fn everything_that_a_file_says_comes_out() {
    check_whole(&toml(WHOLE).unwrap());
}

#[test]
fn the_formats_say_the_same() {
    let value: toml::Value = toml::from_str(WHOLE).unwrap();
    let json = serde_json::to_string_pretty(&value).unwrap();
    // TOML's own order is lost on the way, the order of the secrets is checked by their names only there.
    for (name, text) in [
        ("secrets.json", json.clone()),
        ("secrets.yaml", json.clone()),
        ("secrets.yml", json),
    ] {
        let room = Room::with(name, &text);
        check_whole(&room.named(name).unwrap());
    }
}

#[test]
fn any_file_that_is_named_is_read_in_its_format() {
    let room = Room::with("production.toml", "default = \"env\"");
    assert_eq!(
        room.named("production.toml").unwrap().default.as_deref(),
        Some("env")
    );
}

#[test]
fn without_any_file_the_environment_answers() {
    let room = Room::new();
    fs::create_dir(room.path(".git")).unwrap();
    let config = room.found().unwrap();
    assert_eq!(config.default.as_deref(), Some("env"));
    assert_eq!(config.source, None);
    assert_eq!(config.trust, AmbientCredentials::Allowed);
    assert_eq!(
        row(&config.describe(), "default").origin,
        SettingOrigin::Default
    );
}

#[test]
fn a_file_without_a_default_has_none() {
    assert_eq!(
        toml("[providers.main]\ntype = \"env\"").unwrap().default,
        None
    );
}

#[test]
fn the_search_goes_up_to_the_repository() {
    let room = Room::with("secrets.toml", "default = \"file\"");
    fs::create_dir_all(room.path("a/b")).unwrap();
    let found = Config::load(&room.options("a/b")).unwrap();
    assert_eq!(
        found.source.as_deref(),
        Some(room.path("secrets.toml").as_path())
    );
    assert_eq!(found.base_dir, room.path(""));

    fs::create_dir(room.path("a/.git")).unwrap();
    assert_eq!(Config::load(&room.options("a/b")).unwrap().source, None);
    room.write("a/secrets.toml", "default = \"memory\"");
    let found = Config::load(&room.options("a/b")).unwrap();
    assert_eq!(found.default.as_deref(), Some("memory"));
}

#[test]
fn the_search_ends_at_the_home_folder() {
    let room = Room::with("secrets.toml", "default = \"file\"");
    fs::create_dir_all(room.path("home/work")).unwrap();
    let mut options = room.options("home/work");
    options.home_dir = Some(room.path("home"));
    assert_eq!(Config::load(&options).unwrap().source, None);
    room.write("home/secrets.toml", "default = \"memory\"");
    assert_eq!(
        Config::load(&options).unwrap().default.as_deref(),
        Some("memory")
    );
}

#[test]
fn two_configurations_in_one_folder_are_named() {
    let room = Room::with("secrets.toml", "");
    room.write("secrets.yaml", "");
    let error = room.found().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.message().contains("secrets.toml") && error.message().contains("secrets.yaml"),
        "{error}"
    );
    assert!(hint(&error).contains("--config"));
    room.named("secrets.toml").unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_says_so() {
    let room = Room::new();
    std::os::unix::fs::symlink("elsewhere.toml", room.path("secrets.toml")).unwrap();
    for error in [
        room.named("secrets.toml").unwrap_err(),
        Config::load(&room.options("")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let reported = "secrets.toml is a symbolic link to elsewhere.toml, which does not exist";
        assert!(error.message().ends_with(reported), "{error}");
    }
}

#[test]
fn a_profile_of_a_file_without_any_is_refused_with_its_name() {
    let room = Room::with("secrets.toml", "default = \"env\"\n");
    let options = room.options("").with_profile("dev");
    let error = Config::load(&options).unwrap_err();
    assert!(
        error
            .message()
            .ends_with("secrets.toml has no profile \"dev\""),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("no profiles"));
}

#[cfg(unix)]
#[test]
fn a_link_counts_for_where_it_leads() {
    let room = Room::with("real/secrets.toml", "default = \"file\"");
    fs::create_dir(room.path("work")).unwrap();
    std::os::unix::fs::symlink(
        room.path("real/secrets.toml"),
        room.path("work/secrets.toml"),
    )
    .unwrap();
    let config = Config::load(&room.options("work")).unwrap();
    assert_eq!(
        config.source.as_deref(),
        Some(room.path("work/secrets.toml").as_path())
    );
    assert_eq!(config.base_dir, room.path("real"));
    fs::remove_file(room.path("real/secrets.toml")).unwrap();
    assert!(
        Config::load(&room.options("work"))
            .unwrap_err()
            .message()
            .contains("does not exist")
    );
}

#[test]
fn a_flag_goes_before_a_variable_and_both_before_the_search() {
    let room =
        Room::with("secrets.toml", "default = \"file\"").variable("SECRETS_CONFIG", "b.toml");
    room.write("a.toml", "default = \"memory\"");
    room.write("b.toml", "default = \"dotenv\"");
    let config = room.found().unwrap();
    assert_eq!(config.default.as_deref(), Some("dotenv"));
    assert_eq!(config.trust, AmbientCredentials::Allowed);
    assert_eq!(
        row(&config.describe(), "config").origin,
        SettingOrigin::Environment("SECRETS_CONFIG".into())
    );
    let config = room.named("a.toml").unwrap();
    assert_eq!(config.default.as_deref(), Some("memory"));
    assert_eq!(
        row(&config.describe(), "config").origin,
        SettingOrigin::Flag("--config".into())
    );
}

#[test]
fn the_default_is_of_the_flag_then_the_environment_then_the_file() {
    let file = "default = \"main\"\n[providers.main]\ntype = \"vault\"\n[providers.aws]\ntype = \"vault\"\n";
    let room = Room::with("secrets.toml", file).variable("SECRETS_BACKEND", "local-file");
    let config = room.found().unwrap();
    assert_eq!(config.default.as_deref(), Some("file"));
    assert_eq!(
        row(&config.describe(), "default").origin,
        SettingOrigin::Environment("SECRETS_BACKEND".into())
    );
    // A configured name goes before an alias of a scheme.
    for (flag, default) in [
        ("main", "main"),
        ("aws", "aws"),
        ("aws_sm", "aws-sm"),
        ("vault_dev", "vault"),
        ("azure", "azure-kv"),
    ] {
        let config = Config::load(&room.options("").with_provider(flag)).unwrap();
        assert_eq!(config.default.as_deref(), Some(default));
        assert_eq!(
            row(&config.describe(), "default").origin,
            SettingOrigin::Flag("--provider".into())
        );
    }
}

#[test]
fn both_words_for_the_variable_must_agree() {
    let room = Room::new()
        .variable("SECRETS_PROVIDER", "aws")
        .variable("SECRETS_BACKEND", "vault");
    let error = room.found().unwrap_err();
    assert!(
        error
            .message()
            .contains("SECRETS_PROVIDER and SECRETS_BACKEND differ"),
        "{error}"
    );
    Config::load(&room.options("").with_provider("env")).unwrap();
    let room = Room::new()
        .variable("SECRETS_PROVIDER", "aws")
        .variable("SECRETS_BACKEND", "aws-sm");
    assert_eq!(room.found().unwrap().default.as_deref(), Some("aws-sm"));
}

#[test]
fn a_location_is_a_provider_of_its_own() {
    let room = Room::with("secrets.toml", "[providers.selected]\ntype = \"env\"\n");
    let options = room
        .options("")
        .with_provider("vault_dev://127.0.0.1:8200/kv");
    let config = Config::load(&options).unwrap();
    let name = config.default.clone().unwrap();
    assert_ne!(name, "selected");
    let entry = &config.providers[&name];
    assert_eq!(entry.scheme, "vault");
    assert_eq!(
        entry.settings.location().unwrap().to_string(),
        "vault://127.0.0.1:8200/kv"
    );
    // The user said it, whatever file lies around.
    assert_eq!(entry.trust, AmbientCredentials::Allowed);
    assert_ne!(config.trust, AmbientCredentials::Allowed);

    for (flag, what) in [
        ("vault://a:hunter2@h", "user information"),
        ("Not a provider", "is no provider"),
    ] {
        let error = Config::load(&room.options("").with_provider(flag)).unwrap_err();
        assert!(
            error.message().starts_with("--provider: ") && error.message().contains(what),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn the_folders_of_the_user_follow_the_environment() {
    let options = LoadOptions::new(
        "/w",
        [("HOME", "/h"), ("XDG_STATE_HOME", "relative")]
            .into_iter()
            .collect(),
    );
    assert_eq!(
        options.state_dir.as_deref(),
        Some("/h/.local/state/polysecrets".as_ref())
    );
    assert_eq!(
        options.config_dir.as_deref(),
        Some("/h/.config/polysecrets".as_ref())
    );
    let options = LoadOptions::new("/w", [("XDG_CONFIG_HOME", "/c")].into_iter().collect());
    assert_eq!(
        options.config_dir.as_deref(),
        Some("/c/polysecrets".as_ref())
    );
    assert_eq!(options.state_dir, None);
}

#[test]
fn the_process_is_a_source_of_options() {
    let options = LoadOptions::from_process();
    assert_eq!(options.working_dir, std::env::current_dir().unwrap());
    assert_eq!(
        options.environment.text("PATH").map(str::to_owned),
        std::env::var("PATH").ok()
    );
    assert!(
        options
            .state_dir
            .is_none_or(|folder| is_below(&folder, "/".as_ref()))
    );
}

#[test]
fn a_fresh_configuration_is_one() {
    for main in [
        None,
        Some("vault://vault.example.com:8200/secret?namespace=a%20b"),
    ] {
        let location = main.map(|main| main.parse().unwrap());
        let config = toml(&Config::scaffold(location.as_ref())).unwrap();
        config.check_names(["env", "file", "vault"]).unwrap();
        let chain = &config.chains[config.default.as_deref().unwrap()];
        let members: Vec<_> = chain
            .members
            .iter()
            .map(|member| member.provider.as_str())
            .collect();
        match location {
            None => assert_eq!(
                (members, chain.write.as_deref()),
                (vec!["env", "local"], Some("local"))
            ),
            Some(location) => {
                assert_eq!(
                    (members, chain.write.as_deref()),
                    (vec!["env", "main", "local"], Some("main"))
                );
                assert_eq!(
                    config.providers["main"].settings.location(),
                    Some(&location)
                );
            }
        }
    }
}

#[test]
fn what_is_in_effect_is_told_with_its_origin_and_without_credentials() {
    let room = Room::with(
        "secrets.toml",
        r#"
default = "main"
[providers.main]
type = "vault"
location = "vault://h:8200/secret"
namespace = "team"
token = "hvs.canary"
auth = { method = "userpass", password = "canary-${USER_PASSWORD}", pin = 314159 }
url = "https://me:canary@h"
verify = true
[secrets]
A = "a?default=canary"
[retry]
base = "1s"
"#,
    )
    .variable("USER_PASSWORD", "canary");
    let config = room.named("secrets.toml").unwrap();
    let rows = config.describe();
    assert!(!format!("{rows:?}{config:?}").contains("canary"));
    assert!(!format!("{rows:?}").contains("314159"));
    assert_eq!(row(&rows, "providers.main.token").value, "***");
    assert_eq!(
        row(&rows, "providers.main.auth.password").value,
        "***${USER_PASSWORD}"
    );
    assert_eq!(row(&rows, "providers.main.auth.method").value, "userpass");
    assert_eq!(row(&rows, "providers.main.namespace").value, "team");
    assert_eq!(row(&rows, "providers.main.verify").value, "true");
    assert_eq!(row(&rows, "secrets.A.reference").value, "a?default=***");
    let base = row(&rows, "retry.base");
    assert_eq!(base.value, "1s");
    assert!(
        base.origin.to_string().ends_with("secrets.toml:14:8"),
        "{}",
        base.origin
    );
    assert_eq!(row(&rows, "retry.max").origin, SettingOrigin::Default);
    assert!(
        row(&rows, "providers.main.token")
            .origin
            .to_string()
            .ends_with(":7:9")
    );
}
