use std::sync::Arc;

use crate::layers::metrics::prometheus::{self, PrometheusText, escaped};
use crate::layers::{BreakerState, CacheStats, CallStats};

/// What a handle did since it was made.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The providers that were opened, by name.
    pub providers: Vec<ProviderStats>,
    /// The cache, where there is one.
    pub cache: Option<CacheStats>,
}

/// What one provider was asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProviderStats {
    /// Its name in the configuration.
    pub provider: Arc<str>,
    /// Its kind.
    pub scheme: &'static str,
    /// Whether it is left alone at the moment.
    pub breaker: BreakerState,
    /// Its calls, by operation and outcome; attempts are counted one by one.
    pub calls: Vec<CallStats>,
}

impl Stats {
    /// The same in the text format of Prometheus, version 0.0.4. No label holds a secret's name or value.
    pub fn prometheus(&self) -> String {
        let mut text = PrometheusText::default();
        let name = "secrets_provider_calls_total";
        text.family(
            name,
            "counter",
            "Calls to a provider, each attempt on its own.",
            &self.lines(|out, labels, call| prometheus::line(out, name, labels, call.count)),
        );
        let name = "secrets_provider_call_duration_seconds";
        text.family(
            name,
            "histogram",
            "How long calls to a provider took.",
            &self.lines(|out, labels, call| {
                let seconds = call.total.as_secs_f64();
                prometheus::histogram(out, name, labels, &call.within, call.count, seconds);
            }),
        );
        let name = "secrets_breaker_state";
        let mut breakers = String::new();
        for one in &self.providers {
            let state = match one.breaker {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                _ => 2,
            };
            let labels = format!(
                "provider=\"{}\",scheme=\"{}\"",
                escaped(&one.provider),
                one.scheme
            );
            prometheus::line(&mut breakers, name, &labels, state);
        }
        text.family(
            name,
            "gauge",
            "0 closed, 1 about to be tried again, 2 open.",
            &breakers,
        );
        if let Some(cache) = &self.cache {
            for (name, kind, about, value) in [
                (
                    "hits_total",
                    "counter",
                    "Reads answered from memory.",
                    cache.hits,
                ),
                (
                    "misses_total",
                    "counter",
                    "Reads that waited for a provider.",
                    cache.misses,
                ),
                (
                    "loads_total",
                    "counter",
                    "Requests that the cache made.",
                    cache.loads,
                ),
                (
                    "coalesced_total",
                    "counter",
                    "Reads that waited for another one's load.",
                    cache.coalesced,
                ),
                (
                    "stale_total",
                    "counter",
                    "Reads answered after their time.",
                    cache.stale,
                ),
                (
                    "evictions_total",
                    "counter",
                    "Answers that made room for others.",
                    cache.evictions,
                ),
                ("entries", "gauge", "Answers in memory.", cache.entries),
                ("bytes", "gauge", "Bytes that they take.", cache.bytes),
            ] {
                let name = format!("secrets_cache_{name}");
                text.family(&name, kind, about, &format!("{name} {value}\n"));
            }
        }
        text.finish()
    }

    fn lines(&self, line: impl Fn(&mut String, &str, &CallStats)) -> String {
        let mut out = String::new();
        for one in &self.providers {
            for call in &one.calls {
                let labels = format!(
                    "provider=\"{}\",scheme=\"{}\",operation=\"{}\",outcome=\"{}\"",
                    escaped(&one.provider),
                    one.scheme,
                    call.operation,
                    call.outcome
                );
                line(&mut out, &labels, call);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_nothing_is_told_of_nothing() {
        assert_eq!(Stats::default().prometheus(), "");
        let stats = Stats {
            providers: vec![ProviderStats {
                provider: "a\"b\\c".into(),
                scheme: "memory",
                breaker: BreakerState::Open,
                calls: Vec::new(),
            }],
            cache: None,
        };
        let text = stats.prometheus();
        let last = text.lines().last();
        let reported = r#"secrets_breaker_state{provider="a\"b\\c",scheme="memory"} 2"#;
        assert_eq!(last, Some(reported));
    }
}
