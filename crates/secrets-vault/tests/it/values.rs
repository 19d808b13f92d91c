//! Values at the limits of a real server, and values of other programs.

use std::fmt::Write as _;

use polysecrets_vault::{Engine, Shape, VaultProvider};
use secrets_core::{DescribeOptions, ErrorKind, PutMode, PutOptions, SecretProvider, SecretState};
use secrets_provider::Method;
use serde_json::{Value, json};

use crate::support::{Admin, get, name, open, put, text};

/// An object with this number of keys, each with a text or a number.
fn object(keys: usize, value: &str) -> String {
    let mut text = String::from("{");
    for number in 0..keys {
        let comma = if number > 0 { "," } else { "" };
        write!(text, "{comma}\"k{number}\":{value}").unwrap();
    }
    text + "}"
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn json_of(provider: &VaultProvider, name: &str) -> Value {
    json(&text(provider, name).await)
}

/// A body may hold 1,000 strings, keys and values together, those of the envelope included.
#[tokio::test]
async fn an_object_with_too_many_strings_is_stored_as_a_text() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1)] {
        let mount = admin.mount(version).await;
        let provider = open(admin.root_config(&mount, engine)).await;
        let is_map = async |name: &str| {
            let path = match version {
                2 => format!("{mount}/data/{name}"),
                _ => format!("{mount}/{name}"),
            };
            let read = admin.read(&path).await;
            let data = if version == 2 {
                &read["data"]["data"]
            } else {
                &read["data"]
            };
            data.get("value").is_none()
        };
        for (keys, value, fits) in [
            (499, "\"v\"", true),
            (501, "\"v\"", false),
            (999, "7", true),
            (1001, "7", false),
            (2, &*format!("[{}\"\"]", "\"x\",".repeat(1000)), false),
        ] {
            let object = object(keys, value);
            let secret = format!("s{keys}");
            put(&provider, &secret, object.as_str()).await.unwrap();
            assert_eq!(
                json_of(&provider, &secret).await,
                json(&object),
                "{keys} keys"
            );
            assert_eq!(is_map(&secret).await, fits, "{keys} keys, {engine:?}");
        }
        let mut config = admin.root_config(&mount, engine);
        config.shape = Shape::Map;
        let map = open(config).await;
        let error = put(&map, "m", object(501, "\"v\"")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
        assert!(error.message().contains("strings"), "{error}");
    }
}

/// A condition adds two strings to the body.
#[tokio::test]
async fn the_strings_of_a_condition_count() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    let create = PutOptions::default().with_mode(PutMode::Create);
    for keys in [498, 499] {
        let object = object(keys, "\"v\"");
        let secret = format!("s{keys}");
        provider
            .put(&name(&secret), &object.as_str().into(), &create)
            .await
            .unwrap();
        assert_eq!(json_of(&provider, &secret).await, json(&object));
    }
    // Written by somebody else without a condition; a rollback has one.
    let body = json!({"data": json(&object(499, "\"v\""))});
    admin.post(&format!("{mount}/data/theirs"), body).await;
    put(&provider, "theirs", "x").await.unwrap();
    let error = provider
        .rollback(
            &name("theirs"),
            &secrets_core::Version::new("1"),
            &Default::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.message().contains("strings"), "{error}");
}

async fn fits(provider: &VaultProvider, value: &str) {
    put(provider, "large", value).await.unwrap();
    assert!(text(provider, "large").await == value, "{}", value.len());
}

/// Raft storage refuses an entry above 1 MiB with 500 and a wrong size. Go writes some characters as six bytes.
#[tokio::test]
async fn large_values_are_counted_as_the_server_stores_them() {
    let nodes = Admin::cluster().await;
    let mount = nodes[0].mount(2).await;
    let provider = open(nodes[0].root_config(&mount, Engine::KvV2)).await;
    let most = provider.info().capabilities.max_value_bytes.unwrap();
    for character in [
        "x", "\u{2028}", "\u{2029}", "<", ">", "&", "\u{1}", "\"", "é",
    ] {
        fits(&provider, &character.repeat(most / character.len())).await;
    }
    let mut config = nodes[0].root_config(&mount, Engine::KvV2);
    config.shape = Shape::Map;
    let map = open(config).await;
    for character in ["<", "\u{2028}"] {
        let object = format!("{{\"a\":\"{}\"}}", character.repeat(250_000));
        let error = put(&map, "large", object).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{error}");
    }
}

/// The server's own refusal, where its limit is lower than the default.
#[tokio::test]
async fn a_value_that_storage_refuses_is_invalid() {
    use secrets_testkit::fault::{Fault, FaultServer, Reply};
    // Recorded from OpenBao 2.7.2 with raft storage.
    let body = r#"{"errors":["1 error occurred:\n\t* put failed due to value being too large; got 156 bytes, max 1048576 bytes\n\n"]}"#;
    let server = FaultServer::start(Fault::reply(Reply::new(500).body(body)))
        .await
        .unwrap();
    let mut config = polysecrets_vault::VaultConfig::default();
    config.address = Some(server.url());
    config.token = Some("s.token".into());
    config.engine = Engine::KvV2;
    let error = put(&open(config).await, "a", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.message().contains("too large"), "{error}");
}

/// Others can store `null` where a map belongs. The version is enabled, and its map is empty.
#[tokio::test]
async fn a_null_map_is_an_empty_one() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .send(
            Method::POST,
            &format!("{mount}/data/null"),
            json!({"data": null}),
        )
        .await;
    for engine in [Engine::KvV2, Engine::Auto] {
        let provider = open(admin.root_config(&mount, engine)).await;
        let secret = get(&provider, "null").await.unwrap();
        assert_eq!(secret.value.expose_str().unwrap(), "{}");
        assert_eq!(secret.metadata.state, SecretState::Enabled);
        provider.restore(&name("null")).await.unwrap();
        assert_eq!(text(&provider, "null").await, "{}");
    }
}

/// A version answers until its deletion time is past, and is enabled until then.
#[tokio::test]
async fn a_version_is_enabled_while_it_answers() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .post(
            &format!("{mount}/metadata/soon"),
            json!({"delete_version_after": "2s"}),
        )
        .await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    put(&provider, "soon", "x").await.unwrap();
    let mut reads = 0;
    loop {
        match get(&provider, "soon").await {
            Ok(secret) => {
                assert_eq!(secret.metadata.state, SecretState::Enabled);
                reads += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Deleted);
                break;
            }
        }
    }
    assert!(reads > 10);
    let described = provider
        .describe(&name("soon"), &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(described.state, SecretState::Deleted);
}

/// `bao kv put db value=x` makes a map whose only key is the value field: `db` is the text, and so is `db#value`.
#[tokio::test]
async fn the_value_field_is_a_field() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1)] {
        let mount = admin.mount(version).await;
        let path = match version {
            2 => format!("{mount}/data/db"),
            _ => format!("{mount}/db"),
        };
        let map = json!({"value": "x"});
        let body = if version == 2 {
            json!({"data": map})
        } else {
            map
        };
        admin.post(&path, body).await;
        let provider = open(admin.root_config(&mount, engine)).await;
        let secret = get(&provider, "db").await.unwrap();
        assert_eq!(secret.value.expose_str().unwrap(), "x");
        assert_eq!(
            secret.value.field("value").unwrap().expose_str().unwrap(),
            "x"
        );
        let other = secret.value.field("other").unwrap_err();
        assert_eq!(other.kind(), ErrorKind::InvalidValue);
        // A text that is an object has its own fields besides.
        put(&provider, "n", r#"{"a":0.10}"#).await.unwrap();
        let secret = get(&provider, "n").await.unwrap();
        assert_eq!(
            secret.value.field("a").unwrap().expose_str().unwrap(),
            "0.10"
        );
    }
}

/// A policy for a name that the server would take for a template is refused by the server, or allows something else.
#[tokio::test]
async fn generated_policies_allow_what_they_name() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    for template in ["a{{b", "a{{b}}", "a}}b", "{{identity.entity.id}}"] {
        let error = provider.grants(&[name(template)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{template}");
        assert!(error.hint().unwrap().contains("{{"), "{error:?}");
    }
    for plain in ["a{b", "a}b", "a\"b", "a${b", "a\\b"] {
        put(&provider, plain, "x").await.unwrap();
        let policy = provider.grants(&[name(plain)]).unwrap().unwrap();
        let reader = admin.restricted(&mount, Engine::KvV2, &policy.text).await;
        assert_eq!(text(&reader, plain).await, "x", "{plain}");
    }
}
