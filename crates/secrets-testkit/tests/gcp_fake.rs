//! The fake of Google Secret Manager from outside: what it refuses, and what its switches do. That it is what Google's own
//! client expects is judged in `tests/sdk_interop`.
#![cfg(feature = "fakes")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use polysecrets_testkit::fakes::Fault;
use polysecrets_testkit::fakes::gcp::{Access, Credential, Encryption, GcpFake, GcpOptions};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Version};
use serde_json::{Value, json};

struct Test {
    fake: GcpFake,
    client: Client,
    token: String,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            body,
        }
    }

    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Google's shape of an error; gives its message.
    #[track_caller]
    fn fails(&self, status: u16, name: &str) -> String {
        let error = &self.body["error"];
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(error["code"], status, "{self:?}");
        assert_eq!(error["status"], name, "{self:?}");
        error["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn fails_because(&self, status: u16, name: &str, reason: &str) {
        self.fails(status, name);
        assert_eq!(
            self.body["error"]["details"][0]["reason"], reason,
            "{self:?}"
        );
    }
}

impl Test {
    async fn start() -> Self {
        Self::with(GcpOptions::default()).await
    }

    async fn with(options: GcpOptions) -> Self {
        let fake = GcpFake::start(options).await.unwrap();
        // The process may have many tests; the first one that comes installs it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut client = Client::builder().no_proxy();
        if let Some(pem) = fake.ca_pem() {
            let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
            client = client.tls_certs_only([certificate]);
        }
        Self {
            token: fake.token(),
            client: client.build().unwrap(),
            fake,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.fake.url()))
            .bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self
            .request(method, path)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        Answer::of(request).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let body: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        let request = self
            .client
            .post(format!("{}{path}", self.fake.url()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.join("&"));
        Answer::of(request).await
    }

    async fn access(&self, id: &str, version: &str) -> Answer {
        self.get(&format!("{SECRETS}/{id}/versions/{version}:access"))
            .await
    }

    fn switch(&self, name: &str) {
        self.fake.faults().push(Fault::switch(name));
    }
}

const SECRETS: &str = "/v1/projects/test-project/secrets";

/// Of `value`, whose base64 is `dmFsdWU=`, by another implementation.
const CHECKSUM: &str = "3789554531";

#[tokio::test]
async fn over_tls_it_speaks_both_versions_of_http() {
    let test = Test::with(GcpOptions::default().with_encryption(Encryption::Https)).await;
    assert!(test.fake.url().starts_with("https://localhost:"));
    test.fake.seed("a", b"value");
    let path = format!("{SECRETS}/a/versions/1:access");
    let response = test.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(
        (response.status(), response.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    let pem = test.fake.ca_pem().unwrap();
    let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let old = Client::builder()
        .http1_only()
        .tls_certs_only([certificate])
        .build()
        .unwrap();
    let asked = old
        .get(format!("{}{path}", test.fake.url()))
        .bearer_auth(&test.token);
    assert_eq!(asked.send().await.unwrap().version(), Version::HTTP_11);
    // The metadata server has no certificate, as on a machine of Google's.
    let metadata = format!("http://{}/", test.fake.metadata_host());
    assert_eq!(
        test.client.get(metadata).send().await.unwrap().status(),
        403
    );
}

#[tokio::test]
async fn over_plain_http_a_client_may_know_that_it_is_http_2() {
    let test = Test::start().await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let asked = client
        .get(format!("{}{SECRETS}", test.fake.url()))
        .bearer_auth(&test.token);
    assert_eq!(asked.send().await.unwrap().version(), Version::HTTP_2);
}

#[tokio::test]
async fn only_the_bearer_of_a_token_is_let_in() {
    let test = Test::start().await;
    test.get(SECRETS).await.ok();
    let bare = || test.client.get(format!("{}{SECRETS}", test.fake.url()));
    let answer = Answer::of(bare()).await;
    answer.fails_because(401, "UNAUTHENTICATED", "CREDENTIALS_MISSING");
    assert!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    for header in [
        "Bearer made-up",
        "Bearer a.b.c",
        "Bearer ",
        "Basic eDp5",
        "made-up",
    ] {
        let answer = Answer::of(bare().header(AUTHORIZATION, header)).await;
        answer.fails_because(401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED");
    }
    test.fake.advance(Duration::from_secs(3599));
    test.get(SECRETS).await.ok();
    test.fake.advance(Duration::from_secs(2));
    let answer = test.get(SECRETS).await;
    answer.fails_because(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED");
    // A client learns from it what time it is there.
    let date = httpdate::parse_http_date(answer.headers["date"].to_str().unwrap()).unwrap();
    let ahead = date.duration_since(std::time::SystemTime::now()).unwrap();
    assert!((3500..=3601).contains(&ahead.as_secs()), "{ahead:?}");
}

#[tokio::test]
async fn a_token_can_be_made_worthless_at_once() {
    let test = Test::start().await;
    let other = test.fake.token();
    test.switch("expire_tokens");
    for token in [&test.token, &other] {
        let request = test.client.get(format!("{}{SECRETS}", test.fake.url()));
        let answer = Answer::of(request.bearer_auth(token)).await;
        answer.fails_because(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED");
    }
    let request = test.client.get(format!("{}{SECRETS}", test.fake.url()));
    Answer::of(request.bearer_auth(test.fake.token()))
        .await
        .ok();
}

#[tokio::test]
async fn an_emulator_asks_for_nothing() {
    let test = Test::with(GcpOptions::default().with_access(Access::Anonymous)).await;
    let answer = Answer::of(test.client.get(format!("{}{SECRETS}", test.fake.url()))).await;
    assert_eq!(answer.ok(), json!({}));
    let environment = test.fake.environment();
    assert!(
        environment
            .iter()
            .all(|(name, _)| name != "GOOGLE_APPLICATION_CREDENTIALS")
    );
}

#[tokio::test]
async fn names_are_what_was_sent() {
    let test = Test::start().await;
    test.fake.seed("a", b"value");
    // Decoded, it is not an id, and leads nowhere else.
    for id in [
        "a%2Fversions%2F1",
        "%2E%2E",
        "a%3Aaccess",
        "a%00",
        "%E4",
        "a%20",
    ] {
        let answer = test.get(&format!("{SECRETS}/{id}")).await;
        assert!(matches!(answer.status, 400 | 404), "{id}: {answer:?}");
    }
    let message = test
        .get(&format!("{SECRETS}/a%2Fb"))
        .await
        .fails(400, "INVALID_ARGUMENT");
    assert!(message.contains("[a/b]"), "{message}");
    test.get(&format!("{SECRETS}/%61")).await.ok();
    let by_number = format!("/v1/projects/{}/secrets/a", test.fake.project_number());
    let secret = test.get(&by_number).await.ok();
    assert_eq!(secret["name"], "projects/123456789012/secrets/a");
    let answer = test.get("/v1/projects/other/secrets/a").await;
    answer.fails_because(403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED");
    let counted = async |project: &str| {
        let request = test.request(Method::GET, &by_number);
        Answer::of(request.header("x-goog-user-project", project)).await
    };
    counted("test-project").await.ok();
    let answer = counted("other").await;
    answer.fails(403, "PERMISSION_DENIED");
    let details = &answer.body["error"]["details"];
    assert_eq!(details[1]["reason"], "USER_PROJECT_DENIED", "{details}");
    for version in ["+1", "1.0", "%31%20", "latest%20"] {
        test.access("a", version).await.fails(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_answered_with_a_page() {
    let test = Test::start().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v1beta1/projects/test-project/secrets"),
        (Method::PUT, "/v1/projects/test-project/secrets/a"),
        (
            Method::GET,
            "/v1/projects/test-project/secrets/a:addVersion",
        ),
        (Method::GET, "/v1/projects/test-project/secrets/"),
        (
            Method::POST,
            "/v1/projects/test-project/secrets/a/versions/1:access",
        ),
    ] {
        let answer = Answer::of(test.request(method, path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
}

#[tokio::test]
async fn a_body_is_read_by_the_definition() {
    let test = Test::start().await;
    let create = |fields: Value| {
        let test = &test;
        async move { test.post(&format!("{SECRETS}?secretId=x"), &fields).await }
    };
    for (body, says) in [
        (
            json!({"replica": {}}),
            "Unknown name \"replica\" at 'secret': Cannot find field.",
        ),
        (
            json!({"replication": {"auto": {}}}),
            "Unknown name \"auto\" at 'secret.replication': Cannot find field.",
        ),
        (
            json!({"replication": {"userManaged": {"replicas": [{"place": "x"}]}}}),
            "Unknown name \"place\" at 'secret.replication.user_managed.replicas[0]'",
        ),
        (
            json!({"labels": {"a": 1}}),
            "Invalid value at 'secret.labels[0].value' (TYPE_STRING), 1",
        ),
        (
            json!({"labels": []}),
            "Invalid value at 'secret.labels' (Map), []",
        ),
        (
            json!({"topics": {}}),
            "Invalid value at 'secret.topics' (List), {}",
        ),
        (
            json!({"etag": 1}),
            "Invalid value at 'secret.etag' (TYPE_STRING), 1",
        ),
        (json!({"ttl": "1h"}), "Invalid value at 'secret.ttl'"),
        (
            json!({"expireTime": "tomorrow"}),
            "Invalid value at 'secret.expire_time'",
        ),
        (json!({"versionAliases": {"a": "x"}}), "(TYPE_INT64), \"x\""),
        (json!({"secretType": "SPECIAL"}), "(TYPE_ENUM), \"SPECIAL\""),
        (
            json!({"replication": {"automatic": {}, "userManaged": {}}}),
            "oneof field 'replication' is already set. Cannot set 'userManaged'",
        ),
        (
            json!({"ttl": "60s", "expireTime": "2999-01-01T00:00:00Z"}),
            "oneof field 'expiration'",
        ),
        (
            json!({"createTime": "2026-01-01T00:00:00Z", "create_time": "2026-01-01T00:00:00Z"}),
            "both of its spellings",
        ),
        (json!([]), "Message"),
    ] {
        let answer = create(body.clone()).await;
        let message = answer.fails(400, "INVALID_ARGUMENT");
        assert!(message.contains(says), "{body}: {message}");
        let detail = &answer.body["error"]["details"][0];
        assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
        assert_eq!(
            detail["fieldViolations"][0]["description"],
            message.lines().next().unwrap()
        );
    }
    // Everything that is wrong is reported at once.
    let answer = create(json!({"a": 1, "b": 2})).await;
    assert_eq!(
        answer.body["error"]["details"][0]["fieldViolations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Either spelling, `null` for nothing, an enumeration by its number.
    let made = create(json!({
        "replication": {"user_managed": {"replicas": [{"location": "us-east1", "customer_managed_encryption": null}]}},
        "labels": null, "secretType": 3, "createTime": "2001-01-01T00:00:00Z", "name": "ignored",
    }));
    let made = made.await.ok();
    assert_eq!(
        made["replication"]["userManaged"]["replicas"][0]["location"],
        "us-east1"
    );
    assert_eq!(made["secretType"], "CERTIFICATE");
    assert_eq!(made["name"], "projects/123456789012/secrets/x");
    assert_ne!(made["createTime"], "2001-01-01T00:00:00Z");
    let numbered = test
        .get(&format!("{SECRETS}/x?%24alt=json%3Benum-encoding%3Dint"))
        .await
        .ok();
    assert_eq!(numbered["secretType"], 3);
}

#[tokio::test]
async fn a_body_is_json_and_says_so() {
    let test = Test::start().await;
    let path = format!("{SECRETS}?secretId=x");
    let secret = r#"{"replication":{"automatic":{}}}"#;
    for (kind, body) in [
        (None, secret),
        (Some("application/x-www-form-urlencoded"), secret),
        (Some("text/plain"), secret),
        (Some("application/json"), "{"),
        (
            Some("application/json"),
            "{\"replication\":{\"automatic\":{}}} more",
        ),
    ] {
        let mut request = test.request(Method::POST, &path).body(body);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        Answer::of(request).await.fails(400, "INVALID_ARGUMENT");
    }
    let request = test
        .request(Method::POST, &path)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(secret);
    Answer::of(request).await.ok();
}

#[tokio::test]
async fn a_query_is_read_by_the_definition() {
    let test = Test::start().await;
    for query in [
        "pagesize=1",
        "pageSize=x",
        "pageSize=-1",
        "pageSize=99999999999",
        "pageSize=1&page_size=1",
        "version=1",
        "alt=proto",
        "fields=name",
        "pageToken=made-up",
        "filter=nothing%3Ax",
    ] {
        test.get(&format!("{SECRETS}?{query}"))
            .await
            .fails(400, "INVALID_ARGUMENT");
    }
    for query in [
        "pageSize=1",
        "page_size=0",
        "alt=json&prettyPrint=false&key=k",
        "filter=name%3Ax+OR+name%3Ay",
    ] {
        test.get(&format!("{SECRETS}?{query}")).await.ok();
    }
}

#[tokio::test]
async fn a_payload_is_checked() {
    let test = Test::start().await;
    test.fake.seed("a", b"first");
    let path = format!("{SECRETS}/a:addVersion");
    let payload = |payload: Value| json!({ "payload": payload });
    for (wrong, says) in [
        (json!({}), "Field [payload] is required."),
        (payload(json!({})), "Field [payload] is required."),
        (
            payload(json!({"data": ""})),
            "Secret Payload cannot be empty.",
        ),
        (
            payload(json!({"data": "dmFsdWU=", "dataCrc32c": "3789554532"})),
            "does not match",
        ),
        (
            payload(json!({"data": "dmFsdWU=", "dataCrc32c": "-3789554531"})),
            "does not match",
        ),
        (
            payload(json!({"data": "dmFsdWU=", "dataCrc32c": 1.5})),
            "(TYPE_INT64), 1.5",
        ),
        (
            payload(json!({"data": "dmFsdWU=", "dataCrc32c": "+3789554531"})),
            "(TYPE_INT64)",
        ),
        (
            payload(json!({"data": "dmFsdWU", "crc": 1})),
            "Unknown name \"crc\" at 'payload'",
        ),
        (
            payload(json!({"data": "dmFs*"})),
            "Base64 decoding failed for \"dmFs*\"",
        ),
        (payload(json!({"data": [1, 2]})), "(TYPE_BYTES)"),
    ] {
        let message = test
            .post(&path, &wrong)
            .await
            .fails(400, "INVALID_ARGUMENT");
        assert!(message.contains(says), "{wrong}: {message}");
    }
    for right in [json!(CHECKSUM), json!(3_789_554_531_u32), Value::Null] {
        test.post(
            &path,
            &payload(json!({"data": "dmFsdWU=", "dataCrc32c": right})),
        )
        .await
        .ok();
    }
    let read = test.access("a", "latest").await.ok();
    assert_eq!(
        read,
        json!({
            "name": "projects/123456789012/secrets/a/versions/4",
            "payload": {"data": "dmFsdWU=", "dataCrc32c": CHECKSUM},
        })
    );
    // Nothing that was refused is there.
    assert_eq!(
        test.get(&format!("{SECRETS}/a/versions")).await.ok()["totalSize"],
        4
    );
}

#[tokio::test]
async fn the_newest_version_is_the_latest_whatever_its_state() {
    let test = Test::start().await;
    for value in ["one", "two", "three"] {
        test.fake.seed("a", value.as_bytes());
    }
    let change = async |version: u32, verb: &str| {
        let path = format!("{SECRETS}/a/versions/{version}:{verb}");
        test.post(&path, &json!({})).await.ok()
    };
    assert_eq!(change(3, "disable").await["state"], "DISABLED");
    let message = test
        .access("a", "latest")
        .await
        .fails(400, "FAILED_PRECONDITION");
    assert_eq!(
        message,
        "Secret Version [projects/123456789012/secrets/a/versions/3] is in DISABLED state."
    );
    change(3, "destroy").await;
    let message = test
        .access("a", "latest")
        .await
        .fails(400, "FAILED_PRECONDITION");
    assert!(message.ends_with("is in DESTROYED state."), "{message}");
    test.access("a", "2").await.ok();
    test.get(&format!("{SECRETS}/b"))
        .await
        .fails(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_page_belongs_to_one_question() {
    let test = Test::with(GcpOptions::default().with_page_limit(2)).await;
    for id in ["a", "b", "c", "d", "e"] {
        test.fake.seed(id, b"value");
    }
    let first = test.get(&format!("{SECRETS}?pageSize=100")).await.ok();
    assert_eq!(first["totalSize"], 5);
    let names = |page: &Value| -> Vec<String> {
        let secrets = page["secrets"].as_array().unwrap().iter();
        secrets
            .map(|secret| {
                secret["name"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(names(&first), ["e", "d"]);
    let token = first["nextPageToken"].as_str().unwrap();
    let other = format!("{SECRETS}?filter=name%3Aa&pageToken={token}");
    test.get(&other).await.fails(400, "INVALID_ARGUMENT");
    // What was deleted meanwhile is gone, what was added comes before: nothing is listed twice or left out.
    test.send(Method::DELETE, &format!("{SECRETS}/d"), &json!({}))
        .await
        .ok();
    test.fake.seed("f", b"value");
    let second = test.get(&format!("{SECRETS}?pageToken={token}")).await.ok();
    assert_eq!(names(&second), ["c", "b"]);
    let token = second["nextPageToken"].as_str().unwrap();
    let last = test.get(&format!("{SECRETS}?pageToken={token}")).await.ok();
    assert_eq!(names(&last), ["a"]);
    assert!(last.get("nextPageToken").is_none());
}

#[tokio::test]
async fn a_payload_can_be_spoilt() {
    let test = Test::start().await;
    test.fake.seed("a", b"value");
    let read = async || test.access("a", "1").await.ok()["payload"].clone();
    test.switch("corrupt_crc");
    let payload = read().await;
    assert_eq!(payload["data"], "dmFsdWU=");
    assert_ne!(payload["dataCrc32c"], CHECKSUM);
    test.switch("corrupt_data");
    let payload = read().await;
    assert_eq!(payload["dataCrc32c"], CHECKSUM);
    assert_ne!(payload["data"], "dmFsdWU=");
    test.switch("no_crc");
    assert_eq!(read().await, json!({"data": "dmFsdWU="}));
    assert_eq!(
        read().await,
        json!({"data": "dmFsdWU=", "dataCrc32c": CHECKSUM})
    );
    // A switch waits for a request that it can do something to.
    test.switch("corrupt_crc");
    test.get(&format!("{SECRETS}/a")).await.ok();
    assert_eq!(test.fake.faults().waiting().len(), 1);
}

#[tokio::test]
async fn requests_can_be_denied_and_throttled() {
    let test = Test::start().await;
    test.fake.seed("a", b"value");
    test.fake.faults().push(
        Fault::switch("deny")
            .times(2)
            .on_path(format!("{SECRETS}/a/versions/")),
    );
    test.get(&format!("{SECRETS}/a")).await.ok();
    for _ in 0..2 {
        let answer = test.access("a", "1").await;
        answer.fails_because(403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED");
        let metadata = &answer.body["error"]["details"][0]["metadata"];
        assert_eq!(metadata["permission"], "secretmanager.versions.access");
    }
    test.access("a", "1").await.ok();

    test.fake.faults().push(Fault::status(429));
    let answer = test.access("a", "1").await;
    answer.fails_because(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED");
    assert!(answer.headers.get("retry-after").is_none());
    let delay = |answer: &Answer| {
        let details = answer.body["error"]["details"].as_array().unwrap().clone();
        let info = |detail: &Value| detail["retryDelay"].as_str().map(str::to_owned);
        details.iter().find_map(info)
    };
    assert_eq!(delay(&answer), None);
    test.fake
        .faults()
        .push(Fault::status(503).with_retry_after(7));
    let answer = test.access("a", "1").await;
    answer.fails(503, "UNAVAILABLE");
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(delay(&answer).as_deref(), Some("7s"));
    test.switch("throttle_header");
    let answer = test.access("a", "1").await;
    answer.fails(429, "RESOURCE_EXHAUSTED");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(delay(&answer), None);
    test.switch("throttle_body");
    let answer = test.access("a", "1").await;
    answer.fails(429, "RESOURCE_EXHAUSTED");
    assert_eq!(
        (answer.headers.get("retry-after"), delay(&answer).as_deref()),
        (None, Some("1s"))
    );
    test.fake.faults().push(Fault::status(401));
    test.access("a", "1").await.fails(401, "UNAUTHENTICATED");
    test.fake
        .faults()
        .push(Fault::status(500).with_code("DATA_LOSS"));
    test.access("a", "1").await.fails(500, "DATA_LOSS");
    test.access("a", "1").await.ok();
}

#[tokio::test]
async fn answers_can_be_late_lost_or_broken() {
    let test = Test::start().await;
    test.fake.seed("a", b"first");
    let faults = test.fake.faults();
    faults.push(Fault::slow(Duration::from_millis(60)));
    let begin = Instant::now();
    test.access("a", "1").await.ok();
    assert!(begin.elapsed() >= Duration::from_millis(60));
    // Lost is the answer, not the version.
    faults.push(Fault::lost());
    let body = json!({"payload": {"data": "dmFsdWU="}}).to_string();
    let request = test
        .request(Method::POST, &format!("{SECRETS}/a:addVersion"))
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    assert!(request.send().await.is_err());
    assert_eq!(
        test.access("a", "2").await.ok()["payload"]["data"],
        "dmFsdWU="
    );
    faults.push(Fault::truncated(20));
    let path = format!("{SECRETS}/a/versions/1:access");
    let response = test.request(Method::GET, &path).send().await.unwrap();
    assert!(response.bytes().await.is_err());
    faults.push(Fault::garbled());
    let answer = test.access("a", "1").await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
}

#[tokio::test]
async fn the_metadata_server_answers_those_who_know_it() {
    let test = Test::start().await;
    let base = format!("http://{}", test.fake.metadata_host());
    let account = "/computeMetadata/v1/instance/service-accounts/default";
    let ask = |path: &str| {
        test.client
            .get(format!("{base}{path}"))
            .header("metadata-flavor", "Google")
    };
    let token = format!("{account}/token");
    for request in [
        test.client.get(format!("{base}{token}")),
        test.client
            .get(format!("{base}{token}"))
            .header("metadata-flavor", "google"),
        ask(&token).header("x-forwarded-for", "10.0.0.1"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["metadata-flavor"], "Google");
    }
    let answer = Answer::of(ask(&token)).await.ok();
    assert_eq!(
        (answer["token_type"].as_str(), answer["expires_in"].as_u64()),
        (Some("Bearer"), Some(3599))
    );
    let list = |token: &str| {
        test.client
            .get(format!("{}{SECRETS}", test.fake.url()))
            .bearer_auth(token)
    };
    Answer::of(list(answer["access_token"].as_str().unwrap()))
        .await
        .ok();
    let narrow = Answer::of(ask(&format!("{token}?scopes=email"))).await.ok();
    let answer = Answer::of(list(narrow["access_token"].as_str().unwrap())).await;
    answer.fails_because(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    let text = async |path: &str| ask(path).send().await.unwrap().text().await.unwrap();
    assert_eq!(
        text("/computeMetadata/v1/project/project-id").await,
        "test-project"
    );
    assert_eq!(
        text("/computeMetadata/v1/project/numeric-project-id").await,
        "123456789012"
    );
    assert!(
        text(&format!("{account}/email"))
            .await
            .ends_with(".iam.gserviceaccount.com")
    );
    for unknown in [
        "/computeMetadata/v1/instance/service-accounts/nobody/token",
        "/computeMetadata/v1/nothing",
    ] {
        assert_eq!(ask(unknown).send().await.unwrap().status(), 404);
    }
    assert!(test.fake.asked().iter().any(|asked| asked.path == token));
}

#[tokio::test]
async fn the_token_endpoint_is_strict() {
    let test = Test::start().await;
    let read = |kind| -> Value {
        serde_json::from_slice(&std::fs::read(test.fake.credential_file(kind)).unwrap()).unwrap()
    };
    let user = read(Credential::AuthorizedUser);
    let part = |name: &str| user[name].as_str().unwrap().to_owned();
    let (id, secret, refresh) = (
        part("client_id"),
        part("client_secret"),
        part("refresh_token"),
    );
    let right = [
        ("grant_type", "refresh_token"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
        ("refresh_token", refresh.as_str()),
    ];
    let granted = test.form("/token", &right).await.ok();
    assert_eq!(granted["expires_in"], 3599);
    for (name, wrong, status, error) in [
        ("client_id", "x", 401, "invalid_client"),
        ("client_secret", "x", 401, "invalid_client"),
        ("refresh_token", "x", 400, "invalid_grant"),
        ("grant_type", "password", 400, "unsupported_grant_type"),
    ] {
        let changed = right.map(|(own, value)| (own, if own == name { wrong } else { value }));
        let answer = test.form("/token", &changed).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (status, &json!(error))
        );
    }
    let more = [&right[..], &[("more", "x")]].concat();
    assert_eq!(
        test.form("/token", &more).await.body["error"],
        "invalid_request"
    );
    let answer = test
        .post("/token", &json!({"grant_type": "refresh_token"}))
        .await;
    assert_eq!(answer.body["error"], "invalid_request");
    let assertion = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", "eyJhbGciOiJub25lIn0.e30."),
    ];
    assert_eq!(
        test.form("/token", &assertion).await.body["error"],
        "invalid_grant"
    );
    test.switch("invalid_grant");
    assert_eq!(
        test.form("/token", &right).await.body["error"],
        "invalid_grant"
    );
    test.fake
        .faults()
        .push(Fault::status(503).on_path("/token"));
    assert_eq!(test.form("/token", &right).await.status, 503);
    test.form("/token", &right).await.ok();
}

#[tokio::test]
async fn a_rotated_subject_token_is_read_again_or_refused() {
    let test = Test::start().await;
    let file = test.fake.credential_file(Credential::ExternalAccount);
    let account: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(
        account["token_url"],
        format!("{}/v1/token", test.fake.url())
    );
    let source = account["credential_source"]["file"].as_str().unwrap();
    let exchange = async |subject: &str| {
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("audience", account["audience"].as_str().unwrap()),
            ("scope", "https://www.googleapis.com/auth/cloud-platform"),
            ("subject_token", subject),
        ];
        test.form("/v1/token", &form).await
    };
    let old = std::fs::read_to_string(source).unwrap();
    exchange(&old).await.ok();
    test.fake.rotate_subject_token();
    assert_eq!(exchange(&old).await.body["error"], "invalid_grant");
    let new = std::fs::read_to_string(source).unwrap();
    let token = exchange(&new).await.ok()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let email = test.fake.credential_file(Credential::Impersonated);
    let impersonated: Value = serde_json::from_slice(&std::fs::read(email).unwrap()).unwrap();
    let url = impersonated["service_account_impersonation_url"]
        .as_str()
        .unwrap();
    let ask = |body: Value| {
        let request = test
            .client
            .post(url)
            .bearer_auth(&token)
            .header(CONTENT_TYPE, "application/json");
        Answer::of(request.body(body.to_string()))
    };
    let scope = json!(["https://www.googleapis.com/auth/cloud-platform"]);
    let answer = ask(json!({"scope": scope, "lifetime": "600s"})).await.ok();
    let request = test.client.get(format!("{}{SECRETS}", test.fake.url()));
    Answer::of(request.bearer_auth(answer["accessToken"].as_str().unwrap()))
        .await
        .ok();
    for wrong in [
        json!({}),
        json!({"scope": scope, "lifetime": "3601s"}),
        json!({"scope": scope, "life": "60s"}),
    ] {
        ask(wrong).await.fails(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn it_tells_nothing_of_its_keys() {
    let test = Test::start().await;
    test.fake.seed("a", b"a value that nobody must see");
    let shown = format!(
        "{:?} {:?} {:?}",
        test.fake,
        test.fake.asked(),
        test.fake.faults()
    );
    for secret in [test.token.as_str(), "a value that"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let file = test.fake.credential_file(Credential::ServiceAccount);
    let folder = file.parent().unwrap().to_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    drop(test);
    assert!(!folder.exists());
}
