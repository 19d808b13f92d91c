//! Records as events of the Open Cybersecurity Schema Framework: class API Activity (6003), version 1.3.0.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::record::{Event, Record};

/// The class API Activity, in the category Application Activity.
const CLASS: u64 = 6003;
const CATEGORY: u64 = 6;

/// What stands for whoever used a secret, and for the machine, where neither is known: the class asks for both.
const UNKNOWN: &str = "polysecrets";

impl Record {
    /// The record as an OCSF event of the class API Activity. What the class has no place for is in `unmapped`.
    pub fn to_ocsf(&self) -> Value {
        let operation = match &self.operation {
            Some(operation) => operation,
            None => self.event.as_str(),
        };
        let (activity, activity_name): (u64, &str) = match self.operation.as_deref() {
            Some("get" | "get-many" | "describe" | "list" | "versions") => (2, "Read"),
            // A put makes a secret or changes it, which nobody knows before it is done.
            Some("put" | "restore" | "rollback") => (3, "Update"),
            Some("delete") => (4, "Delete"),
            _ => (99, operation),
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
        let (status_id, status) = match self.outcome.as_deref() {
            None => (0, "Unknown"),
            Some("ok") => (1, "Success"),
            Some(_) => (2, "Failure"),
        };
        let actor = &self.actor;
        let user = object([
            ("name", json!(actor.user)),
            ("uid", json!(actor.uid.map(|uid| uid.to_string()))),
        ]);
        // A process has a number there, or is none; then its name is that of an application.
        let (process, app, command) = match actor.pid {
            Some(pid) => {
                let process = object([
                    ("name", json!(actor.process)),
                    ("pid", json!(pid)),
                    ("cmd_line", json!(actor.command)),
                ]);
                (process, None, None)
            }
            None => (
                Value::Null,
                actor.process.as_deref(),
                actor.command.as_deref(),
            ),
        };
        let nobody = user.as_object().is_some_and(Map::is_empty) && process.is_null();
        let app = app.or(nobody.then_some(UNKNOWN));
        let endpoint = match actor.host.as_deref() {
            Some(host) if is_hostname(host) => json!({ "hostname": host }),
            Some(host) => json!({ "name": host }),
            None => json!({ "svc_name": UNKNOWN }),
        };
        let api = object([
            ("operation", json!(operation)),
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
            ("command", json!(command)),
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
            ("activity_name", json!(activity_name)),
            ("category_uid", json!(CATEGORY)),
            ("class_uid", json!(CLASS)),
            ("type_uid", json!(CLASS * 100 + activity)),
            ("severity_id", json!(severity)),
            ("status_id", json!(status_id)),
            ("status", json!(status)),
            ("status_detail", json!(self.outcome)),
            ("time", json!(milliseconds(self.time))),
            ("start_time", json!(self.since.map(milliseconds))),
            ("count", json!(self.count)),
            ("duration", json!(self.duration_ms)),
            ("metadata", metadata),
            (
                "actor",
                object([
                    ("user", user),
                    ("process", process),
                    ("app_name", json!(app)),
                ]),
            ),
            ("src_endpoint", endpoint),
            ("api", api),
            ("resources", json!(resources)),
            ("unmapped", unmapped),
        ])
    }
}

/// Whether OCSF takes it for the name of a host: labels of letters, digits and inner hyphens.
fn is_hostname(host: &str) -> bool {
    host.split('.').all(|label| {
        let edges = |edge: Option<char>| edge.is_some_and(|edge| edge.is_ascii_alphanumeric());
        edges(label.chars().next())
            && edges(label.chars().next_back())
            && label
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    })
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
    use super::super::record::RecordSource;
    use super::*;

    #[test]
    fn a_denied_read_is_an_api_activity() {
        let time = UNIX_EPOCH + Duration::from_millis(1_767_225_600_123);
        let mut actor = Actor::default()
            .with_user("ann")
            .with_command("secrets get");
        (actor.uid, actor.pid, actor.host) = (Some(1000), Some(7), Some("h".to_owned()));
        let mut record = Record::new(Event::Read, Arc::new(actor), time);
        record.operation = Some("get".into());
        record.provider = Some("main".to_owned());
        record.name = Some("db/password".to_owned());
        record.outcome = Some("permission_denied".into());
        record.source = Some(RecordSource::Provider);
        record.reason = Some("ticket 7".to_owned());
        let id = record.id.to_string();
        let event = record.to_ocsf();
        assert_eq!(
            event,
            json!({
                "activity_id": 2,
                "activity_name": "Read",
                "category_uid": 6,
                "class_uid": 6003,
                "type_uid": 600_302,
                "severity_id": 3,
                "status_id": 2,
                "status": "Failure",
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
                    "process": { "pid": 7, "cmd_line": "secrets get" },
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
        for (operation, activity, name) in [
            ("get", 2, "Read"),
            ("get-many", 2, "Read"),
            ("describe", 2, "Read"),
            ("list", 2, "Read"),
            ("versions", 2, "Read"),
            ("put", 3, "Update"),
            ("restore", 3, "Update"),
            ("rollback", 3, "Update"),
            ("delete", 4, "Delete"),
            ("other", 99, "other"),
        ] {
            let mut record = Record::new(Event::Intent, Arc::default(), UNIX_EPOCH);
            record.operation = Some(operation.into());
            let event = record.to_ocsf();
            assert_eq!(event["activity_id"], activity, "{operation}");
            assert_eq!(event["activity_name"], name);
            assert_eq!(event["type_uid"], 600_300 + activity);
            assert_eq!(event["api"]["operation"], operation);
            assert_eq!(
                (&event["status_id"], &event["severity_id"]),
                (&json!(0), &json!(1))
            );
        }
    }

    #[test]
    fn outcomes_are_statuses_and_what_alarms_is_severe() {
        for (event, outcome, status, severity) in [
            (Event::Read, Some("ok"), 1, 1),
            (Event::Outcome, Some("not_found"), 2, 1),
            (Event::Outcome, Some("permission_denied"), 2, 3),
            (Event::Read, Some("unauthenticated"), 2, 3),
            (Event::Opened, None, 0, 1),
            (Event::Gap, None, 0, 3),
            (Event::Recovered, None, 0, 3),
        ] {
            let mut record = Record::new(event, Arc::default(), UNIX_EPOCH);
            record.outcome = outcome.map(Into::into);
            let reported = record.to_ocsf();
            let found = (&reported["status_id"], &reported["severity_id"]);
            assert_eq!(
                found,
                (&json!(status), &json!(severity)),
                "{event:?} {outcome:?}"
            );
            assert_eq!(
                reported["api"]["response"]["error"],
                json!(outcome.filter(|outcome| *outcome != "ok"))
            );
        }
    }

    #[test]
    fn whoever_it_was_there_is_an_actor_and_an_endpoint() {
        let of = |actor: Actor| {
            let event = Record::new(Event::Read, Arc::new(actor), UNIX_EPOCH).to_ocsf();
            let endpoint = event["src_endpoint"].clone();
            (event["actor"].clone(), endpoint, event["unmapped"].clone())
        };
        let (actor, endpoint, _) = of(Actor::default());
        assert_eq!(actor, json!({ "app_name": "polysecrets" }));
        assert_eq!(endpoint, json!({ "svc_name": "polysecrets" }));
        // Without its number a process is none to the schema.
        let mut unnumbered = Actor::default().with_command("secrets get");
        unnumbered.process = Some("secrets".to_owned());
        unnumbered.host = Some("build_7".to_owned());
        let (actor, endpoint, unmapped) = of(unnumbered);
        assert_eq!(actor, json!({ "app_name": "secrets" }));
        assert_eq!(endpoint, json!({ "name": "build_7" }));
        assert_eq!(unmapped["command"], "secrets get");
        let (actor, ..) = of(Actor::default().with_user("ann"));
        assert_eq!(actor, json!({ "user": { "name": "ann" } }));
        for (host, is) in [
            ("h", true),
            ("r2-d2.example.com", true),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("a.", false),
            ("a_b", false),
            ("ä", false),
            ("", false),
        ] {
            assert_eq!(is_hostname(host), is, "{host:?}");
        }
    }
}
