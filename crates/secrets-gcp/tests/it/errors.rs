//! Every recorded answer becomes the error that a layer can act on.

use std::path::Path;

use polysecrets_gcp::GcpConfig;
use secrets_core::{
    Environment, Error, ErrorKind, GetOptions, ListOptions, OpenContext, PutMode, PutOptions,
    Result, SecretProvider, SecretValue, Version,
};
use secrets_provider::Transport;
use secrets_testkit::corpus::{Corpus, Recorded};
use secrets_testkit::fault::{FaultServer, Reply, Script};
use serde_json::json;

use crate::support::{name, service_account, user};

fn config(recorded: &Recorded, server: &FaultServer) -> GcpConfig {
    let mut config = GcpConfig::default();
    config.endpoint = Some(server.url());
    config.project_id = Some("p".to_owned());
    match recorded.operation.as_str() {
        "login" => config.credentials = Some(service_account(&server.url()).to_string().into()),
        "login-user" => config.credentials = Some(user(&server.url()).to_string().into()),
        "impersonate" => {
            let url = format!(
                "{}/v1/projects/-/serviceAccounts/app@p.iam.gserviceaccount.com:generateAccessToken",
                server.url()
            );
            let credentials = json!({
                "type": "impersonated_service_account",
                "service_account_impersonation_url": url,
                "source_credentials": user(&server.url()),
            });
            config.credentials = Some(credentials.to_string().into());
        }
        "get-anonymous" => config.anonymous = true,
        "metadata" => {}
        _ => config.token = Some("ya29.token".into()),
    }
    config
}

async fn provoke(recorded: &Recorded, server: &FaultServer) -> Result<(), Error> {
    if recorded.operation == "impersonate" {
        let token = Reply::json(&json!({"access_token": "ya29.source", "expires_in": 3599}));
        server.set_script(Script::always(recorded.reply()).route("POST", "/token", token));
    }
    let environment: Environment = [("GCE_METADATA_HOST", server.address().to_string())]
        .into_iter()
        .collect();
    let context = OpenContext::new("main").with_environment(environment);
    let provider =
        polysecrets_gcp::open(config(recorded, server), context, Transport::default()).await?;
    let name = name("a");
    let value = SecretValue::from("hunter2");
    let get = async |options: GetOptions| provider.get(&name, &options).await.map(drop);
    let put = async |mode: PutMode| {
        let options = PutOptions::default().with_mode(mode);
        provider.put(&name, &value, &options).await.map(drop)
    };
    match recorded.operation.as_str() {
        "get-version" => get(GetOptions::default().with_version(Version::new("7"))).await,
        "put" => put(PutMode::Upsert).await,
        "create" => put(PutMode::Create).await,
        "list" => provider.list(&ListOptions::default()).await.map(drop),
        "get" | "get-anonymous" | "login" | "login-user" | "impersonate" | "metadata" => {
            get(GetOptions::default()).await
        }
        other => panic!("{}: the test knows no operation {other}", recorded.name),
    }
}

#[tokio::test]
async fn every_recorded_answer_is_told_rightly() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/errors.json");
    let corpus = Corpus::load(path).unwrap();
    corpus.assert_covers(
        15,
        &[
            ErrorKind::NotFound,
            ErrorKind::Deleted,
            ErrorKind::Disabled,
            ErrorKind::AlreadyExists,
            ErrorKind::Conflict,
            ErrorKind::Unauthenticated,
            ErrorKind::PermissionDenied,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::InvalidValue,
            ErrorKind::InvalidConfig,
            ErrorKind::InvalidResponse,
            ErrorKind::IntegrityFailure,
        ],
    );
    corpus.replay(provoke).await;
}
