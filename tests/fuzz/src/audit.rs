//! The audit log: a changed log never verifies, and any text is handled.

use std::path::Path;
use std::sync::Arc;

use secrets::SystemClock;
use secrets::layers::{
    Actor, AuditConfig, AuditKey, AuditLog, AuditQuery, AuditSink, AuditSummary, FileSink,
    FsyncMode, Record,
};
use secrets_core::{ErrorKind, SecretValue};

use super::input::{edited, parts};
use super::scratch;

const LOG: &[u8] = include_bytes!("../fixtures/audit.log");
const HEAD: &[u8] = include_bytes!("../fixtures/audit.log.head");
/// Separates the log and its checkpoint when both are edited.
const BETWEEN: u8 = 0;
const KEY: &str = "the key of a log in a test";

/// The first letter selects the input: a `t`ext with its checkpoint and a record, or `e`dits of the log and its checkpoint.
pub fn audit(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind {
        b't' => {
            let [head, record, log] = parts(rest);
            any_text(log, head);
            if let Ok(record) = serde_json::from_slice::<Record>(record) {
                printed(&record);
            }
        }
        b'e' => {
            let mut both = edited(&[LOG, HEAD].join(&BETWEEN), rest);
            let end = both
                .iter()
                .rposition(|byte| *byte == BETWEEN)
                .unwrap_or(both.len());
            let head = both.split_off(end);
            changed(&both, head.get(1..).unwrap_or_default());
        }
        _ => {}
    }
}

fn key() -> Option<AuditKey> {
    AuditKey::new(&SecretValue::from(KEY)).ok()
}

fn written(log: &[u8], head: &[u8]) -> AuditLog {
    let path = scratch::write("audit.log", log);
    scratch::write("audit.log.head", head);
    AuditLog::new(path, key())
}

fn records(path: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    AuditLog::read(&[path.to_owned()], |_, record| records.push(record)).expect("a file");
    records
}

fn any_text(log: &[u8], head: &[u8]) {
    let log = written(log, head);
    let verified = log.verify().expect("a file");
    assert!(
        verified.fault.is_some() || verified.records == 0,
        "verified without the key"
    );
    let records = records(log.path());
    let mut strictly = Vec::new();
    let read = AuditLog::read_strictly(&[log.path().to_owned()], |_, record| strictly.push(record));
    if let Err(error) = read {
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert!(error.to_string().contains("audit.log:"), "{error}");
    }
    assert!(records.starts_with(&strictly));
    records.iter().for_each(printed);
}

/// Checks every form in which a record is printed.
fn printed(record: &Record) {
    let json = serde_json::to_string(record).expect("JSON");
    // Times are printed in microseconds, so compare only from the second time on.
    let again: Record = serde_json::from_str(&json).expect("a record");
    assert_eq!(serde_json::to_string(&again).ok().as_ref(), Some(&json));
    let event = record.to_ocsf();
    assert!(event.is_object(), "{event}");
    assert!(AuditQuery::default().matches(record));
    let mut summary = AuditSummary::default();
    summary.add(record);
    let text = summary.prometheus();
    for line in text.lines() {
        let number = line.rsplit(' ').next().unwrap_or_default();
        assert!(
            line.starts_with('#') || number.parse::<f64>().is_ok(),
            "{text}"
        );
    }
}

fn changed(text: &[u8], head: &[u8]) {
    let log = written(text, head);
    let verified = log.verify().expect("a file");
    let path = log.path().to_owned();
    let found = records(&path);
    if verified.fault.is_none() {
        let original = {
            let other = scratch::write("whole.log", LOG);
            records(&other)
        };
        assert!(
            !verified.anchored || head == HEAD,
            "accepted a changed checkpoint"
        );
        assert!(original.starts_with(&found), "{verified:?}");
        assert!(
            !verified.anchored || found.len() == original.len(),
            "{verified:?}"
        );
    } else {
        assert!(text != LOG || head != HEAD, "{verified:?}");
    }

    // A writer continues a valid log, which then still verifies.
    let config = AuditConfig::default().with_sync(FsyncMode::None);
    let mut sink = FileSink::new(
        &path,
        &config,
        key(),
        Arc::new(Actor::default()),
        Arc::new(SystemClock),
    );
    let written = sink.write(&[serde_json::from_str(RECORD).expect("a record")]);
    if verified.fault.is_none() {
        written.expect("a log that is whole");
        let again = log.verify().expect("a file");
        assert_eq!(again.fault, None);
        assert!(
            again.records > verified.records && again.anchored,
            "{again:?}"
        );
    }
}

const RECORD: &str = r#"{"id":"01ARYZ6S410000000000000000","time":"2026-11-22T07:00:00.000Z","event":"read","actor":{},"operation":"get","provider":"main","name":"db/password","outcome":"ok"}"#;
