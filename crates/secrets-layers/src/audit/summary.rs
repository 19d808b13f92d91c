//! Adds the records of a log up, in memory that does not grow with their number.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::record::{Event, Record, RecordSource};
use crate::DURATION_BOUNDS;
use crate::metrics::prometheus::{self, PrometheusText, escaped};

/// How many pairs of provider and operation, and how many outcomes of each, are distinguished. What has more was not written
/// by us, and is added up under [`OTHERS`].
const MOST: usize = 1000;

/// The provider, operation or outcome of what is not distinguished.
const OTHERS: &str = "others";

/// What the records of a log add up to: each use once, by provider and operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditSummary {
    uses: BTreeMap<(String, String), UseStats>,
    missing: u64,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
}

/// What became of the uses of one provider by one operation.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct UseStats {
    /// How many there were.
    pub count: u64,
    /// How many ended how: `ok`, the kind of an error such as `not_found`, `cancelled`.
    pub outcomes: BTreeMap<String, u64>,
    /// Values from the cache, within their time.
    pub cached: u64,
    /// Values from the cache, after their time.
    pub stale: u64,
    /// Values from the provider.
    pub fresh: u64,
    /// How long they took, where the log says it. Answers from the cache that are reported together have no duration.
    pub durations: Durations,
}

impl AuditSummary {
    /// Adds a record. Of a write the outcome counts, not the intent; what the log tells of itself is no use.
    pub fn add(&mut self, record: &Record) {
        let count = match record.event {
            Event::Read | Event::Outcome => 1,
            Event::Hits => record.count.unwrap_or(1),
            Event::Gap => {
                let missing = record.count.unwrap_or(0);
                self.missing = self.missing.saturating_add(missing);
                return;
            }
            _ => return,
        };
        let begun = record.since.unwrap_or(record.time);
        self.first = Some(self.first.map_or(begun, |first| first.min(begun)));
        self.last = Some(self.last.map_or(record.time, |last| last.max(record.time)));
        let key = (
            record.provider.clone().unwrap_or_default(),
            record.operation.as_deref().unwrap_or_default().to_owned(),
        );
        let key = match self.uses.len() < MOST || self.uses.contains_key(&key) {
            true => key,
            false => (OTHERS.to_owned(), OTHERS.to_owned()),
        };
        self.uses.entry(key).or_default().add(record, count);
    }

    /// The sums by provider and operation, in this order. A use that reached no provider has the name of what was asked
    /// for, or none.
    pub fn uses(&self) -> impl ExactSizeIterator<Item = (&str, &str, &UseStats)> {
        self.uses
            .iter()
            .map(|((provider, operation), stats)| (provider.as_str(), operation.as_str(), stats))
    }

    /// The sum of all.
    pub fn total(&self) -> UseStats {
        let mut total = UseStats::default();
        for stats in self.uses.values() {
            total.merge(stats);
        }
        total
    }

    /// How many uses are not recorded, as the log itself tells.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// When the first and the last use was recorded.
    pub fn period(&self) -> Option<(SystemTime, SystemTime)> {
        self.first.zip(self.last)
    }

    /// The same in the text format of Prometheus, version 0.0.4. No label holds a secret's name or value.
    pub fn prometheus(&self) -> String {
        let mut text = PrometheusText::default();
        let labels = |provider: &str, operation: &str| {
            format!(
                "provider=\"{}\",operation=\"{}\"",
                escaped(provider),
                escaped(operation)
            )
        };
        let (mut uses, mut values, mut durations) = (String::new(), String::new(), String::new());
        for (provider, operation, stats) in self.uses() {
            let labels = labels(provider, operation);
            for (outcome, count) in &stats.outcomes {
                let labels = format!("{labels},outcome=\"{}\"", escaped(outcome));
                prometheus::line(&mut uses, "secrets_audit_uses_total", &labels, count);
            }
            for (source, count) in [
                ("provider", stats.fresh),
                ("cache", stats.cached),
                ("stale", stats.stale),
            ] {
                if stats.values() > 0 {
                    let labels = format!("{labels},source=\"{source}\"");
                    prometheus::line(&mut values, "secrets_audit_values_total", &labels, count);
                }
            }
            let took = &stats.durations;
            if took.count > 0 {
                prometheus::histogram(
                    &mut durations,
                    "secrets_audit_use_duration_seconds",
                    &labels,
                    &took.within,
                    took.count,
                    took.total.as_secs_f64(),
                );
            }
        }
        text.family(
            "secrets_audit_uses_total",
            "counter",
            "Uses of secrets that the audit log has.",
            &uses,
        );
        text.family(
            "secrets_audit_values_total",
            "counter",
            "Values that were given, by where they came from.",
            &values,
        );
        text.family(
            "secrets_audit_use_duration_seconds",
            "histogram",
            "How long uses took, where the audit log says it.",
            &durations,
        );
        let mut missing = String::new();
        prometheus::line(
            &mut missing,
            "secrets_audit_missing_total",
            "",
            self.missing,
        );
        text.family(
            "secrets_audit_missing_total",
            "counter",
            "Uses that are not recorded, as the audit log tells.",
            &missing,
        );
        let since_epoch = self
            .last
            .and_then(|last| last.duration_since(SystemTime::UNIX_EPOCH).ok());
        if let Some(last) = since_epoch {
            let name = "secrets_audit_last_use_timestamp_seconds";
            let mut line = String::new();
            prometheus::line(&mut line, name, "", last.as_secs_f64());
            text.family(name, "gauge", "When the last use was recorded.", &line);
        }
        text.finish()
    }
}

impl UseStats {
    fn add(&mut self, record: &Record, count: u64) {
        self.count = self.count.saturating_add(count);
        let outcome = record.outcome.as_deref().unwrap_or("unexpected");
        let outcome = match self.outcomes.len() < MOST || self.outcomes.contains_key(outcome) {
            true => outcome,
            false => OTHERS,
        };
        match self.outcomes.get_mut(outcome) {
            Some(known) => *known = known.saturating_add(count),
            None => {
                self.outcomes.insert(outcome.to_owned(), count);
            }
        }
        let gives_values = matches!(record.operation.as_deref(), Some("get" | "get-many"));
        if gives_values {
            let source = match record.source {
                Some(RecordSource::Provider) => Some(&mut self.fresh),
                Some(RecordSource::Cache) => Some(&mut self.cached),
                Some(RecordSource::Stale) => Some(&mut self.stale),
                None => None,
            };
            if let Some(source) = source {
                *source = source.saturating_add(count);
            }
        }
        if let Some(took) = record.duration_ms {
            self.durations.add(took);
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.count, other.count);
        for (outcome, count) in &other.outcomes {
            add(self.outcomes.entry(outcome.clone()).or_default(), *count);
        }
        add(&mut self.cached, other.cached);
        add(&mut self.stale, other.stale);
        add(&mut self.fresh, other.fresh);
        self.durations.merge(&other.durations);
    }

    /// How many did not end with `ok`.
    pub fn errors(&self) -> u64 {
        let ok = self.outcomes.get("ok").copied().unwrap_or(0);
        self.count.saturating_sub(ok)
    }

    /// How many gave a value.
    fn values(&self) -> u64 {
        self.fresh
            .saturating_add(self.cached)
            .saturating_add(self.stale)
    }

    /// The share of values that the cache gave, in time or stale, between 0 and 1; `None` where no value was given.
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.cached.saturating_add(self.stale);
        match self.values() {
            0 => None,
            values => Some(hits as f64 / values as f64),
        }
    }
}

/// Bits of a duration that are kept, apart from its leading one: a quantile is at most 1/32 too high.
const KEPT: u32 = 5;

/// Durations in groups that get wider as they get longer, so that any number of them takes at most 2 000 groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// How many durations each group has, by the group's number.
    groups: BTreeMap<u16, u64>,
    count: u64,
    total: Duration,
    max: u64,
    within: [u64; DURATION_BOUNDS.len()],
}

impl Durations {
    fn add(&mut self, milliseconds: u64) {
        *self.groups.entry(group(milliseconds)).or_default() += 1;
        self.count += 1;
        let took = Duration::from_millis(milliseconds);
        self.total = self.total.saturating_add(took);
        self.max = self.max.max(milliseconds);
        let seconds = took.as_secs_f64();
        for (within, bound) in self.within.iter_mut().zip(DURATION_BOUNDS) {
            *within += u64::from(seconds <= bound);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (group, count) in &other.groups {
            *self.groups.entry(*group).or_default() += count;
        }
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
        for (within, more) in self.within.iter_mut().zip(other.within) {
            *within += more;
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time that this share of them, between 0 and 1, took at most: exact to 63 ms, above that up to 1/32 too high.
    /// `None` without any.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let group = self.groups.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        group.map(|(group, _)| Duration::from_millis(longest(*group).min(self.max)))
    }

    /// The longest of them.
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_millis(self.max))
    }
}

/// The group of a duration: itself below 64, then 32 groups for each doubling.
fn group(milliseconds: u64) -> u16 {
    let spare = milliseconds
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(KEPT);
    // At most 58 spare bits and a rest below 64.
    ((u64::from(spare) << KEPT) + (milliseconds >> spare)) as u16
}

/// The longest duration of a group.
fn longest(group: u16) -> u64 {
    let spare = (u32::from(group) >> KEPT).saturating_sub(1);
    let kept = u64::from(group) - (u64::from(spare) << KEPT);
    (kept << spare) | ((1 << spare) - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::actor::Actor;
    use super::*;

    fn record(event: Event, operation: &'static str, outcome: &'static str) -> Record {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let mut record = Record::new(event, Arc::new(Actor::default()), time);
        record.provider = Some("main".to_owned());
        record.operation = Some(operation.into());
        record.outcome = Some(outcome.into());
        record
    }

    #[test]
    fn a_group_ends_where_the_next_one_begins() {
        let mut before = None;
        for place in 0..=group(u64::MAX) {
            let last = longest(place);
            assert_eq!(group(last), place, "{last}");
            if let Some(next) = last.checked_add(1) {
                assert_eq!(group(next), place + 1, "{next}");
            }
            if let Some(before) = before {
                let width: u64 = last - before;
                assert!(width == 1 || (width - 1) as f64 <= last as f64 / 32.0);
            }
            before = Some(last);
        }
        assert_eq!(longest(group(u64::MAX)), u64::MAX);
        assert!(group(u64::MAX) < 2000);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_durations() {
        let mut durations = Durations::default();
        assert_eq!((durations.quantile(0.5), durations.max()), (None, None));
        for milliseconds in (1..=1000).rev() {
            durations.add(milliseconds);
        }
        let ms = Duration::from_millis;
        for (share, exact) in [(0.0, 1), (0.05, 50), (0.5, 500), (0.95, 950), (1.0, 1000)] {
            let found = durations.quantile(share).unwrap();
            assert!(found >= ms(exact), "{share}: {found:?}");
            assert!(found <= ms(exact + exact / 32), "{share}: {found:?}");
        }
        assert_eq!(durations.max(), Some(ms(1000)));
    }

    #[test]
    fn each_use_counts_once() {
        let mut summary = AuditSummary::default();
        let mut read = record(Event::Read, "get", "ok");
        (read.source, read.duration_ms) = (Some(RecordSource::Provider), Some(40));
        summary.add(&read);
        let mut hits = record(Event::Hits, "get", "ok");
        (hits.source, hits.count) = (Some(RecordSource::Cache), Some(8));
        summary.add(&hits);
        hits.source = Some(RecordSource::Stale);
        hits.count = Some(1);
        summary.add(&hits);
        summary.add(&record(Event::Read, "get", "not_found"));
        summary.add(&record(Event::Intent, "put", "-"));
        let mut put = record(Event::Outcome, "put", "ok");
        put.source = Some(RecordSource::Provider);
        summary.add(&put);
        let mut gap = record(Event::Gap, "get", "ok");
        gap.count = Some(3);
        summary.add(&gap);
        summary.add(&record(Event::Opened, "get", "ok"));

        let uses: Vec<_> = summary.uses().collect();
        assert_eq!(uses.len(), 2);
        let (provider, operation, get) = uses[0];
        assert_eq!((provider, operation), ("main", "get"));
        assert_eq!((get.count, get.errors()), (11, 1));
        assert_eq!((get.fresh, get.cached, get.stale), (1, 8, 1));
        assert_eq!(get.hit_rate(), Some(0.9));
        assert_eq!(get.durations.quantile(0.5), Some(Duration::from_millis(40)));
        assert_eq!(uses[1].2.hit_rate(), None);
        assert_eq!(summary.missing(), 3);
        assert_eq!(summary.total().count, 12);

        let text = summary.prometheus();
        for line in [
            "secrets_audit_uses_total{provider=\"main\",operation=\"get\",outcome=\"ok\"} 10",
            "secrets_audit_values_total{provider=\"main\",operation=\"get\",source=\"cache\"} 8",
            "secrets_audit_use_duration_seconds_bucket{provider=\"main\",operation=\"get\",le=\"0.05\"} 1",
            "secrets_audit_use_duration_seconds_bucket{provider=\"main\",operation=\"get\",le=\"0.025\"} 0",
            "secrets_audit_use_duration_seconds_sum{provider=\"main\",operation=\"get\"} 0.04",
            "secrets_audit_missing_total 3",
            "secrets_audit_last_use_timestamp_seconds 100",
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is not in {text}"
            );
        }
    }

    #[test]
    fn the_sum_of_parts_is_that_of_the_whole() {
        let (mut parts, mut whole) = (AuditSummary::default(), AuditSummary::default());
        for number in 0..300_u64 {
            let outcome = ["ok", "not_found"][usize::from(number.is_multiple_of(3))];
            let mut one = record(Event::Read, "get", outcome);
            one.duration_ms = Some(number * number);
            one.source = [
                RecordSource::Provider,
                RecordSource::Cache,
                RecordSource::Stale,
            ]
            .get(number as usize % 4)
            .copied();
            whole.add(&one);
            one.provider = Some((number % 7).to_string());
            parts.add(&one);
        }
        assert_eq!(parts.uses().len(), 7);
        let total = parts.total();
        assert_eq!(total, whole.total());
        let (_, _, all) = whole.uses().next().unwrap();
        assert_eq!(&total, all);
        assert_eq!(total.durations.count(), 300);
        assert_eq!(total.errors(), 100);
    }

    #[test]
    fn the_period_is_from_the_first_use_to_the_last() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut summary = AuditSummary::default();
        assert_eq!(summary.period(), None);
        for (time, since, period) in [
            (100, None, (100, 100)),
            (90, Some(80), (80, 100)),
            (200, Some(150), (80, 200)),
        ] {
            let mut one = record(Event::Hits, "get", "ok");
            (one.time, one.since) = (at(time), since.map(at));
            summary.add(&one);
            assert_eq!(summary.period(), Some((at(period.0), at(period.1))));
        }
    }

    #[test]
    fn what_gave_no_value_and_took_no_time_has_no_lines() {
        let mut summary = AuditSummary::default();
        summary.add(&record(Event::Read, "list", "ok"));
        let text = summary.prometheus();
        assert!(text.contains("secrets_audit_uses_total"), "{text}");
        for none in ["secrets_audit_values_total", "secrets_audit_use_duration"] {
            assert!(!text.contains(none), "{text}");
        }
    }

    #[test]
    fn a_log_that_nobody_wrote_takes_no_more_room() {
        let mut summary = AuditSummary::default();
        for number in 0..3 * MOST as u64 {
            let mut one = record(Event::Read, "get", "ok");
            one.provider = Some(number.to_string());
            one.duration_ms = Some(number);
            summary.add(&one);
            one.provider = Some("0".to_owned());
            one.outcome = Some(number.to_string().into());
            summary.add(&one);
        }
        assert_eq!(summary.uses().len(), MOST + 1);
        assert!(
            summary
                .uses()
                .all(|(_, _, stats)| stats.outcomes.len() <= MOST + 1)
        );
        assert_eq!(summary.total().count, 6 * MOST as u64);
    }
}
