//! `--explain` of the commands that read many secrets: which calls to which providers they would make.

use secrets::{PlannedRead, ReadPlan, SecretRef, Secrets};
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::output::{self, Table};

/// A secret to read: the user's name for it and its reference.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) reference: SecretRef,
}

impl Wanted {
    /// A reference without another name.
    pub(crate) fn from_reference(reference: &SecretRef) -> Self {
        Self {
            name: reference.to_string(),
            reference: reference.clone(),
        }
    }
}

/// The declared secrets, under their names.
pub(crate) fn declared(secrets: &Secrets) -> Vec<Wanted> {
    let declared = secrets.declared().iter().map(|one| Wanted {
        name: one.name.clone(),
        reference: one.reference.clone(),
    });
    declared.collect()
}

/// Prints how the secrets would be read, without reading one.
pub(crate) async fn explain(secrets: &Secrets, wanted: &[Wanted], as_json: bool) -> Outcome<()> {
    let references: Vec<SecretRef> = wanted.iter().map(|one| one.reference.clone()).collect();
    let plan = secrets.plan(&references).await?;
    if as_json {
        let calls: Vec<Value> = plan.reads.iter().map(|read| object(read, wanted)).collect();
        return output::json(json!({
            "secrets": wanted.len(),
            "requests": plan.requests(),
            "requests_at_most": plan.requests_at_most(),
            "calls": calls,
        }));
    }
    print(&plan, wanted)?;
    output::say(summary(&plan, wanted.len()));
    Ok(())
}

fn print(plan: &ReadPlan, wanted: &[Wanted]) -> Outcome<()> {
    let mut calls = Table::new(&[
        "CALL", "PROVIDER", "TYPE", "VIA", "WHAT", "SECRETS", "REQUESTS",
    ]);
    let mut origins = Table::new(&["SECRET", "REFERENCE", "CALL"]);
    let mut answered: Vec<Vec<String>> = vec![Vec::new(); wanted.len()];
    for (at, read) in plan.reads.iter().enumerate() {
        let number = (at + 1).to_string();
        for item in &read.items {
            answered[*item].push(number.clone());
        }
        calls.row([
            number,
            read.provider.to_string(),
            read.scheme.to_owned(),
            via(read),
            read.call.to_string(),
            read.items.len().to_string(),
            read.requests.to_string(),
        ]);
    }
    for (one, calls) in wanted.iter().zip(answered) {
        origins.row([
            one.name.clone(),
            one.reference.to_string(),
            calls.join(", else "),
        ]);
    }
    if calls.is_empty() {
        return Ok(());
    }
    calls.print()?;
    output::data(b"\n")?;
    origins.print()
}

fn via(read: &PlannedRead) -> String {
    match (&read.via, read.is_fallback) {
        (Some(chain), true) => format!("{chain}, if missing"),
        (Some(chain), false) => chain.to_string(),
        (None, _) => String::new(),
    }
}

fn summary(plan: &ReadPlan, secrets: usize) -> String {
    let secrets = output::count(secrets, "secret");
    let calls = output::count(plan.reads.len(), "call");
    let (least, most) = (plan.requests(), plan.requests_at_most());
    let requests = match least == most {
        true => output::count(least, "request"),
        false => format!("{least} to {most} requests"),
    };
    format!("{secrets} in {calls} and {requests}, not counting logins; nothing was read")
}

fn object(read: &PlannedRead, wanted: &[Wanted]) -> Value {
    let names: Vec<&str> = read.items.iter().map(|item| &*wanted[*item].name).collect();
    json!({
        "provider": *read.provider,
        "type": read.scheme,
        "location": read.location.to_string(),
        "via": read.via.as_deref(),
        "fallback": read.is_fallback,
        "call": read.call,
        "requests": read.requests,
        "secrets": names,
    })
}
