//! Every recorded answer becomes the error that a layer can act on.

use std::path::Path;

use secrets_core::{
    Error, ErrorKind, GetOptions, ListOptions, PutOptions, SecretProvider, SecretValue, Version,
};
use secrets_testkit::corpus::{Corpus, Recorded};
use secrets_testkit::fault::{FaultServer, Reply, Script};

use crate::support::{Scripted, name};

/// Makes the call that the answer is for; everything else on the way to it succeeds.
async fn provoke(recorded: &Recorded, server: &FaultServer) -> Result<(), Error> {
    let scripted = Scripted::before(server).await;
    let provider = match recorded.operation.as_str() {
        "login" => scripted.by_client_secret().await,
        "login-workload" => scripted.by_workload_identity().await,
        "identity" => scripted.by_app_service(&server.url()).await,
        _ => scripted.logged_in().await,
    };
    let a = name("a");
    let value = SecretValue::from("hunter2");
    match recorded.operation.as_str() {
        "get" | "login" | "login-workload" | "identity" => {
            provider.get(&a, &GetOptions::default()).await.map(drop)
        }
        "get-version" => {
            let version = Version::new("0123456789abcdef0123456789abcdef");
            let options = GetOptions::default().with_version(version);
            provider.get(&a, &options).await.map(drop)
        }
        "list" => provider.list(&ListOptions::default()).await.map(drop),
        "restore" => provider.restore(&a).await,
        "put" => {
            // The read before the write finds nothing, so that it is the write that meets the answer.
            let nothing = r#"{"error":{"code":"SecretNotFound","message":"not there"}}"#;
            server.set_script(
                Script::default()
                    .route("GET", "/secrets/a/", Reply::new(404).body(nothing))
                    .then(recorded.reply()),
            );
            let options = PutOptions::default();
            provider.put(&a, &value, &options).await.map(drop)
        }
        other => panic!("`{}` has the unknown operation {other}", recorded.name),
    }
}

#[tokio::test]
async fn recorded_answers_become_the_right_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/errors.json");
    let corpus = Corpus::load(path).unwrap();
    corpus.assert_covers(
        35,
        &[
            ErrorKind::NotFound,
            ErrorKind::Deleted,
            ErrorKind::Disabled,
            ErrorKind::Unauthenticated,
            ErrorKind::PermissionDenied,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::InvalidValue,
            ErrorKind::InvalidConfig,
            ErrorKind::InvalidResponse,
        ],
    );
    corpus.replay(provoke).await;
}
