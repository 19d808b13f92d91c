//! Every recorded answer becomes the error that a layer can act on.

use crate::support;
use std::path::Path;

use polysecrets_infisical::{Api, InfisicalConfig, UniversalAuthConfig};
use secrets_core::{
    DeleteOptions, Error, ErrorKind, GetOptions, ListOptions, PutMode, PutOptions, Result,
    RollbackOptions, SecretProvider, SecretValue, Version,
};
use secrets_testkit::corpus::{Corpus, Recorded};
use secrets_testkit::fault::FaultServer;

use crate::support::name;

fn config(recorded: &Recorded, server: &FaultServer) -> InfisicalConfig {
    let mut config = support::scripted(server);
    match recorded.operation.as_str() {
        "login" => {
            let mut universal = UniversalAuthConfig::default();
            universal.client_id = Some("id".to_owned());
            universal.client_secret = Some("secret".into());
            config.token = None;
            config.universal_auth = Some(universal);
        }
        "get-v3" => config.api = Api::V3,
        "get-by-service-token" => config.token = Some("st.id.secret".into()),
        _ => {}
    }
    config
}

async fn provoke(recorded: &Recorded, server: &FaultServer) -> Result<(), Error> {
    let provider = support::open(config(recorded, server)).await;
    let a = name("a");
    let value = SecretValue::from("hunter2");
    let put = async |mode: PutMode| {
        let options = PutOptions::default().with_mode(mode);
        provider.put(&a, &value, &options).await.map(drop)
    };
    let old = Version::new("1");
    match recorded.operation.as_str() {
        "get" | "get-v3" | "get-by-service-token" | "login" => {
            provider.get(&a, &GetOptions::default()).await.map(drop)
        }
        "get-version" => {
            let options = GetOptions::default().with_version(old);
            provider.get(&a, &options).await.map(drop)
        }
        "list" => provider.list(&ListOptions::default()).await.map(drop),
        "put" => put(PutMode::Upsert).await,
        "put-create" => put(PutMode::Create).await,
        "delete" => provider.delete(&a, &DeleteOptions::default()).await,
        "rollback" => {
            let options = RollbackOptions::default();
            provider.rollback(&a, &old, &options).await.map(drop)
        }
        other => panic!("`{}` has the unknown operation {other}", recorded.name),
    }
}

#[tokio::test]
async fn recorded_answers_become_the_right_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/errors.json");
    let corpus = Corpus::load(path).unwrap();
    corpus.assert_covers(
        25,
        &[
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
            ErrorKind::Unauthenticated,
            ErrorKind::PermissionDenied,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::InvalidName,
            ErrorKind::InvalidValue,
            ErrorKind::InvalidConfig,
            ErrorKind::InvalidResponse,
            ErrorKind::Conflict,
        ],
    );
    corpus.replay(provoke).await;
}
