//! One suite for all providers.
//!
//! [`run`] puts a provider through every case over the [`SecretProvider`](secrets_core::SecretProvider) trait, on a
//! store that a [`Fixture`] describes, and answers with a [`Report`]. Each case has a store handle and names of its own.
//! What a provider says that it cannot do must be refused with `Unsupported`, which is proved and counted apart; what
//! it is known to fail is listed in [`Fixture::known_gaps`], run all the same, and must fail. Nothing is skipped.
//!
//! The suite wants a tokio runtime with time enabled; on one with several threads the cases for concurrency run in parallel
//! in earnest.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! # extern crate secrets_core as polysecrets_core;
//! use polysecrets_core::{Result, SecretProvider};
//! use polysecrets_testkit::conformance::{self, Fixture, KnownGap};
//!
//! struct Mine;
//!
//! #[async_trait]
//! impl Fixture for Mine {
//!     async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
//!         # fn connect(url: &str) -> Result<Arc<dyn SecretProvider>> { unimplemented!("{url}") }
//!         connect("http://127.0.0.1:8200")
//!     }
//!
//!     fn server(&self) -> String {
//!         "my server 1.2".to_owned()
//!     }
//!
//!     fn known_gaps(&self) -> Vec<KnownGap> {
//!         vec![KnownGap::new("empty_value", "the service refuses values without bytes")]
//!     }
//! }
//!
//! # async fn test() {
//! conformance::run(&Mine).await.assert_passed();
//! # }
//! ```

/// The table of a group's cases: the name of an async function, and the capabilities that it needs.
macro_rules! cases {
    ($group:literal: $($name:ident [$($capability:ident),*],)+) => {
        pub(super) const CASES: &[crate::conformance::Case] = &[$(
            crate::conformance::Case {
                name: stringify!($name),
                group: $group,
                needs: &[$(secrets_core::Capability::$capability),*],
                run: |context| Box::pin($name(context)),
            },
        )+];
    };
}

mod batch;
mod capability;
mod check;
mod concurrency;
mod context;
mod delete;
mod errors;
mod fixture;
mod json;
mod list;
mod names;
mod report;
mod round_trip;
mod versions;
mod write;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrets_core::{Capabilities, Capability};

use check::{CaseResult, Stop, described};
use context::Context;

pub use fixture::{Fixture, KnownGap};
pub use report::{CaseReport, Outcome, REPORT_DIR_VARIABLE, Report, Totals};

struct Case {
    name: &'static str,
    group: &'static str,
    needs: &'static [Capability],
    run: for<'a> fn(&'a Context<'a>) -> BoxFuture<'a, CaseResult>,
}

const GROUPS: &[&[Case]] = &[
    capability::CASES,
    round_trip::CASES,
    names::CASES,
    batch::CASES,
    write::CASES,
    versions::CASES,
    delete::CASES,
    list::CASES,
    errors::CASES,
    concurrency::CASES,
];

fn all_cases() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().copied().flatten()
}

/// The names of all cases, in the order in which they are run.
pub fn case_names() -> impl Iterator<Item = &'static str> {
    all_cases().map(|case| case.name)
}

/// Runs every case, one after the other, and writes the report into the folder that [`REPORT_DIR_VARIABLE`] names, if it
/// is set.
///
/// A panic inside a case, or a case that takes longer than [`Fixture::case_limit`], is a failure of that case.
pub async fn run(fixture: &dyn Fixture) -> Report {
    let mut report = run_selected(fixture, |_| true).await;
    if let Some(folder) = std::env::var_os(REPORT_DIR_VARIABLE)
        && let Err(error) = report.write_to(Path::new(&folder))
    {
        report = with_failure(report, "report_is_written", error.to_string());
    }
    report
}

/// Runs some cases, for work on them: the report is not written, and known gaps of other cases are left alone.
///
/// # Panics
///
/// When there is no case of such a name.
pub async fn run_cases(fixture: &dyn Fixture, names: &[&str]) -> Report {
    for name in names {
        assert!(
            case_names().any(|known| known == *name),
            "the suite has no case {name}"
        );
    }
    run_selected(fixture, |case| names.contains(&case)).await
}

async fn run_selected(fixture: &dyn Fixture, selected: impl Fn(&str) -> bool) -> Report {
    let (scheme, capabilities) = match fixture.open().await {
        Ok(provider) => {
            let info = provider.info();
            let about = (info.scheme.to_owned(), info.capabilities);
            // The handle was made for this one question.
            let _ = provider.close().await;
            about
        }
        Err(error) => {
            let report = Report::new(
                "unknown".to_owned(),
                fixture.server(),
                std::iter::empty(),
                Vec::new(),
            );
            return with_failure(report, "provider_opens", described(&error));
        }
    };

    let mut runner = Runner {
        fixture,
        capabilities,
        run: random_label(6),
        proofs: BTreeMap::new(),
        started: 0,
    };
    let mut gaps: Vec<_> = fixture.known_gaps();
    let mut reports = Vec::new();
    for case in all_cases().filter(|case| selected(case.name)) {
        let started = Instant::now();
        let mut outcome = runner.run(case).await;
        if let Some(position) = gaps.iter().position(|gap| gap.case == case.name) {
            outcome = judge_gap(gaps.swap_remove(position), outcome);
        }
        reports.push(CaseReport {
            name: case.name.to_owned(),
            group: case.group.to_owned(),
            outcome,
            elapsed: started.elapsed(),
        });
    }
    for gap in gaps {
        if !case_names().any(|name| name == gap.case) {
            reports.push(failure(
                &gap.case,
                "the fixture has a known gap for a case that does not exist".to_owned(),
            ));
        }
    }
    Report::new(scheme, fixture.server(), capabilities.iter(), reports)
}

struct Runner<'a> {
    fixture: &'a dyn Fixture,
    capabilities: Capabilities,
    run: String,
    proofs: BTreeMap<&'static str, Outcome>,
    started: usize,
}

impl<'a> Runner<'a> {
    async fn run(&mut self, case: &Case) -> Outcome {
        let missing = case
            .needs
            .iter()
            .copied()
            .find(|need| !self.capabilities.has(*need));
        let Some(missing) = missing else {
            return self.guarded(|context| (case.run)(context)).await;
        };
        if let Some(proof) = self.proofs.get(missing.as_str()) {
            return proof.clone();
        }
        let proof = self
            .guarded(|context| Box::pin(capability::prove_absent(context, missing)))
            .await;
        self.proofs.insert(missing.as_str(), proof.clone());
        proof
    }

    async fn guarded<F>(&mut self, work: F) -> Outcome
    where
        F: for<'b> FnOnce(&'b Context<'b>) -> BoxFuture<'b, CaseResult>,
    {
        self.started += 1;
        let label = format!("ct-{}/{:03}", self.run, self.started);
        let context = Context::new(self.fixture, self.capabilities, label);
        let limit = self.fixture.case_limit();
        let outcome = {
            // Made inside the guard too: a provider may panic before its first await.
            let work = AssertUnwindSafe(async { work(&context).await }).catch_unwind();
            match tokio::time::timeout(limit, work).await {
                Err(_) => failed(format!("it did not end within {}", seconds(limit))),
                Ok(Err(panic)) => failed(format!("panicked: {}", panic_text(&*panic))),
                Ok(Ok(Ok(()))) => Outcome::Passed,
                Ok(Ok(Err(Stop::Failed(reason)))) => failed(reason),
                Ok(Ok(Err(Stop::Error(error)))) => failed(format!(
                    "a call failed that should not: {}",
                    described(&error)
                )),
                Ok(Ok(Err(Stop::Unsupported(reason)))) => Outcome::Unsupported { reason },
            }
        };
        let clean_up = AssertUnwindSafe(context.clean_up()).catch_unwind();
        let _ = tokio::time::timeout(limit, clean_up).await;
        outcome
    }
}

/// A known gap must fail as the fixture says, or the list has become untrue.
fn judge_gap(gap: KnownGap, outcome: Outcome) -> Outcome {
    match (outcome, gap.failure) {
        (Outcome::Failed { reason }, Some(text)) if !reason.contains(&text) => failed(format!(
            "a known gap that fails in another way, without \"{text}\": {reason}"
        )),
        (Outcome::Failed { .. }, _) => Outcome::KnownGap { reason: gap.reason },
        (other, _) => failed(format!(
            "a stale known gap: the case is {} by now; take it from the list",
            other.as_str()
        )),
    }
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { reason }
}

fn failure(case: &str, reason: String) -> CaseReport {
    CaseReport {
        name: case.to_owned(),
        group: "suite".to_owned(),
        outcome: failed(reason),
        elapsed: Duration::ZERO,
    }
}

fn with_failure(mut report: Report, case: &str, reason: String) -> Report {
    report.cases.push(failure(case, reason));
    report.totals.failed += 1;
    report
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("with something other than text")
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}

fn random_label(length: usize) -> String {
    (0..length)
        .map(|_| char::from_digit(fastrand::u32(0..36), 36).unwrap_or('0'))
        .collect()
}
