//! `secrets check`.

use std::path::Path;

use secrets::{
    Declared, Error, ErrorKind, FileScan, Health, HealthStatus, OnError, SecretRef, Secrets,
    SourcePosition,
};
use serde_json::{Value, json};

use super::explain::{Wanted, explain};
use super::render::{called, format};
use crate::cli::Check;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, kind_word};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{files, progress};

/// A use of a secret to check.
struct Use {
    place: Option<SourcePosition>,
    reference: SecretRef,
    /// The declaration, if the secret is declared.
    declared: Option<Declared>,
}

impl Use {
    fn wanted(&self) -> Wanted {
        match &self.declared {
            Some(declared) => Wanted {
                name: declared.name.clone(),
                reference: self.reference.clone(),
            },
            None => Wanted::from_reference(&self.reference),
        }
    }
}

/// A problem, without any value.
struct Problem {
    place: String,
    what: String,
    error: Error,
}

/// What was checked.
struct Checked {
    /// The number of references.
    count: usize,
    /// The optional secrets that are missing.
    absent: Vec<String>,
}

pub(crate) fn run(command: &Check, settings: &Settings) -> Outcome {
    let mut problems = Vec::new();
    let mut texts = Vec::with_capacity(command.files.len());
    for path in &command.files {
        let read = format(path, command.format)
            .and_then(|format| Ok((path.as_path(), format, files::read_text(path)?)));
        match read {
            Ok(text) => texts.push(text),
            Err(failure) => problems.push(unread(path, failure)?),
        }
    }
    let checked = settings.with_revoked_secrets(async |secrets| {
        let mut uses = declared(secrets);
        for (path, format, text) in &texts {
            match FileScan::new(text, *format, Some(called(path))) {
                Ok(scan) => uses.extend(in_file(&scan)),
                Err(error) => problems.push(unreadable(path, error)),
            }
        }
        if command.explain.explain && problems.is_empty() {
            let wanted: Vec<Wanted> = uses.iter().map(Use::wanted).collect();
            explain(secrets, &wanted, command.json).await?;
            return Ok(None);
        }
        let mut checked = Checked {
            count: uses.len(),
            absent: Vec::new(),
        };
        problems.extend(resolve(secrets, uses, &mut checked.absent).await);
        for problem in default_provider(secrets, checked.count == 0).await {
            // A provider that failed for a reference is already reported.
            let is_reported = problems
                .iter()
                .any(|one| one.error.provider() == problem.error.provider());
            if !is_reported {
                problems.push(problem);
            }
        }
        Ok(Some(checked))
    })?;
    match checked {
        Some(checked) => report(command, &checked, &problems),
        None => Ok(Exit::Ok),
    }
}

fn declared(secrets: &Secrets) -> Vec<Use> {
    let declared = secrets.declared().iter().map(|one| Use {
        place: one.position.clone(),
        reference: one.reference.clone(),
        declared: Some(one.clone()),
    });
    declared.collect()
}

fn in_file(scan: &FileScan<'_>) -> Vec<Use> {
    let uses = scan.uses().into_iter().map(|(reference, place)| Use {
        place: Some(place),
        reference: reference.clone(),
        declared: None,
    });
    uses.collect()
}

fn unreadable(path: &Path, error: Error) -> Problem {
    Problem {
        place: error
            .position()
            .map_or_else(|| path.display().to_string(), ToString::to_string),
        what: String::new(),
        error,
    }
}

/// Turns an unreadable file into a problem. [`Failure::ClosedOutput`] stays a failure.
fn unread(path: &Path, failure: Failure) -> Outcome<Problem> {
    let Failure::Reported(report) = failure else {
        return Err(failure);
    };
    let error = Error::new(ErrorKind::InvalidConfig, report.message);
    Ok(unreadable(
        path,
        match report.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
    ))
}

/// Problems of the default provider, or of the members that the default chain requires.
///
/// Opening a provider reads its settings. With `ask`, for when no reference has contacted it, its health is checked too.
async fn default_provider(secrets: &Secrets, ask: bool) -> Vec<Problem> {
    let config = secrets.config();
    let Some(default) = &config.default else {
        return Vec::new();
    };
    let names: Vec<&str> = match config.chains.get(default) {
        Some(chain) => chain
            .members
            .iter()
            .filter(|member| member.on_error == OnError::Fail)
            .map(|member| member.provider.as_str())
            .collect(),
        None => vec![default],
    };
    let mut problems = Vec::new();
    for name in names {
        let opened = secrets.info(name).await.map(drop);
        let checked = match opened {
            Ok(()) if ask => secrets.health_of(name).await.and_then(well),
            opened => opened,
        };
        if let Err(error) = checked {
            let entry = config.providers.get(name);
            let place = error
                .position()
                .or(entry.and_then(|entry| entry.position.as_ref()))
                .map(ToString::to_string);
            problems.push(Problem {
                place: place.unwrap_or_default(),
                what: String::new(),
                error: error.with_provider(name.into(), ""),
            });
        }
    }
    problems
}

fn well(health: Health) -> Result<(), Error> {
    match health.status {
        HealthStatus::Unavailable => Err(Error::new(ErrorKind::Unavailable, health.detail)),
        _ => Ok(()),
    }
}

/// Fetches everything at once, and each secret only once.
async fn resolve(secrets: &Secrets, uses: Vec<Use>, absent: &mut Vec<String>) -> Vec<Problem> {
    let references: Vec<SecretRef> = uses.iter().map(|one| one.reference.clone()).collect();
    let message = format!("checking {}", output::count(references.len(), "reference"));
    let answers = progress::during(&message, secrets.get_many(&references)).await;
    let mut problems = Vec::new();
    for (one, answer) in uses.into_iter().zip(answers) {
        let checked = answer.and_then(|answer| match &one.declared {
            Some(declared) => declared.check_format(&answer.secret.value),
            None => Ok(()),
        });
        let required = one
            .declared
            .as_ref()
            .is_none_or(|declared| declared.required);
        match checked {
            Ok(()) => {}
            Err(error) if !required && error.kind() == ErrorKind::NotFound => {
                absent.extend(one.declared.map(|declared| declared.name));
            }
            Err(error) => problems.push(Problem {
                place: one.place.map(|place| place.to_string()).unwrap_or_default(),
                what: match one.declared {
                    Some(declared) => declared.name,
                    None => one.reference.to_string(),
                },
                error,
            }),
        }
    }
    problems
}

fn report(command: &Check, checked: &Checked, problems: &[Problem]) -> Outcome {
    let references = output::count(checked.count, "reference");
    let absent = checked.absent.len();
    let mut summary = match (problems.len(), checked.count - absent) {
        (0, 0) if absent == 0 => "no references to check".to_owned(),
        (0, 0) => "no reference resolves".to_owned(),
        (0, 1) => "1 reference resolves".to_owned(),
        (0, count) if absent == 0 => format!("all {count} references resolve"),
        (0, count) => format!("{count} references resolve"),
        (count, _) => format!("{} in {references}", output::count(count, "problem")),
    };
    if absent > 0 {
        let names = checked.absent.join(", ");
        summary.push_str(&match absent {
            1 => format!("; 1 optional secret is missing: {names}"),
            _ => format!("; {absent} optional secrets are missing: {names}"),
        });
    }
    if command.json {
        let items: Vec<Value> = problems.iter().map(object).collect();
        output::json(json!({
            "checked": checked.count,
            "absent": checked.absent,
            "problems": items,
        }))?;
    } else if problems.is_empty() {
        output::say(summary);
    } else {
        let mut table = Table::new(&["PLACE", "SECRET", "PROBLEM"]);
        for problem in problems {
            table.row([
                problem.place.clone(),
                problem.what.clone(),
                table_message(&problem.error),
            ]);
        }
        table.print()?;
        output::say(summary);
    }
    Ok(if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::Problems
    })
}

/// The message with the provider. Place and name have their own columns.
pub(crate) fn table_message(error: &Error) -> String {
    match error.provider() {
        Some(provider) => format!("{} (provider {provider})", error.message()),
        None => error.message().to_owned(),
    }
}

fn object(problem: &Problem) -> Value {
    json!({
        "place": problem.place,
        "secret": problem.what,
        "kind": kind_word(problem.error.kind()),
        "message": problem.error.message(),
        "provider": problem.error.provider(),
        "hint": problem.error.hint(),
    })
}
