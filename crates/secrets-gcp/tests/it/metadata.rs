//! The metadata server: asked only where there is no other credential, and never for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polysecrets_gcp::{AccessToken, GcpConfig, GcpProvider, TokenSource};
use secrets_core::{
    Environment, ErrorKind, GetOptions, OpenContext, Result, Secret, SecretProvider,
};
use secrets_provider::Transport;
use secrets_testkit::fakes::gcp::{Access, Credential, GcpFake, GcpOptions};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};

use crate::support::name;

async fn read(provider: &GcpProvider) -> Result<Secret> {
    provider.get(&name("a"), &GetOptions::default()).await
}

async fn fake() -> GcpFake {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    fake.seed("a", b"v");
    fake
}

async fn open(config: GcpConfig, variables: &[(&str, String)]) -> Result<GcpProvider> {
    let environment: Environment = variables.iter().cloned().collect();
    let transport = Transport::new(environment.clone());
    let context = OpenContext::new("main").with_environment(environment);
    polysecrets_gcp::open(config, context, transport).await
}

#[tokio::test]
async fn it_gives_the_token_and_the_project_where_nothing_else_does() {
    let fake = fake().await;
    let mut config = GcpConfig::default();
    config.endpoint = Some(fake.url());
    let proxy = FaultServer::start(Fault::reply(Reply::new(502)))
        .await
        .unwrap();
    // What is asked of one's own machine does not go through a proxy.
    let variables = [
        ("GCE_METADATA_HOST", fake.metadata_host()),
        ("HTTP_PROXY", proxy.url()),
    ];
    let provider = open(config, &variables).await.unwrap();
    assert!(fake.asked().is_empty());
    assert_eq!(provider.info().location.path(), "");
    for _ in 0..3 {
        assert_eq!(read(&provider).await.unwrap().value, "v".into());
    }
    let paths: Vec<_> = fake.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(
        paths[..2],
        [
            "/computeMetadata/v1/project/project-id",
            "/computeMetadata/v1/instance/service-accounts/default/token",
        ]
    );
    assert_eq!(paths.len(), 5);
    assert_eq!(proxy.connection_count(), 0);
}

#[derive(Debug)]
struct Own(String);

#[async_trait::async_trait]
impl TokenSource for Own {
    async fn token(&self) -> Result<AccessToken> {
        Ok(AccessToken::new(self.0.as_str()))
    }
}

#[tokio::test]
async fn it_is_not_asked_when_there_is_another_credential() {
    let fake = fake().await;
    let open_fake = GcpFake::start(GcpOptions::default().with_access(Access::Anonymous))
        .await
        .unwrap();
    open_fake.seed("a", b"v");
    let metadata = FaultServer::start(Fault::reply(Reply::new(500)))
        .await
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let file = |kind| fake.credential_file(kind).display().to_string();
    std::fs::copy(
        fake.credential_file(Credential::AuthorizedUser),
        gcloud.join("application_default_credentials.json"),
    )
    .unwrap();
    let token_file = home.path().join("token");
    std::fs::write(&token_file, fake.token()).unwrap();

    type Change<'a> = Box<dyn Fn(&mut GcpConfig) + 'a>;
    type Variables = Vec<(&'static str, String)>;
    let nothing = || -> Change<'_> { Box::new(|_| {}) };
    let cases: Vec<(&str, Change<'_>, Variables)> = vec![
        (
            "token",
            Box::new(|config| config.token = Some(fake.token().into())),
            vec![],
        ),
        (
            "token_file",
            Box::new(|config| config.token_file = Some(token_file.clone())),
            vec![],
        ),
        (
            "credentials",
            Box::new(|config| {
                let json = std::fs::read(fake.credential_file(Credential::ServiceAccount));
                config.credentials = Some(json.unwrap().into());
            }),
            vec![],
        ),
        (
            "credentials_file",
            Box::new(|config| {
                config.credentials_file = Some(fake.credential_file(Credential::Impersonated));
            }),
            vec![],
        ),
        (
            "token_source",
            Box::new(|config| config.token_source = Some(Arc::new(Own(fake.token())))),
            vec![],
        ),
        (
            "anonymous",
            Box::new(|config| {
                config.anonymous = true;
                config.endpoint = Some(open_fake.url());
            }),
            vec![],
        ),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            nothing(),
            vec![(
                "GOOGLE_APPLICATION_CREDENTIALS",
                file(Credential::ExternalAccount),
            )],
        ),
        (
            "CLOUDSDK_AUTH_ACCESS_TOKEN",
            nothing(),
            vec![("CLOUDSDK_AUTH_ACCESS_TOKEN", fake.token())],
        ),
        (
            "GOOGLE_OAUTH_ACCESS_TOKEN",
            nothing(),
            vec![("GOOGLE_OAUTH_ACCESS_TOKEN", fake.token())],
        ),
        (
            "the file of gcloud",
            nothing(),
            vec![("HOME", home.path().display().to_string())],
        ),
        (
            "the folder of gcloud",
            nothing(),
            vec![("CLOUDSDK_CONFIG", gcloud.display().to_string())],
        ),
    ];
    for (what, change, mut variables) in cases {
        let mut config = GcpConfig::default();
        config.endpoint = Some(fake.url());
        change(&mut config);
        variables.push(("GCE_METADATA_HOST", metadata.address().to_string()));
        variables.push(("GCP_PROJECT_ID", fake.project_id().to_owned()));
        let provider = open(config, &variables).await.unwrap();
        assert_eq!(read(&provider).await.unwrap().value, "v".into(), "{what}");
        provider.health().await.unwrap();
        let secret: Vec<_> = variables
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.ends_with("ACCESS_TOKEN"))
            .collect();
        assert_eq!(provider.info().credential_variables, secret, "{what}");
    }
    assert_eq!(metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_file_that_is_named_and_missing_does_not_lead_to_it() {
    let metadata = FaultServer::start(Fault::reply(Reply::new(500)))
        .await
        .unwrap();
    let error = open(
        GcpConfig::default(),
        &[
            (
                "GOOGLE_APPLICATION_CREDENTIALS",
                "/nowhere/key.json".to_owned(),
            ),
            ("GOOGLE_CLOUD_PROJECT", "p".to_owned()),
            ("GCE_METADATA_HOST", metadata.address().to_string()),
        ],
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error
            .message()
            .starts_with("GOOGLE_APPLICATION_CREDENTIALS: there is no file"),
        "{error}"
    );
    assert_eq!(metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_server_that_is_silent_costs_a_second() {
    let metadata = FaultServer::start(Fault::silence()).await.unwrap();
    let mut config = GcpConfig::default();
    config.endpoint = Some("http://127.0.0.1:9".to_owned());
    config.project_id = Some("p".to_owned());
    let variables = [("GCE_METADATA_HOST", metadata.address().to_string())];
    let provider = open(config, &variables).await.unwrap();
    let start = Instant::now();
    let error = read(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error
            .message()
            .starts_with("the metadata server does not answer")
    );
    assert!(
        start.elapsed() < Duration::from_millis(1800),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn another_server_at_its_place_is_no_credential() {
    let other = FaultServer::start(Fault::reply(
        Reply::new(200).body(r#"{"access_token":"hunter2","expires_in":3600}"#),
    ))
    .await
    .unwrap();
    let service = FaultServer::start(Fault::reply(Reply::new(200)))
        .await
        .unwrap();
    let mut config = GcpConfig::default();
    config.endpoint = Some(service.url());
    config.project_id = Some("p".to_owned());
    let variables = [("GCE_METADATA_HOST", other.address().to_string())];
    let error = read(&open(config, &variables).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(
        error
            .hint()
            .unwrap()
            .contains("GOOGLE_APPLICATION_CREDENTIALS")
    );
    assert_eq!(
        other.requests()[0].header("metadata-flavor"),
        Some("Google")
    );
    assert_eq!(service.request_count(), 0);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_for_the_project() {
    let service = FaultServer::start(Fault::reply(Reply::new(200)))
        .await
        .unwrap();
    for (status, kind) in [
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ] {
        let google = |reply: Reply| Fault::reply(reply.header("Metadata-Flavor", "Google"));
        let metadata = FaultServer::start(Script::sequence([
            google(Reply::new(status)),
            google(Reply::new(200).body("my-project")),
            google(Reply::new(200).body(r#"{"access_token":"t0ken","expires_in":3600}"#)),
        ]))
        .await
        .unwrap();
        let mut config = GcpConfig::default();
        config.endpoint = Some(service.url());
        let variables = [("GCE_METADATA_HOST", metadata.address().to_string())];
        let provider = open(config, &variables).await.unwrap();
        service.clear();
        let error = read(&provider).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(service.request_count(), 0);
        // The answer is not the service's; that it is asked shows that the project is known.
        read(&provider).await.unwrap_err();
        assert!(
            service.requests()[0]
                .path()
                .contains("/projects/my-project/")
        );
    }
}

#[tokio::test]
async fn the_project_of_gcloud_goes_with_its_login() {
    let fake = fake().await;
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(gcloud.join("configurations")).unwrap();
    std::fs::copy(
        fake.credential_file(Credential::AuthorizedUser),
        gcloud.join("application_default_credentials.json"),
    )
    .unwrap();
    let write = |file: &str, text: &str| std::fs::write(gcloud.join(file), text).unwrap();
    write(
        "configurations/config_default",
        "[core]\naccount = me@example.com\nproject = from-default\n",
    );
    write(
        "configurations/config_work",
        "[compute]\nproject = wrong\n[core]\nproject=from-work\n",
    );
    let project = async |more: &[(&'static str, String)]| {
        let mut config = GcpConfig::default();
        config.endpoint = Some(fake.url());
        let mut variables = vec![("HOME", home.path().display().to_string())];
        variables.extend(more.iter().cloned());
        let provider = open(config, &variables).await.unwrap();
        provider.info().location.path().to_owned()
    };
    assert_eq!(project(&[]).await, "/from-default");
    let work = ("CLOUDSDK_ACTIVE_CONFIG_NAME", "work".to_owned());
    assert_eq!(project(&[work]).await, "/from-work");
    write("active_config", "work\n");
    assert_eq!(project(&[]).await, "/from-work");
    let named = ("GOOGLE_CLOUD_PROJECT", "named".to_owned());
    assert_eq!(project(&[named]).await, "/named");
}
