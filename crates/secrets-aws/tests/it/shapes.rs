//! What real accounts and servers hold that the API reference does not say: names of AWS's own services, replicas, long
//! stages, a document kept as bytes, servers without batches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{
    DeleteOptions, ErrorKind, GetItem, GetOptions, ListOptions, PutOptions, SecretProvider,
    SecretValue, Version,
};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};
use serde_json::{Value, json};

use crate::support::{fault, name, open};

fn answer(name: &str, value: &str) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf"),
        "Name": name, "VersionId": "11111111-1111-4111-8111-111111111111", "SecretString": value,
    })
}

fn refused(code: &str, message: &str) -> Fault {
    Fault::reply(Reply::json(&json!({"__type": code, "message": message})).status(400))
}

fn bodies(server: &FaultServer) -> Vec<Value> {
    server
        .requests()
        .iter()
        .map(|request| request.json().unwrap())
        .collect()
}

#[tokio::test]
async fn what_a_listing_gives_can_be_read_and_written() {
    const MANAGED: &str = "rds!db-0b4e1a2c-1111";
    let server = FaultServer::start(Script::respond(|request| {
        let body = request.json().unwrap();
        let action = request
            .header("x-amz-target")?
            .rsplit('.')
            .next()?
            .to_owned();
        let answer = match action.as_str() {
            "ListSecrets" => json!({"SecretList": [{"Name": MANAGED, "ARN": "arn"}]}),
            _ if body["SecretId"] == MANAGED => answer(MANAGED, "x"),
            _ => return Some(refused("ResourceNotFoundException", "hunter2")),
        };
        Some(Fault::reply(Reply::json(&answer)))
    }))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let page = provider.list(&ListOptions::default()).await.unwrap();
    let listed = &page.items[0].name;
    assert_eq!(listed.as_str(), MANAGED);
    provider.get(listed, &GetOptions::default()).await.unwrap();
    provider
        .put(listed, &"y".into(), &PutOptions::default())
        .await
        .unwrap();
    for (prefix, short) in [("rds!", "db-0b4e1a2c-1111"), ("rds!db-", "0b4e1a2c-1111")] {
        let mut config = fault(&server);
        config.secret_prefix = Some(prefix.to_owned());
        open(config)
            .await
            .get(&name(short), &GetOptions::default())
            .await
            .unwrap();
    }
    let mut config = fault(&server);
    config.secret_name = Some(MANAGED.to_owned());
    let error = open(config)
        .await
        .get(&name("a"), &GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue, "{error:?}");
}

#[tokio::test]
async fn a_replica_is_neither_deleted_nor_wrong_input() {
    for (code, message) in [
        (
            "InvalidParameterException",
            "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
        ),
        (
            "InvalidRequestException",
            "You can't delete secret app/db that still has replica regions [eu-west-1].",
        ),
    ] {
        let server = FaultServer::start(refused(code, message)).await.unwrap();
        let provider = open(fault(&server)).await;
        let put = provider
            .put(&name("a"), &"x".into(), &PutOptions::default())
            .await;
        let delete = provider.delete(&name("a"), &DeleteOptions::default()).await;
        for error in [put.unwrap_err(), delete.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
            assert!(error.message().contains("replica"), "{error}");
            assert!(error.hint().unwrap().contains("primary region"));
        }
    }
    let server = FaultServer::start(refused(
        "InvalidRequestException",
        "You can't delete it now.",
    ))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let error = provider
        .delete(&name("a"), &DeleteOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

fn without_batches(refusal: fn() -> Fault) -> Script {
    Script::respond(move |request| {
        let body = request.json().unwrap();
        Some(
            match request
                .header("x-amz-target")?
                .ends_with(".BatchGetSecretValue")
            {
                true => refusal(),
                false => Fault::reply(Reply::json(&answer(body["SecretId"].as_str()?, "1"))),
            },
        )
    })
}

#[tokio::test]
async fn where_a_server_has_no_batches_secrets_are_read_alone() {
    let cases: [(fn() -> Fault, u64); 5] = [
        (|| refused("UnknownOperationException", "x"), 5),
        (|| refused("InvalidAction", "x"), 5),
        (
            || Fault::reply(Reply::new(404).body("<html>no such route</html>")),
            5,
        ),
        (
            || Fault::reply(Reply::json(&json!({"__type": "InternalFailure"})).status(501)),
            5,
        ),
        // This batch was refused, which says nothing of the next one.
        (|| refused("InvalidParameterException", "x"), 6),
    ];
    for (refusal, requests) in cases {
        let server = FaultServer::start(without_batches(refusal)).await.unwrap();
        let provider = open(fault(&server)).await;
        let items = ["a", "b"].map(|one| GetItem::new(name(one), GetOptions::default()));
        for _ in 0..2 {
            for answer in provider.get_many(&items).await {
                assert_eq!(answer.unwrap().value.expose_str().unwrap(), "1");
            }
        }
        assert_eq!(server.request_count(), requests);
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_no_reason_to_read_alone() {
    let server = FaultServer::start(without_batches(|| refused("ThrottlingException", "x")))
        .await
        .unwrap();
    let provider = open(fault(&server)).await;
    let items = ["a", "b"].map(|one| GetItem::new(name(one), GetOptions::default()));
    for answer in provider.get_many(&items).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::RateLimited);
    }
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn a_stage_may_be_as_long_as_an_id() {
    const STAGE: &str = "release-candidate-of-the-second-of-december";
    let server = FaultServer::start(Script::respond(|request| {
        let body = request.json().unwrap();
        Some(match body["VersionStage"] == STAGE {
            true => Fault::reply(Reply::json(&answer("a", "x"))),
            false => refused("ResourceNotFoundException", "x"),
        })
    }))
    .await
    .unwrap();
    let provider = open(fault(&server)).await;
    let options = GetOptions::default().with_version(Some(Version::new(STAGE)));
    provider.get(&name("a"), &options).await.unwrap();
    assert_eq!(bodies(&server)[0]["VersionId"], STAGE);
    assert_eq!(server.request_count(), 2);
}

#[tokio::test]
async fn a_document_kept_as_bytes_stays_so_and_loses_its_byte_order_mark() {
    let text = "\u{feff}{\"a\":\"1\"}";
    let mut kept = answer("app", "");
    kept.as_object_mut().unwrap().remove("SecretString");
    kept["SecretBinary"] = STANDARD.encode(text).into();
    let server = FaultServer::start(Script::always(Fault::reply(Reply::json(&kept))))
        .await
        .unwrap();
    let mut config = fault(&server);
    config.secret_name = Some("app".to_owned());
    let provider = open(config).await;
    let read = provider
        .get(&name("a"), &GetOptions::default())
        .await
        .unwrap();
    assert_eq!(read.value, SecretValue::from("1"));
    provider
        .put(&name("b"), &"2".into(), &PutOptions::default())
        .await
        .unwrap();
    let written = bodies(&server)
        .into_iter()
        .find(|body| body.get("ClientRequestToken").is_some())
        .unwrap();
    assert!(written.get("SecretString").is_none());
    let bytes = STANDARD
        .decode(written["SecretBinary"].as_str().unwrap())
        .unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), r#"{"a":"1","b":"2"}"#);
}
