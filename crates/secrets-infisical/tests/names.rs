//! No name escapes its place: the server sees the name that was asked, and nothing outside the folder is touched.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use secrets_core::{
    DeleteOptions, ErrorKind, GetOptions, ListOptions, PutOptions, SecretName, SecretProvider,
    SecretValue,
};
use secrets_http::Method;
use serde_json::Value;

mod support;

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

#[test]
fn the_server_sees_the_name_that_was_asked() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = runtime.block_on(support::fake());
    fake.seed("dev", "/", "outside", "untouched");
    let provider = runtime.block_on(async {
        let mut config = support::config(&fake);
        config.path = Some("/jail/cell".to_owned());
        support::open(config).await
    });
    proptest!(|(wanted in proptest::collection::vec(names(), 1..4))| {
        runtime.block_on(async {
            let mut held: BTreeMap<SecretName, String> = BTreeMap::new();
            for (number, name) in wanted.iter().enumerate() {
                let text = format!("value {number}");
                let value = SecretValue::from(text.as_str());
                match provider.put(name, &value, &PutOptions::default()).await {
                    Ok(_) => drop(held.insert(name.clone(), text)),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?} {error}");
                    }
                }
            }
            for (name, text) in &held {
                let before = fake.asked().len();
                let secret = provider.get(name, &GetOptions::default()).await.unwrap();
                assert_eq!(secret.value, text.as_str().into(), "{name:?}");
                let asked = &fake.asked()[before..];
                assert_eq!(asked.len(), 1 + usize::from(asked[0].path.contains("/auth/")));
                let read = asked.last().unwrap();
                let key = read.path.strip_prefix("/api/v4/secrets/").unwrap();
                assert!(!key.contains('/') && !key.is_empty(), "{key}");
                let folder = read.query.split('&').find_map(|pair| pair.strip_prefix("secretPath="));
                let folder = decoded(folder.unwrap());
                assert!(folder == "/jail/cell" || folder.starts_with("/jail/cell/"), "{folder}");
                if is_plain(name) {
                    let seen = format!("{folder}/{}", decoded(key));
                    assert_eq!(seen.strip_prefix("/jail/cell/"), Some(name.as_str()));
                }
            }
            let listed = provider.list(&ListOptions::default()).await.unwrap();
            let listed: Vec<_> = listed.items.into_iter().map(|item| item.name).collect();
            assert_eq!(listed, held.keys().cloned().collect::<Vec<_>>());
            for name in held.keys() {
                provider.delete(name, &DeleteOptions::default()).await.unwrap();
            }
        });
    });
    // Everything that was ever written lay in the folder.
    let folders = runtime.block_on(async {
        let target = format!(
            "api/v2/folders?projectId={}&environment=dev&path=/&recursive=true",
            fake.project_id()
        );
        support::administer(&fake, Method::GET, &target, Value::Null).await
    });
    for folder in folders["folders"].as_array().unwrap() {
        let path = folder["relativePath"].as_str().unwrap();
        assert!(
            path == "/jail" || path == "/jail/cell" || path.starts_with("/jail/cell/"),
            "{path}"
        );
    }
    let outside = runtime.block_on(async {
        let provider = support::open(support::config(&fake)).await;
        let listed = provider.list(&ListOptions::default()).await.unwrap();
        assert_eq!(listed.items.len(), 1);
        support::value(&provider, "outside").await
    });
    assert_eq!(outside, "untouched");
}
