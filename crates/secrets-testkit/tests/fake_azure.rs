//! The fake of Azure Key Vault as a test in Rust uses it: how it is started, what it is made to do wrong, what it says of
//! itself. That it speaks the service's protocol is shown by Microsoft's own clients, in `tests/sdk_interop/test_azure.py`.
#![cfg(feature = "fakes")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use polysecrets_testkit::fakes::Fault;
use polysecrets_testkit::fakes::azure::{AzureFake, AzureOptions};
use reqwest::{Client, Method, StatusCode, Version};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

const API: &str = "api-version=7.6";

/// A fake, a client that trusts it, and a token.
struct Vault {
    fake: AzureFake,
    client: Client,
    token: String,
}

struct Answer {
    status: StatusCode,
    version: Version,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Vault {
    async fn start(options: AzureOptions) -> Self {
        Self::with(options, &["h2", "http/1.1"]).await
    }

    async fn with(options: AzureOptions, protocols: &[&str]) -> Self {
        let fake = AzureFake::start(options).await.unwrap();
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(fake.ca_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut vault = Self {
            fake,
            client,
            token: String::new(),
        };
        vault.token = vault.log_in().await;
        vault
    }

    fn variable(&self, name: &str) -> String {
        let all = self.fake.environment();
        all.iter().find(|(own, _)| own == name).unwrap().1.clone()
    }

    async fn log_in(&self) -> String {
        let form = format!(
            "grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_id={}&client_secret={}",
            self.variable("AZURE_CLIENT_ID"),
            self.variable("AZURE_CLIENT_SECRET"),
        );
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.variable("AZURE_AUTHORITY_HOST"),
            self.variable("AZURE_TENANT_ID")
        );
        let sent = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer: Value =
            serde_json::from_slice(&sent.send().await.unwrap().bytes().await.unwrap()).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn try_ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.fake.url()))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await?;
        let (status, version) = (response.status(), response.version());
        let headers = response.headers().clone();
        let bytes = response.bytes().await?;
        Ok(Answer {
            status,
            version,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.try_ask(method, path, body).await.unwrap()
    }

    async fn get(&self, name: &str) -> Answer {
        self.ask(Method::GET, &format!("/secrets/{name}?{API}"), None)
            .await
    }

    async fn put(&self, name: &str, body: Value) -> Answer {
        self.ask(Method::PUT, &format!("/secrets/{name}?{API}"), Some(body))
            .await
    }
}

fn inner(answer: &Answer) -> &str {
    answer.body["error"]["innererror"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn what_is_seeded_is_read_over_both_protocols() {
    for (protocols, version) in [
        (&["h2"][..], Version::HTTP_2),
        (&["http/1.1"][..], Version::HTTP_11),
    ] {
        let vault = Vault::with(AzureOptions::default(), protocols).await;
        let seeded = vault.fake.seed("db-password", "hunter2\n");
        let answer = vault.get("db-password").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.version, version);
        assert_eq!(answer.body["value"], "hunter2\n");
        let id = format!("{}/secrets/db-password/{seeded}", vault.fake.url());
        assert_eq!(answer.body["id"], id);
    }
}

#[tokio::test]
async fn what_was_asked_is_told_in_order_and_the_console_is_not_in_it() {
    let vault = Vault::start(AzureOptions::default()).await;
    vault.get("a%2Fb").await;
    vault.ask(Method::GET, "/_fake/asked", None).await;
    let asked = vault.fake.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].path.ends_with("/oauth2/v2.0/token"));
    assert_eq!(asked[1].method, "GET");
    assert_eq!(asked[1].path, "/secrets/a%2Fb");
    assert_eq!(asked[1].query, API);
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let vault = Vault::start(AzureOptions::default()).await;
    let (vault_url, identity_url) = (vault.fake.url(), vault.fake.identity_url());
    let Vault { fake, client, .. } = vault;
    drop(fake);
    for url in [vault_url, identity_url] {
        let refused = client.get(url).send().await.unwrap_err();
        assert!(refused.is_connect() || refused.is_request(), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_that_it_holds_is_shown() {
    let options = AzureOptions::default().with_application("tenant", "client", "c4n4ry-credential");
    assert!(!format!("{options:?}").contains("c4n4ry"));
    let vault = Vault::start(options).await;
    vault.fake.seed("name", "c4n4ry-value");
    assert!(!format!("{:?}", vault.fake).contains("c4n4ry"));
}

#[tokio::test]
#[should_panic(expected = "`under_score` is refused")]
async fn what_the_service_refuses_cannot_be_seeded() {
    let fake = AzureFake::start(AzureOptions::default()).await.unwrap();
    fake.seed("under_score", "x");
}

#[tokio::test]
#[should_panic(expected = "this fake has no fault `corrupt`")]
async fn a_switch_of_another_fake_is_no_switch() {
    let fake = AzureFake::start(AzureOptions::default()).await.unwrap();
    fake.faults().push(Fault::switch("corrupt"));
}

#[tokio::test]
async fn faults_are_used_up_in_order_by_the_requests_that_fit() {
    let vault = Vault::start(AzureOptions::default()).await;
    vault.fake.seed("one", "1");
    vault.fake.seed("two", "2");
    let faults = vault.fake.faults();
    faults.push(Fault::status(503).times(2).on_path("/secrets/one"));
    faults.push(Fault::status(429).with_retry_after(7).on_method("PUT"));
    faults.push(
        Fault::status(403)
            .with_code("ForbiddenByFirewall")
            .on_path("/secrets/one"),
    );
    assert_eq!(vault.get("two").await.status, StatusCode::OK);
    let throttled = vault.put("two", json!({ "value": "x" })).await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(throttled.headers["retry-after"], "7");
    assert_eq!(throttled.body["error"]["code"], "Throttled");
    for _ in 0..2 {
        assert_eq!(
            vault.get("one").await.status,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    let refused = vault.get("one").await;
    assert_eq!(
        (refused.status, inner(&refused)),
        (StatusCode::FORBIDDEN, "ForbiddenByFirewall")
    );
    assert!(faults.waiting().is_empty());
    assert_eq!(vault.get("one").await.status, StatusCode::OK);

    faults.push(Fault::status(500).always());
    for _ in 0..5 {
        assert_eq!(
            vault.get("one").await.status,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    faults.clear();
    assert_eq!(vault.get("one").await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_break_over_both_protocols() {
    for protocols in [&["h2"][..], &["http/1.1"][..]] {
        let vault = Vault::with(AzureOptions::default(), protocols).await;
        vault.fake.seed("name", "value");
        let (path, get) = (format!("/secrets/name?{API}"), Method::GET);
        let faults = vault.fake.faults();

        faults.push(Fault::reset());
        vault.try_ask(get.clone(), &path, None).await.err().unwrap();
        assert_eq!(vault.get("name").await.status, StatusCode::OK);

        faults.push(Fault::truncated(10));
        let broken = vault.try_ask(get.clone(), &path, None).await.err().unwrap();
        assert!(broken.is_body() || broken.is_decode(), "{broken:?}");
        assert_eq!(vault.get("name").await.status, StatusCode::OK);

        faults.push(Fault::garbled());
        let garbled = vault.get("name").await;
        assert_eq!(
            (garbled.status, garbled.body),
            (StatusCode::OK, Value::Null)
        );

        faults.push(Fault::lost().on_method("PUT"));
        let second = Some(json!({ "value": "second" }));
        vault
            .try_ask(Method::PUT, &path, second)
            .await
            .err()
            .unwrap();
        assert_eq!(vault.get("name").await.body["value"], "second");

        faults.push(Fault::redirect(307, "https://elsewhere.example/"));
        let elsewhere = vault.get("name").await;
        assert_eq!(elsewhere.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(elsewhere.headers["location"], "https://elsewhere.example/");
    }
}

#[tokio::test]
async fn slow_comes_on_top_of_another_fault() {
    let vault = Vault::start(AzureOptions::default()).await;
    let faults = vault.fake.faults();
    faults.push(Fault::slow(Duration::from_millis(80)));
    faults.push(Fault::status(503));
    let begin = Instant::now();
    assert_eq!(
        vault.get("name").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(begin.elapsed() >= Duration::from_millis(80));
    assert!(faults.waiting().is_empty());
}

#[tokio::test]
async fn tokens_expire_by_time_and_at_once() {
    let life = Duration::from_secs(120);
    let mut vault = Vault::start(AzureOptions::default().with_token_life(life)).await;
    vault.fake.seed("name", "value");
    vault.fake.advance(Duration::from_secs(119));
    assert_eq!(vault.get("name").await.status, StatusCode::OK);
    vault.fake.advance(Duration::from_secs(1));
    let expired = vault.get("name").await;
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
    let challenge = expired.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("resource=\"https://vault.azure.net\""),
        "{challenge}"
    );

    vault.token = vault.log_in().await;
    assert_eq!(vault.get("name").await.status, StatusCode::OK);
    vault.fake.faults().push(Fault::switch("expire_tokens"));
    assert_eq!(vault.get("name").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(vault.get("name").await.status, StatusCode::UNAUTHORIZED);
    vault.token = vault.log_in().await;
    assert_eq!(vault.get("name").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_federated_token_is_as_good_as_a_secret() {
    let vault = Vault::start(AzureOptions::default()).await;
    let ask = async |assertion: String| {
        let form = format!(
            "grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_id={}\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={assertion}",
            vault.variable("AZURE_CLIENT_ID"),
        );
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            vault.fake.url(),
            vault.variable("AZURE_TENANT_ID")
        );
        let sent = vault
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let response = sent.send().await.unwrap();
        let status = response.status();
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, body)
    };
    let token = vault.fake.federated_token(Duration::from_secs(60));
    let (status, body) = ask(token.clone()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    vault.fake.advance(Duration::from_secs(60));
    let (status, body) = ask(token).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["error_codes"], json!([700_024]));
}

#[tokio::test]
async fn options_of_deletion() {
    let options = AzureOptions::default()
        .with_purge_protection()
        .with_retention_days(7)
        .with_transition(Duration::from_secs(5));
    let mut vault = Vault::start(options).await;
    vault.fake.seed("name", "value");
    let attributes = vault.get("name").await.body["attributes"].clone();
    assert_eq!(attributes["recoveryLevel"], "CustomizedRecoverable");
    assert_eq!(attributes["recoverableDays"], 7);

    let deleted = format!("/deletedsecrets/name?{API}");
    let path = format!("/secrets/name?{API}");
    assert_eq!(
        vault.ask(Method::DELETE, &path, None).await.status,
        StatusCode::OK
    );
    let busy = vault.ask(Method::DELETE, &deleted, None).await;
    assert_eq!(
        (busy.status, inner(&busy)),
        (StatusCode::CONFLICT, "ObjectIsBeingDeleted")
    );
    vault.fake.advance(Duration::from_secs(5));
    let protected = vault.ask(Method::DELETE, &deleted, None).await;
    assert_eq!(protected.status, StatusCode::FORBIDDEN);
    assert_eq!(
        vault.ask(Method::GET, &deleted, None).await.status,
        StatusCode::OK
    );
    vault.fake.advance(Duration::from_secs(7 * 86_400));
    vault.token = vault.log_in().await;
    assert_eq!(
        vault.ask(Method::GET, &deleted, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        vault.put("name", json!({ "value": "again" })).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn versions_of_one_second_differ_only_if_they_shall() {
    let vault = Vault::start(AzureOptions::default().with_distinct_times()).await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let written = vault.put("name", json!({ "value": "x" })).await;
        times.push(written.body["attributes"]["created"].as_u64().unwrap());
    }
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
}

#[tokio::test]
async fn links_lead_back_to_the_host_that_was_asked() {
    let vault = Vault::start(AzureOptions::default()).await;
    for number in 0..30 {
        vault.fake.seed(&format!("name-{number:02}"), "x");
    }
    let port = vault.fake.url().rsplit(':').next().unwrap().to_owned();
    let first = vault
        .client
        .get(format!("https://127.0.0.1:{port}/secrets?{API}"))
        .bearer_auth(&vault.token);
    let first: Value =
        serde_json::from_slice(&first.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let link = first["nextLink"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("https://127.0.0.1:{port}/secrets?")),
        "{link}"
    );
    assert_eq!(first["value"].as_array().unwrap().len(), 25);
    let rest = vault.client.get(link).bearer_auth(&vault.token);
    let rest: Value =
        serde_json::from_slice(&rest.send().await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(rest["value"].as_array().unwrap().len(), 5);
    assert_eq!(rest["nextLink"], Value::Null);
}

#[tokio::test]
async fn the_endpoints_of_managed_identities_want_their_headers() {
    let vault = Vault::start(AzureOptions::default()).await;
    let identity = vault.fake.identity_url();
    let metadata = format!(
        "{identity}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
    );
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    let get = |url: &str| vault.client.get(url);
    assert_eq!(status(get(&metadata)).await, StatusCode::BAD_REQUEST);
    let forwarded = get(&metadata)
        .header("metadata", "true")
        .header("x-forwarded-for", "10.0.0.1");
    assert_eq!(status(forwarded).await, StatusCode::BAD_REQUEST);
    let unknown = get(&format!("{metadata}&client_id=somebody")).header("metadata", "true");
    assert_eq!(status(unknown).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        status(get(&metadata).header("metadata", "true")).await,
        StatusCode::OK
    );

    let variables = vault.fake.app_service_environment();
    let variable = |name: &str| &variables.iter().find(|(own, _)| own == name).unwrap().1;
    let url = format!(
        "{}?api-version=2019-08-01&resource=https://vault.azure.net",
        variable("IDENTITY_ENDPOINT")
    );
    assert_eq!(status(get(&url)).await, StatusCode::BAD_REQUEST);
    let wrong = get(&url).header("x-identity-header", "wrong");
    assert_eq!(status(wrong).await, StatusCode::UNAUTHORIZED);
    let right = get(&url).header("x-identity-header", variable("IDENTITY_HEADER"));
    let response = right.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert!(
        body["expires_on"].is_string(),
        "seconds since 1970, as a text"
    );
    let mut vault = vault;
    vault.token = body["access_token"].as_str().unwrap().to_owned();
    vault.fake.seed("name", "value");
    assert_eq!(vault.get("name").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_hundred_at_once() {
    let vault = Vault::start(AzureOptions::default()).await;
    for number in 0..100 {
        vault
            .fake
            .seed(&format!("name-{number}"), &number.to_string());
    }
    vault
        .fake
        .faults()
        .push(Fault::slow(Duration::from_millis(50)).always());
    let begin = Instant::now();
    let names: Vec<String> = (0..100).map(|number| format!("name-{number}")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| vault.get(name))).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.body["value"], number.to_string());
    }
    // One after the other they would take five seconds.
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
}
