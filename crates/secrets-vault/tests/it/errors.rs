//! Every recorded answer becomes the error that a layer can act on.

use std::path::Path;

use polysecrets_vault::{AppRoleConfig, Engine, UserpassConfig, VaultConfig};
use secrets_core::{
    Error, ErrorKind, GetOptions, ListOptions, PutMode, PutOptions, Result, SecretName,
    SecretProvider, SecretValue, Version,
};
use secrets_testkit::corpus::{Corpus, Recorded};
use secrets_testkit::fault::{FaultServer, Reply, Script};

use crate::support;

fn config(recorded: &Recorded, server: &FaultServer) -> VaultConfig {
    let mut config = VaultConfig::default();
    config.address = Some(server.url());
    config.engine = Engine::KvV2;
    match recorded.operation.as_str() {
        "login" => {
            let mut approle = AppRoleConfig::default();
            approle.role_id = Some("role".into());
            approle.secret_id = Some("secret".into());
            config.approle = Some(approle);
        }
        "login-userpass" => {
            let mut userpass = UserpassConfig::default();
            userpass.username = Some("app".to_owned());
            userpass.password = Some("password".into());
            config.userpass = Some(userpass);
        }
        "unwrap" => config.wrapped_token = Some("s.wrapping".into()),
        "get-v1" => {
            config.engine = Engine::KvV1;
            config.token = Some("s.token".into());
        }
        _ => config.token = Some("s.token".into()),
    }
    config
}

async fn provoke(recorded: &Recorded, server: &FaultServer) -> Result<(), Error> {
    let provider = support::open(config(recorded, server)).await;
    let name = SecretName::new("a")?;
    let value = SecretValue::from("hunter2");
    let put = async |mode: PutMode| {
        let options = PutOptions::default().with_mode(mode);
        provider.put(&name, &value, &options).await.map(drop)
    };
    let mut operation = recorded.operation.as_str();
    if let Some(plain) = operation.strip_suffix("-known-token") {
        // A policy's refusal and a bad token's differ in what the server says about the token itself.
        let token = Reply::json(&serde_json::json!({"data": {"ttl": 3600, "renewable": false}}));
        server.set_script(Script::always(recorded.reply()).route(
            "GET",
            "/v1/auth/token/lookup-self",
            token,
        ));
        operation = plain;
    }
    if let Some(plain) = operation.strip_suffix("-to-standby") {
        let health = serde_json::json!({"initialized": true, "sealed": false, "standby": true});
        server.set_script(Script::always(recorded.reply()).route(
            "GET",
            "/v1/sys/health",
            Reply::json(&health).status(429),
        ));
        operation = plain;
    }
    match operation {
        "get" | "get-v1" | "login" | "login-userpass" | "unwrap" => {
            provider.get(&name, &GetOptions::default()).await.map(drop)
        }
        "get-version" => {
            let options = GetOptions::default().with_version(Version::new("99"));
            provider.get(&name, &options).await.map(drop)
        }
        "list" => provider.list(&ListOptions::default()).await.map(drop),
        "put" => put(PutMode::Upsert).await,
        "put-create" => put(PutMode::Create).await,
        "put-if-version" => put(PutMode::IfVersion(Version::new("1"))).await,
        other => panic!("`{}` has the unknown operation {other}", recorded.name),
    }
}

#[tokio::test]
async fn recorded_answers_become_the_right_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/errors.json");
    let corpus = Corpus::load(path).unwrap_or_else(|error| panic!("{error}"));
    corpus.assert_covers(
        15,
        &[
            ErrorKind::NotFound,
            ErrorKind::Deleted,
            ErrorKind::AlreadyExists,
            ErrorKind::Conflict,
            ErrorKind::Unauthenticated,
            ErrorKind::PermissionDenied,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::InvalidConfig,
            ErrorKind::InvalidValue,
            ErrorKind::InvalidResponse,
        ],
    );
    corpus.replay(provoke).await;
}
