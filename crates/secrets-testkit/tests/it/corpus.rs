//! A corpus is read strictly, and tells where it is wrong and what differs.
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use polysecrets_testkit::corpus::Corpus;
use polysecrets_testkit::fault::FaultServer;
use secrets_core::{Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const THROTTLED: &str = r#"{
    "name": "throttled", "source": "recorded", "operation": "get", "status": 429,
    "headers": [["Retry-After", "3"]], "body": {"errors": ["slow",  "down"]},
    "expect": {"kind": "RateLimited", "retryable": true, "stale_ok": true, "retry_after_ms": 3000}
  }"#;

fn corpus(entries: &[&str]) -> String {
    format!("[\n  {}\n]", entries.join(",\n  "))
}

fn refused(text: &str) -> String {
    Corpus::parse(text).unwrap_err().to_string()
}

fn throttled() -> Error {
    Error::from(ErrorKind::RateLimited).with_retry_after(Duration::from_secs(3))
}

/// Asks the server for something, and gives all that comes back.
async fn ask(server: &FaultServer) -> String {
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn an_answer_is_served_as_it_was_recorded() {
    let corpus = Corpus::parse(&corpus(&[THROTTLED])).unwrap();
    let recorded = corpus.entry("throttled").unwrap();
    let server = FaultServer::start(recorded.reply()).await.unwrap();
    let answer = ask(&server).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 3\r\n"), "{answer}");
    // Spaces too: the body is what stands in the file.
    assert!(
        answer.ends_with(r#"{"errors": ["slow",  "down"]}"#),
        "{answer}"
    );
}

#[test]
fn a_body_is_json_or_text_or_nothing() {
    for (written, sent) in [
        (r#""<html>\n""#, "<html>\n"),
        ("null", ""),
        ("[]", "[]"),
        (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
    ] {
        let text = corpus(&[&THROTTLED.replace(r#"{"errors": ["slow",  "down"]}"#, written)]);
        assert_eq!(Corpus::parse(&text).unwrap().entries()[0].body, sent);
    }
    let text = corpus(&[&THROTTLED.replace(r#"{"errors": ["slow",  "down"]}"#, "7")]);
    assert_eq!(
        refused(&text),
        "line 2, column 3: `throttled` has a body that is neither an object, a list, a string nor null"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let second = THROTTLED.replace(r#""throttled""#, r#""again""#);
    for (from, to, says) in [
        (
            r#""status": 429"#,
            r#""state": 429"#,
            "line 8, column 70: unknown field `state`, expected one of `name`, `source`, `operation`, `status`, `headers`, `body`, `expect`",
        ),
        (
            r#""status": 429"#,
            r#""status": "429""#,
            "line 8, column 78: invalid type: string \"429\", expected u16",
        ),
        (
            r#", "retry_after_ms": 3000"#,
            "",
            "line 10, column 74: missing field `retry_after_ms`",
        ),
        (
            "RateLimited",
            "RateLimit",
            "line 7, column 3: `again` expects the unknown kind \"RateLimit\"",
        ),
        (
            r#""status": 429"#,
            r#""status": 42"#,
            "line 7, column 3: `again` has the status 42, which no answer has",
        ),
        (
            r#""source": "recorded""#,
            r#""source": " ""#,
            "line 7, column 3: `again` has an empty source",
        ),
        (
            "Retry-After",
            "Content-Length",
            "line 7, column 3: `again` has the header Content-Length, which the server that replays it sets",
        ),
        (
            r#""again""#,
            r#""Not plain""#,
            "line 7, column 3: the name \"Not plain\" is not made of lowercase letters, digits and hyphens",
        ),
        (
            r#""again""#,
            r#""throttled""#,
            "line 7, column 3: the name `throttled` stands in line 2 too",
        ),
        (
            "RateLimited",
            "RateLimited",
            "line 7, column 3: the answer of `again` stands in line 2 too",
        ),
    ] {
        let text = corpus(&[THROTTLED, &second.replace(from, to)]);
        assert_eq!(refused(&text), says);
    }
    assert_eq!(
        refused("{}"),
        "line 1, column 1: invalid type: map, expected a sequence"
    );
    assert_eq!(
        refused("[\n  {"),
        "line 2, column 3: EOF while parsing an object"
    );
}

#[test]
fn a_file_is_named() {
    let folder = std::env::temp_dir().join(format!("corpus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("errors.json");
    let missing = Corpus::load(&path).unwrap_err().to_string();
    assert!(
        missing.starts_with(&format!("{}: cannot be read: ", path.display())),
        "{missing}"
    );
    std::fs::write(&path, "[7]").unwrap();
    let wrong = Corpus::load(&path).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!(
            "{}:1:2: invalid type: integer `7`, expected struct Entry",
            path.display()
        )
    );
    assert_eq!(wrong.position().line, 1);
    std::fs::write(&path, corpus(&[THROTTLED])).unwrap();
    assert_eq!(Corpus::load(&path).unwrap().entries().len(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn each_difference_is_told() {
    let corpus = Corpus::parse(&corpus(&[THROTTLED])).unwrap();
    let recorded = &corpus.entries()[0];
    recorded.check(&throttled()).unwrap();
    let mismatch = recorded
        .check(&Error::from(ErrorKind::PermissionDenied))
        .unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        "throttled (429 to get)\n    kind: expected RateLimited, got PermissionDenied\n    \
         retryable: expected true, got false\n    stale_ok: expected true, got false\n    \
         retry_after: expected 3000 ms, got none\n    the error: permission denied"
    );
}

#[tokio::test]
async fn a_replay_checks_every_answer() {
    let second = THROTTLED
        .replace(r#""throttled""#, r#""again""#)
        .replace("\"3\"", "\"4\"");
    let corpus = Corpus::parse(&corpus(&[THROTTLED, &second])).unwrap();
    let replay = |outcome: fn(&str) -> Result<(), Error>, asks: bool| {
        let corpus = corpus.clone();
        async move {
            let replay = corpus.replay(async |recorded, server| {
                if asks {
                    ask(server).await;
                }
                outcome(&recorded.name)
            });
            let panic = AssertUnwindSafe(replay).catch_unwind().await.err()?;
            Some(panic.downcast_ref::<String>().unwrap().clone())
        }
    };
    assert_eq!(replay(|_| Err(throttled()), true).await, None);

    let says = |name: &str| match name {
        "again" => Ok(()),
        _ => Err(Error::from(ErrorKind::Timeout).with_retry_after(Duration::from_secs(3))),
    };
    assert_eq!(
        replay(says, true).await.unwrap(),
        "2 of 2 answers became another error than they should:\n  throttled (429 to get)\n    \
         kind: expected RateLimited, got Timeout\n    the error: deadline passed\n  \
         again (429 to get)\n    the call succeeded"
    );
    let silent = replay(|_| Err(throttled()), false).await.unwrap();
    assert!(
        silent.contains("the call failed before it asked anything: too many requests"),
        "{silent}"
    );
}

#[test]
fn too_few_answers_and_kinds_are_refused() {
    let corpus = Corpus::parse(&corpus(&[THROTTLED])).unwrap();
    corpus.assert_covers(1, &[ErrorKind::RateLimited]);
    for (least, kinds) in [(2, &[][..]), (1, &[ErrorKind::NotFound][..])] {
        let covers = AssertUnwindSafe(|| corpus.assert_covers(least, kinds));
        assert!(std::panic::catch_unwind(covers).is_err());
    }
}
