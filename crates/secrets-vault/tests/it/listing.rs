//! Listings of a real server: filtered, limited, with odd names, with much metadata.

use polysecrets_vault::{Engine, VaultProvider};
use secrets_core::{ListOptions, SecretProvider};
use secrets_provider::Method;
use serde_json::json;

use crate::support::{Admin, get, names, open, put, text};

async fn write_all(provider: &VaultProvider, names: impl IntoIterator<Item = String>) {
    for name in names {
        put(provider, &name, "x").await.unwrap();
    }
}

/// The server cuts a page first and filters it afterwards, so a short or empty page is not the last one.
#[tokio::test]
async fn a_filtered_page_is_not_the_last() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let root = open(admin.root_config(&mount, Engine::KvV2)).await;
    write_all(&root, (0..30).map(|number| format!("s{number:02}"))).await;
    write_all(&root, (0..30).map(|number| format!("folder/s{number:02}"))).await;
    for kind in ["metadata", "detailed-metadata"] {
        let provider = admin
            .restricted(
                &mount,
                Engine::KvV2,
                &format!(
                    r#"path "{mount}/{kind}/*" {{ capabilities = ["list"] list_scan_response_keys_filter_path = "{mount}/data/{{{{.key}}}}" }}
                       path "{mount}/metadata/s03" {{ capabilities = ["read"] }}
                       path "{mount}/metadata/s27" {{ capabilities = ["read"] }}
                       path "{mount}/metadata/folder/s03" {{ capabilities = ["read"] }}
                       path "{mount}/metadata/folder/s27" {{ capabilities = ["read"] }}
                       path "{mount}/data/s03" {{ capabilities = ["read"] }}
                       path "{mount}/data/s27" {{ capabilities = ["read"] }}"#
                ),
            )
            .await;
        for size in [None, Some(1), Some(2), Some(7), Some(100)] {
            let all = ["s03", "s27"];
            assert_eq!(names(&provider, "", size).await, all, "{kind}, {size:?}");
            let below = ["folder/s03", "folder/s27"];
            let found = names(&provider, "folder/", size).await;
            assert_eq!(found, below, "{kind}, {size:?}");
        }
    }
}

/// A policy can limit the page size: a larger limit is refused, and a request without one is cut in silence.
#[tokio::test]
async fn a_limited_page_size_lists_all() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1)] {
        let mount = admin.mount(version).await;
        let root = open(admin.root_config(&mount, engine)).await;
        let all: Vec<String> = (0..8)
            .map(|number| format!("a/s{number}"))
            .chain((0..8).map(|number| format!("s{number}")))
            .collect();
        write_all(&root, all.clone()).await;
        for kind in ["*", "metadata/*"] {
            let rules = format!(
                r#"path "{mount}/{kind}" {{ capabilities = ["list", "read"] pagination_limit = 3 }}
                   path "{mount}/" {{ capabilities = ["list"] pagination_limit = 3 }}
                   path "{mount}/a/" {{ capabilities = ["list"] pagination_limit = 3 }}"#
            );
            let provider = admin.restricted(&mount, engine, &rules).await;
            for size in [None, Some(1), Some(2), Some(5), Some(100)] {
                let found = names(&provider, "", size).await;
                assert_eq!(found, all, "{engine:?}, {kind}, {size:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_name_with_two_dots_is_a_name() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1)] {
        let mount = admin.mount(version).await;
        let provider = open(admin.root_config(&mount, engine)).await;
        let all = ["...", "..b/c", "a..", "x..y"];
        for name in all {
            put(&provider, name, name).await.unwrap();
            assert_eq!(text(&provider, name).await, name);
        }
        assert_eq!(names(&provider, "", None).await, all);
        let page = provider.list(&ListOptions::default()).await.unwrap();
        assert_eq!(page.items.len(), all.len());
    }
    let mount = format!("{}..b", crate::support::unique("a"));
    let kind = json!({"type": "kv", "options": {"version": "1"}});
    admin.post(&format!("sys/mounts/{mount}"), kind).await;
    let provider = open(admin.root_config(&mount, Engine::KvV1)).await;
    put(&provider, "a", "x").await.unwrap();
    assert_eq!(text(&provider, "a").await, "x");
}

/// Whoever may list but not describe gets the names.
#[tokio::test]
async fn a_secret_that_may_not_be_described_is_listed() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let root = open(admin.root_config(&mount, Engine::KvV2)).await;
    write_all(&root, ["a", "b", "c..d"].map(str::to_owned)).await;
    let rules = format!(
        r#"path "{mount}/metadata/*" {{ capabilities = ["list"] }}
           path "{mount}/metadata/a" {{ capabilities = ["read"] }}"#
    );
    let provider = admin.restricted(&mount, Engine::KvV2, &rules).await;
    assert_eq!(names(&provider, "", None).await, ["a", "b", "c..d"]);
}

/// 900 secrets with full custom metadata exceed what one answer may have.
#[tokio::test]
async fn a_listing_with_much_metadata_asks_for_less() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let tags: serde_json::Map<String, serde_json::Value> = (0..64)
        .map(|number| (format!("{number:0>128}"), json!("<".repeat(512))))
        .collect();
    let body = json!({"custom_metadata": tags});
    let root = open(admin.root_config(&mount, Engine::KvV2)).await;
    // `<` takes six bytes in an answer, so 220 secrets are enough.
    let all: Vec<String> = (0..220).map(|number| format!("s{number:03}")).collect();
    for name in &all {
        let path = format!("{mount}/metadata/{name}");
        admin.send(Method::POST, &path, body.clone()).await;
        put(&root, name, "x").await.unwrap();
    }
    assert_eq!(names(&root, "", None).await, all);
    assert!(get(&root, "s000").await.is_ok());
}
