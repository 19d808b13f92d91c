//! The exact requests, and what becomes of answers that were recorded from OpenBao 2.7.2 or are in Vault's documentation.

use std::time::Duration;

use polysecrets_vault::{Engine, VaultConfig, VaultProvider};
use secrets_core::{
    Capability, DeleteMode, DeleteOptions, DescribeOptions, Environment, ErrorKind, GetItem,
    GetOptions, HealthStatus, ListOptions, OpenContext, PutMode, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version,
};
use secrets_provider::Transport;
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fault::{Fault, FaultServer, Reply, RetryAfter, Script};

use crate::support;

const READ: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"value":"hunter2"},"metadata":{"created_time":"2026-11-22T07:09:25.744449612Z","custom_metadata":{"team":"a"},"deletion_time":"","destroyed":false,"version":3}},"wrap_info":null,"warnings":null,"auth":null}"#;
const DELETED: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":null,"metadata":{"created_time":"2026-11-22T07:09:25.744449612Z","custom_metadata":null,"deletion_time":"2026-11-22T07:09:25.758162996Z","destroyed":false,"version":1}},"wrap_info":null,"warnings":null,"auth":null}"#;
const DESTROYED: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":null,"metadata":{"created_time":"2026-11-22T07:09:25.744449612Z","custom_metadata":null,"deletion_time":"","destroyed":true,"version":1}},"wrap_info":null,"warnings":null,"auth":null}"#;
const WRITTEN: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"created_time":"2026-11-22T07:09:25.744449612Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":4},"wrap_info":null,"warnings":null,"auth":null}"#;
const METADATA: &str = r#"{"data":{"cas_required":false,"created_time":"2026-11-22T07:09:25Z","current_version":3,"custom_metadata":null,"updated_time":"2026-11-22T07:09:26Z","versions":{"2":{"created_time":"2026-11-22T07:09:25Z","deletion_time":"","destroyed":false},"3":{"created_time":"2026-11-22T07:09:26Z","deletion_time":"","destroyed":false}}}}"#;
const NOTHING: &str = r#"{"errors":[]}"#;

fn mount_info(kind: &str, version: &str) -> String {
    format!(
        r#"{{"data":{{"type":"{kind}","path":"secret/","options":{{"version":"{version}"}}}}}}"#
    )
}

fn reply(status: u16, body: impl Into<String>) -> Fault {
    Fault::reply(Reply::new(status).body(body.into()))
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn config(server: &FaultServer) -> VaultConfig {
    let mut config = VaultConfig::default();
    config.address = Some(server.url());
    config.token = Some("s.token".into());
    config
}

async fn provider(server: &FaultServer, engine: Engine) -> VaultProvider {
    let mut config = config(server);
    config.engine = engine;
    support::open(config).await
}

async fn get(provider: &VaultProvider, text: &str) -> Result<Secret> {
    provider.get(&name(text), &GetOptions::default()).await
}

/// Method and target of each request, one a line.
fn log(server: &FaultServer) -> Vec<String> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect()
}

#[tokio::test]
async fn a_get_of_version_2_is_one_request_although_the_engine_is_unknown() {
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let mut config = config(&server);
    config.mount = Some("team a/kv".to_owned());
    config.namespace = Some("/org/x/".to_owned());
    let provider = support::open(config).await;
    assert_eq!(server.request_count(), 0);

    let secret = get(&provider, "db/pass word?#%2f").await.unwrap();
    assert_eq!(secret.value.expose_str().unwrap(), "hunter2");
    assert_eq!(secret.metadata.version, Some(Version::new("3")));
    assert_eq!(secret.metadata.tags["team"], "a");
    assert!(secret.metadata.created_at.is_some());

    assert_eq!(
        log(&server),
        ["GET /v1/team%20a/kv/data/db/pass%20word%3F%23%252f"]
    );
    let request = &server.requests()[0];
    assert_eq!(request.header("x-vault-token"), Some("s.token"));
    assert_eq!(request.header("x-vault-namespace"), Some("org/x"));
    assert_eq!(request.header("x-vault-request"), Some("true"));
    assert!(request.body.is_empty());
}

#[tokio::test]
async fn a_version_is_asked_for_by_number_and_0_is_none() {
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    let at = |version: &str| GetOptions::default().with_version(Version::new(version));
    provider.get(&name("a"), &at("3")).await.unwrap();
    for version in ["0", "latest", "03"] {
        let error = provider.get(&name("a"), &at(version)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(log(&server), ["GET /v1/secret/data/a?version=3"]);
}

#[tokio::test]
async fn a_missing_version_is_named() {
    let script = Script::default()
        .route("GET", "/v1/secret/data/a", reply(404, NOTHING))
        .route("GET", "/v1/secret/metadata/a", reply(200, METADATA))
        .then(reply(200, mount_info("kv", "2")));
    let server = FaultServer::start(script).await.unwrap();
    for engine in [Engine::KvV2, Engine::Auto] {
        let provider = provider(&server, engine).await;
        for version in ["99", "latest"] {
            let version = Version::new(version);
            let read = GetOptions::default().with_version(version.clone());
            let describe = DescribeOptions::default().with_version(version.clone());
            for error in [
                provider.get(&name("a"), &read).await.unwrap_err(),
                provider.describe(&name("a"), &describe).await.unwrap_err(),
                provider
                    .rollback(&name("a"), &version, &RollbackOptions::default())
                    .await
                    .unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                let says = format!("there is no version {:?} of the secret", version.as_str());
                assert_eq!(error.message(), says);
                assert!(error.hint().unwrap().contains("secrets versions"));
            }
        }
        let current = get(&provider, "a").await.unwrap_err();
        assert_eq!(current.message(), "secret not found");
    }
}

#[tokio::test]
async fn credentials_and_files_are_named_by_their_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("folder.d")).unwrap();
    std::fs::write(path("empty.txt"), "\n").unwrap();
    std::fs::write(path("text.txt"), "hunter2\nhunter2").unwrap();
    let server = FaultServer::start(reply(403, NOTHING)).await.unwrap();
    let fails = |variables: Vec<(&'static str, String)>, change: Box<dyn Fn(&mut VaultConfig)>| {
        let mut config = VaultConfig::default();
        config.engine = Engine::KvV2;
        change(&mut config);
        let mut context = OpenContext::new("main");
        context.environment = [("VAULT_ADDR", server.url())]
            .into_iter()
            .chain(variables)
            .map(|(name, value)| (name, SecretValue::from(value)))
            .collect();
        context.base_dir = folder.path().to_owned();
        async move {
            let opened = polysecrets_vault::open(config, context, Transport::default()).await;
            let error = match opened {
                Ok(provider) => get(&provider, "a").await.unwrap_err(),
                Err(error) => error,
            };
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert!(error.hint().is_some(), "{error:?}");
            error.message().to_owned()
        }
    };
    type Change = Box<dyn Fn(&mut VaultConfig)>;
    let nothing = || -> Change { Box::new(|_| {}) };
    let token = |text: &str| vec![("VAULT_TOKEN", text.to_owned())];

    assert_eq!(
        fails(token("hun\nter2"), nothing()).await,
        "the token of VAULT_TOKEN holds a control character or one that is not ASCII"
    );
    assert_eq!(
        fails(token("hunter2"), nothing()).await,
        "the server does not accept the token of VAULT_TOKEN"
    );
    // What may be a credential instead of a path is not shown.
    let bare: Change = Box::new(|config| config.token_file = Some("hunter2".into()));
    assert_eq!(
        fails(Vec::new(), bare).await,
        "`token_file`: there is no file"
    );
    let given: Change = Box::new(|config| config.token = Some("hunter2".into()));
    assert_eq!(
        fails(Vec::new(), given).await,
        "the server does not accept the token of `token`"
    );
    let file = |name: &'static str| -> Change {
        Box::new(move |config| config.token_file = Some(name.into()))
    };
    for (change, says) in [
        (
            file("none.txt"),
            format!("`token_file`: there is no file {}", path("none.txt")),
        ),
        (
            file("folder.d"),
            format!(
                "`token_file`: the path {} is a folder, not a file",
                path("folder.d")
            ),
        ),
        (
            file("empty.txt"),
            format!("the file {} of `token_file` is empty", path("empty.txt")),
        ),
        (
            file("text.txt"),
            format!(
                "the token in the file {} of `token_file` holds a control character or one that is not ASCII",
                path("text.txt")
            ),
        ),
        (
            Box::new(|config: &mut VaultConfig| config.ca_cert = Some("none.pem".into())) as Change,
            format!("`ca_cert`: there is no file {}", path("none.pem")),
        ),
        (
            Box::new(|config: &mut VaultConfig| config.ca_cert = Some("text.txt".into())),
            format!(
                "the file {} of `ca_cert` holds no certificate",
                path("text.txt")
            ),
        ),
        (
            Box::new(|config: &mut VaultConfig| {
                config.client_cert = Some("none.pem".into());
                config.client_key = Some("none.key".into());
            }),
            format!("`client_cert`: there is no file {}", path("none.pem")),
        ),
    ] {
        let variables = match says.contains("token_file") {
            true => Vec::new(),
            false => token("hunter2"),
        };
        assert_eq!(fails(variables, change).await, says);
    }
    let ambient = vec![
        ("VAULT_TOKEN", "hunter2".to_owned()),
        ("VAULT_CACERT", "/none/ca.pem".to_owned()),
    ];
    assert_eq!(
        fails(ambient, nothing()).await,
        "VAULT_CACERT: there is no file /none/ca.pem"
    );
    let address = vec![("VAULT_ADDR", "hunter2".to_owned())];
    assert_eq!(
        fails(address, nothing()).await,
        "VAULT_ADDR: the address is not a URL"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_by_its_setting() {
    for (variable, address, says) in [
        (
            "VAULT_ADDR",
            "https://vault.invalid:8200",
            "cannot resolve the host name vault.invalid",
        ),
        (
            "BAO_ADDR",
            "http://127.0.0.1:1",
            "cannot connect to http://127.0.0.1:1: connection refused",
        ),
    ] {
        let mut context = OpenContext::new("main");
        let token = variable.replace("ADDR", "TOKEN");
        context.environment = [(variable, address), (&*token, "hunter2")]
            .into_iter()
            .collect();
        let provider =
            polysecrets_vault::open(VaultConfig::default(), context, Transport::default())
                .await
                .unwrap();
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.message(), says);
        assert!(error.hint().unwrap().contains(variable), "{error:?}");
    }
}

#[tokio::test]
async fn version_1_is_found_out_and_never_misread() {
    // A secret `data/db` of version 1, whose map looks like an answer of version 2.
    let forged = r#"{"lease_id":"","renewable":false,"lease_duration":2764800,"data":{"data":{"value":"evil"},"metadata":{"created_time":"2026-11-22T07:09:25Z","deletion_time":"","destroyed":false,"version":1}}}"#;
    let with_ttl = r#"{"lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"value":"evil"},"ttl":"0","metadata":{"created_time":"2026-11-22T07:09:25Z","deletion_time":"","destroyed":false,"version":1}}}"#;
    for guess in [
        reply(200, forged),
        reply(200, with_ttl),
        reply(404, NOTHING),
        reply(403, NOTHING),
    ] {
        let script = Script::default()
            .route("GET", "/v1/secret/data/db", guess)
            .route(
                "GET",
                "/v1/auth/token/lookup-self",
                reply(200, r#"{"data":{"ttl":0}}"#),
            )
            .route(
                "GET",
                "/v1/sys/internal/ui/mounts/secret",
                reply(200, mount_info("kv", "1")),
            )
            .route(
                "GET",
                "/v1/secret/db",
                reply(200, r#"{"lease_duration":2764800,"data":{"value":"good"}}"#),
            );
        let server = FaultServer::start(script).await.unwrap();
        let provider = provider(&server, Engine::Auto).await;
        for _ in 0..2 {
            let secret = get(&provider, "db").await.unwrap();
            assert_eq!(secret.value.expose_str().unwrap(), "good");
        }
        assert_eq!(log(&server).last().unwrap(), "GET /v1/secret/db");
        assert_eq!(
            log(&server)
                .iter()
                .filter(|line| line.contains("/data/"))
                .count(),
            1
        );
        assert!(!provider.info().capabilities.has(Capability::Versions));
    }
}

#[tokio::test]
async fn the_engine_is_asked_for_once_by_many_callers() {
    let script = Script::default()
        .route(
            "GET",
            "/v1/sys/internal/ui/mounts/secret",
            reply(200, mount_info("kv", "2")).delayed(Duration::from_millis(50)),
        )
        .then(reply(404, NOTHING).delayed(Duration::from_millis(5)));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server, Engine::Auto).await;
    let items: Vec<_> = (0..40)
        .map(|n| GetItem::new(name(&format!("n{n}")), GetOptions::default()))
        .collect();
    for outcome in provider.get_many(&items).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(
        server.counts_by_target()["/v1/sys/internal/ui/mounts/secret"],
        1
    );
    assert_eq!(server.request_count(), 41);
    assert!(
        server.in_flight_max() >= 8,
        "{} in flight",
        server.in_flight_max()
    );
}

#[tokio::test]
async fn a_missing_secret_is_no_guess() {
    // The server tells nothing about the mount: it may be of version 1, where the secret may exist.
    let refused = r#"{"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"secret/\""]}"#;
    let script = Script::default()
        .route("GET", "/v1/secret/data/db", reply(404, NOTHING))
        .route(
            "GET",
            "/v1/auth/token/lookup-self",
            reply(200, r#"{"data":{"ttl":0}}"#),
        )
        .route(
            "GET",
            "/v1/sys/internal/ui/mounts/secret",
            reply(403, refused),
        );
    let server = FaultServer::start(script).await.unwrap();
    let error = get(&provider(&server, Engine::Auto).await, "db")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("engine"), "{error:?}");
}

#[tokio::test]
async fn a_folder_given_as_the_mount_is_reported() {
    let script = Script::default()
        .route(
            "GET",
            "/v1/sys/internal/ui/mounts/secret/apps",
            reply(200, mount_info("kv", "2")),
        )
        .then(reply(404, NOTHING));
    let server = FaultServer::start(script).await.unwrap();
    let mut config = config(&server);
    config.mount = Some("secret/apps".to_owned());
    let error = get(&support::open(config).await, "db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.to_string().contains("folder of the mount `secret`"),
        "{error}"
    );
}

#[tokio::test]
async fn writes_carry_their_condition() {
    let server = FaultServer::start(reply(200, WRITTEN)).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    let put = |value: &'static str, mode: PutMode| {
        let options = PutOptions::default().with_mode(mode);
        let provider = &provider;
        async move {
            provider
                .put(&name("a/b"), &SecretValue::from(value), &options)
                .await
        }
    };
    let metadata = put("x\"y", PutMode::Upsert).await.unwrap();
    assert_eq!(metadata.version, Some(Version::new("4")));
    put(r#"{"user":"u","n":7}"#, PutMode::Create).await.unwrap();
    put("z", PutMode::IfVersion(Version::new("3")))
        .await
        .unwrap();
    let never = put("z", PutMode::IfVersion(Version::new("0")))
        .await
        .unwrap_err();
    assert_eq!(never.kind(), ErrorKind::Conflict);
    let bodies: Vec<_> = server
        .requests()
        .iter()
        .map(|r| String::from_utf8(r.body.clone()).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"data":{"value":"x\"y"}}"#,
            r#"{"data":{"user":"u","n":7},"options":{"cas":0}}"#,
            r#"{"data":{"value":"z"},"options":{"cas":3}}"#,
        ]
    );
    assert!(
        log(&server)
            .iter()
            .all(|line| line == "POST /v1/secret/data/a/b")
    );
}

#[tokio::test]
async fn a_rollback_writes_the_old_map_unless_something_was_written_since() {
    let script = Script::default()
        .route("GET", "/v1/secret/data/a", reply(200, READ))
        .route("GET", "/v1/secret/metadata/a", reply(200, METADATA))
        .route("POST", "/v1/secret/data/a", reply(200, WRITTEN));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    let to = Version::new("2");
    provider
        .rollback(&name("a"), &to, &RollbackOptions::default())
        .await
        .unwrap();
    assert_eq!(
        log(&server),
        [
            "GET /v1/secret/data/a?version=2",
            "GET /v1/secret/metadata/a",
            "POST /v1/secret/data/a"
        ]
    );
    let body = server.requests()[2].body.clone();
    assert_eq!(body, br#"{"data":{"value":"hunter2"},"options":{"cas":3}}"#);
}

#[tokio::test]
async fn deletes_and_restores() {
    let script = Script::default()
        .route("GET", "/v1/secret/metadata/a", reply(200, METADATA))
        .route("GET", "/v1/secret/metadata/d", reply(200, METADATA.replace(
            r#""3":{"created_time":"2026-11-22T07:09:26Z","deletion_time":"""#,
            r#""3":{"created_time":"2026-11-22T07:09:26Z","deletion_time":"2026-11-22T07:09:27Z""#,
        )))
        .route("GET", "/v1/secret/metadata/none", reply(404, NOTHING))
        .then(reply(204, ""));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    let delete = |text: &'static str, mode| {
        let provider = &provider;
        async move {
            provider
                .delete(&name(text), &DeleteOptions::default().with_mode(mode))
                .await
        }
    };
    delete("a", DeleteMode::Soft).await.unwrap();
    delete("a", DeleteMode::Purge).await.unwrap();
    provider.restore(&name("d")).await.unwrap();
    provider.restore(&name("a")).await.unwrap();
    assert_eq!(
        log(&server),
        [
            "GET /v1/secret/metadata/a",
            "DELETE /v1/secret/data/a",
            "GET /v1/secret/metadata/a",
            "DELETE /v1/secret/metadata/a",
            "GET /v1/secret/metadata/d",
            "POST /v1/secret/undelete/d",
            "GET /v1/secret/metadata/a",
        ]
    );
    assert_eq!(server.requests()[5].body, br#"{"versions":[3]}"#);
    assert_eq!(
        delete("d", DeleteMode::Soft).await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    assert_eq!(
        delete("none", DeleteMode::Soft).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let window = delete("a", DeleteMode::Window(Duration::from_secs(1)))
        .await
        .unwrap_err();
    assert_eq!(window.kind(), ErrorKind::Unsupported);
}

/// A server without paging and without detailed listings, as Vault is.
fn vault_like(keys: &'static [(&'static str, &'static str)]) -> Script {
    Script::respond(move |request| {
        let path = request.path().strip_prefix("/v1/secret/")?;
        if path.starts_with("detailed-metadata") {
            return Some(reply(
                404,
                r#"{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}"#,
            ));
        }
        if request.query().is_none() {
            return Some(reply(200, METADATA));
        }
        let folder = path.strip_prefix("metadata/")?;
        match keys.iter().find(|(name, _)| *name == folder) {
            Some((_, keys)) => Some(reply(200, format!(r#"{{"data":{{"keys":{keys}}}}}"#))),
            None => Some(reply(404, NOTHING)),
        }
    })
}

const FOLDERS: &[(&str, &str)] = &[
    ("", r#"["a","a-b","a/","b/","c"]"#),
    ("a/", r#"["x","y/","z"]"#),
    ("a/y/", r#"["1","2"]"#),
    ("b/", r#"["only"]"#),
];

async fn list_all(provider: &VaultProvider, prefix: &str, size: Option<usize>) -> Vec<String> {
    let mut options = ListOptions::default()
        .with_prefix(prefix)
        .with_page_size(size);
    let mut names = Vec::new();
    loop {
        let page = provider.list(&options).await.unwrap();
        assert!(size.is_none_or(|size| page.items.len() <= size));
        names.extend(page.items.into_iter().map(|item| item.name.to_string()));
        match page.next {
            Some(token) => options = options.with_page_token(token),
            None => return names,
        }
    }
}

#[tokio::test]
async fn a_listing_ends_although_every_folder_has_a_folder() {
    let body = r#"{"data":{"keys":["folder/"]}}"#;
    let server = FaultServer::start(reply(200, body)).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    assert_eq!(list_all(&provider, "", None).await, [""; 0]);
    // Each folder once, and once more behind its only key.
    assert_eq!(server.request_count(), 2 * (1 + 511 / 7));
}

#[tokio::test]
async fn a_listing_walks_the_folders_of_a_server_that_does_not_page() {
    let server = FaultServer::start(vault_like(FOLDERS)).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    let all = ["a", "a-b", "a/x", "a/y/1", "a/y/2", "a/z", "b/only", "c"];
    for size in [None, Some(1), Some(2), Some(3), Some(7), Some(8), Some(100)] {
        assert_eq!(
            list_all(&provider, "", size).await,
            all,
            "pages of {size:?}"
        );
    }
    assert_eq!(
        list_all(&provider, "a/y", Some(1)).await,
        ["a/y/1", "a/y/2"]
    );
    assert_eq!(list_all(&provider, "a", None).await, all[..6]);
    assert_eq!(list_all(&provider, "a/x", None).await, ["a/x"]);
    assert_eq!(list_all(&provider, "b/", None).await, ["b/only"]);
    assert_eq!(list_all(&provider, "zz", None).await, [""; 0]);

    // Each folder once, and each secret once since its state is not in the listing.
    server.clear();
    list_all(&provider, "", None).await;
    let lists = log(&server)
        .iter()
        .filter(|line| line.contains("list=true"))
        .count();
    assert_eq!((lists, server.request_count()), (4, 4 + 8));
}

#[tokio::test]
async fn other_engines_are_read_with_their_lease() {
    let lease = r#"{"lease_id":"database/creds/app/x","renewable":true,"lease_duration":3600,"data":{"username":"v-app","password":"p"}}"#;
    let script = Script::default()
        .route(
            "GET",
            "/v1/secret/data/creds/app",
            reply(
                404,
                r#"{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}"#,
            ),
        )
        .route(
            "GET",
            "/v1/sys/internal/ui/mounts/secret",
            reply(200, mount_info("database", "")),
        )
        .route("GET", "/v1/secret/creds/app", reply(200, lease));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server, Engine::Auto).await;
    let secret = get(&provider, "creds/app").await.unwrap();
    assert_eq!(
        secret
            .value
            .field("username")
            .unwrap()
            .expose_str()
            .unwrap(),
        "v-app"
    );
    let lease = secret.metadata.lease.unwrap();
    assert_eq!(lease.id, "database/creds/app/x");
    assert_eq!(
        (lease.duration, lease.renewable),
        (Duration::from_secs(3600), true)
    );
    assert!(secret.metadata.expires_at.is_some());
    assert_eq!(provider.info().capabilities.iter().count(), 0);
    let unsupported = provider.list(&ListOptions::default()).await.unwrap_err();
    assert_eq!(unsupported.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn recorded_refusals_become_the_right_kinds() {
    use ErrorKind::*;
    let table: &[(u16, &str, ErrorKind)] = &[
        (400, r#"{"errors":["some input is wrong"]}"#, InvalidConfig),
        (401, NOTHING, Unauthenticated),
        (404, NOTHING, NotFound),
        (404, DELETED, Deleted),
        (404, DESTROYED, Deleted),
        (
            404,
            r#"{"errors":["no handler for route \"nope/data/x\". route entry not found."]}"#,
            InvalidConfig,
        ),
        (404, r#"{"errors":["namespace not found"]}"#, InvalidConfig),
        (
            404,
            r#"{"request_id":"r","data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#,
            InvalidConfig,
        ),
        (404, "<html>nginx</html>", InvalidResponse),
        (
            400,
            "Client sent an HTTP request to an HTTPS server.\n",
            InvalidResponse,
        ),
        (
            405,
            r#"{"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}"#,
            Unsupported,
        ),
        (
            412,
            r#"{"errors":["required index state not present"]}"#,
            Unavailable,
        ),
        (
            413,
            r#"{"errors":["request body too large"]}"#,
            InvalidValue,
        ),
        (
            429,
            r#"{"errors":["request path \"secret/data/a\": rate limit quota exceeded"]}"#,
            RateLimited,
        ),
        (429, "slow down", RateLimited),
        (472, NOTHING, Unavailable),
        (473, NOTHING, Unavailable),
        (500, r#"{"errors":["internal error"]}"#, Unavailable),
        (501, NOTHING, Unavailable),
        (502, "Bad Gateway", Unavailable),
        (503, r#"{"errors":["Vault is sealed"]}"#, Unavailable),
        (504, "", Unavailable),
        (418, NOTHING, InvalidResponse),
        (200, "{}", InvalidResponse),
        (200, "not json hunter2", InvalidResponse),
        (
            200,
            r#"{"data":{"data":{"value":"hunter2"}}}"#,
            InvalidResponse,
        ),
        (
            200,
            r#"{"data":{"data":"hunter2","metadata":{"created_time":"2026-11-22T07:09:25Z","deletion_time":"","destroyed":false,"version":1}}}"#,
            InvalidResponse,
        ),
        (
            200,
            r#"{"data":{"data":{"value":"hunter2"},"metadata":{"created_time":"hunter2","deletion_time":"","destroyed":false,"version":1}}}"#,
            InvalidResponse,
        ),
    ];
    for (status, body, kind) in table {
        let server = FaultServer::start(reply(*status, *body)).await.unwrap();
        let error = get(&provider(&server, Engine::KvV2).await, "a")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), *kind, "{status} {body}: {error}");
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("s.token"),
            "{text}"
        );
        assert!(!error.to_string().contains('\n'));
        assert_eq!(error.name(), Some(&name("a")));
        assert_eq!(server.request_count(), 1, "{status} {body}");
    }
    let sealed = FaultServer::start(reply(503, r#"{"errors":["Vault is sealed"]}"#))
        .await
        .unwrap();
    let error = get(&provider(&sealed, Engine::Auto).await, "a")
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("vault is sealed"), "{error}");
}

#[tokio::test]
async fn refused_writes_become_the_right_kinds() {
    use ErrorKind::*;
    let create = PutMode::Create;
    let upsert = PutMode::Upsert;
    let if_version = PutMode::IfVersion(Version::new("2"));
    let mismatch = r#"{"errors":["check-and-set parameter did not match the current version"]}"#;
    let quoting =
        r#"{"errors":["failed to decode JSON input: cannot unmarshal hunter2 into Go value"]}"#;
    for (status, body, mode, kind) in [
        (400, mismatch, &create, AlreadyExists),
        (400, mismatch, &if_version, Conflict),
        (
            400,
            r#"{"errors":["check-and-set parameter required for this call"]}"#,
            &upsert,
            InvalidConfig,
        ),
        (400, quoting, &upsert, InvalidValue),
        (
            404,
            r#"{"errors":["no handler for route"]}"#,
            &upsert,
            InvalidConfig,
        ),
        (500, NOTHING, &upsert, Unavailable),
    ] {
        let server = FaultServer::start(reply(status, body)).await.unwrap();
        let provider = provider(&server, Engine::KvV2).await;
        let options = PutOptions::default().with_mode(mode.clone());
        let error = provider
            .put(&name("a"), &"v".into(), &options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_passed_on() {
    for (hint, wait) in [
        (RetryAfter::Seconds(7), Some(Duration::from_secs(7))),
        (RetryAfter::Garbage("soon".to_owned()), None),
        (RetryAfter::Absent, None),
    ] {
        let body = r#"{"errors":["rate limit quota exceeded"]}"#;
        let fault = Fault::reply(Reply::new(429).retry_after(hint).body(body));
        let server = FaultServer::start(fault).await.unwrap();
        let error = get(&provider(&server, Engine::Auto).await, "a")
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (ErrorKind::RateLimited, wait)
        );
        assert!(error.is_retryable());
        assert_eq!(server.request_count(), 1);
    }
}

#[tokio::test]
async fn what_is_invalid_is_refused_before_any_request() {
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let provider = provider(&server, Engine::Auto).await;
    let put = |value: SecretValue, options: PutOptions| {
        let provider = &provider;
        async move {
            provider
                .put(&name("a"), &value, &options)
                .await
                .unwrap_err()
                .kind()
        }
    };
    let large = vec![b'x'; 2 * 1024 * 1024];
    assert_eq!(
        put(large.into(), PutOptions::default()).await,
        ErrorKind::InvalidValue
    );
    for tag in ["v".repeat(513), String::new(), "a\u{a0}b".to_owned()] {
        let tags = [("k".to_owned(), tag)].into_iter().collect();
        let options = PutOptions::default().with_tags(Some(tags));
        assert_eq!(put("v".into(), options).await, ErrorKind::InvalidValue);
    }
    let options = PutOptions::default().with_expires_at(Some(std::time::SystemTime::now()));
    assert_eq!(put("v".into(), options).await, ErrorKind::Unsupported);
    assert_eq!(server.request_count(), 0);
}

#[tokio::test]
async fn health_says_what_is_wrong() {
    use HealthStatus::*;
    for (status, body, expected, says) in [
        (
            200,
            r#"{"initialized":true,"sealed":false,"standby":false,"version":"2.7.2"}"#,
            Healthy,
            "2.7.2",
        ),
        (
            429,
            r#"{"initialized":true,"sealed":false,"standby":true}"#,
            Degraded,
            "standby",
        ),
        (472, "{}", Unavailable, "disaster recovery"),
        (473, "{}", Degraded, "performance standby"),
        (474, "{}", Unavailable, "standby"),
        (
            501,
            r#"{"initialized":false,"sealed":true}"#,
            Unavailable,
            "not initialised",
        ),
        (
            503,
            r#"{"initialized":true,"sealed":true}"#,
            Unavailable,
            "sealed",
        ),
        (502, "Bad Gateway", Unavailable, "502"),
    ] {
        let script = Script::always(reply(status, body)).route(
            "GET",
            "/v1/auth/token/lookup-self",
            reply(200, r#"{"data":{"ttl":0}}"#),
        );
        let server = FaultServer::start(script).await.unwrap();
        let mut config = config(&server);
        config.namespace = Some("team".to_owned());
        let health = support::open(config).await.health().await.unwrap();
        assert_eq!(health.status, expected, "{status}");
        assert!(health.detail.contains(says), "{}", health.detail);
        let request = &server.requests()[0];
        assert_eq!(request.target, "/v1/sys/health");
        assert_eq!(
            (
                request.header("x-vault-token"),
                request.header("x-vault-namespace")
            ),
            (None, None)
        );
    }
    let mut config = VaultConfig::default();
    config.address = Some("http://127.0.0.1:1".to_owned());
    config.token = Some("t".into());
    let health = support::open(config).await.health().await.unwrap();
    assert_eq!(health.status, Unavailable);
    assert!(
        health.detail.contains("connection refused"),
        "{}",
        health.detail
    );
}

#[tokio::test]
async fn a_standby_without_a_leader_is_unavailable_and_any_other_redirect_is_refused() {
    const STANDBY: &str = r#"{"initialized":true,"sealed":false,"standby":true}"#;
    const ACTIVE: &str = r#"{"initialized":true,"sealed":false,"standby":false}"#;
    let elsewhere = FaultServer::start(reply(200, READ)).await.unwrap();
    let there = |path: &str| format!("{}{path}", elsewhere.url());
    let same = there("/v1/secret/data/a");
    for (status, location, health, kind, requests) in [
        (307, same.clone(), (429, STANDBY), ErrorKind::Unavailable, 2),
        (307, same.clone(), (473, STANDBY), ErrorKind::Unavailable, 2),
        // The server does not say that it is a standby.
        (
            307,
            same.clone(),
            (200, ACTIVE),
            ErrorKind::InvalidResponse,
            2,
        ),
        (
            307,
            same.clone(),
            (200, "<html>"),
            ErrorKind::InvalidResponse,
            2,
        ),
        (307, same.clone(), (500, ""), ErrorKind::InvalidResponse, 2),
        // No standby redirects so, whatever it says of itself.
        (
            302,
            same.clone(),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
        (
            308,
            same.clone(),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
        (
            307,
            there("/login"),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
        (
            307,
            there("/v1/secret/data/b"),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
        (
            307,
            there("/v1/secret/data/a?x=1"),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
        (
            307,
            "/v1/secret/data/a".to_owned(),
            (429, STANDBY),
            ErrorKind::InvalidResponse,
            1,
        ),
    ] {
        let script = Script::always(Fault::redirect(status, location.clone())).route(
            "GET",
            "/v1/sys/health",
            reply(health.0, health.1),
        );
        let server = FaultServer::start(script).await.unwrap();
        let error = get(&provider(&server, Engine::KvV2).await, "a")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {location} {health:?}");
        let may_wait = kind == ErrorKind::Unavailable;
        assert_eq!(
            (error.is_retryable(), error.is_stale_ok()),
            (may_wait, may_wait)
        );
        let asked = server.requests();
        assert_eq!(asked.len(), requests, "{status} {location} {health:?}");
        // Whether it is a standby is asked without a credential.
        for question in asked
            .iter()
            .filter(|request| request.path() == "/v1/sys/health")
        {
            assert_eq!(question.header("x-vault-token"), None);
        }
    }
    // One that redirects that question too.
    let server = FaultServer::start(Fault::redirect(307, same))
        .await
        .unwrap();
    let error = get(&provider(&server, Engine::KvV2).await, "a")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(elsewhere.connection_count(), 0);
}

#[tokio::test]
async fn nothing_shows_a_credential_or_a_value() {
    let (token, value) = (Canary::generate(), Canary::generate());
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let mut sinks = Sinks::new([&token, &value]);
    let good = READ.replace("hunter2", &value.reveal());
    for fault in [
        reply(200, good.clone()),
        reply(200, good.replace("\"version\":3", "\"version\":\"x\"")),
        reply(400, format!(r#"{{"errors":["{}"]}}"#, *value.reveal())),
        reply(500, format!("<html>{}", *value.reveal())),
        Fault::truncated(Reply::new(200).body(good.clone()), 300),
        Fault::redirect(
            307,
            format!(
                "http://u:{0}@elsewhere.example/{0}?t={0}#{0}",
                *value.reveal()
            ),
        ),
    ] {
        let server = FaultServer::start(fault).await.unwrap();
        let mut config = config(&server);
        config.token = Some(token.reveal().as_str().into());
        sinks.debug("the configuration", &config);
        let provider = support::open(config).await;
        sinks.debug("the provider", &provider);
        sinks.debug("its info", provider.info());
        match get(&provider, "a").await {
            Ok(secret) => sinks.debug("the secret", &secret),
            Err(error) => sinks.error("reading", &error),
        }
        let plaintext = value.reveal().as_str().into();
        match provider
            .put(&name("a"), &plaintext, &PutOptions::default())
            .await
        {
            Ok(metadata) => sinks.debug("the metadata", &metadata),
            Err(error) => sinks.error("writing", &error),
        }
    }
    sinks.trace("the trace", &trace);
    sinks.assert_clean();
}

#[tokio::test]
async fn an_untrusted_configuration_gets_no_ambient_credential() {
    use secrets_core::AmbientCredentials;
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), "s.home").unwrap();
    let environment: Environment = [
        ("VAULT_TOKEN", "s.ambient"),
        ("VAULT_NAMESPACE", "ambient-namespace"),
        ("HOME", home.path().to_str().unwrap()),
    ]
    .into_iter()
    .collect();
    let context = |ambient| {
        OpenContext::new("main")
            .with_environment(environment.clone())
            .with_ambient(ambient)
    };
    let refused = AmbientCredentials::Refused {
        config: "secrets.toml".into(),
    };
    let mut hostile = config(&server);
    hostile.token = None;
    let mut with_file = hostile.clone();
    with_file.token_file = Some(home.path().join(".vault-token"));
    for config in [hostile.clone(), with_file] {
        let opened =
            polysecrets_vault::open(config, context(refused.clone()), Transport::default()).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    // Nothing is written either, wherever a setting points.
    let mut writing = config(&server);
    writing.index_file = Some(home.path().join("index"));
    let context_of_writing = context(refused.clone());
    let opened = polysecrets_vault::open(writing, context_of_writing, Transport::default()).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert!(!home.path().join("index").exists());
    // With a credential of its own it works, and nothing of the environment goes along.
    let opened =
        polysecrets_vault::open(config(&server), context(refused), Transport::default()).await;
    get(&opened.unwrap(), "a").await.unwrap();
    assert_eq!(server.request_count(), 1);
    let transcript = String::from_utf8(server.requests()[0].transcript()).unwrap();
    assert!(
        !transcript.contains("ambient") && !transcript.contains("s.home"),
        "{transcript}"
    );

    let trusted = context(AmbientCredentials::Allowed);
    let opened = polysecrets_vault::open(hostile, trusted, Transport::default())
        .await
        .unwrap();
    assert_eq!(opened.info().credential_variables, ["VAULT_TOKEN"]);
    get(&opened, "a").await.unwrap();
    let request = &server.requests()[1];
    assert_eq!(request.header("x-vault-token"), Some("s.ambient"));
    assert_eq!(
        request.header("x-vault-namespace"),
        Some("ambient-namespace")
    );
}

#[tokio::test]
async fn wrong_configurations_are_refused_when_they_are_opened() {
    let refused = |change: fn(&mut VaultConfig)| async move {
        let mut config = VaultConfig::default();
        config.address = Some("http://127.0.0.1:8200".to_owned());
        config.token = Some("hunter2".into());
        change(&mut config);
        let opened =
            polysecrets_vault::open(config, OpenContext::new("main"), Transport::default()).await;
        let error = opened.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        (error.kind(), error.to_string())
    };
    type Change = fn(&mut VaultConfig);
    let cases: &[(Change, &str)] = &[
        (|c| c.address = None, "the server's address is missing"),
        (
            |c| c.address = Some("https://u:hunter2@h".into()),
            "user information",
        ),
        (
            |c| c.address = Some("http://vault.example:8200".into()),
            "in clear",
        ),
        (|c| c.mount = Some("a/../b".into()), "`mount`"),
        (|c| c.mount = Some(String::new()), "`mount`"),
        (|c| c.namespace = Some("a\nb".into()), "`namespace`"),
        (|c| c.token = Some("hunter2\n".into()), "control character"),
        (
            |c| c.token_file = Some("x".into()),
            "more than one credential: token, token_file",
        ),
        (
            |c| {
                c.token = None;
                c.approle = Some(Default::default());
            },
            "`approle.role_id` is missing",
        ),
        (
            |c| {
                c.token = None;
                c.cert = Some(Default::default());
            },
            "`client_cert` is missing",
        ),
        (|c| c.client_cert = Some("x".into()), "need each other"),
        (
            |c| c.ca_cert = Some("/does/not/exist".into()),
            "/does/not/exist",
        ),
        (|c| c.value_field = Some(String::new()), "`value_field`"),
    ];
    for (change, says) in cases {
        let (kind, text) = refused(*change).await;
        assert_eq!(kind, ErrorKind::InvalidConfig, "{text}");
        assert!(text.contains(says), "{text}");
    }
    let (kind, _) = refused(|c| c.token = None).await;
    assert_eq!(kind, ErrorKind::Unauthenticated);
}

/// The variables of one program go together: a token never reaches the other program's server.
#[tokio::test]
async fn variables_of_one_family_go_to_its_address_alone() {
    let (bao, vault) = (
        FaultServer::start(reply(200, READ)).await.unwrap(),
        FaultServer::start(reply(200, READ)).await.unwrap(),
    );
    let (bao_url, vault_url) = (bao.url(), vault.url());
    let open = async |variables: &[(&'static str, &str)], address: Option<&str>| {
        let mut config = VaultConfig::default();
        config.engine = Engine::KvV2;
        config.address = address.map(str::to_owned);
        let mut context = OpenContext::new("main");
        context.environment = variables.iter().copied().collect();
        polysecrets_vault::open(config, context, Transport::default()).await
    };
    let both = [
        ("BAO_ADDR", &*bao_url),
        ("BAO_TOKEN", "s.bao"),
        ("BAO_NAMESPACE", "b"),
        ("VAULT_ADDR", &*vault_url),
        ("VAULT_TOKEN", "s.vault"),
        ("VAULT_NAMESPACE", "v"),
    ];
    for (variables, address, server, token, namespace) in [
        (&both[..], None, &bao, "s.bao", Some("b")),
        (&both[..], Some(&*vault_url), &vault, "s.vault", Some("v")),
        (&both[..], Some(&*bao_url), &bao, "s.bao", Some("b")),
        (&both[..3], None, &bao, "s.bao", Some("b")),
        (&both[3..], None, &vault, "s.vault", Some("v")),
        (&both[1..2], Some(&*vault_url), &vault, "s.bao", None),
        (&both[4..5], Some(&*bao_url), &bao, "s.vault", None),
    ] {
        let provider = open(variables, address).await.unwrap();
        get(&provider, "a").await.unwrap();
        let requests = server.requests();
        let request = requests.last().unwrap();
        assert_eq!(request.header("x-vault-token"), Some(token));
        assert_eq!(request.header("x-vault-namespace"), namespace);
        bao.clear();
        vault.clear();
    }
    // The token of the other program is no credential for this address.
    for mixed in [[both[0], both[4]], [both[3], both[1]]] {
        let error = open(&mixed[..], None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!((bao.request_count(), vault.request_count()), (0, 0));
}

/// Recorded from a standby of OpenBao 2.7.2, which is behind the write, and from Vault's documentation.
#[tokio::test]
async fn the_index_of_a_write_goes_with_every_later_request() {
    const INDEX: &str = "eyJjbHVzdGVyIjoiYyIsInZhbHVlIjoiNDEifQ==";
    let written = Reply::new(200).header("X-Vault-Index", INDEX).body(WRITTEN);
    let script = Script::default()
        .route("POST", "/v1/secret/data/a", Fault::reply(written))
        .route("GET", "/v1/secret/data/a", reply(200, READ))
        .route(
            "GET",
            "/v1/secret/data/late",
            Fault::reply(Reply::new(429).header("Retry-After", "1").body(NOTHING)),
        )
        .then(reply(
            412,
            r#"{"errors":["required index state not present"]}"#,
        ));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server, Engine::KvV2).await;
    get(&provider, "a").await.unwrap();
    let options = PutOptions::default();
    provider
        .put(&name("a"), &"v".into(), &options)
        .await
        .unwrap();
    get(&provider, "a").await.unwrap();
    for late in ["late", "later"] {
        let error = get(&provider, late).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("caught up"), "{error}");
    }
    provider.health().await.unwrap();
    let sent: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            let header = |name| request.header(name).map(str::to_owned);
            (header("x-vault-index"), header("x-vault-inconsistent"))
        })
        .collect();
    let with = (
        Some(INDEX.to_owned()),
        Some("forward-active-node".to_owned()),
    );
    // A standby would answer a question about its health only when it has caught up.
    let nothing = (None, None);
    assert_eq!(
        sent,
        [
            nothing.clone(),
            nothing.clone(),
            with.clone(),
            with.clone(),
            with,
            nothing
        ]
    );
}
