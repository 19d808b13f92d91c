//! What a real server refuses, and why.

use polysecrets_vault::{Engine, UserpassConfig};
use secrets_core::{ErrorKind, HealthStatus, PutOptions, SecretProvider};
use secrets_provider::Method;
use serde_json::{Value, json};

use crate::support::{Admin, get, name, open, put, text, unique};

#[tokio::test]
async fn an_upgrade_of_the_engine_is_waited_for() {
    // In memory it is over before the first read.
    let admin = Admin::cluster().await.swap_remove(0);
    let mount = admin.mount(1).await;
    for number in 0..300 {
        admin
            .post(&format!("{mount}/k{number}"), json!({"value": "x"}))
            .await;
    }
    let version = json!({"options": {"version": "2"}});
    admin
        .post(&format!("sys/mounts/{mount}/tune"), version)
        .await;
    let mut waits = 0;
    for engine in [Engine::KvV2, Engine::Auto].into_iter().cycle() {
        let provider = open(admin.root_config(&mount, engine)).await;
        match get(&provider, "k1").await {
            Ok(_) => break,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.is_retryable());
                assert!(error.message().contains("upgraded"), "{error}");
                waits += 1;
            }
        }
    }
    assert!(waits > 0);
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    assert_eq!(text(&provider, "k1").await, "x");
}

/// The server takes only printable characters, and answers anything else with 400 and no body.
#[tokio::test]
async fn a_name_with_an_unprintable_character_is_invalid() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1), (2, Engine::Auto)] {
        let mount = admin.mount(version).await;
        let provider = open(admin.root_config(&mount, engine)).await;
        for character in [
            '\u{a0}', '\u{200b}', '\u{feff}', '\u{202e}', '\u{ad}', '\u{3000}', '\u{378}',
        ] {
            let name = format!("a{character}b");
            for error in [
                get(&provider, &name).await.unwrap_err(),
                put(&provider, &name, "x").await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidName, "{error}");
                let code = format!("U+{:04X}", u32::from(character));
                assert!(error.message().contains(&code), "{error}");
            }
        }
        for printable in ["é", "e\u{301}", "\u{1f600}", "a b"] {
            put(&provider, printable, "x").await.unwrap();
            assert_eq!(text(&provider, printable).await, "x");
        }
    }
}

#[tokio::test]
async fn a_control_group_wants_authorisation() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .post(&format!("{mount}/data/db"), json!({"data": {"value": "x"}}))
        .await;
    admin
        .try_send(
            Method::POST,
            "identity/group",
            json!({"name": "approvers", "type": "internal"}),
        )
        .await;
    let policy = admin
        .policy(&format!(
            r#"path "{mount}/data/*" {{
                capabilities = ["read", "create", "update"]
                control_group = {{ ttl = "1h" factor "a" {{
                    controlled_capabilities = ["read", "create", "update"]
                    identity {{ group_names = ["approvers"] approvals = 1 }} }} }} }}"#
        ))
        .await;
    let auth = admin.auth("userpass").await;
    let user = json!({"password": "p", "token_policies": [policy]});
    admin.post(&format!("auth/{auth}/users/me"), user).await;
    for engine in [Engine::KvV2, Engine::Auto] {
        let mut config = admin.config(&mount);
        config.engine = engine;
        let mut userpass = UserpassConfig::default();
        userpass.mount = Some(auth.clone());
        userpass.username = Some("me".to_owned());
        userpass.password = Some("p".into());
        config.userpass = Some(userpass);
        let provider = open(config).await;
        for error in [
            get(&provider, "db").await.unwrap_err(),
            put(&provider, "db", "y").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.message().contains("authoris"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_locked_namespace_says_so() {
    let admin = Admin::plain();
    let namespace = unique("locked");
    admin
        .post(&format!("sys/namespaces/{namespace}"), json!({}))
        .await;
    let lock = format!("sys/namespaces/api-lock/lock/{namespace}");
    admin.post(&lock, json!({})).await;
    let mut config = admin.root_config("kv", Engine::KvV2);
    config.namespace = Some(namespace.clone());
    let provider = open(config).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "the namespace is locked");
    assert!(error.hint().unwrap().contains("bao namespace unlock"));
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert!(health.detail.contains("locked"), "{}", health.detail);
}

#[tokio::test]
async fn a_sealed_namespace_is_not_a_sealed_server() {
    let admin = Admin::plain();
    let namespace = unique("sealed");
    let seal = json!({"seal": "seal \"shamir\" {\n shares = 1\n threshold = 1\n}"});
    admin
        .post(&format!("sys/namespaces/{namespace}"), seal)
        .await;
    admin
        .try_send(
            Method::POST,
            &format!("sys/namespaces/{namespace}/seal"),
            json!({}),
        )
        .await;
    let mut config = admin.root_config("kv", Engine::KvV2);
    config.namespace = Some(namespace.clone());
    let provider = open(config).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "the namespace is sealed");
    assert!(error.hint().unwrap().contains("bao namespace unseal"));
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert!(
        health.detail.contains("namespace is sealed"),
        "{}",
        health.detail
    );
}

/// A token without the policy `default` may not look itself up, and is valid all the same.
#[tokio::test]
async fn a_valid_token_that_may_not_look_itself_up_is_only_denied() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let rules = format!(r#"path "{mount}/data/mine" {{ capabilities = ["read"] }}"#);
    let provider = admin.restricted(&mount, Engine::KvV2, &rules).await;
    let error = get(&provider, "other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let error = get(&provider, "mine").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.detail);
}

#[tokio::test]
async fn health_proves_the_credential() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let healthy = open(admin.root_config(&mount, Engine::KvV2)).await;
    let health = healthy.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.detail);
    let mut config = admin.config(&mount);
    config.token = Some("s.doesnotexistdoesnotexist".into());
    let health = open(config).await.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert!(
        health.detail.contains("does not accept"),
        "{}",
        health.detail
    );

    let auth = admin.auth("userpass").await;
    let mut config = admin.config(&mount);
    let mut userpass = UserpassConfig::default();
    userpass.mount = Some(auth);
    userpass.username = Some("nobody".to_owned());
    userpass.password = Some("p".into());
    config.userpass = Some(userpass);
    let health = open(config).await.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert!(health.detail.contains("login"), "{}", health.detail);
}

#[tokio::test]
async fn a_token_with_one_use_left_finds_out_that_a_secret_is_missing() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let policy = admin.policy_for(&mount).await;
    for engine in [Engine::KvV2, Engine::Auto] {
        let settings = json!({"policies": [policy], "num_uses": 1});
        let mut config = admin.config(&mount);
        config.engine = engine;
        config.token = Some(admin.token(settings).await.as_str().into());
        let error = get(&open(config).await, "none").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{engine:?}: {error}");
    }
}

#[tokio::test]
async fn a_lockout_is_named_as_a_possible_reason() {
    let admin = Admin::plain();
    let auth = admin.auth("userpass").await;
    let user = json!({"password": "right"});
    admin.post(&format!("auth/{auth}/users/me"), user).await;
    let login = format!("auth/{auth}/login/me");
    let mut status = 0;
    for _ in 0..6 {
        let wrong = json!({"password": "wrong"});
        (status, _) = admin.try_send(Method::POST, &login, wrong).await;
    }
    assert_eq!(status, 403);
    let mut config = admin.config("secret");
    let mut userpass = UserpassConfig::default();
    userpass.mount = Some(auth);
    userpass.username = Some("me".to_owned());
    userpass.password = Some("right".into());
    config.userpass = Some(userpass);
    let error = get(&open(config).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("locked"), "{error:?}");
}

/// The server fails with 500 on a token that it cannot parse.
#[tokio::test]
async fn a_malformed_token_is_refused() {
    let admin = Admin::plain();
    for engine in [Engine::KvV2, Engine::Auto] {
        let mut config = admin.root_config("secret", engine);
        config.token = Some("b.!!!!".into());
        let provider = open(config).await;
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert!(error.message().contains("`token`"), "{error}");
        let health = provider.health().await.unwrap();
        assert_eq!(health.status, HealthStatus::Unavailable);
    }
}

/// What the server refuses as tags is refused before the value is written.
#[tokio::test]
async fn tags_that_cannot_be_stored_are_refused_before_the_value() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    let tagged = |key: &str, value: &str| {
        let tags = [(key.to_owned(), value.to_owned())].into_iter().collect();
        PutOptions::default().with_tags(Some(tags))
    };
    let long = "v".repeat(513);
    for (key, value) in [
        ("k", ""),
        ("", "v"),
        ("k", &*long),
        ("k", "a\u{a0}b"),
        ("k", "a\nb"),
        ("k\u{200b}", "v"),
        ("k", "\u{2028}"),
    ] {
        let options = tagged(key, value);
        let error = provider
            .put(&name("a"), &"x".into(), &options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{key:?}: {value:?}");
        let missing = get(&provider, "a").await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{key:?}: {value:?}");
    }
    let longest = "é".repeat(256);
    for (key, value) in [("é k\"", "a b\u{301}"), ("k", &*longest)] {
        let options = tagged(key, value);
        let written = provider
            .put(&name("a"), &"x".into(), &options)
            .await
            .unwrap();
        assert_eq!(written.tags[key], value);
    }
}

#[tokio::test]
async fn tags_are_written_where_metadata_wants_a_condition() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .post(
            &format!("{mount}/config"),
            json!({"metadata_cas_required": true}),
        )
        .await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    for value in ["one", "two"] {
        let tags = [("k".to_owned(), value.to_owned())].into_iter().collect();
        let options = PutOptions::default().with_tags(Some(tags));
        provider
            .put(&name("a"), &value.into(), &options)
            .await
            .unwrap();
        let read: Value = admin.read(&format!("{mount}/metadata/a")).await;
        assert_eq!(read["data"]["custom_metadata"]["k"], value);
    }
}
