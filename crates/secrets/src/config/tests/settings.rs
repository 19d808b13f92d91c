//! A provider's settings, read into its own configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Location, SecretValue};
use serde::Deserialize;

use super::{Room, hint, toml};
use crate::config::Settings;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    address: Option<String>,
    token: Option<SecretValue>,
    attempts: u8,
    ratio: f64,
    verify: bool,
    limit: Option<Duration>,
    shape: Shape,
    auth: Auth,
    map: BTreeMap<String, String>,
    list: Vec<Inner>,
    checked: Option<Checked>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Shape {
    #[default]
    Auto,
    Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Auth {
    #[default]
    Token,
    Userpass {
        username: String,
        password: SecretValue,
    },
    File(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Checked(#[expect(dead_code, reason = "its check is what is tested")] String);

impl TryFrom<String> for Checked {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "good" => Ok(Self(text)),
            _ => Err(format!("{text:?} is not good")),
        }
    }
}

fn read(settings: &str) -> Result<Sample, Error> {
    let config = toml(&format!("[providers.main]\ntype = \"x\"\n{settings}\n")).unwrap();
    config.providers["main"].settings.deserialize()
}

#[track_caller]
fn wrong(settings: &str, line: usize, column: usize) -> Error {
    let error = read(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let position = error
        .position()
        .unwrap_or_else(|| panic!("{error} has no place"));
    assert_eq!((position.line, position.column), (line, column), "{error}");
    error
}

#[test]
fn every_shape_is_read() {
    let sample = read(
        r#"
address = "https://h"
token = "hvs.x"
attempts = 255
ratio = 1.5
verify = true
limit = "1m30s"
shape = "value"
auth = { userpass = { username = "u", password = "p" } }
map = { a = "A" }
list = [{ name = "n" }]
checked = "good"
"#,
    )
    .unwrap();
    assert_eq!(sample.address.as_deref(), Some("https://h"));
    assert_eq!(sample.token, Some(SecretValue::from("hvs.x")));
    assert_eq!(
        (sample.attempts, sample.ratio, sample.verify),
        (255, 1.5, true)
    );
    assert_eq!(sample.limit, Some(Duration::from_secs(90)));
    assert_eq!(sample.shape, Shape::Value);
    let Auth::Userpass { username, password } = sample.auth else {
        panic!("another way to log in")
    };
    assert_eq!((username.as_str(), password), ("u", SecretValue::from("p")));
    assert_eq!(sample.map["a"], "A");
    assert_eq!(sample.list[0].name, "n");
    assert!(sample.checked.is_some());
    assert!(
        matches!(read("auth = { file = \"f\" }").unwrap().auth, Auth::File(path) if path == "f")
    );
    assert!(matches!(
        read("auth = \"token\"").unwrap().auth,
        Auth::Token
    ));
    assert!(matches!(
        read("auth = { token = {} }").unwrap().auth,
        Auth::Token
    ));
}

#[test]
fn unknown_keys_are_told_with_their_place_and_the_known_ones() {
    let error = wrong("addres = \"x\"", 3, 1);
    assert_eq!(error.message(), "unknown key \"addres\"");
    assert!(
        hint(&error).starts_with("did you mean `address`? known keys: address, token"),
        "{}",
        hint(&error)
    );
    let error = wrong(
        "auth = { userpass = { usrname = \"u\", password = \"p\" } }",
        3,
        23,
    );
    assert!(hint(&error).contains("`username`"));
    wrong("list = [{ name = \"a\" }, { nam = \"b\" }]", 3, 27);
}

#[test]
fn missing_keys_and_wrong_types_are_told_with_their_place() {
    for (settings, line, column, message) in [
        ("list = [{}]", 3, 9, "missing key `name`"),
        ("attempts = 256", 3, 12, "expected u8"),
        ("attempts = -1", 3, 12, "expected u8"),
        ("attempts = \"5\"", 3, 12, "expected u8, found a string"),
        ("verify = 1", 3, 10, "expected a boolean, found an integer"),
        (
            "address = [\"a\"]",
            3,
            11,
            "expected a string, found an array",
        ),
        ("token = 5", 3, 9, "expected a string, found an integer"),
        (
            "limit = 30",
            3,
            9,
            "expected a duration such as \"200ms\" or \"30s\", found an integer",
        ),
        ("map = \"a\"", 3, 7, "expected a map, found a string"),
        (
            "auth = 5",
            3,
            8,
            "expected a string or a table with one key, found an integer",
        ),
        (
            "auth = {}",
            3,
            8,
            "expected a string or a table with one key, found a table",
        ),
        ("checked = \"bad\"", 3, 11, "\"bad\" is not good"),
    ] {
        let error = wrong(settings, line, column);
        assert_eq!(error.message(), message, "{settings}");
    }
    let error = wrong("shape = \"vlaue\"", 3, 9);
    assert_eq!(
        hint(&error),
        "did you mean `value`? known values: auto, value"
    );
    let error = wrong("auth = { userpas = {} }", 3, 10);
    assert!(hint(&error).contains("`userpass`"));
}

#[test]
fn no_error_repeats_a_value() {
    for settings in [
        "attempts = \"canary\"",
        "verify = \"canary\"",
        "shape = \"canary\"",
        "limit = \"canary\"",
        "token = [\"canary\"]",
        "auth = \"canary\"",
        "map = \"canary\"",
        "attempts = 314159",
    ] {
        let error = read(settings).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(
            !shown.contains("canary") && !shown.contains("314159"),
            "{shown}"
        );
    }
}

#[test]
fn no_error_repeats_what_was_put_in() {
    let room = Room::with(
        "secrets.toml",
        "[providers.main]\ntype = \"x\"\nchecked = \"${VALUE}\"\n[providers.other]\ntype = \"x\"\nattempts = \"${VALUE}\"\n",
    )
    .variable("VALUE", "canary");
    let config = room.named("secrets.toml").unwrap();
    for name in ["main", "other"] {
        let error = config.providers[name]
            .settings
            .deserialize::<Sample>()
            .unwrap_err();
        assert!(error.position().is_some());
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn variables_of_credentials_are_remembered_and_no_others() {
    let room = Room::with(
        "secrets.toml",
        r#"
[providers.main]
type = "x"
address = "https://${HOST}"
token = "${TOKEN_A}${TOKEN_B}"
attempts = "${COUNT}"
verify = "${FLAG}"
auth = { userpass = { username = "${USER}", password = "${PASSWORD}" } }
"#,
    )
    .variable("HOST", "h")
    .variable("TOKEN_A", "a")
    .variable("TOKEN_B", "b")
    .variable("COUNT", "7")
    .variable("FLAG", "true")
    .variable("USER", "u")
    .variable("PASSWORD", "p");
    let config = room.named("secrets.toml").unwrap();
    let settings = config.providers["main"].settings.clone();
    assert!(settings.credential_variables().is_empty());
    let sample: Sample = settings.deserialize().unwrap();
    assert_eq!(sample.token, Some(SecretValue::from("ab")));
    assert_eq!((sample.attempts, sample.verify), (7, true));
    // Clones share what is remembered: the one that is opened and the one that is kept.
    assert_eq!(
        config.providers["main"].settings.credential_variables(),
        ["PASSWORD", "TOKEN_A", "TOKEN_B"]
    );
}

#[test]
fn references_are_listed_and_filled_in() {
    let config = toml(
        "[providers.main]\ntype = \"x\"\ntoken = \"a-${secret:env://T#f}\"\naddress = \"${secret:file://host}\"\n",
    )
    .unwrap();
    let mut settings = config.providers["main"].settings.clone();
    let references: Vec<_> = settings
        .references()
        .iter()
        .map(|(r, p)| (r.to_string(), p.line))
        .collect();
    assert_eq!(
        references,
        [("env://T#f".to_owned(), 3), ("file://host".to_owned(), 4)]
    );
    let error = settings.deserialize::<Sample>().unwrap_err();
    assert!(error.message().contains("not resolved yet"), "{error}");

    let failed = settings.fill(|reference| Err(Error::not_found(reference.name())));
    let error = failed.unwrap_err();
    assert_eq!(
        (error.kind(), error.position().unwrap().line),
        (ErrorKind::NotFound, 3)
    );

    settings
        .fill(|reference| Ok(SecretValue::from(reference.name().as_str())))
        .unwrap();
    let sample: Sample = settings.deserialize().unwrap();
    assert_eq!(sample.token, Some(SecretValue::from("a-T")));
    assert_eq!(sample.address.as_deref(), Some("host"));
}

#[test]
fn settings_need_no_file() {
    let settings = Settings::from_pairs([
        ("attempts", "5"),
        ("verify", "true"),
        ("token", "t"),
        ("limit", "2s"),
    ]);
    let sample: Sample = settings.deserialize().unwrap();
    assert_eq!(
        (sample.attempts, sample.verify, sample.limit),
        (5, true, Some(Duration::from_secs(2)))
    );
    let error = Settings::from_pairs([("attempts", "five")])
        .deserialize::<Sample>()
        .unwrap_err();
    assert_eq!(
        (error.message(), error.position()),
        ("expected a number, found a string", None)
    );
    let location: Location = "vault://h/x".parse().unwrap();
    let settings = Settings::from_location(location.clone());
    assert_eq!(settings.location(), Some(&location));
    assert!(settings.deserialize::<Sample>().is_ok());
    assert!(!format!("{:?}", Settings::from_pairs([("token", "canary")])).contains("canary"));
}
