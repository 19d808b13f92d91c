//! From a request and its answer to records.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrets_core::{
    Answer, Call, Error, Freshness, GetItem, Operation, Origin, Reply, Request, Response, Result,
    SecretName, Version,
};

use super::actor::Actor;
use super::hits::Hit;
use super::record::{Event, Record, outcome_of};

/// What is kept of a request until its answer is there. To make one of a get costs no allocation.
#[derive(Debug, Clone)]
pub(super) struct PendingRecord {
    operation: Operation,
    target: Option<Arc<str>>,
    name: Option<SecretName>,
    /// The prefix of a listing.
    prefix: Option<String>,
    version: Option<Version>,
    items: Vec<GetItem>,
    reason: Option<Arc<str>>,
    started: Duration,
}

/// What is to be done about an answer.
pub(super) enum Due {
    /// All of it was counted.
    Nothing,
    /// These records have to be written first.
    Records(Vec<Record>),
}

/// By whom and when, for the records of one answer.
#[derive(Clone, Copy)]
pub(super) struct Moment<'m> {
    pub(super) actor: &'m Arc<Actor>,
    pub(super) wall: SystemTime,
    pub(super) monotonic: Duration,
    /// The provider or chain that is meant where none is named.
    pub(super) default: Option<&'m Arc<str>>,
}

impl PendingRecord {
    /// `None` for what is not about secrets: health checks and closing.
    pub(super) fn of(request: &Request, started: Duration) -> Option<Self> {
        let mut pending = Self {
            operation: request.call.operation(),
            target: request.target.clone(),
            name: request.call.name().cloned(),
            prefix: None,
            version: None,
            items: Vec::new(),
            reason: request.reason.clone(),
            started,
        };
        match &request.call {
            Call::Health | Call::Close => return None,
            Call::Get { options, .. } => pending.version.clone_from(&options.version),
            Call::Describe { options, .. } => pending.version.clone_from(&options.version),
            Call::Rollback { to, .. } => pending.version = Some(to.clone()),
            Call::GetMany { items } => pending.items.clone_from(items),
            Call::List { options } => {
                pending.prefix = Some(format!("{}*", options.prefix));
            }
            _ => {}
        }
        Some(pending)
    }

    /// Whether it changes something, so that it is recorded before and after.
    pub(super) fn is_write(call: &Call) -> bool {
        matches!(
            call,
            Call::Put { .. } | Call::Delete { .. } | Call::Restore { .. } | Call::Rollback { .. }
        )
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) fn name(&self) -> Option<&SecretName> {
        self.name.as_ref()
    }

    fn record(&self, event: Event, moment: Moment<'_>) -> Record {
        let mut record = Record::new(event, moment.actor.clone(), moment.wall);
        record.operation = Some(self.operation.as_str().into());
        record.provider = self
            .target
            .as_ref()
            .or(moment.default)
            .map(|target| target.to_string());
        record.name = match &self.name {
            Some(name) => Some(name.to_string()),
            None => self.prefix.clone(),
        };
        record.version = self
            .version
            .as_ref()
            .map(|version| version.as_str().to_owned());
        record.reason = self.reason.as_deref().map(str::to_owned);
        record
    }

    /// The record before a write.
    pub(super) fn intent(&self, moment: Moment<'_>) -> Record {
        self.record(Event::Intent, moment)
    }

    /// The record after a write; without an answer, of one that was given up.
    pub(super) fn outcome(
        &self,
        intent: &Record,
        answer: Option<&Result<Response>>,
        moment: Moment<'_>,
    ) -> Record {
        let mut record = self.finished(Event::Outcome, answer, moment);
        record.id = intent.id;
        record
    }

    fn finished(
        &self,
        event: Event,
        answer: Option<&Result<Response>>,
        moment: Moment<'_>,
    ) -> Record {
        let mut record = self
            .record(event, moment)
            .took(moment.monotonic.saturating_sub(self.started));
        match answer {
            Some(Ok(response)) => {
                answered(&mut record, &response.origin);
                let version = match &response.reply {
                    Reply::Secret(secret) => secret.metadata.version.as_ref(),
                    Reply::Metadata(metadata) => metadata.version.as_ref(),
                    _ => None,
                };
                if let Some(version) = version {
                    record.version = Some(version.as_str().to_owned());
                }
            }
            Some(Err(error)) => failed(&mut record, error),
            None => record.outcome = Some("cancelled".into()),
        }
        record
    }

    /// The records of a read that was given up.
    pub(super) fn given_up(&self, moment: Moment<'_>) -> Vec<Record> {
        match self.operation {
            Operation::GetMany => {
                let left = self.items.iter().map(|item| {
                    let mut record = self.item(item, moment);
                    record.outcome = Some("cancelled".into());
                    record
                });
                left.collect()
            }
            _ => vec![self.finished(Event::Read, None, moment)],
        }
    }

    /// What is to be recorded of a read's answer; what comes from the cache is counted where `count` takes it.
    pub(super) fn settle<'m>(
        &self,
        answer: &Result<Response>,
        moment: impl Fn() -> Moment<'m>,
        count: impl Fn(&Hit<'_>) -> bool,
    ) -> Due {
        let count = |name: &SecretName, version: Option<&Version>, origin: &Origin| {
            !matches!(origin.freshness, Freshness::Fresh)
                && count(&Hit {
                    operation: self.operation,
                    name,
                    version,
                    provider: &origin.provider,
                    via: origin.via.as_ref(),
                    source: origin.freshness.into(),
                    reason: self.reason.as_ref(),
                    at: self.started,
                })
        };
        if self.operation == Operation::GetMany {
            return self.settle_items(answer, moment(), count);
        }
        if let (Ok(response), Some(name)) = (answer, &self.name)
            && let Reply::Secret(secret) = &response.reply
            && count(name, secret.metadata.version.as_ref(), &response.origin)
        {
            return Due::Nothing;
        }
        Due::Records(vec![self.finished(Event::Read, Some(answer), moment())])
    }

    fn settle_items(
        &self,
        answer: &Result<Response>,
        moment: Moment<'_>,
        count: impl Fn(&SecretName, Option<&Version>, &Origin) -> bool,
    ) -> Due {
        let answers: &[Result<Answer>] = match answer {
            Ok(Response {
                reply: Reply::Secrets(answers),
                ..
            }) => answers,
            _ => &[],
        };
        let mut records = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            match (answers.get(at), answer) {
                (Some(Ok(one)), _) => {
                    let version = one.secret.metadata.version.as_ref();
                    if count(&item.name, version, &one.origin) {
                        continue;
                    }
                    let mut record = self.item(item, moment);
                    answered(&mut record, &one.origin);
                    if let Some(version) = version {
                        record.version = Some(version.as_str().to_owned());
                    }
                    records.push(record);
                }
                (Some(Err(error)), _) | (None, Err(error)) => {
                    let mut record = self.item(item, moment);
                    failed(&mut record, error);
                    records.push(record);
                }
                (None, Ok(_)) => {
                    let mut record = self.item(item, moment);
                    record.outcome = Some("unexpected".into());
                    records.push(record);
                }
            }
        }
        match records.is_empty() {
            true => Due::Nothing,
            false => Due::Records(records),
        }
    }

    fn item(&self, item: &GetItem, moment: Moment<'_>) -> Record {
        let mut record = self
            .record(Event::Read, moment)
            .took(moment.monotonic.saturating_sub(self.started));
        record.name = Some(item.name.to_string());
        record.version = item
            .options
            .version
            .as_ref()
            .map(|version| version.as_str().to_owned());
        record
    }
}

fn answered(record: &mut Record, origin: &Origin) {
    record.outcome = Some("ok".into());
    record.provider = Some(origin.provider.to_string());
    record.via = origin.via.as_deref().map(str::to_owned);
    record.source = Some(origin.freshness.into());
}

fn failed(record: &mut Record, error: &Error) {
    record.outcome = Some(outcome_of(error.kind()).into());
    if let Some(provider) = error.provider() {
        record.provider = Some(provider.to_owned());
    }
}
