//! Providers on a fake and on a scripted server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::LazyLock;

use polysecrets_infisical::{InfisicalConfig, InfisicalProvider, UniversalAuthConfig};
use secrets_core::{Error, GetItem, GetOptions, OpenContext, Secret, SecretName, SecretProvider};
use secrets_provider::{
    BaseUrl, ClientOptions, HttpRequest, Method, Transport, encode, header, sensitive_header,
};
use secrets_testkit::fakes::Asked;
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
use secrets_testkit::fault::{Fault, FaultServer, Reply};
use serde_json::{Value, json};

/// Shared, because each one sets up TLS of its own.
static TRANSPORT: LazyLock<Transport> = LazyLock::new(Transport::default);

pub(crate) async fn fake() -> InfisicalFake {
    InfisicalFake::start(InfisicalOptions::default())
        .await
        .unwrap()
}

/// The machine identity's universal auth, in the environment `dev` of the first project.
pub(crate) fn config(fake: &InfisicalFake) -> InfisicalConfig {
    let mut universal = UniversalAuthConfig::default();
    universal.client_id = Some(fake.client_id().to_owned());
    universal.client_secret = Some(fake.client_secret().into());
    let mut config = InfisicalConfig::default();
    config.base_url = Some(fake.url());
    config.project_id = Some(fake.project_id().to_owned());
    config.environment = Some("dev".to_owned());
    config.universal_auth = Some(universal);
    config
}

pub(crate) async fn open(config: InfisicalConfig) -> InfisicalProvider {
    polysecrets_infisical::open(config, OpenContext::new("main"), TRANSPORT.clone())
        .await
        .unwrap()
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

pub(crate) fn items<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<GetItem> {
    names
        .into_iter()
        .map(|text| GetItem::new(name(text), GetOptions::default()))
        .collect()
}

pub(crate) async fn get(provider: &InfisicalProvider, text: &str) -> Result<Secret, Error> {
    provider.get(&name(text), &GetOptions::default()).await
}

/// The value of a secret that is there and is text.
pub(crate) async fn value(provider: &InfisicalProvider, text: &str) -> String {
    let secret = get(provider, text).await.unwrap();
    secret.value.expose_str().unwrap().to_owned()
}

/// A token in the environment `dev` of a project `p 1`, on a scripted server.
pub(crate) fn scripted(server: &FaultServer) -> InfisicalConfig {
    let mut config = InfisicalConfig::default();
    config.base_url = Some(server.url());
    config.project_id = Some("p 1".to_owned());
    config.environment = Some("dev".to_owned());
    config.token = Some("token".into());
    config
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Fault {
    Fault::reply(
        Reply::new(status)
            .header("content-type", "application/json; charset=utf-8")
            .body(body.into()),
    )
}

/// What the web framework under the server says of a path that nothing is at.
pub(crate) fn no_route() -> Fault {
    reply(
        404,
        r#"{"message":"Route GET:/api/v4/secrets/a not found","error":"Not Found","statusCode":404}"#,
    )
}

/// A refusal in the server's shape.
pub(crate) fn refusal(status: u16, error: &str, message: &str) -> Fault {
    let body = json!({"reqId": "req-1", "statusCode": status, "message": message, "error": error});
    reply(status, body.to_string())
}

/// Method and target of each request.
pub(crate) fn log(server: &FaultServer) -> Vec<String> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect()
}

/// What an administrator does to a fake: a request with a token of its own.
pub(crate) async fn administer(
    fake: &InfisicalFake,
    method: Method,
    target: &str,
    body: Value,
) -> Value {
    let http = TRANSPORT.client(ClientOptions::default()).unwrap();
    let base = BaseUrl::parse(&fake.url()).unwrap();
    let login = json!({"clientId": fake.client_id(), "clientSecret": fake.client_secret()});
    let login = HttpRequest::new(Method::POST, base.join("api/v1/auth/universal-auth/login"))
        .with_json(encode(&login, 256).unwrap());
    let answer = http.send(login).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let bearer = format!("Bearer {}", answer["accessToken"].as_str().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut url = base.join(path);
    url.set_query((!query.is_empty()).then_some(query));
    let mut request = HttpRequest::new(method, url).with_header(
        header::AUTHORIZATION,
        sensitive_header(&bearer.into(), "the token").unwrap(),
    );
    if !body.is_null() {
        request = request.with_json(encode(&body, 256).unwrap());
    }
    let answer = http.send(request).await.unwrap();
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(answer.status.is_success(), "{parsed}");
    parsed
}

/// A folder of `dev` imports another one.
pub(crate) async fn import(fake: &InfisicalFake, folder: &str, from: &str) {
    let body = json!({
        "projectId": fake.project_id(), "environment": "dev", "path": folder,
        "import": {"environment": "dev", "path": from},
    });
    administer(fake, Method::POST, "api/v2/secret-imports", body).await;
}

/// Method and path of each request but logins, one a line.
pub(crate) fn paths(asked: &[Asked]) -> Vec<String> {
    asked
        .iter()
        .filter(|asked| !asked.path.contains("/auth/"))
        .map(|asked| format!("{} {}", asked.method, asked.path))
        .collect()
}
