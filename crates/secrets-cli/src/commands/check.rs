//! `secrets check`.

use std::path::Path;

use secrets::{Error, ErrorKind, FileScan, SecretRef, Secrets, SourcePosition};
use serde_json::{Value, json};

use super::render::{called, format};
use crate::cli::Check;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{files, progress};

/// A use of a secret that is looked at.
struct Use {
    place: Option<SourcePosition>,
    reference: SecretRef,
    /// The declared name, for a secret that is declared.
    declared: Option<String>,
    required: bool,
}

/// What is wrong, without any value.
struct Problem {
    place: String,
    what: String,
    error: Error,
}

pub(crate) fn run(command: &Check, settings: &Settings) -> Outcome {
    let mut texts = Vec::with_capacity(command.files.len());
    for path in &command.files {
        texts.push((
            path.as_path(),
            format(path, command.format)?,
            files::read_text(path)?,
        ));
    }
    let mut problems = Vec::new();
    let checked = settings.with_secrets(async |secrets| {
        let mut uses = declared(secrets);
        for (path, format, text) in &texts {
            match FileScan::new(text, *format, Some(called(path))) {
                Ok(scan) => uses.extend(in_file(&scan)),
                Err(error) => problems.push(unreadable(path, error)),
            }
        }
        let count = uses.len();
        problems.extend(resolve(secrets, uses).await);
        Ok(count)
    })?;
    report(command, checked, &problems)
}

fn declared(secrets: &Secrets) -> Vec<Use> {
    let declared = secrets.declared().iter().map(|one| Use {
        place: one.position.clone(),
        reference: one.reference.clone(),
        declared: Some(one.name.clone()),
        required: one.required,
    });
    declared.collect()
}

fn in_file(scan: &FileScan<'_>) -> Vec<Use> {
    let uses = scan.uses().into_iter().map(|(reference, place)| Use {
        place: Some(place),
        reference: reference.clone(),
        declared: None,
        required: true,
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

/// One fetch for everything; what several places use is fetched once.
async fn resolve(secrets: &Secrets, uses: Vec<Use>) -> Vec<Problem> {
    let references: Vec<SecretRef> = uses.iter().map(|one| one.reference.clone()).collect();
    let message = format!("checking {} references", references.len());
    let answers = progress::during(&message, secrets.get_many(&references)).await;
    let mut problems = Vec::new();
    for (one, answer) in uses.into_iter().zip(answers) {
        match answer {
            Ok(_) => {}
            Err(error) if !one.required && error.kind() == ErrorKind::NotFound => {}
            Err(error) => problems.push(Problem {
                place: one.place.map(|place| place.to_string()).unwrap_or_default(),
                what: one.declared.unwrap_or_else(|| one.reference.to_string()),
                error,
            }),
        }
    }
    problems
}

fn report(command: &Check, checked: usize, problems: &[Problem]) -> Outcome {
    let summary = match problems.len() {
        0 => format!("all {checked} references resolve"),
        1 => format!("1 problem in {checked} references"),
        count => format!("{count} problems in {checked} references"),
    };
    if command.json {
        let items: Vec<Value> = problems.iter().map(object).collect();
        output::json(json!({ "checked": checked, "problems": items }))?;
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
        "kind": kind(problem.error.kind()),
        "message": problem.error.message(),
        "provider": problem.error.provider(),
        "hint": problem.error.hint(),
    })
}

/// The kind as a word for programs: `not_found`.
pub(crate) fn kind(kind: ErrorKind) -> String {
    let mut word = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        assert_eq!(kind(ErrorKind::NotFound), "not_found");
        assert_eq!(kind(ErrorKind::Timeout), "timeout");
    }
}
