use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use secrets_core::{OpenContext, PutOptions, SecretProvider};
use secrets_local::memory::{self, MemoryConfig};
use serde::ser::Error as _;

use super::*;

fn field(text: &str) -> SecretField {
    text.parse().unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Service {
    name: String,
    port: u16,
    ratio: f64,
    token: SecretField,
    backup: Option<SecretField>,
    none: Option<SecretField>,
    database: Database,
    keys: Vec<SecretField>,
    named: BTreeMap<String, SecretField>,
    logins: Vec<Login>,
    pair: (SecretField, u8),
    wrapped: Wrapped,
    unit: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Database {
    host: Option<String>,
    password: SecretField,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(SecretField);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Login {
    None,
    Token(SecretField),
    Pair(String, SecretField),
    User { name: String, password: SecretField },
}

fn service() -> Service {
    Service {
        name: "api".to_owned(),
        port: 80,
        ratio: 0.5,
        token: field("token"),
        backup: Some(field("backup")),
        none: None,
        database: Database {
            host: None,
            password: field("db/creds#password"),
        },
        keys: vec![field("key/0"), field("key/1")],
        named: [("a".to_owned(), field("named/a"))].into(),
        logins: vec![
            Login::None,
            Login::Token(field("login/token")),
            Login::Pair("x".to_owned(), field("login/pair")),
            Login::User {
                name: "y".to_owned(),
                password: field("login/user"),
            },
        ],
        pair: (field("pair"), 1),
        wrapped: Wrapped(field("wrapped")),
        unit: (),
    }
}

const NAMES: [&str; 12] = [
    "token",
    "backup",
    "db/creds#password",
    "key/0",
    "key/1",
    "named/a",
    "login/token",
    "login/pair",
    "login/user",
    "pair",
    "wrapped",
    "token",
];

fn found<T: Serialize>(config: &T) -> Vec<String> {
    let fields = collect(config).unwrap();
    fields
        .iter()
        .map(|field| field.reference.to_string())
        .collect()
}

#[test]
fn finds_fields_wherever_they_are() {
    assert_eq!(found(&service()), NAMES[..11]);
    assert_eq!(found(&field("alone")), ["alone"]);
    assert_eq!(
        found(&HashMap::from([(field("key"), field("value"))])),
        ["key", "value"]
    );
    assert_eq!(found(&[Some(Box::new(field("boxed")))]), ["boxed"]);
    assert!(found(&"no field").is_empty());
}

#[test]
fn what_is_found_shares_the_value_of_the_original() {
    let service = service();
    for field in collect(&service).unwrap() {
        field.fill("filled".into());
    }
    assert_eq!(
        service.wrapped.0.filled().unwrap().expose_str().unwrap(),
        "filled"
    );
    assert!(service.clone().token.value().is_some());
}

#[test]
fn a_refusal_ends_the_search_and_says_nothing_of_its_own() {
    struct Refusing;

    impl Serialize for Refusing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("hunter2"))
        }
    }

    let error = collect(&(field("a"), Refusing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(found(&field("b")), ["b"]);
}

#[test]
fn a_panic_and_a_search_inside_another_leave_no_trace() {
    struct Panicking;

    impl Serialize for Panicking {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("as a test does")
        }
    }

    struct Searching;

    impl Serialize for Searching {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert_eq!(found(&field("inner")), ["inner"]);
            serializer.serialize_unit()
        }
    }

    assert!(std::panic::catch_unwind(|| collect(&(field("a"), Panicking))).is_err());
    // A field that is written outside of any search must not be kept anywhere.
    let loose = field("loose");
    serde_json::to_string(&loose).unwrap();
    assert_eq!(Arc::strong_count(&loose.cell), 1);
    assert_eq!(found(&(field("b"), Searching, field("c"))), ["b", "c"]);
}

#[test]
fn reads_both_spellings_and_writes_the_reference() {
    for text in [
        "main://db/password?version=3#user",
        "${secret:main://db/password?version=3#user}",
    ] {
        let json = serde_json::to_string(text).unwrap();
        let field: SecretField = serde_json::from_str(&json).unwrap();
        assert!(field.value().is_none());
        let written = serde_json::to_string(&field).unwrap();
        assert_eq!(written, r#""main://db/password?version=3#user""#);
        assert_eq!(
            serde_json::from_str::<SecretField>(&written).unwrap(),
            field
        );
    }
    assert!(serde_json::from_str::<SecretField>("7").is_err());
}

#[test]
fn a_value_in_place_of_a_reference_is_not_repeated() {
    for text in ["hunter2//hunter2", "${secret:hunter2?}", "hunter2%", ""] {
        let json = serde_json::to_string(text).unwrap();
        let error = serde_json::from_str::<SecretField>(&json).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn an_unfilled_field_is_an_error_with_its_name() {
    let error = field("db/password").filled().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("db/password"));
}

async fn secrets(values: &[(&str, &str)]) -> Secrets {
    let provider = memory::open(MemoryConfig::default(), OpenContext::new("main"))
        .await
        .unwrap();
    for (name, value) in values {
        let name = name.parse().unwrap();
        let options = PutOptions::default();
        provider
            .put(&name, &(*value).into(), &options)
            .await
            .unwrap();
    }
    Secrets::builder()
        .provider("main", Arc::new(provider))
        .default_provider("main")
        .build()
        .unwrap()
}

const CREDS: (&str, &str) = ("db/creds", r#"{"user":"u","password":"canary-creds"}"#);

#[tokio::test]
async fn fills_every_field_and_no_checkpoint_holds_a_value() {
    let mut values: Vec<_> = NAMES.iter().map(|name| (*name, "canary-value")).collect();
    values[2] = CREDS;
    let secrets = secrets(&values).await;
    let service = service();
    let before = serde_json::to_string(&service).unwrap();
    secrets.fill(&service).await.unwrap();
    assert!(
        collect(&service)
            .unwrap()
            .iter()
            .all(|field| field.value().is_some())
    );
    assert_eq!(
        service.database.password.filled().unwrap(),
        SecretValue::from("canary-creds")
    );
    let after = serde_json::to_string(&service).unwrap();
    assert_eq!(before, after);
    assert!(!format!("{after} {service:?} {service:#?}").contains("canary"));
    let back: Service = serde_json::from_str(&after).unwrap();
    assert_eq!(back, service);
    assert!(
        collect(&back)
            .unwrap()
            .iter()
            .all(|field| field.value().is_none())
    );
}

#[tokio::test]
async fn one_missing_secret_leaves_all_fields_as_they_were() {
    let secrets = secrets(&[("token", "new"), CREDS]).await;
    let config = (field("token"), field("db/missing"));
    config.0.fill("old".into());
    let error = secrets.fill(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("db/missing"));
    assert_eq!(config.0.filled().unwrap(), SecretValue::from("old"));
    assert!(config.1.value().is_none());
}

#[tokio::test]
async fn filling_again_takes_the_values_of_now() {
    let secrets = secrets(&[("token", "first")]).await;
    let config = field("token");
    secrets.fill(&config).await.unwrap();
    secrets.put("token", "second".into()).await.unwrap();
    assert_eq!(config.filled().unwrap(), SecretValue::from("first"));
    secrets.fill(&config).await.unwrap();
    assert_eq!(config.filled().unwrap(), SecretValue::from("second"));
}
