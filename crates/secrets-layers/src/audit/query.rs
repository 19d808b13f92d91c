use std::time::SystemTime;

use super::record::Record;

/// Which records are wanted; what is not said is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditQuery {
    /// The operation: `get`, `put`, ….
    pub operation: Option<String>,
    /// The secret's name: `*` stands for anything within a segment, `**` for anything, `?` for one character.
    pub name: Option<String>,
    /// The provider, or the chain that led to it.
    pub provider: Option<String>,
    /// The name or the number of the user.
    pub actor: Option<String>,
    /// `ok`, the kind of an error, `cancelled`; `failed` for all that is not `ok`.
    pub outcome: Option<String>,
    /// Not before this moment.
    pub since: Option<SystemTime>,
    /// Before this moment.
    pub until: Option<SystemTime>,
}

impl AuditQuery {
    /// Whether a record is one of them.
    pub fn matches(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| match wanted {
            None => true,
            Some(wanted) => found == Some(wanted.as_str()),
        };
        let named = match (&self.name, &record.name) {
            (None, _) => true,
            (Some(pattern), Some(name)) => glob(pattern.as_bytes(), name.as_bytes()),
            (Some(_), None) => false,
        };
        let by = self.actor.as_ref().is_none_or(|wanted| {
            let number = record.actor.uid.map(|uid| uid.to_string());
            record.actor.user.as_ref() == Some(wanted) || number.as_ref() == Some(wanted)
        });
        let outcome = match self.outcome.as_deref() {
            Some("failed") => record
                .outcome
                .as_deref()
                .is_some_and(|outcome| outcome != "ok"),
            _ => is(&self.outcome, record.outcome.as_deref()),
        };
        named
            && by
            && outcome
            && is(&self.operation, record.operation.as_deref())
            && (is(&self.provider, record.provider.as_deref())
                || is(&self.provider, record.via.as_deref()))
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }
}

/// In time that grows with the product of the lengths at most: only the last star of each kind is ever tried again.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Where to go on after a star, and how much it stands for then: within a segment, and across them.
    let mut near: Option<(usize, usize)> = None;
    let mut far: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at..) {
            Some([b'*', b'*', ..]) => {
                at += 2;
                far = Some((at, place));
                near = None;
                continue;
            }
            Some([b'*', ..]) => {
                at += 1;
                near = Some((at, place));
                continue;
            }
            Some([b'?', ..]) if text[place] != b'/' => {
                // One character, of however many bytes.
                at += 1;
                place += 1;
                while text.get(place).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    place += 1;
                }
                continue;
            }
            Some([letter, ..]) if *letter == text[place] => {
                at += 1;
                place += 1;
                continue;
            }
            _ => {}
        }
        if let Some((behind, from)) = near
            && text[from] != b'/'
        {
            near = Some((behind, from + 1));
            (at, place) = (behind, from + 1);
        } else if let Some((behind, from)) = far {
            near = None;
            far = Some((behind, from + 1));
            (at, place) = (behind, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::actor::Actor;
    use super::super::record::Event;
    use super::*;

    #[test]
    fn stars_stand_for_what_is_between_slashes() {
        for (pattern, name, fits) in [
            ("db/*", "db/password", true),
            ("db/*", "db/a/b", false),
            ("db/**", "db/a/b", true),
            ("**/b", "db/a/b", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "a/c", false),
            ("*a*b", "xaxxab", true),
            ("*a*b", "xaxxa", false),
            ("", "", true),
            ("a", "", false),
            ("", "a", false),
            ("**x*", "a/b/x", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
        let text = "a".repeat(20_000);
        assert!(!glob(b"*a*a*a*a*a*b", text.as_bytes()));
    }

    #[test]
    fn every_condition_counts() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let mut actor = Actor::default().with_user("ann");
        actor.uid = Some(1000);
        let mut record = Record::new(Event::Read, Arc::new(actor), time);
        record.operation = Some("get".into());
        record.name = Some("db/password".to_owned());
        record.provider = Some("main".to_owned());
        record.via = Some("project".to_owned());
        record.outcome = Some("not_found".into());
        let fits = |change: fn(&mut AuditQuery)| {
            let mut query = AuditQuery::default();
            change(&mut query);
            query.matches(&record)
        };
        assert!(fits(|_| {}));
        assert!(fits(|query| query.operation = Some("get".to_owned())));
        assert!(!fits(|query| query.operation = Some("put".to_owned())));
        assert!(fits(|query| query.name = Some("db/*".to_owned())));
        assert!(!fits(|query| query.name = Some("x".to_owned())));
        assert!(fits(|query| query.provider = Some("main".to_owned())));
        assert!(fits(|query| query.provider = Some("project".to_owned())));
        assert!(!fits(|query| query.provider = Some("other".to_owned())));
        assert!(fits(|query| query.actor = Some("ann".to_owned())));
        assert!(fits(|query| query.actor = Some("1000".to_owned())));
        assert!(!fits(|query| query.actor = Some("bob".to_owned())));
        assert!(fits(|query| query.outcome = Some("failed".to_owned())));
        assert!(fits(|query| query.outcome = Some("not_found".to_owned())));
        assert!(!fits(|query| query.outcome = Some("ok".to_owned())));
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let between = |since, until| {
            let mut query = AuditQuery::default();
            (query.since, query.until) = (at(since), at(until));
            query.matches(&record)
        };
        assert!(between(100, 101) && !between(101, 200) && !between(0, 100));
    }
}
