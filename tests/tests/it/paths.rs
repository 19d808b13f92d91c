//! Settings, variables and arguments that contain a file instead of naming it: the error names the setting and shows no
//! part of the content.

use std::fmt::Write as _;

use polysecrets_tests::{Home, Ran};

/// A body that occurs in no message and no path.
const BODY: &str = "Zq7Xw9Kv3Jp5Yt1Rb8Nf4Hd6Gs2Lm0Cx";

/// Files that people may pass instead of their path, each with the body.
fn contents() -> Vec<(&'static str, String)> {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END PRIVATE KEY-----\n");
    vec![
        (
            "a service account's key",
            format!(
                "{{\"type\": \"service_account\", \"private_key\": \"{}\"}}",
                pem.replace('\n', "\\n")
            ),
        ),
        ("PEM", pem),
        ("a JWT", format!("eyJhbGciOiJSUzI1NiJ9.{BODY}.{BODY}")),
        (
            "an age key",
            format!("AGE-SECRET-KEY-1{}", BODY.to_uppercase()),
        ),
        ("a key in base64", format!("{BODY}{BODY}==")),
    ]
}

/// Requires that neither stream shows a part of the body, ignoring case.
#[track_caller]
fn shows_nothing(ran: &Ran, what: &str) {
    let shown = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr).to_uppercase();
    for start in 0..BODY.len() - 8 {
        let part = BODY[start..start + 8].to_uppercase();
        assert!(!shown.contains(&part), "{what}: {shown}");
    }
}

#[track_caller]
fn is_refused(ran: Ran, setting: &str, what: &str) {
    shows_nothing(&ran, &format!("{setting}, {what}"));
    assert!(
        ran.stderr.contains(setting) && ran.stderr.contains("holds content, not a path"),
        "{setting}, {what}: {}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}

/// Each setting that names a file: provider type, setting as printed in the error, other settings, line with `@` for the
/// content.
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    (
        "aws-sm",
        "`ca_cert`",
        "region = \"eu-west-1\"",
        "ca_cert = @",
    ),
    ("azure-kv", "`ca_cert`", AZURE, "ca_cert = @"),
    (
        "azure-kv",
        "`workload_identity.token_file`",
        AZURE,
        "tenant_id = \"t\"\nworkload_identity = { client_id = \"c\", token_file = @ }",
    ),
    ("gcp-sm", "`ca_cert`", GCP, "ca_cert = @"),
    ("gcp-sm", "`credentials_file`", GCP, "credentials_file = @"),
    ("gcp-sm", "`token_file`", GCP, "token_file = @"),
    (
        "infisical",
        "`ca_cert`",
        INFISICAL,
        "token = \"t\"\nca_cert = @",
    ),
    ("infisical", "`token_file`", INFISICAL, "token_file = @"),
    (
        "infisical",
        "`universal_auth.client_secret_file`",
        INFISICAL,
        "universal_auth = { client_id = \"c\", client_secret_file = @ }",
    ),
    ("vault", "`ca_cert`", VAULT, "token = \"t\"\nca_cert = @"),
    (
        "vault",
        "`client_cert`",
        VAULT,
        "token = \"t\"\nclient_cert = @\nclient_key = \"k.pem\"",
    ),
    (
        "vault",
        "`client_key`",
        VAULT,
        "token = \"t\"\nclient_cert = \"c.pem\"\nclient_key = @",
    ),
    ("vault", "`token_file`", VAULT, "token_file = @"),
    (
        "vault",
        "`approle.secret_id_file`",
        VAULT,
        "approle = { role_id = \"r\", secret_id_file = @ }",
    ),
    (
        "vault",
        "`kubernetes.token_file`",
        VAULT,
        "kubernetes = { role = \"r\", token_file = @ }",
    ),
    (
        "vault",
        "`jwt.token_file`",
        VAULT,
        "jwt = { token_file = @ }",
    ),
    ("file", "`path`", "", "path = @"),
    ("file", "`identity`", "", "identity = @"),
    ("dotenv", "`path`", "", "path = @"),
];
const AZURE: &str = "vault_url = \"https://v.vault.azure.net\"";
const GCP: &str = "project_id = \"p-12345\"";
const INFISICAL: &str = "project_id = \"p\"\nenvironment = \"dev\"";
const VAULT: &str = "address = \"http://127.0.0.1:9\"\nmount = \"kv\"";

#[test]
fn a_setting_that_holds_content_is_named_and_not_shown() {
    let home = Home::new();
    for (what, content) in contents() {
        let quoted = serde_json::to_string(&content).unwrap();
        for (scheme, setting, others, line) in SETTINGS {
            let mut text = String::from("default = \"main\"\n");
            let line = line.replace('@', &quoted);
            write!(
                text,
                "[providers.main]\ntype = \"{scheme}\"\n{others}\n{line}\n"
            )
            .unwrap();
            home.write("secrets.toml", text);
            home.run(&["trust"]).ok();
            is_refused(home.run(&["get", "a", "-vv"]), setting, what);
            for words in [
                &["get", "a", "--json"][..],
                &["status", "-v"],
                &["config", "show", "--origin", "-vv"],
                &["config", "show", "--json"],
                &["config", "check"],
            ] {
                shows_nothing(&home.run(words), &format!("{setting}, {what}, {words:?}"));
            }
        }
    }
}

#[test]
fn a_setting_of_ours_that_holds_content_is_named_and_not_shown() {
    let home = Home::initialised();
    let configured = String::from_utf8(home.read("secrets.toml")).unwrap();
    for (what, content) in contents() {
        let quoted = serde_json::to_string(&content).unwrap();
        for (setting, part) in [
            ("`audit.path`", format!("[audit]\npath = {quoted}\n")),
            (
                "`audit.key_file`",
                format!("[audit]\npath = \"a.jsonl\"\nkey_file = {quoted}\n"),
            ),
            ("`policy.files`", format!("[policy]\nfiles = [{quoted}]\n")),
        ] {
            home.write("secrets.toml", format!("{configured}\n{part}"));
            home.run(&["trust"]).ok();
            is_refused(home.run(&["get", "a", "-vv"]), setting, what);
            for words in [&["config", "show", "--origin"][..], &["status", "-vv"]] {
                shows_nothing(&home.run(words), &format!("{setting}, {what}, {words:?}"));
            }
        }
    }
}

type Variables = &'static [(&'static str, &'static str)];
/// Each variable that names a file: variable, provider, other variables.
const VARIABLES: &[(&str, &str, Variables)] = &[
    ("AWS_CA_BUNDLE", "aws-sm", &[("AWS_REGION", "eu-west-1")]),
    ("AWS_CONFIG_FILE", "aws-sm", &[]),
    ("AWS_SHARED_CREDENTIALS_FILE", "aws-sm", &[]),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "aws-sm",
        &[("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")],
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "aws-sm",
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")],
    ),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        "azure-kv",
        &[
            ("AZURE_KEYVAULT_URL", "https://v.vault.azure.net"),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
        ],
    ),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "gcp-sm",
        &[("GOOGLE_CLOUD_PROJECT", "p-12345")],
    ),
    (
        "VAULT_CACERT",
        "vault",
        &[("VAULT_ADDR", "https://127.0.0.1:9"), ("VAULT_TOKEN", "t")],
    ),
    ("SECRETS_IDENTITY", "file", &[]),
    ("SECRETS_CONFIG", "env", &[]),
];

#[test]
fn a_variable_that_holds_content_is_named_and_not_shown() {
    let home = Home::initialised();
    home.set("a", b"value");
    for (what, content) in contents() {
        for (variable, provider, others) in VARIABLES {
            let run = |words: &[&str]| {
                let mut command = home.command(words);
                command
                    .env("SECRETS_PROVIDER", provider)
                    .env(variable, &content);
                Ran::of(command.envs(others.iter().copied()))
            };
            let ran = run(&["get", "a", "-vv"]);
            // The variable may contain a key.
            let holds_key = content.contains("-----BEGIN ") || what == "an age key";
            let is_a_key = *variable == "SECRETS_IDENTITY" && holds_key;
            if is_a_key {
                shows_nothing(&ran, &format!("{variable}, {what}"));
                assert_ne!(ran.code(), Some(0));
            } else {
                is_refused(ran, variable, what);
            }
            for words in [
                &["status", "-v"][..],
                &["config", "show"],
                &["get", "a", "--json"],
            ] {
                shows_nothing(&run(words), &format!("{variable}, {what}, {words:?}"));
            }
        }
    }
}

/// Variables that are not paths, whose values an error must not repeat either.
const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("AWS_REGION", "aws-sm"),
    ("AWS_PROFILE", "aws-sm"),
    ("AWS_ENDPOINT_URL", "aws-sm"),
    ("AWS_ROLE_ARN", "aws-sm"),
    ("AZURE_KEYVAULT_URL", "azure-kv"),
    ("AZURE_TENANT_ID", "azure-kv"),
    ("AZURE_CLIENT_ID", "azure-kv"),
    ("AZURE_AUTHORITY_HOST", "azure-kv"),
    ("IDENTITY_ENDPOINT", "azure-kv"),
    ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "azure-kv"),
    ("GOOGLE_CLOUD_PROJECT", "gcp-sm"),
    ("GCE_METADATA_HOST", "gcp-sm"),
    ("VAULT_ADDR", "vault"),
    ("VAULT_NAMESPACE", "vault"),
    ("INFISICAL_DOMAIN", "infisical"),
    ("INFISICAL_API_URL", "infisical"),
    ("INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "infisical"),
    ("SECRETS_PROFILE", "env"),
    ("SECRETS_PROVIDER", "env"),
    ("SECRETS_BACKEND", "env"),
    ("XDG_STATE_HOME", "file"),
    ("XDG_CONFIG_HOME", "file"),
];

#[test]
fn a_variable_that_holds_a_key_is_not_repeated() {
    let home = Home::new();
    for (what, content) in contents() {
        for (variable, provider) in OTHER_VARIABLES {
            // Also as a password in an address.
            for content in [content.clone(), format!("https://me:{BODY}@vault.example")] {
                let mut command = home.command(&["get", "a", "-vv"]);
                command.env("SECRETS_PROVIDER", provider);
                command.env("AWS_EC2_METADATA_DISABLED", "true");
                command
                    .env("SECRETS_BACKEND", provider)
                    .env(variable, &content);
                if *variable == "SECRETS_PROVIDER" {
                    command.env_remove("SECRETS_BACKEND");
                }
                if *variable == "SECRETS_BACKEND" {
                    command.env_remove("SECRETS_PROVIDER");
                }
                let ran = Ran::of(&mut command);
                shows_nothing(&ran, &format!("{variable}, {what}"));
                assert_ne!(ran.code(), Some(0), "{variable}");
            }
        }
    }
}

#[test]
fn an_argument_that_holds_content_is_named_and_not_shown() {
    let home = Home::initialised();
    for (what, content) in contents() {
        for (argument, words) in [
            ("--config <FILE>", &["get", "a", "--config=@"][..]),
            ("--from-file <FILE>", &["set", "a", "--from-file=@"]),
            ("--out <FILE>", &["get", "a", "--out=@"]),
            ("--out-dir <FOLDER>", &["render", "app.yaml", "--out-dir=@"]),
            ("FILE", &["render", "--", "@"]),
            ("FILE", &["check", "--", "@"]),
            ("FILE", &["trust", "--", "@"]),
            ("FILE", &["audit", "verify", "--", "@"]),
        ] {
            let words: Vec<String> = words
                .iter()
                .map(|word| word.replace('@', &content))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            is_refused(home.run(&words), argument, what);
        }
        for words in [
            &["set", "a", "@"][..],
            &["render", "@"],
            &["--provider", "@", "get", "a"],
            &["--profile", "@", "get", "a"],
        ] {
            let words: Vec<String> = words
                .iter()
                .map(|word| word.replace('@', &content))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = home.run(&words);
            shows_nothing(&ran, &format!("{what}, {:?}", &words[..1]));
            assert_ne!(ran.code(), Some(0));
        }
    }
}
