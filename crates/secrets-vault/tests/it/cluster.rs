//! Three nodes with raft storage. A standby answers reads itself, and may lag behind a write that went through it.

use std::sync::Arc;

use polysecrets_vault::{Engine, VaultProvider};
use secrets_core::{ErrorKind, OpenContext, SecretProvider};
use secrets_provider::Transport;
use serde_json::json;

use crate::support::{Admin, get, name, names, open, put, text};

async fn through_a_standby(nodes: &[Admin]) -> (VaultProvider, String) {
    let mount = nodes[0].mount(2).await;
    let standby = &nodes[1];
    let provider = open(standby.root_config(&mount, Engine::KvV2)).await;
    // The mount reaches a standby a moment later.
    for _ in 0..200 {
        match get(&provider, "none").await.unwrap_err().kind() {
            ErrorKind::NotFound => return (provider, mount),
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    panic!("the mount does not reach the standby");
}

#[tokio::test]
async fn a_read_after_a_write_through_a_standby_is_never_old() {
    let nodes = Admin::cluster().await;
    let (provider, _) = through_a_standby(&nodes).await;
    let mut old = 0;
    for number in 0..1000 {
        let value = number.to_string();
        put(&provider, "counter", value.as_str()).await.unwrap();
        match get(&provider, "counter").await {
            Ok(secret) if secret.value.expose_str().unwrap() == value => {}
            _ => old += 1,
        }
    }
    assert_eq!(old, 0, "old reads of 1000");
}

#[tokio::test]
async fn every_operation_sees_the_writes_of_its_handle() {
    let nodes = Admin::cluster().await;
    let (provider, _) = through_a_standby(&nodes).await;
    for number in 0..20 {
        let secret = format!("s{number}");
        put(&provider, &secret, "one").await.unwrap();
        assert!(names(&provider, "", None).await.contains(&secret));
        provider
            .delete(&name(&secret), &Default::default())
            .await
            .unwrap();
        let gone = get(&provider, &secret).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Deleted);
        provider.restore(&name(&secret)).await.unwrap();
        assert_eq!(text(&provider, &secret).await, "one");
        put(&provider, &secret, "two").await.unwrap();
        provider
            .rollback(
                &name(&secret),
                &secrets_core::Version::new("1"),
                &Default::default(),
            )
            .await
            .unwrap();
        assert_eq!(text(&provider, &secret).await, "one");
    }
}

/// A login makes its token on the active node; the standby must not take it for an unknown one.
#[tokio::test]
async fn a_login_through_a_standby_is_known_at_once() {
    let nodes = Admin::cluster().await;
    let (root, mount) = through_a_standby(&nodes).await;
    put(&root, "db", "x").await.unwrap();
    let policy = nodes[0].policy_for(&mount).await;
    let role = json!({"token_policies": [policy], "token_ttl": "1h"});
    let approle = nodes[0].approle(role).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for _ in 0..50 {
        let mut config = nodes[1].config(&mount);
        config.engine = Engine::KvV2;
        config.approle = Some(approle.clone());
        let transport = Transport::default();
        let provider = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
            .await
            .unwrap();
        assert_eq!(text(&provider, "db").await, "x");
        assert_eq!(transport.requests_sent(), 2);
    }
}

#[tokio::test]
async fn processes_share_an_index_file() {
    let nodes = Admin::cluster().await;
    let (first, mount) = through_a_standby(&nodes).await;
    put(&first, "db", "0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = nodes[1].root_config(&mount, Engine::KvV2);
    config.index_file = Some(folder.path().join("index"));
    for number in 0..200 {
        let value = number.to_string();
        let writer = open(config.clone()).await;
        put(&writer, "db", value.as_str()).await.unwrap();
        let reader = open(config.clone()).await;
        assert_eq!(text(&reader, "db").await, value);
    }
    // Whoever writes at the same time keeps the later index.
    let config = Arc::new(config);
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                let writer = open((*config).clone()).await;
                put(&writer, &format!("w{number}"), "x").await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let reader = open((*config).clone()).await;
    for number in 0..8 {
        assert_eq!(text(&reader, &format!("w{number}")).await, "x");
    }
}
