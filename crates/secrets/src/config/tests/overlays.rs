//! Profiles, interpolation, and the part of a YAML file that belongs to another program.

use std::fs;
use std::time::Duration;

use secrets_core::{ErrorKind, SecretValue};

use super::{Config, Room, hint, refused, row, toml};
use crate::config::SettingOrigin;

const PROFILES: &str = r#"
default = "main"
[providers.main]
type = "vault"
location = "vault://prod:8200/secret"
namespace = "prod"
auth = { method = "approle", role = "app" }
[secrets]
A = "main://a"
B = { reference = "main://b", env = "BB" }
[retry]
max_attempts = 5

[profiles.staging.providers.main]
namespace = "staging"
[profiles.staging.secrets]
B = { required = false }
C = "main://c"

[profiles.dev]
default = "local"
[profiles.dev.providers.local]
type = "dotenv"
[profiles.dev.providers.main]
type = "file"
[profiles.dev.secrets.A]
reference = "local://a"
"#;

#[test]
fn a_profile_is_merged_into_the_rest() {
    let room = Room::with("secrets.toml", PROFILES);
    let base = room.named("secrets.toml").unwrap();
    assert_eq!((base.secrets.len(), base.profile.as_deref()), (2, None));
    let load = |profile: &str| {
        Config::load(
            &room
                .options("")
                .with_file("secrets.toml")
                .with_profile(profile),
        )
        .unwrap()
    };

    let staging = load("staging");
    let rows = staging.describe();
    assert_eq!(row(&rows, "providers.main.namespace").value, "staging");
    assert!(
        row(&rows, "providers.main.namespace")
            .origin
            .to_string()
            .ends_with("secrets.toml:15:13")
    );
    assert_eq!(row(&rows, "providers.main.auth.method").value, "approle");
    assert_eq!(
        row(&rows, "profile").origin,
        SettingOrigin::Flag("--profile".into())
    );
    assert_eq!(staging.retry.max_attempts, 5);
    let secrets: Vec<_> = staging
        .secrets
        .iter()
        .map(|s| {
            (
                s.name.as_str(),
                s.reference.to_string(),
                s.env_name(),
                s.required,
            )
        })
        .collect();
    assert_eq!(
        secrets,
        [
            ("A", "main://a".to_owned(), "A", true),
            ("B", "main://b".to_owned(), "BB", false),
            ("C", "main://c".to_owned(), "C", true),
        ]
    );

    let dev = load("dev");
    assert_eq!(dev.default.as_deref(), Some("local"));
    assert_eq!(dev.secrets[0].reference.to_string(), "local://a");
    // Another type takes none of the settings of the one before it.
    assert_eq!(dev.providers["main"].scheme, "file");
    assert_eq!(dev.providers["main"].settings.location(), None);
}

#[test]
fn an_unknown_profile_lists_the_known_ones() {
    let room = Room::with("secrets.toml", PROFILES).variable("SECRETS_PROFILE", "stagng");
    let error = room.named("secrets.toml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(error.message(), "unknown profile \"stagng\"");
    let header = PROFILES
        .lines()
        .position(|line| line.starts_with("[profiles."))
        .unwrap();
    assert_eq!(error.position().unwrap().line, header + 1);
    let hint = hint(&error);
    assert!(hint.contains("`staging`") && hint.contains("dev"), "{hint}");

    let options = room
        .options("")
        .with_file("secrets.toml")
        .with_profile("dev");
    assert_eq!(
        Config::load(&options).unwrap().profile.as_deref(),
        Some("dev")
    );

    let room = Room::new().variable("SECRETS_PROFILE", "dev");
    fs::create_dir(room.path(".git")).unwrap();
    assert!(
        room.found()
            .unwrap_err()
            .message()
            .contains("no configuration with a profile")
    );
}

#[test]
fn variables_are_put_in_everywhere_once_the_file_is_trusted() {
    let room = Room::with(
        "secrets.toml",
        r#"
default = "${WHICH}"
concurrency = "${COUNT}"
[providers.main]
type = "vault"
location = "vault://${HOST}:8200/secret"
namespace = "a-$${HOST}-${EMPTY}-$HOST"
[secrets.A]
reference = "main://${STAGE}/a"
required = "${FLAG}"
[timeouts]
attempt = "${LIMIT}"
"#,
    )
    .variable("WHICH", "main")
    .variable("COUNT", "3")
    .variable("HOST", "vault.example.com")
    .variable("EMPTY", "")
    .variable("STAGE", "prod")
    .variable("FLAG", "false")
    .variable("LIMIT", "7s");
    let config = room.named("secrets.toml").unwrap();
    assert_eq!(config.default.as_deref(), Some("main"));
    assert_eq!(config.concurrency, Some(3));
    let settings = &config.providers["main"].settings;
    assert_eq!(settings.location().unwrap().host(), "vault.example.com");
    let read: std::collections::BTreeMap<String, String> = settings.deserialize().unwrap();
    assert_eq!(read["namespace"], "a-${HOST}--$HOST");
    assert_eq!(config.secrets[0].reference.to_string(), "main://prod/a");
    assert!(!config.secrets[0].required);
    assert_eq!(config.timeouts.attempt, Duration::from_secs(7));
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_place() {
    let error = refused("\n[secrets]\nA = \"main://${STAGE}/a\"", 3, 5);
    assert_eq!(error.message(), "the environment variable STAGE is not set");
    assert!(hint(&error).contains("$${STAGE}"));
}

#[test]
fn what_a_provider_lacks_is_told_when_it_is_needed() {
    let config = toml(
        "default = \"local\"\n[providers.local]\ntype = \"file\"\n[providers.main]\ntype = \"vault\"\ntoken = \"${VAULT_TOKEN}\"\n[providers.far]\nlocation = \"vault://${HOST}/x\"\n",
    );
    // Without a type, the kind of provider is in the location, which is needed at once.
    assert_eq!(
        config.unwrap_err().message(),
        "the environment variable HOST is not set"
    );

    let config = toml(
        "[providers.main]\ntype = \"vault\"\ntoken = \"${VAULT_TOKEN}\"\n[providers.far]\ntype = \"vault\"\nlocation = \"vault://${HOST}/x\"\n",
    )
    .unwrap();
    for (name, variable, line) in [("main", "VAULT_TOKEN", 3), ("far", "HOST", 6)] {
        let read = config.providers[name]
            .settings
            .deserialize::<std::collections::BTreeMap<String, SecretValue>>();
        let error = read.unwrap_err();
        assert_eq!(
            error.message(),
            format!("the environment variable {variable} is not set")
        );
        assert_eq!(error.position().unwrap().line, line);
    }
    let problems: Vec<_> = config
        .problems()
        .iter()
        .map(|e| (e.provider().unwrap().to_owned(), e.position().unwrap().line))
        .collect();
    assert_eq!(problems, [("far".to_owned(), 6), ("main".to_owned(), 3)]);
    let rows = config.describe();
    assert_eq!(
        row(&rows, "providers.main.token").value,
        "${VAULT_TOKEN} (not set)"
    );
    assert_eq!(
        row(&rows, "providers.far.location").value,
        "(the environment variable HOST is not set)"
    );
}

#[test]
fn what_is_put_in_wrongly_is_told_with_its_place() {
    for (text, line, column, message) in [
        ("default = \"${A\"", 1, 11, "`${` is never closed"),
        (
            "default = \"${A:-b}\"",
            1,
            11,
            "between `${` and `}` stands no name",
        ),
        (
            "default = \"${secret:x}\"",
            1,
            11,
            "a reference is resolved in a provider's own settings only",
        ),
        (
            "[providers.a]\ntype = \"${A}\"",
            2,
            8,
            "the type of a provider is written out",
        ),
        (
            "[providers.a]\ntype = \"vault\"\nlocation = \"vault://${secret:x}\"",
            3,
            12,
            "a location holds no secret",
        ),
        (
            "[providers.a]\ntype = \"vault\"\ntoken = \"${secret:../x}\"",
            3,
            9,
            "invalid secret name",
        ),
    ] {
        let error = refused(text, line, column);
        assert!(error.message().starts_with(message), "{text}: {error}");
    }
}

#[test]
fn a_very_long_string_of_variables_costs_what_it_is_long() {
    let room = Room::new().variable("A", "x");
    let text = format!(
        "[providers.a]\ntype = \"file\"\nx = \"{}\"",
        "${A}y".repeat(200_000)
    );
    room.write("secrets.toml", &text);
    let started = std::time::Instant::now();
    let config = room.named("secrets.toml").unwrap();
    let read: std::collections::BTreeMap<String, String> =
        config.providers["a"].settings.deserialize().unwrap();
    assert_eq!(read["x"].len(), 400_000);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// The example of the documents, word for word.
const EXAMPLE: &str = r#"settings:
  secrets:
    backend: aws  # aws | azure | gcp | vault | env
    # Provider-specific configuration
    aws:
      region: us-east-1
      secret_name: myapp/production
    azure:
      vault_url: https://myvault.vault.azure.net/
    gcp:
      project_id: my-gcp-project

nodes:
  - name: call_api
    run: |
      api_key = secrets.get("API_KEY")
      # or via template: {{ secrets.API_KEY }}
"#;

/// The schema of the documents; its first line of settings lists what `BACKEND` may be.
const SCHEMA: &str = r#"settings:
  secrets:
    backend: BACKEND
    cache_ttl: 300  # Optional: cache secrets for N seconds
    prefix: MYAPP_  # Optional: env var prefix for 'env' backend

    # AWS-specific
    aws:
      region: us-east-1
      secret_name: myapp/secrets  # Single secret with JSON
      # OR
      secret_prefix: myapp/       # Multiple secrets by prefix

    # Azure-specific
    azure:
      vault_url: https://myvault.vault.azure.net/
      # Uses DefaultAzureCredential

    # GCP-specific
    gcp:
      project_id: my-project
      secret_prefix: myapp-      # Optional prefix filter

    # Vault-specific (via Dynaconf)
    vault:
      url: https://vault.example.com
      token: ${VAULT_TOKEN}      # Or use AppRole/AWS IAM auth
      mount: secret
"#;

#[test]
fn the_example_of_the_documents_loads() {
    let room = Room::with("workflow.yaml", EXAMPLE);
    let config = room.named("workflow.yaml").unwrap();
    assert_eq!(config.default.as_deref(), Some("aws"));
    let schemes: Vec<_> = config
        .providers
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.scheme.as_str()))
        .collect();
    assert_eq!(
        schemes,
        [("aws", "aws-sm"), ("azure", "azure-kv"), ("gcp", "gcp-sm")]
    );
    let rows = config.describe();
    assert_eq!(row(&rows, "providers.aws.region").value, "us-east-1");
    assert!(
        row(&rows, "default")
            .origin
            .to_string()
            .ends_with("workflow.yaml:3:14")
    );
}

#[test]
fn the_schema_of_the_documents_loads_with_every_backend() {
    for (backend, scheme) in [
        ("aws", "aws-sm"),
        ("azure", "azure-kv"),
        ("gcp", "gcp-sm"),
        ("vault", "vault"),
        ("env", "env"),
    ] {
        let room = Room::with("workflow.yaml", &SCHEMA.replace("BACKEND", backend))
            .variable("VAULT_TOKEN", "hvs.canary");
        let config = room.named("workflow.yaml").unwrap();
        assert_eq!(config.default.as_deref(), Some(backend));
        assert_eq!(config.providers[backend].scheme, scheme);
        assert_eq!(
            config.cache.as_ref().map(|cache| cache.ttl),
            Some(Duration::from_secs(300))
        );
        let env: std::collections::BTreeMap<String, String> =
            config.providers["env"].settings.deserialize().unwrap();
        assert_eq!(env["prefix"], "MYAPP_");
        let vault: std::collections::BTreeMap<String, SecretValue> =
            config.providers["vault"].settings.deserialize().unwrap();
        assert_eq!(vault["url"], SecretValue::from("https://vault.example.com"));
        assert_eq!(vault["token"], SecretValue::from("hvs.canary"));
        assert_eq!(
            config.providers["vault"].settings.credential_variables(),
            ["VAULT_TOKEN"]
        );
        assert!(!format!("{config:?}{:?}", config.describe()).contains("canary"));
    }
    // A backend without a block of its own.
    let room = Room::with("w.yml", "settings:\n  secrets:\n    backend: local-file\n");
    let config = room.named("w.yml").unwrap();
    assert_eq!(config.providers["local-file"].scheme, "file");
    // The command line goes before it.
    let options = room.options("").with_file("w.yml").with_provider("env");
    assert_eq!(
        Config::load(&options).unwrap().default.as_deref(),
        Some("env")
    );
}

#[test]
fn the_part_takes_our_keys_too_but_nothing_twice() {
    let room = Room::with(
        "w.yaml",
        "settings:\n  secrets:\n    default: main\n    providers:\n      main: {type: vault}\n    secrets:\n      A: main://a\n",
    );
    let config = room.named("w.yaml").unwrap();
    assert_eq!(config.secrets[0].reference.to_string(), "main://a");

    for (text, place, message) in [
        (
            "    backend: env\n    default: env\n",
            "3:5",
            "`backend` and `default` say the same thing twice",
        ),
        (
            "    aws: {region: x}\n    providers:\n      aws: {type: env}\n",
            "3:5",
            "`aws` and `providers.aws` say the same thing twice",
        ),
        ("    bakend: env\n", "3:5", "unknown key \"bakend\""),
        ("    aws: 5\n", "3:10", "expected a table, found an integer"),
        (
            "    cache_ttl: soon\n",
            "3:16",
            "expected a duration such as \"200ms\" or \"30s\"",
        ),
        (
            "    backend: aws | azure\n",
            "3:14",
            "\"aws | azure\" cannot be the name of a provider",
        ),
    ] {
        let room = Room::with("w.yaml", &format!("settings:\n  secrets:\n{text}"));
        let error = room.named("w.yaml").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("w.yaml:{place}: {message}")),
            "{error}"
        );
    }
}

#[test]
fn another_yaml_file_without_the_part_is_refused() {
    let room = Room::with("w.yaml", "settings: {}\n");
    let error = room.named("w.yaml").unwrap_err();
    assert!(
        error.message().contains("has no part `settings.secrets`"),
        "{error}"
    );
    room.write("w.yaml", "a: 1\n---\nsettings: {secrets: {backend: env}}\n");
    assert_eq!(
        room.named("w.yaml").unwrap().default.as_deref(),
        Some("env")
    );
    room.write(
        "w.yaml",
        "settings: {secrets: {backend: env}}\n---\nsettings: {secrets: {backend: env}}\n",
    );
    assert!(
        room.named("w.yaml")
            .unwrap_err()
            .message()
            .contains("two documents")
    );
}
