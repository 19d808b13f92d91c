//! `secrets check`.

use std::path::Path;

use secrets::{
    DeclaredSecret, Error, ErrorKind, FileScan, Health, HealthStatus, OnError, SecretRef, Secrets,
    SourcePosition,
};
use serde_json::{Value, json};

use super::explain::{Wanted, explain};
use super::render::{called, format};
use crate::cli::Check;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{files, progress};

/// A use of a secret that is looked at.
struct Use {
    place: Option<SourcePosition>,
    reference: SecretRef,
    /// The declaration, for a secret that is declared.
    declared: Option<DeclaredSecret>,
}

impl Use {
    fn wanted(&self) -> Wanted {
        match &self.declared {
            Some(declared) => Wanted {
                name: declared.name.clone(),
                reference: self.reference.clone(),
            },
            None => Wanted::reference(&self.reference),
        }
    }
}

/// What is wrong, without any value.
struct Problem {
    place: String,
    what: String,
    error: Error,
}

/// What was looked at.
struct Checked {
    /// How many references.
    count: usize,
    /// The declared secrets that are not there, and need not be.
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
    let checked = settings.with_secrets_given_back(async |secrets| {
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
            // Who could not answer for a reference is in the list already.
            let told = problems
                .iter()
                .any(|one| one.error.provider() == problem.error.provider());
            if !told {
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

/// A file that is not even text of a known format. A reader who left stays what it is.
fn unread(path: &Path, failure: Failure) -> Outcome<Problem> {
    let Failure::Told(told) = failure else {
        return Err(failure);
    };
    let error = Error::new(ErrorKind::InvalidConfig, told.message);
    Ok(unreadable(
        path,
        match told.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
    ))
}

/// What is wrong with the default provider, or with the members of the default chain that it cannot go on without.
///
/// To open one is to read its settings; it is asked for its health only where no reference has asked it.
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

/// One fetch for everything; what several places use is fetched once.
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
            1 => format!("; 1 optional secret is not there: {names}"),
            _ => format!("; {absent} optional secrets are not there: {names}"),
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
                words(&problem.error),
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

/// The message with the provider, and without the place and the name, which have columns of their own.
pub(crate) fn words(error: &Error) -> String {
    match error.provider() {
        Some(provider) => format!("{} (provider {provider})", error.message()),
        None => error.message().to_owned(),
    }
}

fn object(problem: &Problem) -> Value {
    json!({
        "place": problem.place,
        "secret": problem.what,
        "kind": problem.error.kind().as_str(),
        "message": problem.error.message(),
        "provider": problem.error.provider(),
        "hint": problem.error.hint(),
    })
}
