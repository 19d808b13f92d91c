//! The exact requests, and what becomes of answers: on a scripted server and on the fake.

use crate::support;
use polysecrets_infisical::{
    Api, Encoding, InfisicalConfig, InfisicalProvider, Region, UnresolvedReferences,
};
use secrets_core::{
    AmbientCredentials, Capability, DeleteMode, DeleteOptions, DescribeOptions, ErrorKind, GetItem,
    GetOptions, HealthStatus, ListOptions, OpenContext, PutMode, PutOptions, RollbackOptions,
    SecretProvider, SecretValue, Version, VersionsOptions, plan_reads,
};
use secrets_provider::Transport;
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fakes::Fault as FakeFault;
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions, Older};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};
use serde_json::json;

use crate::support::{get, import, items, log, name, no_route, open, paths, refusal, reply, value};

const READ: &str = r#"{"secret":{"id":"5e7b","_id":"5e7b","workspace":"p 1","environment":"dev","version":3,"type":"shared","secretKey":"a","secretValue":"hunter2 \"quoted\"\n","secretComment":"","createdAt":"2026-11-20T07:09:25.744Z","updatedAt":"2026-11-22T07:09:25.744Z","secretPath":"/","secretValueHidden":false,"tags":[],"secretMetadata":[{"key":"team","value":"a","isEncrypted":false},{"key":"pin","value":"0000","isEncrypted":true}]}}"#;

async fn provider(server: &FaultServer) -> InfisicalProvider {
    open(support::scripted(server)).await
}

async fn put(provider: &InfisicalProvider, text: &str, value: &str) -> secrets_core::Result<()> {
    let (value, options) = (SecretValue::from(value), PutOptions::default());
    provider.put(&name(text), &value, &options).await.map(drop)
}

fn at(version: &str) -> GetOptions {
    GetOptions::default().with_version(Version::new(version))
}

#[tokio::test]
async fn the_cloud_has_a_quota_and_a_server_of_ones_own_has_none() {
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let own = support::scripted(&server);
    let mut cloud = own.clone();
    (cloud.base_url, cloud.region) = (None, Some(Region::Eu));
    assert_eq!(open(own).await.info().rate, None);
    assert_eq!(open(cloud).await.info().rate, Some(10));
}

#[tokio::test]
async fn a_get_is_one_request_of_version_4() {
    let server = FaultServer::start(reply(200, READ)).await.unwrap();
    let mut config = support::scripted(&server);
    config.base_url = Some(format!("{}/api/", server.url()));
    config.path = Some("/team/".to_owned());
    let provider = open(config).await;
    assert_eq!(server.request_count(), 0);

    let secret = get(&provider, "db/pass word?#%2f").await.unwrap();
    assert_eq!(secret.value.expose_str().unwrap(), "hunter2 \"quoted\"\n");
    assert_eq!(secret.metadata.version, Some(Version::new("3")));
    assert_eq!(secret.metadata.tags["team"], "a");
    assert_eq!(secret.metadata.tags.len(), 1);
    assert_eq!(secret.metadata.created_at, secret.metadata.updated_at);

    assert_eq!(
        log(&server),
        [
            "GET /api/v4/secrets/pass%20word%3F%23%252f?projectId=p%201&environment=dev&secretPath=%2Fteam%2Fdb&viewSecretValue=true&expandSecretReferences=true&include_imports=true"
        ]
    );
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    assert!(request.body.is_empty());
}

#[tokio::test]
async fn version_3_is_found_out_once() {
    let script = Script::respond(|request| request.target.starts_with("/api/v4/").then(no_route))
        .then(reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let mut config = support::scripted(&server);
    config.expand_references = Some(false);
    config.include_imports = Some(false);
    let provider = open(config).await;
    get(&provider, "a").await.unwrap();
    get(&provider, "a").await.unwrap();
    let options = "environment=dev&secretPath=%2F&viewSecretValue=true&expandSecretReferences=false&include_imports=false";
    assert_eq!(
        log(&server),
        [
            format!("GET /api/v4/secrets/a?projectId=p%201&{options}"),
            format!("GET /api/v3/secrets/raw/a?workspaceId=p%201&{options}"),
            format!("GET /api/v3/secrets/raw/a?workspaceId=p%201&{options}"),
        ]
    );
}

#[tokio::test]
async fn a_server_without_the_api_is_told_and_a_missing_secret_is_none() {
    let server = FaultServer::start(no_route()).await.unwrap();
    let nobody = get(&provider(&server).await, "a").await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::InvalidConfig);
    assert!(
        nobody.message().starts_with("http://127.0.0.1:"),
        "{nobody}"
    );
    assert_eq!(server.request_count(), 2);

    let mut config = support::scripted(&server);
    config.api = Api::V4;
    let only_4 = get(&open(config).await, "a").await.unwrap_err();
    assert_eq!(only_4.kind(), ErrorKind::InvalidConfig);
    assert_eq!(server.request_count(), 3);

    let missing = refusal(404, "NotFound", "Secret with name 'a' not found");
    server.set_script(missing);
    let error = get(&provider(&server).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(server.request_count(), 4);
}

#[tokio::test]
async fn a_failure_does_not_choose_the_version_of_the_api() {
    let gateway = reply(502, "<html>");
    let denied = refusal(401, "UnauthorizedError", "Token missing");
    let script = Script::sequence([gateway, denied, no_route()]).then(reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    get(&provider, "a").await.unwrap();
    let last = log(&server).pop().unwrap();
    assert!(last.starts_with("GET /api/v3/"), "{last}");
}

#[tokio::test]
async fn a_put_is_an_update_or_else_a_create() {
    let written = r#"{"secret":{"id":"5e7b","version":1,"type":"shared","secretKey":"a","secretValue":"hunter2","createdAt":"2026-11-20T07:09:25.744Z","updatedAt":"2026-11-20T07:09:25.744Z"}}"#;
    let missing = refusal(404, "NotFound", "Secret with name a not found");
    let script = Script::sequence([missing]).then(reply(200, written));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server).await;
    let tags = [("team".to_owned(), "x".to_owned())].into();
    let options = PutOptions::default().with_tags(Some(tags));
    let metadata = provider
        .put(&name("db/a"), &"hunter2".into(), &options)
        .await
        .unwrap();
    assert_eq!(metadata.version, Some(Version::new("1")));
    assert_eq!(metadata.tags["team"], "x");
    put(&provider, "db/a", "hunter2").await.unwrap();

    assert_eq!(
        log(&server),
        [
            "PATCH /api/v4/secrets/a",
            "POST /api/v4/secrets/a",
            "PATCH /api/v4/secrets/a"
        ]
    );
    let bodies: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.json().unwrap())
        .collect();
    let mut expected = json!({
        "projectId": "p 1", "environment": "dev", "secretPath": "/db", "type": "shared",
        "secretValue": "hunter2", "secretMetadata": [{"key": "team", "value": "x"}],
    });
    assert_eq!(bodies[0], expected);
    assert_eq!(bodies[1], expected);
    expected.as_object_mut().unwrap().remove("secretMetadata");
    assert_eq!(bodies[2], expected);
}

#[tokio::test]
async fn tags_that_an_old_server_loses_are_told() {
    let kept = READ.replace("hunter2 \\\"quoted\\\"\\n", "hunter2");
    let lost = kept.replace("secretMetadata", "somethingElse");
    for (answer, is_kept) in [(kept, true), (lost, false)] {
        let server = FaultServer::start(reply(200, answer)).await.unwrap();
        let mut config = support::scripted(&server);
        config.api = Api::V3;
        let provider = open(config).await;
        let tags = [("team".to_owned(), "a".to_owned())].into();
        let options = PutOptions::default().with_tags(Some(tags));
        let put = provider.put(&name("a"), &"hunter2".into(), &options).await;
        assert_eq!(put.is_ok(), is_kept, "{put:?}");
        if let Err(error) = put {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains("was written"), "{error}");
        }
        let paths: Vec<_> = log(&server);
        assert_eq!(paths[0], "PATCH /api/v3/secrets/raw/a");
        assert_eq!(paths.len(), 2);
    }
}

#[tokio::test]
async fn many_folders_are_asked_about_eight_at_a_time() {
    let answer = reply(200, READ).delayed(std::time::Duration::from_millis(20));
    let server = FaultServer::start(answer).await.unwrap();
    let provider = provider(&server).await;
    let names: Vec<_> = (0..40)
        .map(|number| format!("folder{}/{number}", number / 2))
        .collect();
    let answers = provider
        .get_many(&items(names.iter().map(String::as_str)))
        .await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.request_count(), 40);
    assert_eq!(server.in_flight_max(), 8);
}

#[tokio::test]
async fn folders_are_made_where_they_are_missing() {
    let fake = support::fake().await;
    let provider = open(support::config(&fake)).await;
    put(&provider, "a/b.c/key", "1").await.unwrap();
    assert_eq!(
        paths(&fake.asked()),
        [
            "PATCH /api/v4/secrets/key",
            "POST /api/v4/secrets/key",
            "POST /api/v2/folders",
            "POST /api/v4/secrets/key",
        ]
    );
    assert_eq!(value(&provider, "a/b.c/key").await, "1");

    let mut config = support::config(&fake);
    config.create_folders = Some(false);
    let asked = fake.asked_count();
    let error = put(&open(config).await, "z/key", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("create_folders"));
    let asked = paths(&fake.asked_since(asked));
    assert!(
        !asked.iter().any(|path| path.contains("folders")),
        "{asked:?}"
    );

    // A missing folder holds nothing, a missing environment is no folder.
    let missing = ListOptions::default().with_prefix("none/");
    assert_eq!(provider.list(&missing).await.unwrap().items, []);
    for (project, environment) in [(None, Some("mars")), (Some("nobody"), None)] {
        let mut config = support::config(&fake);
        config.environment = environment.map(str::to_owned).or(config.environment);
        config.project_id = project.map(str::to_owned).or(config.project_id);
        let error = put(&open(config).await, "z/key", "1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    }
}

#[tokio::test]
async fn a_refused_create_is_a_duplicate_only_if_the_secret_is_there() {
    let fake = support::fake().await;
    let provider = open(support::config(&fake)).await;
    let create = PutOptions::default().with_mode(PutMode::Create);
    let one = SecretValue::from("1");
    provider.put(&name("a"), &one, &create).await.unwrap();
    let error = provider.put(&name("a"), &one, &create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);

    fake.faults()
        .push(FakeFault::status(400).on_method("POST").times(1));
    let error = provider.put(&name("b"), &one, &create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);

    // Made by somebody else between the update that finds nothing and the create.
    fake.faults()
        .push(FakeFault::status(404).on_method("PATCH").times(1));
    put(&provider, "a", "2").await.unwrap();
    assert_eq!(value(&provider, "a").await, "2");
}

#[tokio::test]
async fn what_waits_for_an_approval_has_not_happened() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "old");
    let provider = open(support::config(&fake)).await;
    let approval = || fake.faults().push(FakeFault::switch("approval"));
    approval();
    let error = put(&provider, "a", "new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("approval"), "{error}");
    approval();
    let error = provider
        .delete(&name("a"), &DeleteOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(value(&provider, "a").await, "old");
}

#[tokio::test]
async fn values_stay_at_the_server_where_they_are_not_asked_for() {
    let fake = support::fake().await;
    fake.seed("dev", "/db", "a", "1");
    fake.seed("dev", "/db", "a", "2");
    fake.seed("dev", "/lib", "b", "3");
    import(&fake, "/db", "/lib").await;
    let asked = fake.asked_count();
    let provider = open(support::config(&fake)).await;
    let describe = DescribeOptions::default();
    provider.describe(&name("db/a"), &describe).await.unwrap();
    provider.describe(&name("db/b"), &describe).await.unwrap();
    let first = describe.with_version(Version::new("1"));
    provider.describe(&name("db/a"), &first).await.unwrap();
    provider.list(&ListOptions::default()).await.unwrap();
    let versions = VersionsOptions::default();
    provider.versions(&name("db/a"), &versions).await.unwrap();
    let reads: Vec<_> = fake
        .asked_since(asked)
        .iter()
        .filter(|asked| asked.path.contains("/v4/secrets"))
        .map(|asked| asked.query.clone())
        .collect();
    assert!(reads.len() > 8, "{reads:?}");
    for query in reads {
        assert!(query.contains("viewSecretValue=false"), "{query}");
    }
}

#[tokio::test]
async fn imports_are_read_and_listed_as_the_folder_s_own() {
    let fake = support::fake().await;
    for (folder, key, text) in [
        ("/lib", "both", "lib"),
        ("/lib", "lib", "lib"),
        ("/more", "both", "more"),
        ("/app", "own", "own"),
        ("/other", "x", "x"),
    ] {
        fake.seed("dev", folder, key, text);
    }
    fake.seed("dev", "/more", "own", "more");
    import(&fake, "/app", "/lib").await;
    import(&fake, "/app", "/more").await;
    let provider = open(support::config(&fake)).await;
    for (text, expected) in [("app/own", "own"), ("app/both", "more"), ("app/lib", "lib")] {
        assert_eq!(value(&provider, text).await, expected, "{text}");
    }
    let wanted = items(["app/own", "app/both", "app/lib"]);
    let many = provider.get_many(&wanted).await;
    let many: Vec<_> = many
        .into_iter()
        .map(|secret| secret.unwrap().value)
        .collect();
    assert_eq!(many, ["own", "more", "lib"].map(SecretValue::from));

    let names = |page: secrets_core::Page| -> Vec<String> {
        let items = page.items.into_iter();
        items.map(|item| item.name.to_string()).collect()
    };
    let listed = names(provider.list(&ListOptions::default()).await.unwrap());
    assert_eq!(
        listed,
        [
            "app/both",
            "app/lib",
            "app/own",
            "lib/both",
            "lib/lib",
            "more/both",
            "more/own",
            "other/x"
        ]
    );

    let mut config = support::config(&fake);
    config.include_imports = Some(false);
    let without = open(config).await;
    assert_eq!(
        get(&without, "app/lib").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let app = ListOptions::default().with_prefix("app/");
    assert_eq!(names(without.list(&app).await.unwrap()), ["app/own"]);
}

#[tokio::test]
async fn folders_that_may_import_are_asked_about_from_the_provider_s_own_folder() {
    let secret = |key: &str, path: &str| json!({"id": key, "secretKey": key, "version": 1, "type": "shared", "environment": "dev", "secretPath": path});
    // As the server tells paths: those of secrets from the root, those of folders from the one that was asked about.
    let answer = move |target: &str| {
        if target.contains("/folders") {
            return json!({"folders": [{"name": "deep", "relativePath": "/sub/deep"}, {"name": "sub", "relativePath": "/sub"}]});
        }
        let imports = json!([{"secretPath": "/lib", "environment": "prod", "secrets": [secret("imported", "/lib")]}]);
        match target.contains("recursive=true") {
            true => json!({"secrets": [secret("own", "/team/sub")], "imports": imports}),
            false if target.contains("%2Fteam%2Fsub%2Fdeep&") => {
                json!({"secrets": [], "imports": imports})
            }
            false => json!({"secrets": [], "imports": []}),
        }
    };
    let script =
        Script::respond(move |request| Some(reply(200, answer(&request.target).to_string())));
    let server = FaultServer::start(script).await.unwrap();
    let mut config = support::scripted(&server);
    config.path = Some("team".to_owned());
    let listed = open(config)
        .await
        .list(&ListOptions::default())
        .await
        .unwrap();
    let names: Vec<_> = listed.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["sub/deep/imported", "sub/own"]);
    let folders: Vec<_> = log(&server)
        .iter()
        .filter_map(|line| {
            Some(
                line.split("secretPath=")
                    .nth(1)?
                    .split('&')
                    .next()?
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(folders[0], "%2Fteam");
    let mut rest = folders[1..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, ["%2Fteam", "%2Fteam%2Fsub", "%2Fteam%2Fsub%2Fdeep"]);
    assert!(
        log(&server)[1].ends_with(
            "/api/v2/folders?projectId=p%201&environment=dev&path=%2Fteam&recursive=true"
        )
    );
}

#[tokio::test]
async fn the_plan_is_what_is_sent() {
    let fake = support::fake().await;
    for folder in ["/", "/a", "/b"] {
        for key in ["k0", "k1", "k2", "k3"] {
            fake.seed("dev", folder, key, key);
            fake.seed("dev", folder, key, "new");
        }
    }
    let transport = Transport::default();
    let context = OpenContext::new("main");
    let provider = polysecrets_infisical::open(support::config(&fake), context, transport.clone())
        .await
        .unwrap();
    get(&provider, "k0").await.unwrap();
    let old = |text: &str| GetItem::new(name(text), at("1"));
    let long = "k".repeat(101);
    for wanted in [
        items([]),
        items(["k0"]),
        items(["k0", "k0", "k0", "k1"]),
        items(["k0", "k1", "k2"]),
        items([
            "a/k0",
            "k1",
            "a/k2",
            "b/k0",
            "a/k3",
            "b/k1",
            "missing",
            "a/missing",
        ]),
        items(["none/1", "none/2", "none/3", "a/k0", &long]),
        [
            items(["a/k0", "a/k1", "a/k2"]),
            vec![old("a/k0"), old("a/k0"), old("b/k1")],
        ]
        .concat(),
    ] {
        let plan = plan_reads(&provider, &wanted);
        let planned: usize = plan.iter().map(|call| call.requests).sum();
        let mut covered: Vec<_> = plan.iter().flat_map(|call| call.items.clone()).collect();
        covered.sort_unstable();
        assert_eq!(covered, (0..wanted.len()).collect::<Vec<_>>());
        let before = transport.requests_sent();
        let answers = provider.get_many(&wanted).await;
        assert_eq!(
            transport.requests_sent() - before,
            planned as u64,
            "{plan:?}"
        );
        for (item, answer) in wanted.iter().zip(answers) {
            let text = item.name.as_str();
            match answer {
                Ok(secret) => {
                    let key = text.rsplit('/').next().unwrap();
                    let expected = if item.options.version.is_some() {
                        key
                    } else {
                        "new"
                    };
                    assert_eq!(secret.value.expose_str().unwrap(), expected);
                }
                Err(error) if text == long => assert_eq!(error.kind(), ErrorKind::InvalidName),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                    assert!(text.contains("missing") || text.contains("none"), "{text}");
                    assert_eq!(error.name(), Some(&item.name));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_listing_that_is_denied_is_read_one_by_one() {
    let script = Script::respond(|request| {
        let denied = request.path() == "/api/v4/secrets" || request.path().ends_with("/c");
        denied.then(|| refusal(403, "PermissionDenied", "You are not allowed"))
    })
    .then(reply(200, READ));
    let server = FaultServer::start(script).await.unwrap();
    let provider = provider(&server).await;
    let answers = provider.get_many(&items(["a", "b", "c", "a"])).await;
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().err().map(|error| error.kind()))
        .collect();
    assert_eq!(kinds, [None, None, Some(ErrorKind::PermissionDenied), None]);
    assert_eq!(server.request_count(), 4);
}

#[tokio::test]
async fn keys_that_are_paths_of_the_api_are_secrets_too() {
    let fake = support::fake().await;
    let provider = open(support::config(&fake)).await;
    for key in ["batch", "move", "id", "raw"] {
        put(&provider, key, "1").await.unwrap();
        put(&provider, key, "2").await.unwrap();
        assert_eq!(value(&provider, key).await, "2", "{key}");
        let create = PutOptions::default().with_mode(PutMode::Create);
        let again = provider.put(&name(key), &"3".into(), &create).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists, "{key}");
    }
    let listed = provider.list(&ListOptions::default()).await.unwrap();
    assert_eq!(listed.items.len(), 4);
    for item in listed.items {
        let delete = DeleteOptions::default();
        provider.delete(&item.name, &delete).await.unwrap();
        let again = provider.delete(&item.name, &delete).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NotFound);
    }
    assert_eq!(fake.ignored(), Vec::<String>::new());
}

#[tokio::test]
async fn versions_of_a_deleted_secret_are_not_given_for_those_of_a_new_one() {
    let fake = support::fake().await;
    let provider = open(support::config(&fake)).await;
    for text in ["old 1", "old 2", "old 3"] {
        put(&provider, "a", text).await.unwrap();
    }
    let versions = VersionsOptions::default();
    let delete = DeleteOptions::default();
    provider.delete(&name("a"), &delete).await.unwrap();
    let gone = provider.get(&name("a"), &at("1")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let gone = provider.versions(&name("a"), &versions).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);

    put(&provider, "a", "new 1").await.unwrap();
    let current = provider.get(&name("a"), &at("1")).await.unwrap();
    assert_eq!(current.value, "new 1".into());
    let listed = provider.versions(&name("a"), &versions).await.unwrap();
    let listed: Vec<_> = listed
        .items
        .into_iter()
        .filter_map(|item| item.version)
        .collect();
    assert_eq!(listed, [Version::new("1")]);
    for version in ["2", "3"] {
        let error = provider.get(&name("a"), &at(version)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let rollback = RollbackOptions::default();
        let to = Version::new(version);
        let error = provider
            .rollback(&name("a"), &to, &rollback)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    put(&provider, "a", "new 2").await.unwrap();
    // The old secret's version 1 hides the new one's: left out rather than wrong.
    let hidden = provider.get(&name("a"), &at("1")).await.unwrap_err();
    assert_eq!(hidden.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_server_that_ignores_versions_is_found_out() {
    let options = InfisicalOptions::default().with_older(Older::IgnoresVersion);
    let fake = InfisicalFake::start(options).await.unwrap();
    fake.seed("dev", "/", "a", "1");
    fake.seed("dev", "/", "a", "2");
    let provider = open(support::config(&fake)).await;
    let current = provider.get(&name("a"), &at("2")).await.unwrap();
    assert_eq!(current.value, "2".into());
    let error = provider.get(&name("a"), &at("1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = provider.get(&name("a"), &at("3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let versions = VersionsOptions::default();
    let error = provider.versions(&name("a"), &versions).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("update"));
}

#[tokio::test]
async fn references_are_expanded_and_what_is_left_of_them_is_told() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "USER", "app");
    fake.seed("dev", "/", "good", "postgres://${USER}@db");
    fake.seed("dev", "/", "bad", "postgres://${NOBODY}@db");
    fake.seed("dev", "/", "shell", "${VAR:-x} $HOME");
    let with = async |change: &dyn Fn(&mut InfisicalConfig)| {
        let mut config = support::config(&fake);
        change(&mut config);
        open(config).await
    };
    let strict = with(&|_| {}).await;
    assert_eq!(value(&strict, "good").await, "postgres://app@db");
    assert_eq!(value(&strict, "shell").await, "${VAR:-x} $HOME");
    let error = get(&strict, "bad").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.hint().unwrap().contains("unresolved_references"));
    let many = strict.get_many(&items(["good", "bad", "shell"])).await;
    assert!(many[0].is_ok() && many[2].is_ok());
    let left = many[1].as_ref().unwrap_err();
    assert_eq!(left.kind(), ErrorKind::InvalidValue);

    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let warn = with(&|config| config.unresolved_references = UnresolvedReferences::Warn).await;
    assert_eq!(value(&warn, "bad").await, "postgres://${NOBODY}@db");
    assert!(trace.text().contains("not resolved") && trace.text().contains("bad"));
    assert!(!trace.text().contains("postgres"), "{}", trace.text());
    let keep = with(&|config| config.unresolved_references = UnresolvedReferences::Keep).await;
    assert_eq!(value(&keep, "bad").await, "postgres://${NOBODY}@db");
    let raw = with(&|config| config.expand_references = Some(false)).await;
    assert_eq!(value(&raw, "good").await, "postgres://${USER}@db");

    // What is put is text, unless it is meant to be a reference.
    put(&strict, "text", "is ${USER}").await.unwrap();
    assert_eq!(value(&strict, "text").await, "is ${USER}");
    assert!(value(&raw, "text").await.starts_with("is ${USER}"));
    let writing = with(&|config| config.write_references = true).await;
    put(&writing, "meant", "is ${USER}").await.unwrap();
    assert_eq!(value(&strict, "meant").await, "is app");
    // A rollback brings the reference back, not what it stood for.
    put(&writing, "meant", "else").await.unwrap();
    let rollback = RollbackOptions::default();
    let to = Version::new("1");
    strict
        .rollback(&name("meant"), &to, &rollback)
        .await
        .unwrap();
    assert_eq!(value(&raw, "meant").await, "is ${USER}");
}

#[tokio::test]
async fn a_value_that_the_server_has_changed_is_told() {
    let written = r#"{"secret":{"id":"5e7b","version":1,"type":"shared","secretKey":"a","secretValue":"hunter2"}}"#;
    let server = FaultServer::start(reply(200, written)).await.unwrap();
    let provider = provider(&server).await;
    put(&provider, "a", "hunter2").await.unwrap();
    let error = put(&provider, "a", "hunter2\n").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert!(error.hint().unwrap().contains("encoding"));

    let hidden = r#"{"secret":{"id":"5e7b","version":1,"type":"shared","secretKey":"a","secretValue":"<hidden-by-infisical>","secretValueHidden":true}}"#;
    server.set_script(reply(200, hidden));
    put(&provider, "a", "hunter2\n").await.unwrap();
}

#[tokio::test]
async fn a_hidden_value_is_denied_and_its_facts_are_told() {
    let hidden = READ
        .replace("\"secretValueHidden\":false", "\"secretValueHidden\":true")
        .replace("hunter2 \\\"quoted\\\"\\n", "<hidden-by-infisical>");
    let server = FaultServer::start(reply(200, hidden)).await.unwrap();
    let provider = provider(&server).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let described = provider
        .describe(&name("a"), &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(described.version, Some(Version::new("3")));
}

#[tokio::test]
async fn a_service_token_is_not_answered_from_another_folder() {
    let fake = support::fake().await;
    fake.seed("dev", "/team", "a", "team's");
    fake.seed("dev", "/", "a", "root's");
    let mut config = support::config(&fake);
    config.universal_auth = None;
    config.service_token = Some(fake.service_token("dev", "/team").into());
    let astray = open(config.clone()).await;
    let error = get(&astray, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("path"), "{error:?}");
    let many = astray.get_many(&items(["a", "b", "c"])).await;
    assert!(many.iter().all(Result::is_err));
    config.path = Some("team".to_owned());
    let scoped = open(config).await;
    assert_eq!(value(&scoped, "a").await, "team's");
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect() {
    let other = FaultServer::start(reply(200, READ)).await.unwrap();
    let target = format!("{}/api/v4/secrets/a", other.url());
    let server = FaultServer::start(Fault::redirect(307, target))
        .await
        .unwrap();
    let provider = provider(&server).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(put(&provider, "a", "hunter2").await.is_err());
    assert_eq!(other.request_count(), 0);
}

#[tokio::test]
async fn broken_answers_are_told_without_what_is_in_them() {
    let (token, secret) = (Canary::generate(), Canary::generate_with_escapes());
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let mut sinks = Sinks::new([&token, &secret]);
    let text = serde_json::to_string(secret.reveal().as_str()).unwrap();
    let whole = READ.replace(r#""hunter2 \"quoted\"\n""#, &text);
    let refused = |status: u16| {
        let body =
            format!(r#"{{"reqId":"req-1","statusCode":{status},"message":{text},"error":"Some"}}"#);
        reply(status, body)
    };
    let issue = format!(
        r#"{{"error":"ValidationFailure","message":[{{"path":["secretValue"],"received":{text}}}]}}"#
    );
    let mut answers = vec![
        reply(200, &whole[..whole.len() - 9]),
        reply(200, text.clone()),
        reply(200, format!(r#"{{"secret":{text}}}"#)),
        reply(200, whole.replace(":3,", &format!(":{text},"))),
        reply(200, whole.replace("2026-11-20T07:09:25.744Z", "then")),
        reply(200, r#"{"secret":{"secretKey":"a","secretValue":7}}"#),
        reply(200, "{}"),
        reply(422, issue),
        reply(500, text.clone()),
        Fault::truncated(Reply::new(200).body(whole.clone()), 60),
    ];
    answers.extend([400, 401, 403, 404, 409, 413, 418, 422, 429, 500, 503].map(refused));
    for answer in answers {
        let server = FaultServer::start(answer).await.unwrap();
        let mut config = support::scripted(&server);
        config.token = Some(token.reveal().as_str().into());
        let provider = open(config.clone()).await;
        sinks.debug("config", &config);
        sinks.debug("provider", &provider);
        let value = SecretValue::from(secret.reveal().as_str());
        let create = PutOptions::default().with_mode(PutMode::Create);
        for error in [
            get(&provider, "a").await.err(),
            provider.put(&name("a"), &value, &create).await.err(),
            provider.list(&ListOptions::default()).await.err(),
            provider
                .delete(&name("a"), &DeleteOptions::default())
                .await
                .err(),
            provider
                .get_many(&items(["a", "b", "c"]))
                .await
                .pop()
                .unwrap()
                .err(),
        ] {
            let Some(error) = error else { continue };
            assert_ne!(error.kind(), ErrorKind::Unexpected, "{error:?}");
            sinks.error("error", &error);
            sinks.bytes("hint", error.hint().unwrap_or_default());
        }
    }
    sinks.trace("trace", &trace);
    sinks.assert_clean();
}

#[tokio::test]
async fn a_ca_of_one_s_own_is_trusted_where_it_is_named() {
    let fake = InfisicalFake::start(InfisicalOptions::default().with_tls())
        .await
        .unwrap();
    fake.seed("dev", "/", "a", "1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, fake.ca_pem().unwrap()).unwrap();
    let mut config = support::config(&fake);
    let error = get(&open(config.clone()).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(error.hint().unwrap().contains("`ca_cert`"), "{error:?}");
    config.ca_cert = Some(path);
    assert_eq!(value(&open(config).await, "a").await, "1");
}

#[tokio::test]
async fn health_needs_no_token() {
    let fake = support::fake().await;
    let provider = open(support::config(&fake)).await;
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Healthy);
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/api/status");
    fake.faults().push(FakeFault::status(503));
    let health = provider.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);

    let mut config = support::config(&fake);
    let url = fake.url();
    drop(fake);
    config.base_url = Some(url);
    let health = open(config).await.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Unavailable);
}

#[tokio::test]
async fn what_infisical_cannot_do_is_unsupported() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let provider = open(support::config(&fake)).await;
    let if_version = PutOptions::default().with_mode(PutMode::IfVersion(Version::new("1")));
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    for error in [
        provider
            .put(&name("a"), &"2".into(), &if_version)
            .await
            .unwrap_err(),
        provider.delete(&name("a"), &purge).await.unwrap_err(),
        provider.restore(&name("a")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().is_some());
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_without_a_request() {
    type Change = Box<dyn Fn(&mut InfisicalConfig)>;
    let fake = support::fake().await;
    let fails = async |context: OpenContext, change: Change| {
        let mut config = support::config(&fake);
        change(&mut config);
        let opened = polysecrets_infisical::open(config, context, Transport::default()).await;
        let error = opened.unwrap_err();
        assert!(
            error.hint().is_some() || error.message().contains('`'),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        error
    };
    let plain = || OpenContext::new("main");
    let invalid: Vec<(&str, Change)> = vec![
        (
            "in clear",
            Box::new(|config| config.base_url = Some("http://10.0.0.1".to_owned())),
        ),
        ("`project_id`", Box::new(|config| config.project_id = None)),
        (
            "`environment`",
            Box::new(|config| config.environment = Some(" ".to_owned())),
        ),
        (
            "`path`",
            Box::new(|config| config.path = Some("a//b".to_owned())),
        ),
        (
            "`path`",
            Box::new(|config| config.path = Some("/a/../b".to_owned())),
        ),
        (
            "more than one",
            Box::new(|config| config.token = Some("hunter2".into())),
        ),
        (
            "`region`",
            Box::new(|config| config.region = Some(Region::Eu)),
        ),
        (
            "`ca_cert`",
            Box::new(|config| config.ca_cert = Some("none.pem".into())),
        ),
        (
            "client_secret",
            Box::new(|config| {
                config.universal_auth.as_mut().unwrap().client_secret = None;
            }),
        ),
        (
            "client_secret_file",
            Box::new(|config| {
                config.universal_auth.as_mut().unwrap().client_secret_file = Some("x".into());
            }),
        ),
        (
            "client_id",
            Box::new(|config| {
                config.universal_auth.as_mut().unwrap().client_id = None;
            }),
        ),
        (
            "`token`",
            Box::new(|config| {
                config.universal_auth = None;
                config.token = Some("hunter2\nhunter2".into());
            }),
        ),
    ];
    for (says, change) in invalid {
        let error = fails(plain(), change).await;
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(
            error.message().contains(says),
            "{error} does not say {says}"
        );
    }
    let nothing: Change = Box::new(|config| config.universal_auth = None);
    let error = fails(plain(), nothing).await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn the_environment_is_used_only_where_the_user_has_chosen_the_place() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let mut context = OpenContext::new("main");
    context.environment = fake.environment().into_iter().collect();
    let config = InfisicalConfig::default();
    let provider =
        polysecrets_infisical::open(config.clone(), context.clone(), Transport::default())
            .await
            .unwrap();
    assert_eq!(value(&provider, "a").await, "1");
    assert_eq!(
        provider.info().credential_variables,
        [
            "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
            "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET"
        ]
    );
    let mut again = InfisicalConfig::default();
    let location = provider.info().location.clone();
    again.set_location(&location).unwrap();
    assert_eq!(again.base_url, Some(format!("{}/", fake.url())));
    let strange = context.clone().with_ambient(AmbientCredentials::Refused {
        config: "/tmp/secrets.toml".into(),
    });
    let asked = fake.asked_count();
    let error = polysecrets_infisical::open(again, strange, Transport::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("secrets trust"));
    assert_eq!(fake.asked_count(), asked);
    let round: secrets_core::Location = location.to_string().parse().unwrap();
    assert_eq!(round, location);
}

#[tokio::test]
async fn plain_values_only_means_no_binary() {
    let fake = support::fake().await;
    let mut config = support::config(&fake);
    config.encoding = Encoding::Never;
    let provider = open(config).await;
    assert!(!provider.info().capabilities.has(Capability::Binary));
    let error = put(&provider, "a", "x ").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert_eq!(fake.asked(), []);
}
