//! Logins, refreshes and renewals against a server that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use polysecrets_vault::{
    AppRoleConfig, Engine, JwtConfig, KubernetesConfig, UserpassConfig, VaultConfig, VaultProvider,
};
use secrets_core::{ErrorKind, GetOptions, Lease, Result, Secret, SecretName, SecretProvider};
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fault::{Fault, FaultServer, RecordedRequest, Reply, Script};

use crate::support;

const READ: &str = r#"{"lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"value":"v"},"metadata":{"created_time":"2026-11-22T07:09:25Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}}}"#;
const BAD_TOKEN: &str = r#"{"errors":["permission denied"]}"#;
const DENIED: &str = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
const LOOKED_UP: &str = r#"{"data":{"ttl":3600,"renewable":true}}"#;
const SECRET: &str = "/v1/secret/data/a";
const LOGIN: &str = "/v1/auth/approle/login";
const LOOKUP: &str = "/v1/auth/token/lookup-self";
const RENEW: &str = "/v1/auth/token/renew-self";

fn reply(status: u16, body: impl Into<String>) -> Fault {
    Fault::reply(Reply::new(status).body(body.into()))
}

fn issued(token: &str, seconds: u64) -> String {
    format!(
        r#"{{"auth":{{"client_token":"{token}","lease_duration":{seconds},"renewable":true}}}}"#
    )
}

fn config(server: &FaultServer) -> VaultConfig {
    let mut config = VaultConfig::default();
    config.address = Some(server.url());
    config.engine = Engine::KvV2;
    config
}

fn approle() -> AppRoleConfig {
    let mut approle = AppRoleConfig::default();
    approle.role_id = Some("role".into());
    approle.secret_id = Some("secret".into());
    approle
}

async fn by_approle(server: &FaultServer) -> VaultProvider {
    let mut config = config(server);
    config.approle = Some(approle());
    support::open(config).await
}

async fn get(provider: &VaultProvider) -> Result<Secret> {
    provider
        .get(&SecretName::new("a").unwrap(), &GetOptions::default())
        .await
}

fn log(server: &FaultServer) -> Vec<String> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect()
}

fn count(server: &FaultServer, target: &str) -> u64 {
    server.counts_by_target().get(target).copied().unwrap_or(0)
}

/// A server that logs in with tokens `t1`, `t2`, … of this life, and takes only the newest of them.
fn issuing(seconds: u64) -> Script {
    let logins = Arc::new(AtomicU64::new(0));
    Script::respond(move |request| {
        let newest = format!("t{}", logins.load(Ordering::SeqCst));
        let is_newest = request.header("x-vault-token") == Some(&newest);
        Some(match request.path() {
            LOGIN => {
                let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
                reply(200, issued(&format!("t{number}"), seconds))
                    .delayed(Duration::from_millis(30))
            }
            "/revoke" => {
                logins.fetch_add(1000, Ordering::SeqCst);
                reply(204, "")
            }
            SECRET if is_newest => reply(200, READ),
            LOOKUP if is_newest => reply(200, LOOKED_UP),
            _ => reply(403, BAD_TOKEN),
        })
    })
}

/// Makes the server of [`issuing`] forget every token.
async fn revoke(server: &FaultServer) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    stream
        .write_all(b"GET /revoke HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    server.clear();
}

async fn many(provider: &Arc<VaultProvider>, callers: usize) -> Vec<Result<Secret>> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let provider = Arc::clone(provider);
            tokio::spawn(async move { get(&provider).await })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test]
async fn a_login_happens_at_the_first_use_and_once_for_many_callers() {
    let server = FaultServer::start(issuing(3600)).await.unwrap();
    let provider = Arc::new(by_approle(&server).await);
    assert_eq!(server.request_count(), 0);
    for result in many(&provider, 100).await {
        result.unwrap();
    }
    assert_eq!((count(&server, LOGIN), count(&server, SECRET)), (1, 100));
    let login = &server.requests()[0];
    assert_eq!((&*login.method, &*login.target), ("POST", LOGIN));
    assert_eq!(login.body, br#"{"role_id":"role","secret_id":"secret"}"#);
    assert_eq!(login.header("x-vault-token"), None);
}

#[tokio::test]
async fn an_ended_token_costs_one_login_and_one_repetition() {
    let server = FaultServer::start(issuing(3600)).await.unwrap();
    let provider = by_approle(&server).await;
    get(&provider).await.unwrap();
    revoke(&server).await;
    get(&provider).await.unwrap();
    assert_eq!(
        log(&server),
        [
            format!("GET {SECRET}"),
            format!("POST {LOGIN}"),
            format!("GET {SECRET}")
        ]
    );
}

#[tokio::test]
async fn an_ended_token_costs_one_login_for_many_callers() {
    let server = FaultServer::start(issuing(3600)).await.unwrap();
    let provider = Arc::new(by_approle(&server).await);
    get(&provider).await.unwrap();
    revoke(&server).await;
    for result in many(&provider, 100).await {
        result.unwrap();
    }
    assert_eq!((count(&server, LOGIN), count(&server, LOOKUP)), (1, 0));
    assert!(count(&server, SECRET) <= 200);
}

#[tokio::test]
async fn a_denial_costs_one_lookup() {
    let script = Script::default()
        .route("POST", LOGIN, reply(200, issued("t1", 3600)))
        .route(
            "GET",
            LOOKUP,
            reply(200, LOOKED_UP).delayed(Duration::from_millis(20)),
        )
        .route("GET", SECRET, reply(403, DENIED));
    let server = FaultServer::start(script).await.unwrap();
    let provider = Arc::new(by_approle(&server).await);
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let expected = [
        format!("POST {LOGIN}"),
        format!("GET {SECRET}"),
        format!("GET {LOOKUP}"),
    ];
    assert_eq!(log(&server), expected);

    server.clear();
    for result in many(&provider, 100).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
    assert_eq!(count(&server, LOGIN), 0);
    assert_eq!(count(&server, SECRET), 100);
    assert!(
        count(&server, LOOKUP) <= 2,
        "{} lookups",
        count(&server, LOOKUP)
    );
}

#[tokio::test]
async fn a_denial_that_looks_like_a_bad_token_ends_after_two_more_requests() {
    let script = Script::default()
        .route("POST", LOGIN, reply(200, issued("t1", 3600)))
        .route("GET", SECRET, reply(403, BAD_TOKEN));
    let server = FaultServer::start(script).await.unwrap();
    let provider = by_approle(&server).await;
    for first in [1, 0] {
        server.clear();
        assert_eq!(
            get(&provider).await.unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        assert_eq!(server.request_count(), 3 + first);
    }
}

#[tokio::test]
async fn a_given_token_is_looked_up_and_never_replaced() {
    for (lookup, kind) in [
        (reply(200, LOOKED_UP), ErrorKind::PermissionDenied),
        (reply(403, BAD_TOKEN), ErrorKind::Unauthenticated),
        (
            reply(503, r#"{"errors":["Vault is sealed"]}"#),
            ErrorKind::Unavailable,
        ),
    ] {
        let script = Script::default()
            .route("GET", LOOKUP, lookup)
            .then(reply(403, DENIED));
        let server = FaultServer::start(script).await.unwrap();
        let mut config = config(&server);
        config.token = Some("s.given".into());
        assert_eq!(
            get(&support::open(config).await).await.unwrap_err().kind(),
            kind
        );
        assert_eq!(
            log(&server),
            [format!("GET {SECRET}"), format!("GET {LOOKUP}")]
        );
    }
}

#[tokio::test]
async fn a_failed_login_is_shared_and_not_tried_by_each_caller() {
    let refused = r#"{"errors":["invalid role or secret ID"]}"#;
    let script = Script::default().route(
        "POST",
        LOGIN,
        reply(400, refused).delayed(Duration::from_millis(50)),
    );
    let server = FaultServer::start(script).await.unwrap();
    let provider = Arc::new(by_approle(&server).await);
    for result in many(&provider, 100).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(server.request_count(), 1);
    // Somebody who comes later may have better luck.
    assert!(get(&provider).await.is_err());
    assert_eq!(server.request_count(), 2);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_waste_the_login() {
    let server = FaultServer::start(issuing(3600)).await.unwrap();
    let provider = by_approle(&server).await;
    let gone = tokio::time::timeout(Duration::from_millis(10), get(&provider)).await;
    assert!(gone.is_err());
    get(&provider).await.unwrap();
    assert_eq!(count(&server, LOGIN), 1);
}

#[tokio::test]
async fn every_method_sends_what_its_documentation_says() {
    let folder = tempfile::tempdir().unwrap();
    let jwt = folder.path().join("jwt");
    std::fs::write(&jwt, "file.jwt\n").unwrap();
    let userpass = |c: &mut VaultConfig| {
        let mut userpass = UserpassConfig::default();
        userpass.username = Some("a/b c".into());
        userpass.password = Some("p\"w".into());
        userpass.mount = Some("team/users".into());
        c.userpass = Some(userpass);
    };
    let kubernetes = |c: &mut VaultConfig| {
        let mut kubernetes = KubernetesConfig::default();
        kubernetes.role = Some("app".into());
        kubernetes.token_file = Some(jwt.clone());
        c.kubernetes = Some(kubernetes);
    };
    let given = |c: &mut VaultConfig| {
        let mut jwt = JwtConfig::default();
        jwt.token = Some("given.jwt".into());
        c.jwt = Some(jwt);
    };
    let pulled = |c: &mut VaultConfig| {
        let mut approle = AppRoleConfig::default();
        approle.role_id = Some("role".into());
        c.approle = Some(approle);
    };
    type Change<'a> = &'a dyn Fn(&mut VaultConfig);
    let cases: [(Change<'_>, &str, &str); 4] = [
        (
            &userpass,
            "/v1/auth/team/users/login/a%2Fb%20c",
            r#"{"password":"p\"w"}"#,
        ),
        (
            &kubernetes,
            "/v1/auth/kubernetes/login",
            r#"{"role":"app","jwt":"file.jwt"}"#,
        ),
        (&given, "/v1/auth/jwt/login", r#"{"jwt":"given.jwt"}"#),
        (&pulled, "/v1/auth/approle/login", r#"{"role_id":"role"}"#),
    ];
    for (change, target, body) in cases {
        let script = Script::default()
            .route("POST", target, reply(200, issued("t1", 3600)))
            .route("GET", SECRET, reply(200, READ));
        let server = FaultServer::start(script).await.unwrap();
        let mut config = config(&server);
        config.namespace = Some("team".to_owned());
        change(&mut config);
        let provider = support::open(config).await;
        get(&provider).await.unwrap();
        let requests = server.requests();
        assert_eq!(requests[0].target, target);
        assert_eq!(String::from_utf8_lossy(&requests[0].body), body);
        assert_eq!(requests[0].header("x-vault-namespace"), Some("team"));
        assert_eq!(requests[1].header("x-vault-token"), Some("t1"));
        // What was logged in for is given back.
        provider.close().await.unwrap();
        assert_eq!(
            log(&server).last().unwrap(),
            "POST /v1/auth/token/revoke-self"
        );
        provider.close().await.unwrap();
        assert_eq!(server.request_count(), 3);
    }
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once() {
    let unwrap = |request: &RecordedRequest| {
        (request.path() == "/v1/sys/wrapping/unwrap").then(|| {
            match request.header("x-vault-token") {
                Some("s.wrapping") => reply(200, r#"{"data":{"secret_id":"inside"}}"#),
                _ => reply(
                    400,
                    r#"{"errors":["wrapping token is not valid or does not exist"]}"#,
                ),
            }
        })
    };
    let server = FaultServer::start(issuing(3600)).await.unwrap();
    server.set_script(
        Script::respond(unwrap)
            .route("POST", LOGIN, reply(200, issued("t1", 3600)))
            .route("GET", LOOKUP, reply(403, BAD_TOKEN))
            .route("GET", SECRET, reply(200, READ)),
    );
    let mut wrapped = approle();
    wrapped.secret_id = Some("s.wrapping".into());
    wrapped.wrapped = true;
    let mut config = config(&server);
    config.approle = Some(wrapped.clone());
    let provider = support::open(config.clone()).await;
    get(&provider).await.unwrap();
    provider.close().await.unwrap();
    get(&provider).await.unwrap();
    assert_eq!(count(&server, "/v1/sys/wrapping/unwrap"), 1);
    assert_eq!(count(&server, LOGIN), 2);
    assert_eq!(
        server.requests()[1].body,
        br#"{"role_id":"role","secret_id":"inside"}"#
    );

    wrapped.secret_id = Some("s.used-up".into());
    config.approle = Some(wrapped);
    let error = get(&support::open(config).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("somebody else"), "{error:?}");
}

#[tokio::test]
async fn a_wrapped_token_is_unwrapped_once() {
    let script = Script::default()
        .route(
            "POST",
            "/v1/sys/wrapping/unwrap",
            reply(200, issued("inside", 3600)),
        )
        .route("GET", SECRET, reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let mut config = config(&server);
    config.wrapped_token = Some("s.wrapping".into());
    let provider = support::open(config).await;
    for _ in 0..2 {
        get(&provider).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].header("x-vault-token"), Some("s.wrapping"));
    assert_eq!(requests[2].header("x-vault-token"), Some("inside"));
}

#[tokio::test]
async fn a_token_file_is_trimmed_and_read_again_when_its_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old\r\n").unwrap();
    let script = Script::respond(|request| {
        Some(match (request.path(), request.header("x-vault-token")) {
            (SECRET, Some("good")) => reply(200, READ),
            _ => reply(403, BAD_TOKEN),
        })
    });
    let server = FaultServer::start(script).await.unwrap();
    let mut config = config(&server);
    config.token_file = Some(file.clone());
    let provider = Arc::new(support::open(config).await);
    assert_eq!(
        get(&provider).await.unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );
    assert_eq!(server.requests()[0].header("x-vault-token"), Some("old"));

    std::fs::write(&file, "good\n").unwrap();
    server.clear();
    get(&provider).await.unwrap();
    assert_eq!(server.request_count(), 2);

    for (content, says) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a\nb", "control character"),
    ] {
        std::fs::write(&file, content).unwrap();
        let mut config = VaultConfig::default();
        config.address = Some(server.url());
        config.token_file = Some(file.clone());
        let error = get(&support::open(config).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(says), "{error}");
    }
    std::fs::write(&file, vec![b'x'; 100_000]).unwrap();
    let mut large = VaultConfig::default();
    large.address = Some(server.url());
    large.token_file = Some(file.clone());
    assert_eq!(
        get(&support::open(large).await).await.unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
}

#[tokio::test]
async fn a_token_is_renewed_in_the_second_half_of_its_life() {
    let script = Script::default()
        .route("POST", LOGIN, reply(200, issued("t1", 2)))
        .route("POST", RENEW, reply(200, issued("t1", 2)))
        .route("GET", SECRET, reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let provider = by_approle(&server).await;
    get(&provider).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(count(&server, RENEW), 0);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(count(&server, RENEW), 1);
    tokio::time::sleep(Duration::from_millis(2400)).await;
    get(&provider).await.unwrap();
    assert_eq!(count(&server, LOGIN), 1);
    assert!(
        (2..=4).contains(&count(&server, RENEW)),
        "{} renewals",
        count(&server, RENEW)
    );

    // It ends with the provider.
    drop(provider);
    server.clear();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(server.request_count(), 0);
}

#[tokio::test]
async fn a_failing_renewal_is_not_repeated_in_haste() {
    for status in [500, 403] {
        let script = Script::default()
            .route("POST", LOGIN, reply(200, issued("t1", 2)))
            .route("POST", RENEW, reply(status, r#"{"errors":["x"]}"#))
            .route("GET", SECRET, reply(200, READ));
        let server = FaultServer::start(script).await.unwrap();
        let provider = by_approle(&server).await;
        get(&provider).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3500)).await;
        assert!(
            (1..=3).contains(&count(&server, RENEW)),
            "{} renewals",
            count(&server, RENEW)
        );
        // The token has ended: the next use logs in.
        get(&provider).await.unwrap();
        assert_eq!(count(&server, LOGIN), 2);
        assert_eq!(count(&server, SECRET), 2);
    }
}

#[tokio::test]
async fn a_token_near_the_end_of_its_longest_life_is_replaced() {
    // The server renews, but grants ever less.
    let script = Script::default()
        .route("POST", LOGIN, reply(200, issued("t1", 3)))
        .route("POST", RENEW, reply(200, issued("t1", 1)))
        .route("GET", SECRET, reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let provider = by_approle(&server).await;
    get(&provider).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3600)).await;
    get(&provider).await.unwrap();
    assert_eq!((count(&server, LOGIN), count(&server, RENEW)), (2, 1));
}

#[tokio::test]
async fn a_dynamic_secret_keeps_its_token_when_the_provider_is_closed() {
    let lease = r#"{"lease_id":"db/creds/a/x","renewable":true,"lease_duration":60,"data":{"username":"u"}}"#;
    let script = Script::default()
        .route("POST", LOGIN, reply(200, issued("t1", 3600)))
        .route("GET", "/v1/secret/a", reply(200, lease));
    let server = FaultServer::start(script).await.unwrap();
    let mut config = config(&server);
    config.engine = Engine::Generic;
    config.approle = Some(approle());
    let provider = support::open(config).await;
    get(&provider).await.unwrap();
    provider.close().await.unwrap();
    assert_eq!(server.request_count(), 2);
}

const REVOKE_SELF: &str = "/v1/auth/token/revoke-self";
const REVOKE_LEASE: &str = "/v1/sys/leases/revoke";
const RENEW_LEASE: &str = "/v1/sys/leases/renew";

/// Each read of `secret/a` makes the next lease: `db/creds/a/1`, `db/creds/a/2`, …
fn lending(seconds: u64) -> Script {
    let reads = AtomicU64::new(0);
    Script::respond(move |request| {
        Some(match request.path() {
            LOGIN => reply(200, issued("t1", 3600)),
            "/v1/secret/a" => {
                let number = reads.fetch_add(1, Ordering::SeqCst) + 1;
                let lease = format!(
                    r#"{{"lease_id":"db/creds/a/{number}","renewable":true,"lease_duration":{seconds},"data":{{"username":"u"}}}}"#
                );
                reply(200, lease)
            }
            RENEW_LEASE => reply(
                200,
                r#"{"lease_id":"db/creds/a/1","renewable":false,"lease_duration":30,"data":null}"#,
            ),
            REVOKE_SELF | REVOKE_LEASE => reply(204, ""),
            _ => reply(404, r#"{"errors":[]}"#),
        })
    })
}

async fn lender(server: &FaultServer, by_login: bool) -> VaultProvider {
    let mut config = config(server);
    config.engine = Engine::Generic;
    match by_login {
        true => config.approle = Some(approle()),
        false => config.token = Some("s.token".into()),
    }
    support::open(config).await
}

#[tokio::test]
async fn leases_under_a_given_token_are_given_back_one_by_one() {
    let server = FaultServer::start(lending(60)).await.unwrap();
    let provider = lender(&server, false).await;
    let leases = provider.leases().unwrap();
    assert!(leases.held().is_empty());
    leases.revoke_all().await.unwrap();
    assert_eq!(server.request_count(), 0);

    for _ in 0..3 {
        get(&provider).await.unwrap();
    }
    assert_eq!(leases.held().len(), 3);
    let first = Lease::new("db/creds/a/1", Duration::from_secs(60), true);
    let renewed = leases.renew(&first, Duration::from_secs(90)).await.unwrap();
    assert_eq!(
        (renewed.id.as_str(), renewed.duration, renewed.renewable),
        ("db/creds/a/1", Duration::from_secs(30), false)
    );
    let asked = server.requests().pop().unwrap();
    assert_eq!(asked.method, "POST");
    assert_eq!(
        asked.json().unwrap(),
        serde_json::json!({"lease_id": "db/creds/a/1", "increment": 90})
    );

    leases.revoke(&first).await.unwrap();
    assert_eq!(
        server.requests().pop().unwrap().json().unwrap(),
        serde_json::json!({"lease_id": "db/creds/a/1", "sync": true})
    );
    assert_eq!(leases.held().len(), 2);
    leases.revoke_all().await.unwrap();
    assert!(leases.held().is_empty());
    assert_eq!(count(&server, REVOKE_LEASE), 3);
    // The token is not ours to end.
    provider.close().await.unwrap();
    assert_eq!(count(&server, REVOKE_SELF), 0);
}

#[tokio::test]
async fn leases_under_a_login_are_given_back_with_its_token() {
    let server = FaultServer::start(lending(60)).await.unwrap();
    let provider = lender(&server, true).await;
    for _ in 0..5 {
        get(&provider).await.unwrap();
    }
    let leases = provider.leases().unwrap();
    assert_eq!(leases.held().len(), 5);
    leases.revoke_all().await.unwrap();
    assert!(leases.held().is_empty());
    provider.close().await.unwrap();
    assert_eq!(
        (count(&server, REVOKE_SELF), count(&server, REVOKE_LEASE)),
        (1, 0)
    );
    let token = server.requests().pop().unwrap();
    assert_eq!(token.header("x-vault-token"), Some("t1"));
}

#[tokio::test]
async fn a_login_is_ended_at_close_once_its_leases_are() {
    let server = FaultServer::start(lending(60)).await.unwrap();
    let provider = lender(&server, true).await;
    let lease = get(&provider).await.unwrap().metadata.lease.unwrap();
    provider.leases().unwrap().revoke(&lease).await.unwrap();
    provider.close().await.unwrap();
    assert_eq!(
        (count(&server, REVOKE_SELF), count(&server, REVOKE_LEASE)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_lease_that_cannot_be_revoked_is_reported_and_the_rest_is_revoked() {
    let denied = AtomicU64::new(0);
    let server = FaultServer::start(lending(60)).await.unwrap();
    let provider = lender(&server, false).await;
    for _ in 0..4 {
        get(&provider).await.unwrap();
    }
    server.set_script(Script::respond(move |request| {
        Some(match request.path() {
            REVOKE_LEASE if denied.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => {
                reply(403, DENIED)
            }
            REVOKE_LEASE => reply(204, ""),
            _ => reply(200, LOOKED_UP),
        })
    }));
    let leases = provider.leases().unwrap();
    let error = leases.revoke_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("of 4 leases"), "{error}");
    assert!(error.hint().unwrap().contains("sys/leases/revoke"));
    assert!(error.hint().unwrap().contains("end by themselves"));
    assert!(!format!("{error} {error:?}").contains("creds"), "{error:?}");
    assert_eq!(leases.held().len(), 2);

    for (status, body, kind) in [
        (
            400,
            r#"{"errors":["lease not found"]}"#,
            ErrorKind::NotFound,
        ),
        (
            400,
            r#"{"errors":["lease is not renewable"]}"#,
            ErrorKind::Unsupported,
        ),
        (
            400,
            r#"{"errors":["anything else"]}"#,
            ErrorKind::Unavailable,
        ),
        (500, r#"{"errors":["internal"]}"#, ErrorKind::Unavailable),
    ] {
        server.set_script(reply(status, body));
        let lease = leases.held().pop().unwrap();
        let error = leases.renew(&lease, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
    }
    // One that has ended need not be given back.
    server.set_script(reply(400, r#"{"errors":["invalid lease"]}"#));
    leases.revoke_all().await.unwrap();
    assert!(leases.held().is_empty());
}

#[tokio::test]
async fn nothing_shows_a_credential_of_a_login() {
    let (role, secret, token) = (Canary::generate(), Canary::generate(), Canary::generate());
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let mut sinks = Sinks::new([&role, &secret, &token]);
    for login in [
        reply(200, issued(&token.reveal(), 3600)),
        reply(200, issued(&format!("{}\\n", *token.reveal()), 3600)),
        reply(
            200,
            issued(&token.reveal(), 3600)
                .replace("lease_duration\":", "lease_duration\":\"x\",\"y\":"),
        ),
        reply(400, format!(r#"{{"errors":["no {}"]}}"#, *secret.reveal())),
        reply(500, format!("{}{}", *secret.reveal(), *token.reveal())),
    ] {
        let script = Script::default()
            .route("POST", LOGIN, login)
            .then(reply(403, DENIED));
        let server = FaultServer::start(script).await.unwrap();
        let mut approle = AppRoleConfig::default();
        approle.role_id = Some(role.reveal().as_str().into());
        approle.secret_id = Some(secret.reveal().as_str().into());
        let mut config = config(&server);
        config.approle = Some(approle);
        sinks.debug("the configuration", &config);
        let provider = support::open(config).await;
        sinks.error("the login", &get(&provider).await.unwrap_err());
        sinks.debug("the provider", &provider);
        provider.close().await.unwrap();
    }
    sinks.trace("the trace", &trace);
    sinks.assert_clean();
}
