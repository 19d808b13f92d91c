//! Every recorded answer becomes the error that a layer can act on.

use crate::support;
use std::path::Path;

use secrets_core::{
    DeleteOptions, Error, ErrorKind, GetItem, GetOptions, ListOptions, PutMode, PutOptions, Result,
    RollbackOptions, SecretProvider, SecretValue, Version, VersionsOptions,
};
use secrets_testkit::corpus::{Corpus, Recorded};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};

use crate::support::name;

const VERSION: &str = "11111111-1111-4111-8111-111111111111";

async fn provoke(recorded: &Recorded, server: &FaultServer) -> Result<(), Error> {
    let provider = support::open(support::fault(server)).await;
    let name = name("a");
    let value = SecretValue::from("hunter2");
    let get = async |version: Option<&str>| {
        let options = GetOptions::default().with_version(version.map(Version::new));
        provider.get(&name, &options).await.map(drop)
    };
    let put = async |mode: PutMode| {
        let options = PutOptions::default().with_mode(mode);
        provider.put(&name, &value, &options).await.map(drop)
    };
    match recorded.operation.as_str() {
        "get" => get(None).await,
        "get-version" => get(Some(VERSION)).await,
        "get-stage" => get(Some("NOPE")).await,
        "list" => provider.list(&ListOptions::default()).await.map(drop),
        "versions" => {
            let options = VersionsOptions::default();
            provider.versions(&name, &options).await.map(drop)
        }
        "put" => put(PutMode::Upsert).await,
        "put-create" => put(PutMode::Create).await,
        "delete" => provider.delete(&name, &DeleteOptions::default()).await,
        "rollback" => {
            // The description that goes before says which version is current.
            let stages = serde_json::json!({
                VERSION: ["AWSPREVIOUS"], "22222222-2222-4222-8222-222222222222": ["AWSCURRENT"],
            });
            let described = serde_json::json!({"Name": "a", "VersionIdsToStages": stages});
            let first = Fault::reply(Reply::json(&described));
            server.set_script(Script::sequence([first]).then(recorded.reply()));
            let (to, options) = (Version::new(VERSION), RollbackOptions::default());
            provider.rollback(&name, &to, &options).await.map(drop)
        }
        other => panic!("`{}` has the unknown operation {other}", recorded.name),
    }
}

#[tokio::test]
async fn recorded_answers_become_the_right_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/errors.json");
    let corpus = Corpus::load(path).unwrap();
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
            ErrorKind::InvalidValue,
            ErrorKind::InvalidConfig,
            ErrorKind::InvalidResponse,
            ErrorKind::Unsupported,
        ],
    );
    for recorded in corpus.entries() {
        let server = FaultServer::start(recorded.reply()).await.unwrap();
        let error = provoke(recorded, &server).await.unwrap_err();
        if let Err(mismatch) = recorded.check(&error) {
            panic!("{mismatch}");
        }
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("hunter2"), "`{}`: {shown}", recorded.name);
        assert!(
            error.hint().is_some()
                || error.is_retryable()
                || error.kind() == ErrorKind::AlreadyExists,
            "`{}` has no hint",
            recorded.name
        );
    }
}

/// A batch reports each secret as a single read would.
#[tokio::test]
async fn errors_of_single_items_are_those_of_single_reads() {
    for (code, message, kind) in [
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
            ErrorKind::NotFound,
        ),
        (
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            ErrorKind::Deleted,
        ),
        (
            "AccessDeniedException",
            "hunter2",
            ErrorKind::PermissionDenied,
        ),
        ("DecryptionFailure", "hunter2", ErrorKind::PermissionDenied),
        ("InternalServiceError", "hunter2", ErrorKind::Unavailable),
    ] {
        let answer = serde_json::json!({
            "SecretValues": [{"Name": "b", "ARN": "arn:b", "SecretString": "2", "VersionId": VERSION}],
            "Errors": [{"SecretId": "a", "ErrorCode": code, "Message": message}],
        });
        let server = FaultServer::start(Reply::json(&answer)).await.unwrap();
        let provider = support::open(support::fault(&server)).await;
        let items = ["a", "b"].map(|text| GetItem::new(name(text), GetOptions::default()));
        let answers = provider.get_many(&items).await;
        let error = answers[0].as_ref().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.name(), Some(&name("a")));
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(
            answers[1].as_ref().unwrap().value.expose_str().unwrap(),
            "2"
        );
        assert_eq!(server.request_count(), 1);
    }
}
