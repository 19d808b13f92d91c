//! Which settings and files are taken, and what is said of those that are not.

use polysecrets_gcp::GcpConfig;
use secrets_core::{
    AmbientCredentials, Environment, Error, ErrorKind, GetOptions, OpenContext, SecretProvider,
};
use secrets_provider::Transport;
use secrets_testkit::fakes::gcp::{GcpFake, GcpOptions};
use secrets_testkit::fault::{Fault, FaultServer, Reply};
use serde_json::json;

use crate::support::{self, name};

fn config() -> GcpConfig {
    let mut config = GcpConfig::default();
    config.project_id = Some("p".to_owned());
    config
}

async fn refused(config: GcpConfig, context: OpenContext) -> Error {
    let error = polysecrets_gcp::open(config, context, Transport::default())
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert!(error.hint().is_some(), "{error:?}");
    error
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused_by_name() {
    type Change = fn(&mut GcpConfig);
    let cases: [(Change, &str); 17] = [
        (
            |c| c.project_id = Some("My Project".to_owned()),
            "something that is not its id",
        ),
        (
            |c| c.project_id = Some("../p".to_owned()),
            "something that is not its id",
        ),
        (|c| c.project_id = None, "the project is missing"),
        (
            |c| c.region = Some("europe/west3".to_owned()),
            "`region` is not the name of a region",
        ),
        (
            |c| c.region = Some("x.evil.example/".to_owned()),
            "`region` is not the name of a region",
        ),
        (
            |c| {
                c.region = Some("europe-west3".to_owned());
                c.replicas = vec![polysecrets_gcp::ReplicaConfig::new("us-east1")];
            },
            "exclude each other",
        ),
        (
            |c| c.kms_key = Some("my-key".to_owned()),
            "`kms_key` is not the name of a key",
        ),
        (
            |c| {
                c.kms_key = Some("projects/p/locations/l/keyRings/r/cryptoKeys/k".to_owned());
                c.replicas = vec![polysecrets_gcp::ReplicaConfig::new("us-east1")];
            },
            "fits no replica",
        ),
        (
            |c| c.secret_prefix = Some("app/".to_owned()),
            "`secret_prefix` holds a character",
        ),
        (
            |c| c.endpoint = Some("http://10.0.0.1:80".to_owned()),
            "would go there in clear",
        ),
        (
            |c| c.endpoint = Some("https://u:hunter2@host".to_owned()),
            "user information",
        ),
        (
            |c| c.credentials = Some("{}".into()),
            "more than one credential: credentials, token",
        ),
        (
            |c| c.anonymous = true,
            "more than one credential: token, anonymous",
        ),
        (
            |c| c.token = Some("hun\nter2".into()),
            "the token of `token` holds a control character",
        ),
        (
            |c| c.token = Some(" ".into()),
            "the token of `token` is empty",
        ),
        (
            |c| c.quota_project = Some("A B".to_owned()),
            "something that is not its id",
        ),
        (
            |c| c.ca_cert = Some("/nowhere/ca.pem".into()),
            "`ca_cert`: there is no file",
        ),
    ];
    for (change, says) in cases {
        let mut config = config();
        config.token = Some("hunter2".into());
        change(&mut config);
        let error = refused(config, OpenContext::new("main")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(says), "{error} / {says}");
    }
}

#[tokio::test]
async fn credentials_that_are_none_are_told_by_what_is_wrong() {
    let mut broken_key = support::service_account("https://127.0.0.1");
    broken_key["private_key"] =
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n".into();
    let mut elliptic = support::service_account("https://127.0.0.1");
    elliptic["private_key"] = rcgen::KeyPair::generate().unwrap().serialize_pem().into();
    let external = |source: serde_json::Value| {
        json!({
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": "https://sts.googleapis.com/v1/token", "credential_source": source,
        })
    };
    for (json, says) in [
        ("hunter2".to_owned(), "`credentials` is not JSON, at line 1"),
        (
            "{\"type\":\"hunter2\"}".to_owned(),
            "has a `type` that is not supported",
        ),
        (
            external(json!({"environment_id": "aws1", "url": "http://169.254.169.254/role", "regional_cred_verification_url": "hunter2"})).to_string(),
            "`credential_source` in the credential is of AWS's type, which is not supported",
        ),
        (
            {
                let mut elsewhere = support::service_account("https://127.0.0.1");
                elsewhere["universe_domain"] = "hunter2.example".into();
                elsewhere.to_string()
            },
            "is of another universe than googleapis.com",
        ),
        ("{\"client_email\":\"hunter2\"}".to_owned(), "lacks a field"),
        ("{\"type\":\"service_account\"}".to_owned(), "lacks a field"),
        (
            broken_key.to_string(),
            "`private_key` in the credential is not an RSA key",
        ),
        (
            elliptic.to_string(),
            "`private_key` in the credential is not an RSA key",
        ),
        (
            support::user("http://10.0.0.1").to_string(),
            "`token_uri` in the credential is another machine",
        ),
        (
            support::user("https://u:hunter2@host").to_string(),
            "`token_uri` in the credential: the address holds user information",
        ),
        (
            external(json!({"environment_id": "aws1", "url": null})).to_string(),
            "`credential_source` in the credential is of AWS's type, which is not supported",
        ),
        (
            external(json!({"url": null})).to_string(),
            "has neither `file` nor `url`",
        ),
        (
            external(json!({"executable": {"command": "x"}})).to_string(),
            "has neither `file` nor `url`",
        ),
    ] {
        let mut config = config();
        config.credentials = Some(json.into());
        let error = refused(config, OpenContext::new("main")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(says), "{error} / {says}");
    }
}

#[tokio::test]
async fn no_credential_of_the_user_goes_to_a_place_of_somebody_else() {
    let server = FaultServer::start(Fault::reply(Reply::new(500)))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    std::fs::write(&file, support::service_account(&server.url()).to_string()).unwrap();
    let variables = [
        ("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string()),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "hunter2".to_owned()),
        ("GCE_METADATA_HOST", server.address().to_string()),
        ("HOME", folder.path().display().to_string()),
    ];
    let context = || {
        let environment: Environment = variables.iter().cloned().collect();
        OpenContext::new("main")
            .with_environment(environment)
            .with_ambient(AmbientCredentials::Refused {
                config: "/repo/secrets.toml".into(),
            })
    };
    let base = || {
        let mut config = config();
        config.endpoint = Some(server.url());
        config
    };
    let mut by_file = base();
    by_file.credentials_file = Some(file.clone());
    let mut by_token_file = base();
    by_token_file.token_file = Some(file.clone());
    // It would send any file of the user's to any address.
    let mut external = base();
    let thief = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": format!("{}/take", server.url()),
        "credential_source": {"file": file},
    });
    external.credentials = Some(thief.to_string().into());
    let mut behind = base();
    let url = format!("{}/x", server.url());
    let wrapped = json!({
        "type": "impersonated_service_account", "service_account_impersonation_url": url,
        "source_credentials": thief,
    });
    behind.credentials = Some(wrapped.to_string().into());
    for config in [base(), by_file, by_token_file, external, behind] {
        let error = refused(config, context()).await;
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.message().contains("is not trusted"), "{error}");
    }
    // Its own credential it may use.
    let mut own = base();
    own.token = Some("ya29.own".into());
    let provider = polysecrets_gcp::open(own, context(), Transport::default())
        .await
        .unwrap();
    assert!(
        provider
            .get(&name("a"), &GetOptions::default())
            .await
            .is_err()
    );
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn the_variables_of_the_fake_are_enough() {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    fake.seed("a", b"v");
    let environment: Environment = fake.environment().into_iter().collect();
    let context = OpenContext::new("main").with_environment(environment);
    let provider = polysecrets_gcp::open(GcpConfig::default(), context, Transport::default())
        .await
        .unwrap();
    let secret = provider.get(&name("a"), &GetOptions::default()).await;
    assert_eq!(secret.unwrap().value, "v".into());
}

#[tokio::test]
async fn calls_are_counted_for_the_project_of_the_credential() {
    let token = Reply::json(&json!({"access_token": "ya29.x", "expires_in": 3599}));
    let server = FaultServer::start(Fault::reply(token)).await.unwrap();
    let mut config = config();
    config.endpoint = Some(server.url());
    config.credentials = Some(support::user(&server.url()).to_string().into());
    let provider = support::open(config).await;
    // The answer is none of Secret Manager's; what was sent counts.
    assert!(
        provider
            .get(&name("a"), &GetOptions::default())
            .await
            .is_err()
    );
    let requests = server.requests();
    assert_eq!(
        requests[0].body,
        b"grant_type=refresh_token&client_id=client&client_secret=client-secret&refresh_token=1%2F%2Frefresh"
    );
    assert_eq!(requests[0].header("x-goog-user-project"), None);
    assert_eq!(
        requests[1].header("x-goog-user-project"),
        Some("quota-project")
    );
}
