use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::options::PROJECT;
use super::{InfisicalFake, InfisicalOptions, Older, Served};
use crate::fakes::Fault;

const SECRETS: &str = "/api/v4/secrets";
const V3: &str = "/api/v3/secrets/raw";
const P: &str = PROJECT.0;

/// The fake without its socket.
struct Test {
    served: Served,
    router: Router,
    token: String,
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    #[track_caller]
    fn fails(self, status: u16, error: &str) -> String {
        assert_eq!(
            (self.status, &self.body["error"]),
            (status, &json!(error)),
            "{}",
            self.body
        );
        // What the framework says itself has no id.
        if !["Not Found", "Bad Request"].contains(&error) {
            assert!(
                self.body["reqId"]
                    .as_str()
                    .is_some_and(|id| id.starts_with("req-"))
            );
        }
        assert_eq!(self.body["statusCode"], status);
        self.body["message"].to_string()
    }
}

impl Test {
    async fn new() -> Self {
        Self::with(InfisicalOptions::default()).await
    }

    async fn with(options: InfisicalOptions) -> Self {
        let served = Served::new(&options);
        let mut test = Self {
            router: served.console.around(served.router()),
            served,
            token: String::new(),
        };
        test.token = test.login().await["accessToken"]
            .as_str()
            .expect("a token")
            .to_owned();
        test
    }

    async fn login(&self) -> Value {
        let options = InfisicalOptions::default();
        let body = json!({"clientId": options.client_id, "clientSecret": options.client_secret});
        self.open("/api/v1/auth/universal-auth/login", body)
            .await
            .ok()
    }

    async fn wrong_login(&self) -> Answer {
        let options = InfisicalOptions::default();
        let body = json!({"clientId": options.client_id, "clientSecret": "wrong"});
        self.open("/api/v1/auth/universal-auth/login", body).await
    }

    /// A request that bears no token.
    async fn open(&self, target: &str, body: Value) -> Answer {
        let request = Request::post(target).header("content-type", "application/json");
        self.send(
            request
                .body(Body::from(body.to_string()))
                .expect("a request"),
        )
        .await
    }

    async fn renew(&self, token: &str) -> Answer {
        self.open("/api/v1/auth/token/renew", json!({"accessToken": token}))
            .await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        Answer {
            status: head.status.as_u16(),
            retry_after: head
                .headers
                .get("retry-after")
                .map(|value| value.to_str().expect("a number").to_owned()),
            body: serde_json::from_slice(&body).expect("JSON"),
        }
    }

    async fn as_actor(&self, token: &str, method: &str, target: &str, body: Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).expect("a request")).await
    }

    async fn ask(&self, method: &str, target: &str, body: Value) -> Answer {
        self.as_actor(&self.token, method, target, body).await
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, Value::Null).await
    }

    async fn read(&self, name: &str, more: &str) -> Answer {
        self.get(&format!(
            "{SECRETS}/{name}?projectId={P}&environment=dev{more}"
        ))
        .await
    }

    async fn list(&self, more: &str) -> Answer {
        self.get(&format!("{SECRETS}?projectId={P}&environment=dev{more}"))
            .await
    }

    async fn write(&self, method: &str, name: &str, more: Value) -> Answer {
        let mut body = json!({"projectId": P, "environment": "dev"});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        self.ask(method, &format!("{SECRETS}/{name}"), body).await
    }

    async fn create(&self, name: &str, value: &str) -> Value {
        self.write("POST", name, json!({"secretValue": value}))
            .await
            .ok()
    }

    fn fault(&self, fault: Fault) {
        self.served.console.faults.push(fault);
    }

    fn advance(&self, seconds: u64) {
        self.served
            .console
            .time
            .advance(Duration::from_secs(seconds));
    }
}

fn names(list: &Value) -> Vec<String> {
    let mut names: Vec<String> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|secret| secret["secretKey"].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_secret_lives_in_both_dialects() {
    let test = Test::new().await;
    let made = test.create("A", " one \n").await;
    let secret = &made["secret"];
    assert_eq!(
        (&secret["secretValue"], &secret["version"]),
        (&json!("one\n"), &json!(1))
    );
    assert_eq!(secret["id"], secret["_id"]);
    for absent in ["secretPath", "tags", "secretMetadata", "secretValueHidden"] {
        assert!(secret.get(absent).is_none(), "{absent}");
    }
    let v3 = format!(
        "{V3}/A?workspaceSlug={}&environment=dev&secretPath=/",
        PROJECT.1
    );
    let read = test.get(&v3).await.ok();
    assert_eq!(read["secret"]["secretValue"], "one\n");
    assert_eq!(read["secret"]["secretPath"], "/");
    let body =
        json!({"workspaceId": P, "environment": "dev", "secretValue": "two", "type": "shared"});
    let changed = test.ask("PATCH", &format!("{V3}/A"), body).await.ok();
    assert_eq!(changed["secret"]["version"], 2);
    assert_eq!(
        test.read("A", "").await.ok()["secret"]["secretValue"],
        "two"
    );
    let body = json!({"workspaceId": P, "environment": "dev"});
    assert_eq!(
        test.ask("DELETE", &format!("{V3}/A"), body).await.ok()["secret"]["secretValue"],
        "two"
    );
    test.read("A", "").await.fails(404, "NotFound");
    assert!(
        test.served
            .state
            .lock()
            .expect("a state")
            .ignored
            .is_empty()
    );
}

#[tokio::test]
async fn an_update_answers_what_was_said_and_keeps_what_was_not() {
    let test = Test::new().await;
    let body = json!({
        "secretValue": "v", "secretComment": " c ", "secretMetadata": [{"key": "k", "value": "m"}],
    });
    test.write("POST", "A", body).await.ok();
    let changed = test
        .write("PATCH", "A", json!({"skipMultilineEncoding": true}))
        .await
        .ok();
    assert_eq!(changed["secret"]["secretValue"], "");
    assert_eq!(changed["secret"]["secretComment"], "");
    assert_eq!(changed["secret"]["version"], 2);
    let kept = test.read("A", "").await.ok();
    assert_eq!(kept["secret"]["secretValue"], "v");
    assert_eq!(kept["secret"]["secretComment"], "c");
    assert_eq!(
        kept["secret"]["secretMetadata"],
        json!([{"key": "k", "value": "m", "isEncrypted": false}])
    );
}

#[tokio::test]
async fn what_the_schemas_refuse_is_refused() {
    let test = Test::new().await;
    test.create("A", "v").await;
    let whole = json!({"projectId": P, "environment": "dev", "secretValue": "v"});
    let with = |name: &str, value: Value| {
        let mut body = whole.clone();
        body[name] = value;
        body
    };
    for (method, target, body) in [
        ("POST", format!("{SECRETS}/B"), json!({"projectId": P})),
        (
            "POST",
            format!("{SECRETS}/B"),
            with("secretValue", json!(1)),
        ),
        (
            "POST",
            format!("{SECRETS}/B"),
            with("secretValue", Value::Null),
        ),
        ("POST", format!("{SECRETS}/B"), with("type", json!("other"))),
        ("POST", format!("{SECRETS}/B"), with("tagIds", json!("one"))),
        ("POST", format!("{SECRETS}/B"), with("tagIds", json!([1]))),
        (
            "POST",
            format!("{SECRETS}/B"),
            with("skipMultilineEncoding", json!("true")),
        ),
        (
            "POST",
            format!("{SECRETS}/B"),
            with("secretMetadata", json!({})),
        ),
        (
            "POST",
            format!("{SECRETS}/B"),
            with("secretMetadata", json!([{"value": "v"}])),
        ),
        (
            "POST",
            format!("{SECRETS}/B"),
            with(
                "secretMetadata",
                json!([{"key": "k", "value": "v".repeat(1021)}]),
            ),
        ),
        ("POST", format!("{SECRETS}/a:b"), whole.clone()),
        ("POST", format!("{SECRETS}/a%2Fb"), whole.clone()),
        ("POST", format!("{SECRETS}/%20"), whole.clone()),
        ("POST", format!("{SECRETS}/B"), json!([])),
        (
            "PATCH",
            format!("{SECRETS}/A"),
            with("skipMultilineEncoding", Value::Null),
        ),
        (
            "PATCH",
            format!("{SECRETS}/A"),
            with("newSecretName", json!("a/b")),
        ),
        (
            "PATCH",
            format!("{SECRETS}/A"),
            with("environment", json!(true)),
        ),
        (
            "DELETE",
            format!("{SECRETS}/A"),
            json!({"environment": "dev"}),
        ),
        (
            "POST",
            format!("{SECRETS}/batch"),
            with("secrets", json!([])),
        ),
        ("POST", format!("{SECRETS}/batch"), whole.clone()),
        (
            "POST",
            format!("{SECRETS}/batch"),
            with("secrets", json!([{"secretKey": "C"}])),
        ),
        (
            "PATCH",
            format!("{SECRETS}/batch"),
            with("mode", json!("always")),
        ),
        ("GET", format!("{SECRETS}/A?environment=dev"), Value::Null),
        (
            "GET",
            format!("{SECRETS}/A?projectId={P}&environment=dev&version=x"),
            Value::Null,
        ),
        (
            "GET",
            format!("{SECRETS}/A?projectId={P}&environment=dev&type=mine"),
            Value::Null,
        ),
        (
            "GET",
            format!("{SECRETS}?projectId={P}&environment=dev&recursive=1"),
            Value::Null,
        ),
        (
            "GET",
            format!("{SECRETS}?projectId={P}&environment=dev&viewSecretValue=TRUE"),
            Value::Null,
        ),
        (
            "GET",
            format!("{SECRETS}?projectId={P}&environment=dev&environment=prod"),
            Value::Null,
        ),
        (
            "POST",
            "/api/v2/folders".to_owned(),
            json!({"projectId": P, "environment": "dev", "name": "a.b"}),
        ),
        (
            "POST",
            "/api/v1/auth/universal-auth/login".to_owned(),
            json!({"clientId": "a"}),
        ),
    ] {
        let answer = test.ask(method, &target, body.clone()).await;
        assert_eq!(
            answer.status, 422,
            "{method} {target} {body}: {}",
            answer.body
        );
        assert_eq!(answer.body["error"], "ValidationFailure");
        assert!(
            answer.body["message"]
                .as_array()
                .is_some_and(|issues| !issues.is_empty())
        );
    }
    assert_eq!(names(&test.list("").await.ok()["secrets"]), ["A"]);
}

#[tokio::test]
async fn what_is_wrong_is_told_as_the_server_tells_it() {
    let test = Test::new().await;
    test.create("A", "v").await;
    let whole = json!({"projectId": P, "environment": "dev", "secretValue": "v"});
    let with = |name: &str, value: Value| {
        let mut body = whole.clone();
        body[name] = value;
        body
    };
    let folder = json!("/nowhere");
    for (method, target, body, status, error) in [
        ("POST", "/A", whole.clone(), 400, "BadRequest"),
        (
            "POST",
            "/B",
            with("type", json!("personal")),
            400,
            "BadRequest",
        ),
        (
            "POST",
            "/B",
            with("secretPath", folder.clone()),
            404,
            "CreateSecret",
        ),
        (
            "PATCH",
            "/A",
            with("secretPath", folder.clone()),
            404,
            "UpdateSecret",
        ),
        (
            "DELETE",
            "/A",
            with("secretPath", folder.clone()),
            404,
            "DeleteSecret",
        ),
        (
            "POST",
            "/B",
            with("secretPath", json!("/a.b")),
            400,
            "BadRequest",
        ),
        (
            "POST",
            "/B",
            with("projectId", json!("other")),
            404,
            "NotFound",
        ),
        (
            "POST",
            "/B",
            with("environment", json!("other")),
            404,
            "CreateSecret",
        ),
        ("POST", "/B", with("tagIds", json!(["t"])), 404, "NotFound"),
        ("POST", "/B%00", whole.clone(), 500, "DatabaseError"),
        ("PATCH", "/B", whole.clone(), 404, "NotFound"),
        ("DELETE", "/B", whole.clone(), 404, "NotFound"),
    ] {
        let answer = test.ask(method, &format!("{SECRETS}{target}"), body).await;
        answer.fails(status, error);
    }
    test.list("&secretPath=/nowhere")
        .await
        .fails(404, "SecretPathNotFound");
    test.read("A", "&secretPath=/nowhere")
        .await
        .fails(404, "GetSecretByName");
    test.read("A", "&version=1.5")
        .await
        .fails(500, "DatabaseError");
    test.get(&format!("{SECRETS}?projectId={P}"))
        .await
        .fails(400, "BadRequest");
    test.get(&format!("{V3}?environment=dev"))
        .await
        .fails(400, "BadRequest");
    test.get("/api/v4/secret").await.fails(404, "Not Found");
    test.ask("PUT", &format!("{SECRETS}/A"), whole.clone())
        .await
        .fails(404, "Not Found");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_end_in_the_catch_all() {
    let test = Test::new().await;
    let send = |kind: Option<&'static str>, body: Vec<u8>| {
        let mut request = Request::post(format!("{SECRETS}/A"))
            .header("authorization", format!("Bearer {}", test.token));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        test.send(request.body(Body::from(body)).expect("a request"))
    };
    let whole = |value: String| {
        json!({"projectId": P, "environment": "dev", "secretValue": value})
            .to_string()
            .into_bytes()
    };
    send(Some("application/json"), b"{".to_vec())
        .await
        .fails(500, "InternalServerError");
    send(Some("application/json"), Vec::new())
        .await
        .fails(500, "InternalServerError");
    send(Some("text/plain"), whole("v".into()))
        .await
        .fails(500, "InternalServerError");
    send(Some("application/json"), whole("v".repeat(1024 * 1024)))
        .await
        .fails(500, "InternalServerError");
    send(None, Vec::new()).await.fails(422, "ValidationFailure");
    let kind = "application/json; charset=utf-8";
    send(Some(kind), whole("v".repeat(1024 * 1000))).await.ok();
}

#[tokio::test]
async fn paths_are_decoded_once_and_names_have_a_limit() {
    let test = Test::new().await;
    for name in [
        "with space",
        "50%",
        "a+b",
        "ü密🔑",
        "a?b#c",
        "%2F",
        "..",
        "batch!",
    ] {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        test.create(&encoded, name).await;
        assert_eq!(
            test.read(&encoded, "").await.ok()["secret"]["secretKey"],
            name
        );
    }
    test.write("POST", "%2", json!({}))
        .await
        .fails(400, "Bad Request");
    test.write("POST", "%FF", json!({}))
        .await
        .fails(400, "Bad Request");
    let (long, longer) = ("n".repeat(100), "n".repeat(101));
    test.create(&long, "v").await;
    test.write("POST", &longer, json!({"secretValue": "v"}))
        .await
        .fails(404, "Not Found");
    let batch = |name: &str| json!({"secrets": [{"secretKey": name, "secretValue": "v"}]});
    test.write("POST", "batch", batch(&longer)).await.ok();
    test.write("POST", "batch", batch(&"n".repeat(501)))
        .await
        .fails(500, "DatabaseError");
    // A name that is a route's for other methods.
    test.read("batch", "").await.fails(404, "NotFound");
}

#[tokio::test]
async fn unknown_fields_are_left_out_and_told() {
    let test = Test::new().await;
    let body = json!({"secretValue": "v", "secretvalue": "w", "secretMetadata": [{"key": "k", "kind": 1}]});
    test.write("POST", "A", body).await.ok();
    test.read("A", "&includeImports=true").await.ok();
    let ignored = test.served.state.lock().expect("a state").ignored.clone();
    assert_eq!(
        ignored.into_iter().collect::<Vec<_>>(),
        ["includeImports", "kind", "secretvalue"]
    );
}

#[tokio::test]
async fn versions_are_found_by_name_and_outlive_the_secret() {
    let test = Test::new().await;
    let id = test.create("A", "one").await["secret"]["id"].clone();
    test.write(
        "PATCH",
        "A",
        json!({"secretValue": "two", "secretComment": "c"}),
    )
    .await
    .ok();
    let first = test.read("A", "&version=1").await.ok();
    assert_eq!(first["secret"]["secretValue"], "one");
    assert_eq!(first["secret"]["version"], 1);
    assert_eq!(first["secret"]["id"], id);
    assert!(first["secret"].get("secretMetadata").is_none());
    assert_eq!(
        test.read("A", "&version=2").await.ok()["secret"]["secretComment"],
        "c"
    );
    test.read("A", "&version=3").await.fails(404, "NotFound");
    test.write("PATCH", "A", json!({"newSecretName": "B"}))
        .await
        .ok();
    assert_eq!(
        test.read("B", "&version=3").await.ok()["secret"]["secretValue"],
        "two"
    );
    test.read("B", "&version=1").await.fails(404, "NotFound");
    test.write("DELETE", "B", json!({})).await.ok();
    assert_eq!(test.read("B", "&version=3").await.ok()["secret"]["id"], id);
    let again = test.create("A", "other").await["secret"]["id"].clone();
    assert_ne!(again, id);
    assert_eq!(test.read("A", "&version=1").await.ok()["secret"]["id"], id);
}

#[tokio::test]
async fn an_older_server_is_older() {
    let older = InfisicalOptions::default()
        .with_older(Older::NoV4)
        .with_older(Older::IgnoresVersion)
        .with_older(Older::RefusesMissingReferences);
    let test = Test::with(older).await;
    test.list("").await.fails(404, "Not Found");
    let write = |method: &'static str, name: &str, value: &str| {
        let body = json!({"workspaceId": P, "environment": "dev", "secretValue": value});
        let target = format!("{V3}/{name}");
        let test = &test;
        async move { test.ask(method, &target, body).await }
    };
    write("POST", "A", "one").await.ok();
    write("PATCH", "A", "two").await.ok();
    let target = format!("{V3}/A?workspaceId={P}&environment=dev&version=1");
    assert_eq!(test.get(&target).await.ok()["secret"]["version"], 2);
    for missing in ["${B}", "${qa.B}", "${dev.x.B}"] {
        write("POST", "C", missing).await.fails(400, "BadRequest");
    }
    write("POST", "C", "${A} $A {A}").await.ok();
}

#[tokio::test]
async fn references_are_followed_and_missing_ones_stay() {
    let test = Test::new().await;
    test.ask(
        "POST",
        "/api/v2/folders",
        json!({"projectId": P, "environment": "prod", "name": "db"}),
    )
    .await
    .ok();
    let body =
        json!({"projectId": P, "environment": "prod", "secretPath": "/db", "secretValue": "deep"});
    test.ask("POST", &format!("{SECRETS}/D"), body).await.ok();
    for (name, value) in [
        ("A", "[${B}]"),
        ("B", "${prod.db.D}"),
        ("C", "${NOPE}-${prod.no.D}-${@other.dev.X}"),
        ("LOOP", "${LOOP2}"),
        ("LOOP2", "<${LOOP}>"),
        ("NESTED", "${prod.${PATH}.D}"),
        ("PATH", "db"),
    ] {
        test.create(name, value).await;
    }
    for (name, expanded) in [
        ("A", "[deep]"),
        ("C", "${NOPE}-${prod.no.D}-${@other.dev.X}"),
        ("NESTED", "deep"),
    ] {
        let plain = test.read(name, "").await.ok();
        assert_ne!(plain["secret"]["secretValue"], "deep");
        let read = test.read(name, "&expandSecretReferences=true").await.ok();
        assert_eq!(read["secret"]["secretValue"], expanded, "{name}");
    }
    let looped = test.read("LOOP", "&expandSecretReferences=true").await.ok();
    assert!(
        looped["secret"]["secretValue"]
            .as_str()
            .expect("text")
            .contains("${LOOP")
    );
    let emptying = InfisicalOptions::default().with_older(Older::EmptiesMissingReferences);
    let test = Test::with(emptying).await;
    test.create("A", "[${NOPE}]").await;
    let read = test.read("A", "&expandSecretReferences=true").await.ok();
    assert_eq!(read["secret"]["secretValue"], "[]");
}

#[tokio::test]
async fn imports_and_folders_below() {
    let test = Test::new().await;
    let folder = |environment: &'static str, path: &'static str, name: &'static str| {
        let body = json!({"projectId": P, "environment": environment, "path": path, "name": name});
        test.ask("POST", "/api/v2/folders", body)
    };
    let import = |path: &'static str, environment: &'static str, from: &'static str| {
        let body = json!({
            "projectId": P, "environment": "dev", "path": path,
            "import": {"environment": environment, "path": from},
        });
        test.ask("POST", "/api/v2/secret-imports", body)
    };
    folder("dev", "/", "app").await.ok();
    folder("prod", "/", "common").await.ok();
    for (environment, path, name) in [
        ("dev", "/app", "OWN"),
        ("dev", "/", "ROOT"),
        ("prod", "/common", "SHARED"),
        ("prod", "/", "TOP"),
    ] {
        let body = json!({
            "projectId": P, "environment": environment, "secretPath": path, "secretValue": name,
        });
        test.ask("POST", &format!("{SECRETS}/{name}"), body)
            .await
            .ok();
    }
    import("/app", "prod", "/common").await.ok();
    import("/app", "prod", "/common")
        .await
        .fails(400, "BadRequest");
    let body = json!({
        "projectId": P, "environment": "prod", "path": "/common",
        "import": {"environment": "prod", "path": "/"},
    });
    test.ask("POST", "/api/v2/secret-imports", body).await.ok();
    let plain = test.list("&secretPath=/app").await.ok();
    assert_eq!(names(&plain["secrets"]), ["OWN"]);
    assert_eq!(plain["imports"], json!([]));
    let whole = test
        .list("&secretPath=/app&include_imports=true")
        .await
        .ok();
    assert_eq!(whole["imports"][0]["secretPath"], "/common");
    assert_eq!(names(&whole["imports"][0]["secrets"]), ["SHARED", "TOP"]);
    assert!(whole["imports"][0]["folderId"].is_string());
    let got = test
        .read("SHARED", "&secretPath=/app&include_imports=true")
        .await
        .ok();
    assert_eq!(got["secret"]["environment"], "prod");
    assert_eq!(got["secret"]["secretPath"], "/common");
    test.read("SHARED", "&secretPath=/app")
        .await
        .fails(404, "NotFound");
    let deep = test.list("&recursive=true").await.ok();
    assert_eq!(names(&deep["secrets"]), ["OWN", "ROOT"]);
}

#[tokio::test]
async fn folders_in_both_dialects() {
    let test = Test::new().await;
    let made = test
        .ask(
            "POST",
            "/api/v1/folders",
            json!({"workspaceId": P, "environment": "dev", "name": "c", "directory": "/a/b/"}),
        )
        .await
        .ok();
    assert_eq!(made["folder"]["path"], "/a/b/c");
    let id = made["folder"]["id"].as_str().expect("an id").to_owned();
    let again = json!({"projectId": P, "environment": "dev", "name": "c", "path": "a/b"});
    assert_eq!(
        test.ask("POST", "/api/v2/folders", again).await.ok()["folder"]["id"],
        id
    );
    let listed = |more: &'static str| {
        let target = format!("/api/v2/folders?projectId={P}&environment=dev{more}");
        let test = &test;
        async move {
            let folders = test.get(&target).await.ok()["folders"].clone();
            let mut names: Vec<String> = folders
                .as_array()
                .expect("a list")
                .iter()
                .map(|folder| folder["name"].as_str().expect("a name").to_owned())
                .collect();
            names.sort();
            names
        }
    };
    assert_eq!(listed("&path=/").await, ["a"]);
    assert_eq!(listed("&path=/&recursive=True").await, ["a", "b", "c"]);
    assert_eq!(listed("&path=/&recursive=False").await, ["a"]);
    assert!(listed("&path=/none").await.is_empty());
    let body = json!({"secretValue": "v", "secretPath": "/a/b/c"});
    test.write("POST", "S", body).await.ok();
    let above = test
        .get(&format!(
            "/api/v1/folders?workspaceId={P}&environment=dev&path=/a"
        ))
        .await
        .ok()["folders"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let rename = json!({"projectId": P, "environment": "dev", "path": "/a", "name": "new"});
    test.ask("PATCH", &format!("/api/v2/folders/{above}"), rename)
        .await
        .ok();
    test.read("S", "&secretPath=/a/new/c").await.ok();
    test.read("S", "&secretPath=/a/b/c")
        .await
        .fails(404, "GetSecretByName");
    let found = test.get(&format!("/api/v2/folders/{id}")).await.ok();
    assert_eq!(found["folder"]["path"], "/a/new/c");
    assert_eq!(found["folder"]["environment"]["envSlug"], "dev");
    let delete = json!({"projectId": P, "environment": "dev", "path": "/"});
    test.ask("DELETE", "/api/v2/folders/a", delete.clone())
        .await
        .ok();
    test.list("&secretPath=/a")
        .await
        .fails(404, "SecretPathNotFound");
    test.ask("DELETE", "/api/v2/folders/a", delete)
        .await
        .fails(404, "NotFound");
}

#[tokio::test]
async fn three_wrong_secrets_lock_for_five_minutes() {
    let test = Test::new().await;
    for _ in 0..2 {
        assert!(
            test.wrong_login()
                .await
                .fails(401, "UnauthorizedError")
                .contains("Invalid")
        );
    }
    test.advance(31);
    for _ in 0..3 {
        assert!(
            test.wrong_login()
                .await
                .fails(401, "UnauthorizedError")
                .contains("Invalid")
        );
    }
    assert!(
        test.wrong_login()
            .await
            .fails(401, "UnauthorizedError")
            .contains("locked")
    );
    test.advance(301);
    test.login().await;
    let body = json!({"clientId": "other", "clientSecret": "s"});
    test.open("/api/v1/auth/universal-auth/login", body)
        .await
        .fails(401, "UnauthorizedError");
}

#[tokio::test]
async fn tokens_end_and_cannot_be_renewed_for_ever() {
    let test = Test::with(InfisicalOptions::default().with_token_life(600, 1000)).await;
    let token = test.token.clone();
    test.advance(300);
    let renewed = test.renew(&token).await.ok();
    assert_eq!(
        (&renewed["expiresIn"], &renewed["accessTokenMaxTTL"]),
        (&json!(600), &json!(1000))
    );
    let renewed = renewed["accessToken"].as_str().expect("a token").to_owned();
    test.advance(350);
    assert!(
        test.list("")
            .await
            .fails(403, "TokenError")
            .contains("expired")
    );
    test.as_actor(
        &renewed,
        "GET",
        &format!("{SECRETS}?projectId={P}&environment=dev"),
        Value::Null,
    )
    .await
    .ok();
    // It would live until 1250 s after it was made: beyond the longest life.
    assert!(
        test.renew(&renewed)
            .await
            .fails(401, "UnauthorizedError")
            .contains("past its Max TTL")
    );
    test.as_actor(
        &renewed,
        "GET",
        &format!("{SECRETS}?projectId={P}&environment=dev"),
        Value::Null,
    )
    .await
    .fails(401, "UnauthorizedError");
    let forever = Test::with(InfisicalOptions::default().with_token_life(0, 0)).await;
    forever.advance(1_000_000_000);
    forever.list("").await.ok();
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let test = Test::new().await;
    let target = format!("{SECRETS}?projectId={P}&environment=dev");
    let parts: Vec<&str> = test.token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
    assert!(
        String::from_utf8(claims)
            .expect("text")
            .contains("identityAccessToken")
    );
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for token in [
        String::new(),
        "garbage".to_owned(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].to_lowercase()),
    ] {
        let answer = test.as_actor(&token, "GET", &target, Value::Null).await;
        answer.fails(403, "TokenError");
    }
    let bare = Request::get(&target)
        .body(Body::empty())
        .expect("a request");
    assert!(
        test.send(bare)
            .await
            .fails(401, "UnauthorizedError")
            .contains("Token missing")
    );
    // A login needs no token, and fails with one that is none.
    let options = InfisicalOptions::default();
    let body = json!({"clientId": options.client_id, "clientSecret": options.client_secret});
    test.as_actor("garbage", "POST", "/api/v1/auth/universal-auth/login", body)
        .await
        .fails(403, "TokenError");
    test.open(
        "/api/v1/auth/token/revoke",
        json!({"accessToken": test.token}),
    )
    .await
    .ok();
    test.list("").await.fails(401, "UnauthorizedError");
    test.renew(&test.token)
        .await
        .fails(401, "UnauthorizedError");
}

#[tokio::test]
async fn service_tokens_go_where_they_may() {
    let fake = InfisicalFake::start(InfisicalOptions::default())
        .await
        .expect("a port");
    fake.seed("dev", "/svc/deep", "S", "in its place");
    fake.seed("dev", "/", "ROOT", "elsewhere");
    let own = fake.service_token("dev", "/svc/deep");
    let reading = fake.reading_service_token(&[("dev", "/svc/**"), ("prod", "/")]);
    let test = Test {
        router: fake.served.console.around(fake.served.router()),
        served: fake.served.clone(),
        token: own.clone(),
    };
    // One scope: it is read there, whatever was asked for.
    let read = test.get(&format!("{V3}/S?environment=prod")).await.ok();
    assert_eq!(read["secret"]["secretValue"], "in its place");
    let body = |path: &str| json!({"projectId": P, "environment": "dev", "secretPath": path, "secretValue": "v"});
    test.ask("POST", &format!("{SECRETS}/N"), body("/svc/deep"))
        .await
        .ok();
    test.ask("POST", &format!("{SECRETS}/N"), body("/svc"))
        .await
        .fails(403, "PermissionDenied");
    let ask = |method: &'static str, target: String, body: Value| {
        let (test, reading) = (&test, &reading);
        async move { test.as_actor(reading, method, &target, body).await }
    };
    let list = |path: &str| format!("{SECRETS}?projectId={P}&environment=dev&secretPath={path}");
    ask("GET", list("/svc"), Value::Null).await.ok();
    ask("GET", list("/svc/deep"), Value::Null).await.ok();
    ask("GET", list("/"), Value::Null)
        .await
        .fails(403, "PermissionDenied");
    ask("POST", format!("{SECRETS}/M"), body("/svc/deep"))
        .await
        .fails(403, "PermissionDenied");
    let by_id = format!("{SECRETS}/id/7b1f7c9e-6d55-4c2c-9d6d-0d6c1c5b6a11");
    let answer = ask("GET", by_id.clone(), Value::Null).await;
    answer.fails(403, &format!("Forbidden access to {by_id}"));
    let wrong = format!("{}x", own);
    test.as_actor(&wrong, "GET", &list("/"), Value::Null)
        .await
        .fails(401, "UnauthorizedError");
    test.as_actor("st.none.x", "GET", &list("/"), Value::Null)
        .await
        .fails(404, "NotFound");
}

#[tokio::test]
async fn other_languages_set_it_up_over_the_wire() {
    let test = Test::new().await;
    test.create("A", "v").await;
    let wanted = json!({"scopes": [{"environment": "dev", "path": "/"}], "read_only": true});
    let token = test.open("/_fake/service-tokens", wanted).await.ok()["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let target = format!("{SECRETS}/A");
    let body = json!({"projectId": P, "environment": "dev", "secretValue": "w"});
    test.as_actor(&token, "PATCH", &target, body)
        .await
        .fails(403, "PermissionDenied");
    let older = |words: &str| {
        let request = Request::post("/_fake/older").body(Body::from(words.to_owned()));
        let router = test.router.clone();
        async move {
            let response = router.oneshot(request.expect("a request")).await;
            response.expect("an answer").status().as_u16()
        }
    };
    assert_eq!(older(r#"["no_v4"]"#).await, 204);
    test.list("").await.fails(404, "Not Found");
    assert_eq!(older("[]").await, 204);
    test.list("&page=2").await.ok();
    assert_eq!(older(r#"["no_v5"]"#).await, 400);
    let request = Request::get("/_fake/ignored").body(Body::empty());
    let ignored = test.send(request.expect("a request")).await;
    assert_eq!(ignored.ok(), json!(["page"]));
}

#[tokio::test]
async fn switches_do_what_they_say() {
    let test = Test::new().await;
    test.create("A", "v").await;
    test.fault(Fault::switch("approval"));
    let answer = test
        .write("PATCH", "A", json!({"secretValue": "w"}))
        .await
        .ok();
    assert_eq!(answer["approval"]["status"], "open");
    assert!(answer.get("secret").is_none());
    assert_eq!(test.read("A", "").await.ok()["secret"]["secretValue"], "v");
    test.fault(Fault::switch("hidden_values").times(2));
    test.read("A", "")
        .await
        .fails(403, "ForbiddenReadSecretError");
    test.list("").await.fails(403, "ForbiddenReadSecretError");
    let masked = test.read("A", "&viewSecretValue=false").await.ok();
    assert_eq!(masked["secret"]["secretValue"], "<hidden-by-infisical>");
    assert_eq!(masked["secret"]["secretValueHidden"], true);
    test.fault(Fault::switch("denied"));
    let denied = test.write("DELETE", "A", json!({})).await;
    assert_eq!(denied.body["details"], json!([]));
    assert!(denied.fails(403, "PermissionDenied").contains("delete"));
    test.fault(Fault::switch("lockout"));
    let options = InfisicalOptions::default();
    let body = json!({"clientId": options.client_id, "clientSecret": options.client_secret});
    test.open("/api/v1/auth/universal-auth/login", body)
        .await
        .fails(401, "UnauthorizedError");
    test.fault(Fault::switch("expire_tokens"));
    test.read("A", "").await.fails(403, "TokenError");
    test.read("A", "").await.fails(403, "TokenError");
    test.advance(301);
    test.login().await;
}

#[tokio::test]
async fn throttling_tells_the_wait_in_words_and_on_demand_in_a_header() {
    let test = Test::new().await;
    test.fault(Fault::status(429).with_retry_after(42));
    let answer = test.list("").await;
    assert_eq!(answer.retry_after, None);
    assert!(
        answer
            .fails(429, "RateLimitExceeded")
            .contains("try again in 42 seconds")
    );
    let test = Test::with(InfisicalOptions::default().with_retry_after_header()).await;
    test.fault(Fault::status(429).with_retry_after(7));
    let answer = test.list("").await;
    assert_eq!(answer.retry_after.as_deref(), Some("7"));
    for (status, error) in [
        (400, "BadRequest"),
        (401, "UnauthorizedError"),
        (403, "PermissionDenied"),
        (404, "NotFound"),
        (422, "ValidationFailure"),
        (500, "InternalServerError"),
        (504, "GatewayTimeoutError"),
    ] {
        test.fault(Fault::status(status));
        test.list("").await.fails(status, error);
    }
    test.fault(Fault::status(403).with_code("TokenError"));
    test.list("").await.fails(403, "TokenError");
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let test = Test::new().await;
    test.create("A", "v").await;
    let new = |name: &str| json!({"secretKey": name, "secretValue": " v "});
    test.write("POST", "batch", json!({"secrets": [new("B"), new("A")]}))
        .await
        .fails(400, "BadRequest");
    let made = test
        .write("POST", "batch", json!({"secrets": [new("B"), new("C")]}))
        .await
        .ok();
    assert_eq!(made["secrets"][0]["secretValue"], "v");
    let change = |name: &str| json!({"secretKey": name, "secretValue": "w"});
    test.write(
        "PATCH",
        "batch",
        json!({"secrets": [change("A"), change("X")]}),
    )
    .await
    .fails(404, "NotFound");
    assert_eq!(test.read("A", "").await.ok()["secret"]["version"], 1);
    let body = json!({"mode": "upsert", "secrets": [change("A"), change("X")]});
    assert_eq!(
        names(&test.write("PATCH", "batch", body).await.ok()["secrets"]),
        ["A", "X"]
    );
    let body = json!({"mode": "ignore", "secrets": [change("A"), change("Y")]});
    assert_eq!(
        names(&test.write("PATCH", "batch", body).await.ok()["secrets"]),
        ["A"]
    );
    let gone = |name: &str| json!({ "secretKey": name });
    test.write(
        "DELETE",
        "batch",
        json!({"secrets": [gone("A"), gone("Y")]}),
    )
    .await
    .fails(404, "NotFound");
    test.write(
        "DELETE",
        "batch",
        json!({"secrets": [gone("A"), gone("B")]}),
    )
    .await
    .ok();
    assert_eq!(names(&test.list("").await.ok()["secrets"]), ["C", "X"]);
    let body = json!({
        "workspaceId": P, "environment": "dev", "secrets": [{"secretKey": "C"}, {"secretKey": "X"}],
    });
    test.ask("DELETE", "/api/v3/secrets/batch/raw", body)
        .await
        .ok();
    assert_eq!(test.list("").await.ok()["secrets"], json!([]));
}

#[tokio::test]
async fn tags_and_metadata_filter_a_list() {
    let test = Test::new().await;
    let body = json!({"slug": "red", "color": "#f00"});
    let tag = test
        .ask("POST", &format!("/api/v1/projects/{P}/tags"), body.clone())
        .await
        .ok();
    test.ask("POST", &format!("/api/v1/workspace/{P}/tags"), body)
        .await
        .fails(400, "BadRequest");
    let id = &tag["tag"]["id"];
    let metadata = json!([{"key": "team", "value": "core"}]);
    let more = json!({"secretValue": "v", "tagIds": [id], "secretMetadata": metadata});
    test.write("POST", "A", more).await.ok();
    test.create("B", "v").await;
    let tagged = test.list("&tagSlugs=blue,%20red").await.ok();
    assert_eq!(names(&tagged["secrets"]), ["A"]);
    assert_eq!(tagged["secrets"][0]["tags"][0]["slug"], "red");
    let filtered = test
        .list("&metadataFilter=key%3Dteam,value%3Dcore%7Ckey%3Dx,value%3Dy")
        .await
        .ok();
    assert_eq!(names(&filtered["secrets"]), ["A"]);
    assert_eq!(
        names(&test.list("&metadataFilter=nonsense").await.ok()["secrets"]),
        ["A", "B"]
    );
}

#[tokio::test]
async fn keys_sign_and_verify() {
    let test = Test::new().await;
    let keys = "/api/v1/kms/keys";
    for (kind, algorithm) in [
        ("ECC_NIST_P256", "ECDSA_SHA_256"),
        ("RSA_4096", "RSASSA_PKCS1_V1_5_SHA_384"),
        ("RSA_4096", "RSASSA_PSS_SHA_256"),
    ] {
        let name = algorithm.to_lowercase().replace('_', "-");
        let body = json!({
            "projectId": P, "name": name, "keyUsage": "sign-verify", "encryptionAlgorithm": kind,
        });
        let key = test.ask("POST", keys, body).await.ok()["key"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let body = json!({"signingAlgorithm": algorithm, "data": STANDARD.encode("data")});
        let signed = test
            .ask("POST", &format!("{keys}/{key}/sign"), body.clone())
            .await
            .ok();
        let verify = |data: &str| {
            let body = json!({
                "signingAlgorithm": algorithm,
                "data": STANDARD.encode(data),
                "signature": signed["signature"],
            });
            let target = format!("{keys}/{key}/verify");
            let test = &test;
            async move { test.ask("POST", &target, body).await.ok()["signatureValid"].clone() }
        };
        assert_eq!(verify("data").await, true);
        assert_eq!(verify("other").await, false);
        let public = test.get(&format!("{keys}/{key}/public-key")).await.ok();
        let der = STANDARD
            .decode(public["publicKey"].as_str().expect("text"))
            .expect("base64");
        assert_eq!(der[0], 0x30);
        let other = if kind == "RSA_4096" {
            "ECDSA_SHA_256"
        } else {
            "RSASSA_PSS_SHA_256"
        };
        let mut wrong = body.clone();
        wrong["signingAlgorithm"] = json!(other);
        test.ask("POST", &format!("{keys}/{key}/sign"), wrong)
            .await
            .fails(400, "BadRequest");
        let mut wrong = body.clone();
        wrong["data"] = json!("not base64!");
        test.ask("POST", &format!("{keys}/{key}/sign"), wrong)
            .await
            .fails(422, "ValidationFailure");
        let mut digest = body.clone();
        digest["isDigest"] = json!(true);
        test.ask("POST", &format!("{keys}/{key}/sign"), digest.clone())
            .await
            .fails(400, "BadRequest");
        digest["data"] = json!(STANDARD.encode([7; 48]));
        if algorithm.ends_with("V1_5_SHA_384") {
            test.ask("POST", &format!("{keys}/{key}/sign"), digest)
                .await
                .ok();
        }
        let off = json!({"isDisabled": true});
        test.ask("PATCH", &format!("{keys}/{key}"), off).await.ok();
        test.ask("POST", &format!("{keys}/{key}/sign"), body)
            .await
            .fails(400, "BadRequest");
    }
    let body = json!({"projectId": P, "name": "aes"});
    let key = test.ask("POST", keys, body).await.ok()["key"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let body = json!({"plaintext": STANDARD.encode("text")});
    let sealed = test
        .ask("POST", &format!("{keys}/{key}/encrypt"), body)
        .await
        .ok();
    let decrypt = format!("{keys}/{key}/decrypt");
    let opened = test.ask("POST", &decrypt, sealed.clone()).await.ok();
    assert_eq!(opened["plaintext"], STANDARD.encode("text"));
    let mut other = STANDARD
        .decode(sealed["ciphertext"].as_str().expect("text"))
        .expect("base64");
    other[15] ^= 1;
    let body = json!({"ciphertext": STANDARD.encode(other)});
    test.ask("POST", &decrypt, body)
        .await
        .fails(500, "InternalServerError");
    let body = json!({"signingAlgorithm": "ECDSA_SHA_256", "data": STANDARD.encode("data")});
    test.ask("POST", &format!("{keys}/{key}/sign"), body)
        .await
        .fails(400, "BadRequest");
    let listed = test
        .get(&format!("{keys}?projectId={P}&limit=2&offset=1"))
        .await
        .ok();
    assert_eq!(
        (
            listed["keys"].as_array().map(Vec::len),
            &listed["totalCount"]
        ),
        (Some(2), &json!(4))
    );
    test.get(&format!("{keys}/none"))
        .await
        .fails(422, "ValidationFailure");
}

#[tokio::test]
async fn leases_end() {
    let test = Test::new().await;
    let address = json!({"projectSlug": PROJECT.1, "environmentSlug": "dev"});
    let with = |more: Value| {
        let mut body = address.clone();
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        body
    };
    let dynamic = "/api/v1/dynamic-secrets";
    let body = with(json!({
        "name": "db", "provider": {"type": "sql-database", "inputs": {}}, "defaultTTL": "1h", "maxTTL": "2h",
    }));
    test.ask("POST", dynamic, body).await.ok();
    let create = |ttl: &str| with(json!({"dynamicSecretName": "db", "ttl": ttl}));
    let leases = format!("{dynamic}/leases");
    test.ask("POST", &leases, create("30s"))
        .await
        .fails(422, "ValidationFailure");
    test.ask("POST", &leases, create("3h"))
        .await
        .fails(400, "BadRequest");
    let made = test.ask("POST", &leases, create("30m")).await.ok();
    assert!(made["data"]["DB_PASSWORD"].is_string());
    let id = made["lease"]["id"].as_str().expect("an id").to_owned();
    let target = format!(
        "{leases}/{id}?projectSlug={}&environmentSlug=dev",
        PROJECT.1
    );
    test.get(&target).await.ok();
    let renew = format!("{leases}/{id}/renew");
    test.ask("POST", &renew, with(json!({"ttl": "1h"})))
        .await
        .ok();
    test.ask("POST", &renew, with(json!({"ttl": "1h"})))
        .await
        .fails(400, "BadRequest");
    test.advance(91 * 60);
    test.get(&target).await.fails(404, "NotFound");
}

#[tokio::test]
async fn over_tls_it_shows_a_certificate_of_its_authority() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let plain = InfisicalFake::start(InfisicalOptions::default())
        .await
        .expect("a port");
    assert!(plain.url().starts_with("http://") && plain.ca_pem().is_none());
    let fake = InfisicalFake::start(InfisicalOptions::default().with_tls())
        .await
        .expect("a port");
    let mut roots = rustls::RootCertStore::empty();
    let pem = fake.ca_pem().expect("a certificate").as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).expect("a certificate"))
        .expect("a root");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = fake.url();
    let port = url.strip_prefix("https://localhost:").expect("a port");
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port.parse().expect("a port")))
        .await
        .expect("a connection");
    let mut stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
        .connect(ServerName::try_from("localhost").expect("a name"), stream)
        .await
        .expect("a trusted certificate");
    stream
        .write_all(b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .expect("written");
    let mut answer = Vec::new();
    // The other side may end without a goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"Ok\""),
        "{answer}"
    );
    assert_eq!(fake.asked().len(), 1);
}
