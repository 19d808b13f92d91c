//! No name escapes its place: the server sees the name that was asked, and nothing outside the folder is touched.

use crate::support;
use std::collections::BTreeMap;

use proptest::prelude::*;
use secrets_core::{
    DeleteOptions, ErrorKind, GetOptions, ListOptions, PutOptions, SecretName, SecretProvider,
    SecretValue,
};
use secrets_provider::Method;
use serde_json::Value;

fn names() -> impl Strategy<Value = SecretName> {
    let segment = prop_oneof![
        4 => "[a-zA-Z0-9_.:@ -]{1,12}",
        2 => "\\PC{1,8}",
        1 => "(%2e|%2E|\\.){1,3}(%2f|%5c|\\\\)?[a-z]{0,3}",
        1 => "x__[a-z_]{1,8}",
        1 => "[?#&=+;%]{1,4}[a-z]{0,2}",
        1 => Just("batch".to_owned()),
    ];
    proptest::collection::vec(segment, 1..4).prop_filter_map("a valid name", |segments| {
        SecretName::new(segments.join("/")).ok()
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What the server takes as it is: a key without `:` and outer white space, folders of letters, digits, `-` and `_`; and
/// what does not look like a translation.
fn is_plain(name: &SecretName) -> bool {
    let mut segments: Vec<_> = name.segments().collect();
    let key = segments.pop().unwrap();
    let plain = |segment: &&str| {
        segment
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    segments.iter().all(plain)
        && key.chars().all(|c| c.is_ascii_graphic() && c != ':')
        && !name.as_str().contains("x__")
}

async fn stays_in_its_place(wanted: &[SecretName]) {
    let fake = support::fake().await;
    fake.seed("dev", "/", "outside", "untouched");
    let mut config = support::config(&fake);
    config.path = Some("/jail/cell".to_owned());
    let provider = support::open(config).await;

    let mut held: BTreeMap<SecretName, String> = BTreeMap::new();
    for (number, name) in wanted.iter().enumerate() {
        let text = format!("value {number}");
        let value = SecretValue::from(text.as_str());
        match provider.put(name, &value, &PutOptions::default()).await {
            Ok(_) => drop(held.insert(name.clone(), text)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?} {error}"),
        }
    }
    for (name, text) in &held {
        let before = fake.asked_count();
        let secret = provider.get(name, &GetOptions::default()).await.unwrap();
        assert_eq!(secret.value, text.as_str().into(), "{name:?}");
        let asked = fake.asked_since(before);
        assert_eq!(asked.len(), 1);
        let key = asked[0].path.strip_prefix("/api/v4/secrets/").unwrap();
        assert!(!key.contains('/') && !key.is_empty(), "{key}");
        let mut query = asked[0].query.split('&');
        let folder = query.find_map(|pair| pair.strip_prefix("secretPath="));
        let folder = decoded(folder.unwrap());
        assert!(is_in_jail(&folder), "{folder}");
        if is_plain(name) {
            let seen = format!("{folder}/{}", decoded(key));
            assert_eq!(seen.strip_prefix("/jail/cell/"), Some(name.as_str()));
        }
    }
    let listed = provider.list(&ListOptions::default()).await.unwrap();
    let listed: Vec<_> = listed.items.into_iter().map(|item| item.name).collect();
    assert_eq!(listed, held.keys().cloned().collect::<Vec<_>>());

    // Everything that was written lies in the folder.
    let target = format!(
        "api/v4/secrets?projectId={}&environment=dev&secretPath=/&recursive=true",
        fake.project_id()
    );
    let all = support::administer(&fake, Method::GET, &target, Value::Null).await;
    let all = all["secrets"].as_array().unwrap();
    let text = |secret: &Value, field: &str| secret[field].as_str().unwrap().to_owned();
    let (inside, outside): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|secret| is_in_jail(&text(secret, "secretPath")));
    assert_eq!(inside.len(), held.len());
    assert_eq!(outside.len(), 1);
    assert_eq!(text(outside[0], "secretValue"), "untouched");

    for name in held.keys() {
        provider
            .delete(name, &DeleteOptions::default())
            .await
            .unwrap();
        let gone = provider.get(name, &GetOptions::default()).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

fn is_in_jail(folder: &str) -> bool {
    folder == "/jail/cell" || folder.starts_with("/jail/cell/")
}

#[test]
fn the_server_sees_the_name_that_was_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Each case is a server of its own and a dozen requests, so that a million of them would take hours.
    let mut config = ProptestConfig::default();
    config.cases = config.cases.min(10_000);
    proptest!(config, |(wanted in proptest::collection::vec(names(), 1..3))| {
        runtime.block_on(stays_in_its_place(&wanted));
    });
}
