//! Records as events of the Open Cybersecurity Schema Framework: class API Activity (6003), version 1.3.0.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::record::{Event, Record};

/// The class API Activity, in the category Application Activity.
const CLASS: u64 = 6003;
const CATEGORY: u64 = 6;

impl Record {
    /// The record as an OCSF event of the class API Activity. What the class has no place for is in `unmapped`.
    pub fn to_ocsf(&self) -> Value {
        let activity: u64 = match self.operation.as_deref() {
            Some("get" | "get-many" | "describe" | "list" | "versions") => 2,
            // A put makes a secret or changes it, which nobody knows before it is done.
            Some("put" | "restore" | "rollback") => 3,
            Some("delete") => 4,
            _ => 99,
        };
        let denied = matches!(
            self.outcome.as_deref(),
            Some("permission_denied" | "unauthenticated")
        );
        let severity = match self.event {
            Event::Gap | Event::Recovered => 3,
            _ if denied => 3,
            _ => 1,
        };
        let status = match self.outcome.as_deref() {
            None => 0,
            Some("ok") => 1,
            Some(_) => 2,
        };
        let actor = &self.actor;
        let user = object([
            ("name", json!(actor.user)),
            ("uid", json!(actor.uid.map(|uid| uid.to_string()))),
        ]);
        let process = object([
            ("name", json!(actor.process)),
            ("pid", json!(actor.pid)),
            ("cmd_line", json!(actor.command)),
        ]);
        let operation = match &self.operation {
            Some(operation) => json!(operation),
            None => json!(self.event.as_str()),
        };
        let api = object([
            ("operation", operation),
            ("request", json!({ "uid": self.id.to_string() })),
            ("service", object([("name", json!(self.provider))])),
            (
                "response",
                object([(
                    "error",
                    json!(self.outcome.as_deref().filter(|outcome| *outcome != "ok")),
                )]),
            ),
        ]);
        let resources = self.name.as_ref().map(|name| {
            json!([object([
                ("name", json!(name)),
                ("type", json!("secret")),
                ("version", json!(self.version)),
            ])])
        });
        let unmapped = object([
            ("event", json!(self.event.as_str())),
            ("source", json!(self.source.map(|source| source.as_str()))),
            ("via", json!(self.via)),
            ("reason", json!(self.reason)),
            ("note", json!(self.note)),
        ]);
        let metadata = json!({
            "version": "1.3.0",
            "uid": format!("{}-{}", self.id, self.event.as_str()),
            "log_name": "polysecrets-audit",
            "product": { "name": "polysecrets", "vendor_name": "polysecrets" },
        });
        object([
            ("activity_id", json!(activity)),
            ("category_uid", json!(CATEGORY)),
            ("class_uid", json!(CLASS)),
            ("type_uid", json!(CLASS * 100 + activity)),
            ("severity_id", json!(severity)),
            ("status_id", json!(status)),
            ("status_detail", json!(self.outcome)),
            ("time", json!(milliseconds(self.time))),
            ("start_time", json!(self.since.map(milliseconds))),
            ("count", json!(self.count)),
            ("duration", json!(self.duration_ms)),
            ("metadata", metadata),
            ("actor", object([("user", user), ("process", process)])),
            ("src_endpoint", object([("hostname", json!(actor.host))])),
            ("api", api),
            ("resources", json!(resources)),
            ("unmapped", unmapped),
        ])
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An object without what is not known.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let known = fields.into_iter().filter(|(_, value)| match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    });
    Value::Object(
        known
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::actor::Actor;
    use super::super::record::Source;
    use super::*;

    #[test]
    fn a_denied_read_is_an_api_activity() {
        let time = UNIX_EPOCH + Duration::from_millis(1_767_225_600_123);
        let mut actor = Actor::default()
            .with_user("ann")
            .with_command("secrets get");
        (actor.uid, actor.host) = (Some(1000), Some("h".to_owned()));
        let mut record = Record::new(Event::Read, Arc::new(actor), time);
        record.operation = Some("get".into());
        record.provider = Some("main".to_owned());
        record.name = Some("db/password".to_owned());
        record.outcome = Some("permission_denied".into());
        record.source = Some(Source::Provider);
        record.reason = Some("ticket 7".to_owned());
        let id = record.id.to_string();
        let event = record.to_ocsf();
        assert_eq!(
            event,
            json!({
                "activity_id": 2,
                "category_uid": 6,
                "class_uid": 6003,
                "type_uid": 600_302,
                "severity_id": 3,
                "status_id": 2,
                "status_detail": "permission_denied",
                "time": 1_767_225_600_123_u64,
                "metadata": {
                    "version": "1.3.0",
                    "uid": format!("{id}-read"),
                    "log_name": "polysecrets-audit",
                    "product": { "name": "polysecrets", "vendor_name": "polysecrets" },
                },
                "actor": {
                    "user": { "name": "ann", "uid": "1000" },
                    "process": { "cmd_line": "secrets get" },
                },
                "src_endpoint": { "hostname": "h" },
                "api": {
                    "operation": "get",
                    "request": { "uid": id },
                    "service": { "name": "main" },
                    "response": { "error": "permission_denied" },
                },
                "resources": [{ "name": "db/password", "type": "secret" }],
                "unmapped": { "event": "read", "source": "provider", "reason": "ticket 7" },
            })
        );
    }

    #[test]
    fn activities_follow_the_operation() {
        let activity = |operation: &'static str| {
            let mut record = Record::new(Event::Intent, Arc::default(), UNIX_EPOCH);
            record.operation = Some(operation.into());
            let event = record.to_ocsf();
            (event["activity_id"].as_u64(), event["status_id"].as_u64())
        };
        assert_eq!(activity("list"), (Some(2), Some(0)));
        assert_eq!(activity("put"), (Some(3), Some(0)));
        assert_eq!(activity("delete"), (Some(4), Some(0)));
        assert_eq!(activity("other"), (Some(99), Some(0)));
    }
}
