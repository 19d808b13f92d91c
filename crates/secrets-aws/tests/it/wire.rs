//! The exact requests, and what becomes of answers: of the service, of a broken way to it, and of those that give
//! credentials.

use crate::support;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use polysecrets_aws::AwsConfig;
use secrets_core::{
    AmbientCredentials, Clock, DeleteMode, DeleteOptions, DescribeOptions, Environment, ErrorKind,
    GetItem, GetOptions, HealthStatus, ListOptions, OpenContext, PutMode, PutOptions, Result,
    RollbackOptions, Secret, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
    plan_reads,
};
use secrets_provider::Transport;
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fault::{Fault, FaultServer, RecordedRequest, Reply, RetryAfter, Script};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;

use crate::support::{fault, name, open, open_with};

const V1: &str = "11111111-1111-4111-8111-111111111111";
const V2: &str = "22222222-2222-4222-8222-222222222222";
const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-AbCdEf";

fn secret(name: &str, value: &str) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf"),
        "Name": name, "VersionId": V1, "SecretString": value, "VersionStages": ["AWSCURRENT"],
        "CreatedDate": 1_795_341_600.25,
    })
}

fn refusal(code: &str) -> Fault {
    let body = json!({"__type": code, "message": "hunter2"});
    Fault::reply(Reply::json(&body).status(400))
}

fn ok(body: &Value) -> Fault {
    Fault::reply(Reply::json(body))
}

/// The operation and the body of each request.
fn log(server: &FaultServer) -> Vec<(String, Value)> {
    server.requests().iter().map(action_and_body).collect()
}

fn action_and_body(request: &RecordedRequest) -> (String, Value) {
    let target = request.header("x-amz-target").unwrap();
    let action = target.strip_prefix("secretsmanager.").unwrap().to_owned();
    let mut body = request.json().unwrap();
    if let Some(token) = body.get_mut("ClientRequestToken") {
        assert!((32..=64).contains(&token.as_str().unwrap().len()));
        *token = "TOKEN".into();
    }
    (action, body)
}

fn asked(action: &str, body: Value) -> (String, Value) {
    (action.to_owned(), body)
}

/// A service that holds these secrets, and answers reads alone and in batches.
fn serving(secrets: &[(&'static str, &'static str)]) -> Script {
    let held: BTreeMap<_, _> = secrets.iter().copied().collect();
    Script::respond(move |request| {
        let (action, body) = action_and_body(request);
        Some(match action.as_str() {
            "GetSecretValue" => match held.get(body["SecretId"].as_str()?) {
                Some(value) => ok(&secret(body["SecretId"].as_str()?, value)),
                None => refusal("ResourceNotFoundException"),
            },
            "BatchGetSecretValue" => {
                let ids: Vec<_> = body["SecretIdList"]
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                if ids.len() > 20 {
                    return Some(refusal("InvalidParameterException"));
                }
                // In an order of its own, as the service has.
                let values: Vec<_> = ids
                    .iter()
                    .rev()
                    .filter_map(|id| Some(secret(id, held.get(id)?)))
                    .collect();
                let errors: Vec<_> = ids
                    .iter()
                    .filter(|id| !held.contains_key(*id))
                    .map(|id| json!({"SecretId": id, "ErrorCode": "ResourceNotFoundException", "Message": "x"}))
                    .collect();
                ok(&json!({"SecretValues": values, "Errors": errors}))
            }
            _ => return None,
        })
    })
}

async fn get(provider: &dyn SecretProvider, text: &str) -> Result<Secret> {
    provider.get(&name(text), &GetOptions::default()).await
}

#[tokio::test]
async fn a_get_is_one_signed_request() {
    let server = FaultServer::start(ok(&secret("db", "hunter2")))
        .await
        .unwrap();
    let mut config = fault(&server);
    config.session_token = Some("the-session-token".into());
    let provider = open(config).await;
    assert_eq!(server.request_count(), 0);

    let read = get(&provider, "db").await.unwrap();
    assert_eq!(read.value.expose_str().unwrap(), "hunter2");
    assert_eq!(read.metadata.version, Some(Version::new(V1)));
    let created = read.metadata.created_at.unwrap();
    assert_eq!(
        created,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_341_600_250)
    );

    let current = json!({"SecretId": "db", "VersionStage": "AWSCURRENT"});
    assert_eq!(log(&server), [asked("GetSecretValue", current)]);
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/"));
    assert_eq!(
        request.header("content-type"),
        Some("application/x-amz-json-1.1")
    );
    assert_eq!(
        request.header("x-amz-security-token"),
        Some("the-session-token")
    );
    let signature = request.header("authorization").unwrap();
    assert!(
        signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{signature}"
    );
    assert!(
        signature.contains("/us-east-1/secretsmanager/aws4_request"),
        "{signature}"
    );
    let sent = String::from_utf8(request.transcript()).unwrap();
    assert!(!sent.contains("canary-of-the-key"));
}

#[tokio::test]
async fn versions_are_asked_for_by_id_or_by_stage() {
    let server = FaultServer::start(ok(&secret("db", "x"))).await.unwrap();
    let provider = open(fault(&server)).await;
    for version in [V2, "AWSPREVIOUS"] {
        let options = GetOptions::default().with_version(Version::new(version));
        provider.get(&name("db"), &options).await.unwrap();
    }
    assert_eq!(
        log(&server),
        [
            asked("GetSecretValue", json!({"SecretId": "db", "VersionId": V2})),
            asked(
                "GetSecretValue",
                json!({"SecretId": "db", "VersionStage": "AWSPREVIOUS"})
            ),
        ]
    );
}

#[tokio::test]
async fn names_get_the_prefix_and_arns_stay() {
    let server = FaultServer::start(ok(&secret("x", "x"))).await.unwrap();
    let mut config = fault(&server);
    config.secret_prefix = Some("/prod/".to_owned());
    let provider = open(config).await;
    for text in ["db/password", "a b", ARN] {
        let read = get(&provider, text).await.unwrap();
        assert_eq!(read.metadata.name, name(text));
    }
    let ids: Vec<_> = log(&server)
        .into_iter()
        .map(|(_, body)| body["SecretId"].clone())
        .collect();
    assert_eq!(ids, ["/prod/db/password", "/prod/x__a_h20b", ARN]);
}

fn items<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<GetItem> {
    names
        .into_iter()
        .map(|text| GetItem::new(name(text), GetOptions::default()))
        .collect()
}

/// Asks for the items, and fails unless exactly the planned calls were sent.
async fn read_as_planned(
    config: AwsConfig,
    server: &FaultServer,
    items: &[GetItem],
) -> Vec<Result<Secret>> {
    let transport = Transport::default();
    let context = OpenContext::new("main");
    let provider = polysecrets_aws::open(config, context, transport.clone())
        .await
        .unwrap();
    let plan = plan_reads(&provider, items);
    assert_eq!((server.request_count(), transport.requests_sent()), (0, 0));
    let answers = provider.get_many(items).await;

    let mut planned: Vec<_> = plan
        .iter()
        .filter(|call| call.requests > 0)
        .map(|call| call.call.to_string())
        .collect();
    let mut sent: Vec<_> = log(server).into_iter().map(|(action, _)| action).collect();
    planned.sort();
    sent.sort();
    assert_eq!(planned, sent);
    let requests: usize = plan.iter().map(|call| call.requests).sum();
    assert_eq!(requests as u64, transport.requests_sent());
    let mut answered: Vec<_> = plan.iter().flat_map(|call| call.items.clone()).collect();
    answered.sort();
    assert_eq!(answered, (0..items.len()).collect::<Vec<_>>());
    answers
}

#[tokio::test]
async fn many_are_read_20_a_request_and_8_requests_at_once() {
    let names: Vec<&'static str> = (0..500)
        .map(|number| &*Box::leak(format!("s/{number:03}").into_boxed_str()))
        .collect();
    let held: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
    let server = FaultServer::start(serving(&held)).await.unwrap();
    let answers = read_as_planned(fault(&server), &server, &items(names.clone())).await;
    for (name, answer) in names.iter().zip(answers) {
        assert_eq!(answer.unwrap().value.expose_str().unwrap(), *name);
    }
    assert_eq!(server.request_count(), 25);
    for (_, body) in log(&server) {
        assert_eq!(body["SecretIdList"].as_array().unwrap().len(), 20);
    }

    // Slow answers pile up.
    let server = FaultServer::start(Script::respond(move |request| {
        let ids = request.json().ok()?["SecretIdList"].as_array()?.clone();
        let values: Vec<_> = ids
            .iter()
            .filter_map(|id| Some(secret(id.as_str()?, "x")))
            .collect();
        Some(ok(&json!({"SecretValues": values})).delayed(Duration::from_millis(100)))
    }))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let answers = provider.get_many(&items(names)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.in_flight_max(), 8);
}

#[tokio::test]
async fn items_fail_alone_and_repeat_without_a_request() {
    let server = FaultServer::start(serving(&[("a", "1"), ("b", "2")]))
        .await
        .unwrap();
    let mut asked_for = items(["b", "missing", "a", "b"]);
    asked_for.push(GetItem::new(
        name("a"),
        GetOptions::default().with_version(Version::new("AWSPREVIOUS")),
    ));
    asked_for.push(GetItem::new(name(&"é".repeat(200)), GetOptions::default()));
    asked_for.push(GetItem::new(
        name("a"),
        GetOptions::default().with_version(Version::new("")),
    ));
    let answers = read_as_planned(fault(&server), &server, &asked_for).await;
    let value = |at: usize| answers[at].as_ref().unwrap().value.expose_str().unwrap();
    assert_eq!(
        (value(0), value(2), value(3), value(4)),
        ("2", "1", "2", "1")
    );
    let kind = |at: usize| answers[at].as_ref().unwrap_err().kind();
    assert_eq!(kind(1), ErrorKind::NotFound);
    assert_eq!(kind(5), ErrorKind::InvalidName);
    assert_eq!(kind(6), ErrorKind::NotFound);
    assert_eq!(server.request_count(), 2);
}

#[tokio::test]
async fn one_alone_and_the_last_of_21_are_read_without_a_batch() {
    let server = FaultServer::start(serving(&[("a", "1")])).await.unwrap();
    read_as_planned(fault(&server), &server, &items(["a", "a"])).await;
    assert_eq!(log(&server)[0].0, "GetSecretValue");

    let names: Vec<String> = (0..21).map(|number| format!("n{number}")).collect();
    let server = FaultServer::start(serving(&[])).await.unwrap();
    let answers = read_as_planned(
        fault(&server),
        &server,
        &items(names.iter().map(String::as_str)),
    )
    .await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::NotFound)
    );
    assert_eq!(server.request_count(), 2);
}

#[tokio::test]
async fn a_policy_without_batches_is_learned_once() {
    let server = FaultServer::start(Script::respond(|request| {
        let (action, body) = action_and_body(request);
        Some(match action.as_str() {
            "BatchGetSecretValue" => refusal("AccessDeniedException"),
            _ => ok(&secret(body["SecretId"].as_str()?, "1")),
        })
    }))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let asked_for = items(["a", "b"]);
    for requests in [3, 5] {
        for answer in provider.get_many(&asked_for).await {
            answer.unwrap();
        }
        assert_eq!(server.request_count(), requests);
    }
    let plan = plan_reads(&provider, &asked_for);
    assert!(plan.iter().all(|call| call.call == "GetSecretValue"));
    assert_eq!(plan.len(), 2);
}

#[tokio::test]
async fn what_a_batch_leaves_out_is_read_alone() {
    let server = FaultServer::start(Script::sequence([
        ok(&json!({"SecretValues": [secret("a", "1")], "NextToken": "more"})),
        ok(&json!({"SecretValues": [secret("b", "2")]})),
        ok(&secret("c", "3")),
    ]))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let answers = provider.get_many(&items(["a", "b", "c"])).await;
    for (answer, value) in answers.iter().zip(["1", "2", "3"]) {
        assert_eq!(answer.as_ref().unwrap().value.expose_str().unwrap(), value);
    }
    assert_eq!(log(&server)[1].1["NextToken"], "more");
}

#[tokio::test]
async fn a_put_is_one_request_and_two_for_a_new_secret() {
    let written = json!({"ARN": ARN, "Name": "db", "VersionId": V2});
    let server = FaultServer::start(Script::sequence([
        ok(&written),
        refusal("ResourceNotFoundException"),
        ok(&written),
        ok(&written),
    ]))
    .await
    .unwrap();
    let mut config = fault(&server);
    config.kms_key_id = Some("alias/app".to_owned());
    let provider = open(config).await;
    let put = async |value: SecretValue| {
        let options = PutOptions::default();
        provider.put(&name("db"), &value, &options).await.unwrap()
    };
    assert_eq!(put("text".into()).await.version, Some(Version::new(V2)));
    put("text".into()).await;
    put(SecretValue::from(vec![0xff, 0x00])).await;
    let text = json!({"SecretId": "db", "SecretString": "text", "ClientRequestToken": "TOKEN"});
    let new = json!({"Name": "db", "SecretString": "text", "ClientRequestToken": "TOKEN", "KmsKeyId": "alias/app"});
    let bytes = json!({"SecretId": "db", "SecretBinary": "/wA=", "ClientRequestToken": "TOKEN"});
    assert_eq!(
        log(&server),
        [
            asked("PutSecretValue", text.clone()),
            asked("PutSecretValue", text),
            asked("CreateSecret", new),
            asked("PutSecretValue", bytes),
        ]
    );
    // Both attempts of one put carry one token, so that a lost answer makes no second version.
    let token = |at: usize| server.requests()[at].json().unwrap()["ClientRequestToken"].clone();
    assert_eq!(token(1), token(2));
    assert_ne!(token(0), token(1));
}

#[tokio::test]
async fn a_given_token_is_sent() {
    let server = FaultServer::start(ok(&json!({"VersionId": V2})))
        .await
        .unwrap();
    let provider = open(fault(&server)).await;
    for token in [V1, "deploy 7", "deploy 7"] {
        let options = PutOptions::default().with_idempotency_token(token.to_owned());
        provider
            .put(&name("a"), &"x".into(), &options)
            .await
            .unwrap();
    }
    let token = |at: usize| server.requests()[at].json().unwrap()["ClientRequestToken"].clone();
    assert_eq!(token(0), V1);
    assert_eq!(token(1), token(2));
}

#[tokio::test]
async fn a_conditional_put_moves_the_stage_from_the_expected_version() {
    let server = FaultServer::start(ok(&json!({"VersionId": V2})))
        .await
        .unwrap();
    let provider = open(fault(&server)).await;
    let options = PutOptions::default().with_mode(PutMode::IfVersion(Version::new(V1)));
    let put = provider
        .put(&name("a"), &"x".into(), &options)
        .await
        .unwrap();
    assert_eq!(put.version, Some(Version::new(V2)));
    let stage = log(&server)[0].1["VersionStages"][0].clone();
    assert!(stage.as_str().unwrap().starts_with("polysecrets-"));
    let [put, moved, cleared] = &log(&server)[..] else {
        panic!("{:?}", log(&server));
    };
    let written = json!({"SecretId": "a", "SecretString": "x", "ClientRequestToken": "TOKEN", "VersionStages": [stage]});
    assert_eq!(*put, asked("PutSecretValue", written));
    let current = json!({"SecretId": "a", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": V1, "MoveToVersionId": V2});
    assert_eq!(*moved, asked("UpdateSecretVersionStage", current));
    let gone = json!({"SecretId": "a", "VersionStage": stage, "RemoveFromVersionId": V2});
    assert_eq!(*cleared, asked("UpdateSecretVersionStage", gone));
}

#[tokio::test]
async fn a_lost_conditional_put_is_a_conflict_and_takes_its_stage_away() {
    let server = FaultServer::start(Script::sequence([
        ok(&json!({"VersionId": V2})),
        refusal("InvalidParameterException"),
        ok(&json!({})),
    ]))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let put = async |version: &str| {
        let options = PutOptions::default().with_mode(PutMode::IfVersion(Version::new(version)));
        provider
            .put(&name("a"), &"x".into(), &options)
            .await
            .unwrap_err()
            .kind()
    };
    assert_eq!(put(V1).await, ErrorKind::Conflict);
    assert_eq!(server.request_count(), 3);
    // What cannot be a version is refused without a request.
    assert_eq!(put("AWSCURRENT").await, ErrorKind::Conflict);
    assert_eq!(server.request_count(), 3);
}

#[tokio::test]
async fn tags_are_replaced_and_those_of_aws_left_alone() {
    let described = json!({
        "Name": "a", "ARN": ARN,
        "Tags": [{"Key": "old", "Value": "1"}, {"Key": "same", "Value": "2"}, {"Key": "aws:cloudformation:stack-id", "Value": "3"}],
    });
    let server = FaultServer::start(Script::sequence([
        ok(&json!({"VersionId": V2})),
        ok(&described),
        ok(&json!({})),
        ok(&json!({})),
    ]))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let tags = [("same", "2"), ("new", "4")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = PutOptions::default().with_tags(BTreeMap::from(tags));
    provider
        .put(&name("a"), &"x".into(), &options)
        .await
        .unwrap();
    let log = log(&server);
    assert_eq!(
        log[2],
        asked(
            "UntagResource",
            json!({"SecretId": "a", "TagKeys": ["old"]})
        )
    );
    let new = json!({"SecretId": "a", "Tags": [{"Key": "new", "Value": "4"}]});
    assert_eq!(log[3], asked("TagResource", new));
}

#[tokio::test]
async fn deletes_say_how() {
    let server = FaultServer::start(ok(&json!({"Name": "a"}))).await.unwrap();
    let mut config = fault(&server);
    let provider = open(config.clone()).await;
    let day = Duration::from_secs(24 * 60 * 60);
    for mode in [
        DeleteMode::Soft,
        DeleteMode::Window(7 * day),
        DeleteMode::Purge,
    ] {
        let options = DeleteOptions::default().with_mode(mode);
        provider.delete(&name("a"), &options).await.unwrap();
    }
    config.recovery_window_days = Some(8);
    open(config)
        .await
        .delete(&name("a"), &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(
        log(&server),
        [
            asked("DeleteSecret", json!({"SecretId": "a"})),
            asked(
                "DeleteSecret",
                json!({"SecretId": "a", "RecoveryWindowInDays": 7})
            ),
            // A forced deletion of what does not exist would succeed.
            asked("DescribeSecret", json!({"SecretId": "a"})),
            asked(
                "DeleteSecret",
                json!({"SecretId": "a", "ForceDeleteWithoutRecovery": true})
            ),
            asked(
                "DeleteSecret",
                json!({"SecretId": "a", "RecoveryWindowInDays": 8})
            ),
        ]
    );
    let short = DeleteOptions::default().with_mode(DeleteMode::Window(day));
    let error = provider.delete(&name("a"), &short).await.unwrap_err();
    assert_eq!(
        (error.kind(), server.request_count()),
        (ErrorKind::InvalidConfig, 5)
    );
}

#[tokio::test]
async fn a_rollback_moves_the_current_stage() {
    let described =
        json!({"Name": "a", "VersionIdsToStages": {V1: ["AWSPREVIOUS"], V2: ["AWSCURRENT"]}});
    let script = || Script::sequence([ok(&described), ok(&json!({}))]);
    let server = FaultServer::start(script()).await.unwrap();
    let provider = open(fault(&server)).await;
    for to in [V1, "AWSPREVIOUS"] {
        server.clear();
        server.set_script(script());
        let options = RollbackOptions::default();
        let now = provider
            .rollback(&name("a"), &Version::new(to), &options)
            .await
            .unwrap();
        assert_eq!(now.version, Some(Version::new(V1)));
        let moved = json!({"SecretId": "a", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": V2, "MoveToVersionId": V1});
        assert_eq!(log(&server)[1], asked("UpdateSecretVersionStage", moved));
    }
}

#[tokio::test]
async fn a_listing_is_narrowed_down_paged_and_without_the_deleted() {
    let page = json!({
        "SecretList": [
            {"Name": "app/db", "ARN": "a", "CreatedDate": 1.0, "LastChangedDate": 2.0, "SecretVersionsToStages": {V1: ["AWSPREVIOUS"], V2: ["AWSCURRENT"]}},
            {"Name": "app/x__d_hc3_hbc", "ARN": "b"},
            {"Name": "app/x__other_h20", "ARN": "c"},
            {"Name": "app/dead", "ARN": "d", "DeletedDate": 3.0},
        ],
        "NextToken": "next",
    });
    let server = FaultServer::start(ok(&page)).await.unwrap();
    let mut config = fault(&server);
    config.secret_prefix = Some("app/".to_owned());
    let provider = open(config).await;
    let options = ListOptions::default().with_prefix("d").with_page_size(7);
    let first = provider.list(&options).await.unwrap();
    let names: Vec<_> = first.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["db", "dü"]);
    assert_eq!(first.items[0].version, Some(Version::new(V2)));
    provider
        .list(&options.with_page_token(first.next))
        .await
        .unwrap();
    let filters = json!([{"Key": "name", "Values": ["app/x__", "app/d"]}]);
    assert_eq!(
        log(&server),
        [
            asked("ListSecrets", json!({"MaxResults": 7, "Filters": filters})),
            asked(
                "ListSecrets",
                json!({"MaxResults": 7, "Filters": filters, "NextToken": "next"})
            ),
        ]
    );
}

#[tokio::test]
async fn descriptions_tell_state_and_version() {
    let described = json!({
        "Name": "a", "DeletedDate": 5.0, "LastChangedDate": 2.0,
        "VersionIdsToStages": {V1: ["AWSPREVIOUS"], V2: ["AWSCURRENT"]}, "Tags": [{"Key": "k", "Value": "v"}],
    });
    let versions = json!({"Versions": [
        {"VersionId": V1, "CreatedDate": 1.0, "VersionStages": ["AWSPREVIOUS"]},
        {"VersionId": V2, "CreatedDate": 2.0, "VersionStages": ["AWSCURRENT"]},
    ]});
    let answers = move |request: &RecordedRequest| {
        Some(ok(match action_and_body(request).0.as_str() {
            "DescribeSecret" => &described,
            _ => &versions,
        }))
    };
    let server = FaultServer::start(Script::respond(answers)).await.unwrap();
    let provider = open(fault(&server)).await;
    let found = provider
        .describe(&name("a"), &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (found.state, found.version),
        (SecretState::Deleted, Some(Version::new(V2)))
    );
    assert_eq!(found.tags["k"], "v");
    let options = DescribeOptions::default().with_version(Version::new("AWSPREVIOUS"));
    let old = provider.describe(&name("a"), &options).await.unwrap();
    assert_eq!(old.version, Some(Version::new(V1)));
    assert_eq!(
        old.created_at,
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
    );

    let listed = provider
        .versions(&name("a"), &VersionsOptions::default())
        .await
        .unwrap();
    let ids: Vec<_> = listed
        .items
        .iter()
        .filter_map(|item| item.version.clone())
        .collect();
    assert_eq!(ids, [Version::new(V2), Version::new(V1)]);
    let body = json!({"SecretId": "a", "IncludeDeprecated": true, "MaxResults": 100});
    assert_eq!(
        log(&server).last(),
        Some(&asked("ListSecretVersionIds", body))
    );
}

#[tokio::test]
async fn keys_of_one_secret_cost_one_request() {
    let document = r#"{"db/password":"hunter2","port":5432.0,"db":{"user":"x"}}"#;
    let server = FaultServer::start(ok(&secret("app", document)))
        .await
        .unwrap();
    let mut config = fault(&server);
    config.secret_name = Some("app".to_owned());
    let asked_for = items(["port", "db/password", "missing", "db"]);
    let answers = read_as_planned(config, &server, &asked_for).await;
    let value = |at: usize| answers[at].as_ref().unwrap().value.expose_str().unwrap();
    assert_eq!(
        (value(0), value(1), value(3)),
        ("5432.0", "hunter2", r#"{"user":"x"}"#)
    );
    assert_eq!(answers[2].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn a_key_of_one_secret_is_written_by_moving_a_stage() {
    let server = FaultServer::start(Script::respond(|request| {
        Some(match action_and_body(request).0.as_str() {
            "GetSecretValue" => ok(&secret("app", r#"{"a":"1","b":0.10}"#)),
            _ => ok(&json!({"VersionId": V2})),
        })
    }))
    .await
    .unwrap();
    let mut config = fault(&server);
    config.secret_name = Some("app".to_owned());
    let provider = open(config).await;
    provider
        .put(&name("a"), &"2".into(), &PutOptions::default())
        .await
        .unwrap();
    let log = log(&server);
    assert_eq!(log[1].1["SecretString"], r#"{"a":"2","b":0.10}"#);
    assert_eq!(log[2].1["RemoveFromVersionId"], V1);
}

#[tokio::test]
async fn an_arn_of_another_region_is_refused_before_any_request() {
    let server = FaultServer::start(serving(&[("a", "1"), ("b", "2")]))
        .await
        .unwrap();
    let provider = open(fault(&server)).await;
    let far = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-AbCdEf";
    let error = get(&provider, far).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("eu-west-1") && error.hint().unwrap().contains("`region`"));
    assert_eq!(server.request_count(), 0);
    let answers = provider.get_many(&items(["a", far, "b"])).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(
        answers[1].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
}

#[tokio::test]
async fn an_arn_of_another_account_is_explained() {
    let server = FaultServer::start(refusal("AccessDeniedException"))
        .await
        .unwrap();
    let error = get(&open(fault(&server)).await, ARN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(
        error.hint().unwrap().contains("123456789012"),
        "{:?}",
        error.hint()
    );
}

#[tokio::test]
async fn throttling_is_told_and_never_repeated() {
    let body = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
    let reply = Reply::json(&body)
        .status(400)
        .retry_after(RetryAfter::Seconds(7));
    let server = FaultServer::start(reply).await.unwrap();
    let error = get(&open(fault(&server)).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn broken_connections_are_told_and_never_repeated() {
    for (broken, kinds) in [
        (Fault::reset(), &[ErrorKind::Unavailable][..]),
        (Fault::close(), &[ErrorKind::Unavailable]),
        (
            Fault::redirect(307, "http://127.0.0.1:9/"),
            &[ErrorKind::InvalidResponse],
        ),
        (
            Fault::oversized(Reply::new(200), 64 * 1024 * 1024),
            &[ErrorKind::InvalidResponse],
        ),
        (
            Fault::truncated(Reply::json(&secret("a", "x")), 20),
            &[ErrorKind::Unavailable],
        ),
        (
            Fault::reply(Reply::new(200).body("hunter2")),
            &[ErrorKind::InvalidResponse],
        ),
        (
            Fault::reply(Reply::new(200).body("{\"Name\":\"hunter2\"")),
            &[ErrorKind::InvalidResponse],
        ),
        (ok(&json!({"Name": "a"})), &[ErrorKind::InvalidResponse]),
    ] {
        let server = FaultServer::start(broken).await.unwrap();
        let error = get(&open(fault(&server)).await, "a").await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(server.request_count(), 1, "{error}");
    }
}

/// A clock that is wrong by so much.
#[derive(Debug)]
struct Wrong(Duration);

impl Clock for Wrong {
    fn monotonic(&self) -> Duration {
        secrets_core::SystemClock.monotonic()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now() - self.0
    }
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once() {
    let now = httpdate::fmt_http_date(SystemTime::now());
    let expired = json!({"__type": "InvalidSignatureException", "message": "Signature expired"});
    let refused = Fault::reply(Reply::json(&expired).status(400).header("Date", &now));
    let good = Fault::reply(Reply::json(&secret("a", "x")).header("Date", &now));
    let minutes = Duration::from_secs(6 * 60);
    let context = || OpenContext::new("main").with_clock(Arc::new(Wrong(minutes)));

    let server = FaultServer::start(Script::sequence([refused.clone(), good.clone(), good]))
        .await
        .unwrap();
    let provider = open_with(fault(&server), context()).await;
    get(&provider, "a").await.unwrap();
    get(&provider, "a").await.unwrap();
    assert_eq!(server.request_count(), 3);
    let date = |at: usize| {
        server.requests()[at]
            .header("x-amz-date")
            .unwrap()
            .to_owned()
    };
    let minute = |time: SystemTime| {
        let time = httpdate::fmt_http_date(time);
        time[17..22].replace(':', "")
    };
    let minute_of = |at: usize| date(at)[9..13].to_owned();
    let near = |offset: Duration| {
        let now = SystemTime::now();
        [0, 1, 2].map(|late| minute(now - offset - Duration::from_secs(late * 30)))
    };
    assert!(near(minutes).contains(&minute_of(0)), "{}", date(0));
    for corrected in [1, 2] {
        assert!(
            near(Duration::ZERO).contains(&minute_of(corrected)),
            "{}",
            date(corrected)
        );
    }

    let server = FaultServer::start(refused).await.unwrap();
    let error = get(&open_with(fault(&server), context()).await, "a")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), server.request_count()),
        (ErrorKind::Unauthenticated, 2)
    );
    assert!(error.to_string().contains("clock"), "{error}");
}

#[tokio::test]
async fn health_is_a_listing_or_a_description() {
    let server = FaultServer::start(ok(&json!({"SecretList": []})))
        .await
        .unwrap();
    let mut config = fault(&server);
    let health = open(config.clone()).await.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!(
        log(&server),
        [asked("ListSecrets", json!({"MaxResults": 1}))]
    );

    server.set_script(ok(&json!({"Name": "app"})));
    config.secret_name = Some("app".to_owned());
    let document = open(config).await;
    assert_eq!(
        document.health().await.unwrap().status,
        HealthStatus::Healthy
    );
    assert_eq!(
        log(&server)[1],
        asked("DescribeSecret", json!({"SecretId": "app"}))
    );
    for (code, status) in [
        ("AccessDeniedException", HealthStatus::Healthy),
        ("UnrecognizedClientException", HealthStatus::Unavailable),
        ("InternalServiceError", HealthStatus::Unavailable),
    ] {
        server.set_script(refusal(code));
        let health = document.health().await.unwrap();
        assert_eq!(health.status, status, "{code}");
        assert!(!health.detail.contains("hunter2"));
    }
}

#[tokio::test]
async fn nothing_of_a_value_or_a_credential_gets_out() {
    let (value, key, token) = (Canary::generate(), Canary::generate(), Canary::generate());
    let answer = secret("a", &value.reveal());
    let server = FaultServer::start(ok(&answer)).await.unwrap();
    let mut config = fault(&server);
    config.secret_access_key = Some(key.reveal().into());
    config.session_token = Some(token.reveal().into());
    let trace = TraceCapture::new();
    let mut sinks = Sinks::new([&value, &key, &token]);
    sinks.debug("config", &config);
    let provider = open(config).with_subscriber(trace.dispatch()).await;
    let work = async {
        let read = get(&provider, "a").await;
        let put = provider
            .put(&name("a"), &value.reveal().into(), &PutOptions::default())
            .await;
        let broken = json!({"__type": "ResourceNotFoundException", "message": *value.reveal()});
        server.set_script(Reply::json(&broken).status(400));
        (read, put, get(&provider, "a").await)
    };
    let (read, put, failed) = work.with_subscriber(trace.dispatch()).await;
    sinks.debug("provider", &provider);
    sinks.debug("secret", &read.unwrap());
    sinks.debug("metadata", &put.unwrap());
    sinks.error("error", &failed.unwrap_err());
    sinks.bytes("trace", trace.text());
    sinks.verdict().unwrap();
}

#[tokio::test]
async fn wrong_settings_are_refused_at_once() {
    let open = async |change: fn(&mut AwsConfig)| {
        let mut config = support::config("http://127.0.0.1:1", "id", "hunter2");
        change(&mut config);
        polysecrets_aws::open(config, OpenContext::new("main"), Transport::default())
            .await
            .unwrap_err()
    };
    let changes: [fn(&mut AwsConfig); 12] = [
        |config| config.region = Some("evil.example/#".to_owned()),
        |config| config.region = Some(String::new()),
        |config| config.endpoint = Some("http://10.0.0.1:4566".to_owned()),
        |config| config.endpoint = Some("https://user:hunter2@host".to_owned()),
        |config| config.access_key_id = None,
        |config| config.secret_access_key = None,
        |config| config.secret_access_key = Some("hunter2\n".into()),
        |config| config.profile = Some("dev".to_owned()),
        |config| config.secret_prefix = Some("a b".to_owned()),
        |config| config.recovery_window_days = Some(6),
        |config| config.external_id = Some("x".to_owned()),
        |config| {
            config.secret_name = Some("a".to_owned());
            config.secret_prefix = Some("b".to_owned());
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let error = open(change).await;
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidConfig,
            "{number}: {error:?}"
        );
        assert!(error.hint().is_some() || number == 9, "{number}: {error}");
        assert!(
            !format!("{error:?}").contains("hunter2"),
            "{number}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_location_of_somebody_else_gets_no_credential_of_the_environment() {
    let environment: Environment = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
    ]
    .into_iter()
    .collect();
    let context = OpenContext::new("main")
        .with_environment(environment)
        .with_ambient(AmbientCredentials::Refused {
            config: "secrets.toml".into(),
        });
    for profile in [None, Some("default".to_owned())] {
        let mut config = AwsConfig::default();
        config.profile = profile;
        let error = polysecrets_aws::open(config, context.clone(), Transport::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.hint().unwrap().contains("secrets trust"));
    }
    // A key that stands in the same file is the file's own business.
    let server = FaultServer::start(ok(&secret("a", "x"))).await.unwrap();
    let provider = open_with(fault(&server), context).await;
    get(&provider, "a").await.unwrap();
}
