//! What is sent for each operation.

use polysecrets_gcp::{CAPABILITIES, GcpConfig, GcpProvider, ReplicaConfig};
use secrets_core::{
    Capability, DeleteMode, DeleteOptions, DescribeOptions, ErrorKind, GetItem, GetOptions,
    HealthStatus, ListOptions, OpenContext, PutMode, PutOptions, Result, RollbackOptions, Secret,
    SecretProvider, SecretState, SecretValue, Version, VersionsOptions, plan_reads,
};
use secrets_provider::Transport;
use secrets_testkit::fakes::gcp::{Credential, Encryption, GcpFake, GcpOptions};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};
use serde_json::{Value, json};

use crate::support::{self, name};

fn accessed(value: &[u8], version: &str) -> Value {
    use base64::Engine as _;
    json!({
        "name": format!("projects/123456789012/secrets/a/versions/{version}"),
        "payload": {
            "data": base64::engine::general_purpose::STANDARD.encode(value),
            "dataCrc32c": crc32c::crc32c(value).to_string(),
        },
    })
}

fn version(number: u64) -> Value {
    json!({
        "name": format!("projects/123456789012/secrets/a/versions/{number}"),
        "createTime": "2026-11-22T07:09:25.744449Z",
        "state": "ENABLED",
        "etag": "\"1\"",
        "clientSpecifiedPayloadChecksum": true,
    })
}

fn missing() -> Reply {
    Reply::json(&json!({"error": {"code": 404, "message": "not there", "status": "NOT_FOUND"}}))
        .status(404)
}

fn ok(body: &Value) -> Fault {
    Fault::reply(Reply::json(body))
}

fn config(server: &FaultServer) -> GcpConfig {
    let mut config = GcpConfig::default();
    config.endpoint = Some(server.url());
    config.project_id = Some("my-project".to_owned());
    config.token = Some("ya29.token".into());
    config
}

async fn get(provider: &GcpProvider, text: &str) -> Result<Secret> {
    provider.get(&name(text), &GetOptions::default()).await
}

/// Method and target of each request.
fn log(server: &FaultServer) -> Vec<String> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect()
}

fn bodies(server: &FaultServer) -> Vec<Value> {
    let requests = server.requests();
    let bodies = requests.iter().filter(|request| !request.body.is_empty());
    bodies.map(|request| request.json().unwrap()).collect()
}

const SECRETS: &str = "/v1/projects/my-project/secrets";

#[tokio::test]
async fn a_get_is_one_request() {
    let server = FaultServer::start(ok(&accessed(b"hunter2", "3")))
        .await
        .unwrap();
    let mut config = config(&server);
    config.quota_project = Some("billed".to_owned());
    let provider = support::open(config).await;
    assert_eq!(server.request_count(), 0);

    let secret = get(&provider, "db/password").await.unwrap();
    assert_eq!(secret.value.expose_str().unwrap(), "hunter2");
    assert_eq!(secret.metadata.version, Some(Version::new("3")));
    assert_eq!(
        log(&server),
        [format!(
            "GET {SECRETS}/x__db_spassword/versions/latest:access"
        )]
    );
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer ya29.token"));
    assert_eq!(request.header("x-goog-user-project"), Some("billed"));
    assert!(request.body.is_empty());
}

#[tokio::test]
async fn a_version_is_a_number_or_an_alias_and_nothing_else_is_sent() {
    let server = FaultServer::start(ok(&accessed(b"v", "3"))).await.unwrap();
    let provider = support::open(config(&server)).await;
    let at = |version: &str| GetOptions::default().with_version(Version::new(version));
    for version in ["3", "latest", "prod-1"] {
        provider.get(&name("a"), &at(version)).await.unwrap();
    }
    for version in ["0", "03", "1:destroy", "1/../2", "9999999999999999999999"] {
        let error = provider.get(&name("a"), &at(version)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("there is no version"), "{error}");
    }
    assert_eq!(
        log(&server),
        ["3", "latest", "prod-1"]
            .map(|version| format!("GET {SECRETS}/a/versions/{version}:access"))
    );
}

#[tokio::test]
async fn a_put_to_a_secret_that_is_there_is_one_request() {
    let server = FaultServer::start(ok(&version(4))).await.unwrap();
    let provider = support::open(config(&server)).await;
    let value = SecretValue::from(&b"\xff\x00hunter2"[..]);
    let written = provider
        .put(&name("a"), &value, &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(written.version, Some(Version::new("4")));
    assert!(written.created_at.is_some());
    assert_eq!(log(&server), [format!("POST {SECRETS}/a:addVersion")]);
    let crc = crc32c::crc32c(b"\xff\x00hunter2").to_string();
    assert_eq!(
        bodies(&server),
        [json!({"payload": {"data": "/wBodW50ZXIy", "dataCrc32c": crc}})]
    );
}

#[tokio::test]
async fn a_put_to_a_new_secret_makes_it_with_its_name() {
    let script = Script::sequence([Fault::reply(missing()), ok(&json!({}))]).then(ok(&version(1)));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    provider
        .put(&name("db/key"), &"v".into(), &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(
        log(&server),
        [
            format!("POST {SECRETS}/x__db_skey:addVersion"),
            format!("POST {SECRETS}?secretId=x__db_skey"),
            format!("POST {SECRETS}/x__db_skey:addVersion"),
        ]
    );
    assert_eq!(
        bodies(&server)[1],
        json!({
            "replication": {"automatic": {}},
            "annotations": {"polysecrets-name": "db/key"},
        })
    );
}

#[tokio::test]
async fn a_new_secret_goes_where_the_configuration_says() {
    const KEY: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let created = async |change: fn(&mut GcpConfig)| {
        let script = Script::sequence([ok(&json!({}))]).then(ok(&version(1)));
        let server = FaultServer::start(script).await.unwrap();
        let mut config = config(&server);
        change(&mut config);
        let provider = support::open(config).await;
        let create = PutOptions::default().with_mode(PutMode::Create);
        provider
            .put(&name("a"), &"v".into(), &create)
            .await
            .unwrap();
        (log(&server).remove(0), bodies(&server).remove(0))
    };
    let encryption = json!({"kmsKeyName": KEY});
    assert_eq!(
        created(|config| config.kms_key = Some(KEY.to_owned()))
            .await
            .1,
        json!({"replication": {"automatic": {"customerManagedEncryption": encryption}}})
    );
    assert_eq!(
        created(|config| {
            config.replicas = vec![
                ReplicaConfig::new("europe-west1"),
                ReplicaConfig::new("us-east1").with_kms_key(KEY),
            ];
        })
        .await
        .1,
        json!({"replication": {"userManaged": {"replicas": [
            {"location": "europe-west1"},
            {"location": "us-east1", "customerManagedEncryption": encryption},
        ]}}})
    );
    assert_eq!(
        created(|config| {
            config.region = Some("europe-west3".to_owned());
            config.kms_key = Some(KEY.to_owned());
        })
        .await,
        (
            "POST /v1/projects/my-project/locations/europe-west3/secrets?secretId=a".to_owned(),
            json!({"customerManagedEncryption": encryption})
        )
    );
}

#[tokio::test]
async fn regional_secrets_have_a_host_of_their_own() {
    // A proxy sees which host is asked for.
    let proxy = FaultServer::start(Fault::reply(Reply::new(403)))
        .await
        .unwrap();
    let environment = [("HTTPS_PROXY", proxy.url())].into_iter().collect();
    let transport = Transport::new(environment);
    for (region, host) in [
        (None, "secretmanager.googleapis.com:443"),
        (
            Some("europe-west3"),
            "secretmanager.europe-west3.rep.googleapis.com:443",
        ),
    ] {
        let mut config = config(&proxy);
        config.endpoint = None;
        config.region = region.map(str::to_owned);
        let provider = polysecrets_gcp::open(config, OpenContext::new("main"), transport.clone())
            .await
            .unwrap();
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(log(&proxy).pop().unwrap(), format!("CONNECT {host}"));
    }
}

#[tokio::test]
async fn tags_are_written_after_the_value_and_leave_what_others_keep() {
    let found = json!({
        "name": "projects/1/secrets/x__db_skey", "etag": "\"16\"",
        "labels": {"old": "1"},
        "annotations": {"tool.example": "theirs", "polysecrets-name": "db/key"},
    });
    let path = format!("{SECRETS}/x__db_skey");
    let script = Script::always(ok(&json!({})))
        .route("POST", format!("{path}:addVersion"), ok(&version(4)))
        .route("GET", path.clone(), ok(&found));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    let put = async |tags: &[(&str, &str)]| {
        let tags = tags.iter();
        let tags = tags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let options = PutOptions::default().with_tags(Some(tags.collect()));
        provider
            .put(&name("db/key"), &"v".into(), &options)
            .await
            .unwrap()
    };
    let written = put(&[("team", "payments"), ("Owner", "Bob Smith")]).await;
    assert_eq!(written.tags.len(), 2);
    assert_eq!(
        log(&server)[1..],
        [
            format!("GET {path}"),
            format!("PATCH {path}?updateMask=labels%2Cannotations")
        ]
    );
    assert_eq!(
        bodies(&server)[1],
        json!({
            "labels": {"team": "payments"},
            "annotations": {
                "polysecrets-name": "db/key",
                "polysecrets-tags": "{\"Owner\":\"Bob Smith\"}",
                "tool.example": "theirs",
            },
            "etag": "\"16\"",
        })
    );
    // What already exists is not written.
    put(&[("old", "1")]).await;
    assert_eq!(server.request_count(), 5);
}

#[tokio::test]
async fn a_value_without_its_tags_is_told() {
    let denied = Reply::json(&json!({"error": {"code": 403, "status": "PERMISSION_DENIED"}}));
    let found = json!({"name": "projects/1/secrets/a", "labels": {"old": "1"}});
    let script =
        Script::sequence([ok(&version(4)), ok(&found)]).then(Fault::reply(denied.status(403)));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    let options = PutOptions::default().with_tags(Some(Default::default()));
    let error = provider
        .put(&name("a"), &"v".into(), &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(
        error.message(),
        "version 4 was written, but not its tags: permission denied"
    );
}

#[tokio::test]
async fn a_create_that_loses_its_value_says_so() {
    let down = Reply::json(&json!({"error": {"code": 503, "status": "UNAVAILABLE"}})).status(503);
    let script = Script::sequence([ok(&json!({}))]).then(Fault::reply(down));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    let create = PutOptions::default().with_mode(PutMode::Create);
    let error = provider
        .put(&name("a"), &"v".into(), &create)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .message()
            .starts_with("the secret was created, but not its first version")
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_separate_a_secret_from_its_value() {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    provider.health().await.unwrap();
    fake.faults()
        .push(secrets_testkit::fakes::Fault::slow(std::time::Duration::from_millis(50)).always());
    let secret = name("dropped");
    let create = PutOptions::default().with_mode(PutMode::Create);
    let value = "v".into();
    let put = provider.put(&secret, &value, &create);
    let limit = std::time::Duration::from_millis(70);
    assert!(tokio::time::timeout(limit, put).await.is_err());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(get(&provider, "dropped").await.unwrap().value, "v".into());
}

#[tokio::test]
async fn a_listing_asks_for_what_it_can_and_sorts_out_the_rest() {
    let page = json!({
        "secrets": [
            {"name": "projects/1/secrets/app_x__db_skey", "createTime": "2026-01-01T00:00:00Z",
             "labels": {"team": "a"}, "annotations": {"polysecrets-name": "db/key"}},
            {"name": "projects/1/secrets/app_db"},
            {"name": "projects/1/secrets/app_other"},
            {"name": "projects/1/secrets/foreign-db"},
        ],
        "nextPageToken": "more/+=",
        "totalSize": 4,
    });
    let server = FaultServer::start(ok(&page)).await.unwrap();
    let mut config = config(&server);
    config.secret_prefix = Some("app_".to_owned());
    let provider = support::open(config).await;
    let options = ListOptions::default().with_prefix("db").with_page_size(4);
    let first = provider.list(&options).await.unwrap();
    let names: Vec<_> = first.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["db/key", "db"]);
    assert_eq!(first.items[0].tags.len(), 1);
    provider
        .list(&options.with_page_token(first.next))
        .await
        .unwrap();
    provider.list(&ListOptions::default()).await.unwrap();
    assert_eq!(
        log(&server),
        [
            format!("GET {SECRETS}?pageSize=4&filter=name%3Aapp"),
            format!("GET {SECRETS}?pageSize=4&pageToken=more%2F%2B%3D&filter=name%3Aapp"),
            format!("GET {SECRETS}?pageSize=1000&filter=name%3Aapp"),
        ]
    );
}

#[tokio::test]
async fn describing_is_two_requests_and_shows_no_value() {
    let secret = json!({
        "name": "projects/1/secrets/a", "createTime": "2026-01-01T00:00:00Z",
        "expireTime": "2027-01-01T00:00:00Z", "labels": {"team": "a"},
        "replication": {"automatic": {}}, "etag": "x",
    });
    let disabled = json!({
        "name": "projects/1/secrets/a/versions/7", "createTime": "2026-02-01T00:00:00Z",
        "state": "DISABLED",
    });
    let script = Script::always(missing())
        .route("GET", format!("{SECRETS}/a"), ok(&secret))
        .route("GET", format!("{SECRETS}/a/versions/latest"), ok(&disabled))
        .route("GET", format!("{SECRETS}/empty"), ok(&secret));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    let describe = async |text: &str| {
        provider
            .describe(&name(text), &DescribeOptions::default())
            .await
    };
    let found = describe("a").await.unwrap();
    assert_eq!(found.version, Some(Version::new("7")));
    assert_eq!(found.state, SecretState::Disabled);
    assert!(found.expires_at.is_some() && found.created_at.is_some());
    assert_eq!(found.tags["team"], "a");
    assert_eq!(server.request_count(), 2);

    let empty = describe("empty").await.unwrap();
    assert_eq!((empty.version, empty.state), (None, SecretState::Destroyed));
    let none = describe("none").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn versions_rollback_and_delete() {
    let versions = json!({
        "versions": [
            version(3),
            {"name": "projects/1/secrets/a/versions/2", "state": "DISABLED"},
            {"name": "projects/1/secrets/a/versions/1", "state": "DESTROYED"},
            {"name": "projects/1/secrets/a/versions/0", "state": "SOMETHING_NEW"},
        ],
        "totalSize": 3,
    });
    let script = Script::always(ok(&json!({})))
        .route("GET", format!("{SECRETS}/a/versions"), ok(&versions))
        .route(
            "GET",
            format!("{SECRETS}/a/versions/1:access"),
            ok(&accessed(b"old", "1")),
        )
        .route("POST", format!("{SECRETS}/a:addVersion"), ok(&version(4)));
    let server = FaultServer::start(script).await.unwrap();
    let provider = support::open(config(&server)).await;
    let page = provider
        .versions(&name("a"), &VersionsOptions::default().with_page_size(2))
        .await
        .unwrap();
    let states: Vec<_> = page.items.iter().map(|item| item.state).collect();
    assert_eq!(
        states,
        [
            SecretState::Enabled,
            SecretState::Disabled,
            SecretState::Destroyed,
            SecretState::Disabled
        ]
    );
    let back = provider
        .rollback(&name("a"), &Version::new("1"), &RollbackOptions::default())
        .await
        .unwrap();
    assert_eq!(back.version, Some(Version::new("4")));
    let crc = crc32c::crc32c(b"old").to_string();
    assert_eq!(
        bodies(&server),
        [json!({"payload": {"data": "b2xk", "dataCrc32c": crc}})]
    );
    for mode in [DeleteMode::Soft, DeleteMode::Purge] {
        let options = DeleteOptions::default().with_mode(mode);
        provider.delete(&name("a"), &options).await.unwrap();
    }
    assert_eq!(
        log(&server),
        [
            format!("GET {SECRETS}/a/versions?pageSize=2"),
            format!("GET {SECRETS}/a/versions/1:access"),
            format!("POST {SECRETS}/a:addVersion"),
            format!("DELETE {SECRETS}/a"),
            format!("DELETE {SECRETS}/a"),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_without_a_request() {
    let server = FaultServer::start(ok(&json!({}))).await.unwrap();
    let provider = support::open(config(&server)).await;
    let put = async |value: &[u8], options: PutOptions| {
        let error = provider.put(&name("a"), &value.into(), &options).await;
        error.unwrap_err().kind()
    };
    let plain = PutOptions::default;
    assert_eq!(put(b"", plain()).await, ErrorKind::InvalidValue);
    assert_eq!(put(&[0; 65_537], plain()).await, ErrorKind::InvalidValue);
    let version = PutMode::IfVersion(Version::new("1"));
    assert_eq!(
        put(b"v", plain().with_mode(version)).await,
        ErrorKind::Unsupported
    );
    let soon = std::time::SystemTime::now();
    assert_eq!(
        put(b"v", plain().with_expires_at(soon)).await,
        ErrorKind::Unsupported
    );
    let odd = [(String::new(), "x".to_owned())].into();
    assert_eq!(
        put(b"v", plain().with_tags(Some(odd))).await,
        ErrorKind::InvalidValue
    );
    let long = name(&"x".repeat(256));
    let error = provider
        .get(&long, &GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    let error = provider.restore(&name("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let week = DeleteMode::Window(std::time::Duration::from_secs(7 * 86_400));
    let window = DeleteOptions::default().with_mode(week);
    let error = provider.delete(&name("a"), &window).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(server.request_count(), 0);
    assert!(!CAPABILITIES.has(Capability::Restore) && !CAPABILITIES.has(Capability::IfVersion));
}

#[tokio::test]
async fn versions_are_switched_off_and_on_and_destroyed() {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    let secret = name("a");
    for value in ["one", "two"] {
        provider
            .put(&secret, &value.into(), &PutOptions::default())
            .await
            .unwrap();
    }
    let newest = Version::new("2");
    let found = provider.disable_version(&secret, &newest).await.unwrap();
    assert_eq!(found.state, SecretState::Disabled);
    // The newest version counts, whatever its state.
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert_eq!(error.name(), Some(&secret));
    provider.enable_version(&secret, &newest).await.unwrap();
    assert_eq!(get(&provider, "a").await.unwrap().value, "two".into());
    let found = provider.destroy_version(&secret, &newest).await.unwrap();
    assert_eq!(found.state, SecretState::Destroyed);
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deleted);
    let error = provider.enable_version(&secret, &newest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deleted);
    let unknown = Version::new("9");
    let error = provider
        .disable_version(&secret, &unknown)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // A rollback reads the old version by its number.
    let first = Version::new("1");
    provider
        .rollback(&secret, &first, &RollbackOptions::default())
        .await
        .unwrap();
    assert_eq!(get(&provider, "a").await.unwrap().value, "one".into());
}

#[tokio::test]
async fn a_project_goes_by_its_number_too() {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    fake.seed("a", b"v");
    let mut config = support::key_file(&fake, Credential::ServiceAccount);
    config.project_id = Some(fake.project_number().to_string());
    let provider = support::open(config).await;
    assert_eq!(get(&provider, "a").await.unwrap().value, "v".into());
}

#[tokio::test]
async fn the_health_of_an_account_that_may_not_list_is_told() {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    let status = async || provider.health().await.unwrap().status;
    assert_eq!(status().await, HealthStatus::Healthy);
    fake.faults()
        .push(secrets_testkit::fakes::Fault::switch("deny"));
    assert_eq!(status().await, HealthStatus::Degraded);
    fake.faults()
        .push(secrets_testkit::fakes::Fault::status(503));
    assert_eq!(status().await, HealthStatus::Unavailable);
}

#[tokio::test]
async fn many_reads_are_under_way_at_once_and_never_more_than_32() {
    let late = ok(&accessed(b"v", "1")).delayed(std::time::Duration::from_millis(20));
    let server = FaultServer::start(late).await.unwrap();
    let provider = support::open(config(&server)).await;
    let items: Vec<_> = (0..100)
        .map(|number| GetItem::new(name(&format!("n{number}")), GetOptions::default()))
        .collect();
    let answers = provider.get_many(&items).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.request_count(), 100);
    assert_eq!(server.in_flight_max(), 32);
}

#[tokio::test]
async fn a_plan_says_what_is_sent() {
    let server = FaultServer::start(ok(&accessed(b"v", "1"))).await.unwrap();
    let provider = support::open(config(&server)).await;
    let item = |text: &str, version: Option<&str>| {
        let options = GetOptions::default().with_version(version.map(Version::new));
        GetItem::new(name(text), options)
    };
    let items = [
        item("a", None),
        item("db/key", Some("3")),
        item("a", Some("no version")),
        item(&"x".repeat(300), None),
        item("a", None),
    ];
    let plan = plan_reads(&provider, &items);
    assert_eq!(server.request_count(), 0);
    let answered: Vec<_> = plan.iter().flat_map(|call| call.items.clone()).collect();
    assert_eq!(answered, [0, 1, 2, 3, 4]);
    assert!(plan.iter().all(|call| call.call == "AccessSecretVersion"));
    let requests: usize = plan.iter().map(|call| call.requests).sum();
    provider.get_many(&items).await;
    assert_eq!(server.request_count(), requests as u64);
    assert_eq!(requests, 3);
}

#[tokio::test]
async fn a_hundred_reads_over_tls_share_connections() {
    let fake = GcpFake::start(GcpOptions::default().with_encryption(Encryption::Https))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, fake.ca_pem().unwrap()).unwrap();
    let mut config = support::key_file(&fake, Credential::ServiceAccount);
    config.ca_cert = Some(ca);
    let provider = support::open(config).await;
    let names: Vec<_> = (0..100).map(|number| format!("n{number}")).collect();
    for name in &names {
        fake.seed(name, name.as_bytes());
    }
    let items: Vec<_> = names
        .iter()
        .map(|text| GetItem::new(name(text), GetOptions::default()))
        .collect();
    for (text, answer) in names.iter().zip(provider.get_many(&items).await) {
        assert_eq!(answer.unwrap().value, text.as_str().into());
    }
    // One login for all of them.
    assert_eq!(fake.asked_count(), 101);
}
