//! `secrets run`.

use std::collections::BTreeSet;

use secrets::{Answer, Declared, Error, SecretName, Secrets};

use super::explain::{declared, explain};
use crate::child::{self, Rules, Variable};
use crate::cli::Run;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::{Settings, block_on};
use crate::{output, progress, trace};

pub(crate) fn run(command: Run, settings: &Settings) -> Outcome {
    if command.explain.explain {
        return settings.with_secrets(async |secrets| {
            explain(secrets, &declared(secrets), command.json).await?;
            Ok(Exit::Ok)
        });
    }
    let secrets = settings.open()?;
    let (variables, removed) = block_on(fetch(&secrets, settings))?;
    let rules = Rules {
        clean: command.clean,
        no_override: command.no_override,
        removed,
        kept: command.keep.into_iter().collect(),
    };
    let environment = child::environment(std::env::vars_os(), &variables, &rules)?;
    drop(variables);
    trace::finish(settings.palette);
    match child::become_program(&command.program, &environment)? {}
}

async fn fetch(
    secrets: &Secrets,
    settings: &Settings,
) -> Outcome<(Vec<Variable>, BTreeSet<String>)> {
    let count = secrets.declared().len();
    if count == 0 {
        output::warn_with_hint(
            settings.palette,
            "no secrets are declared",
            "declare in the configuration what the program needs: [secrets.VARIABLE] with `reference = \"NAME\"`",
        );
    }
    let message = format!("fetching {}", output::count(count, "secret"));
    let answers = progress::during(&message, secrets.get_declared()).await;
    let removed = secrets.credential_variables().await.into_iter().collect();
    let mut leased = false;
    let mut variables = Vec::with_capacity(answers.len());
    let mut failed = Vec::new();
    for (declared, answer) in answers {
        match answer {
            Ok(Some(answer)) => {
                if let Err(error) = declared.check_format(&answer.secret.value) {
                    failed.push(located(&declared, of_format(&declared, error)));
                    continue;
                }
                leased |= answer.secret.metadata.lease.is_some();
                variables.push(variable(declared, answer));
            }
            Ok(None) => {}
            Err(error) => failed.push(located(&declared, error)),
        }
    }
    let failure = all_of(failed);
    // To close a provider is to end its token and its leases, which the program is about to use.
    if !leased || failure.is_some() {
        settings.close(secrets).await;
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok((variables, removed)),
    }
}

fn variable(declared: Declared, answer: Answer) -> Variable {
    Variable {
        name: declared.env_name().to_owned(),
        value: answer.secret.value,
        secret: declared.name,
    }
}

/// Says of which secret the value is not of its format.
fn of_format(declared: &Declared, error: Error) -> Error {
    match SecretName::new(&declared.name) {
        Ok(name) => error.with_name(&name),
        Err(_) => error.with_name(declared.reference.name()),
    }
}

/// Says where the secret is declared, which is where a wrong reference is mended.
fn located(declared: &Declared, error: Error) -> Error {
    match &declared.position {
        Some(position) if error.position().is_none() => error.with_position(position.clone()),
        _ => error,
    }
}

/// All that failed in one failure, so that it is mended in one go.
fn all_of(failed: Vec<Error>) -> Option<Failure> {
    let count = failed.len();
    let mut failures = failed.into_iter().map(Failure::from);
    let first = failures.next()?;
    if count == 1 {
        return Some(first);
    }
    let mut whole = Failure::other(format!("{count} secrets cannot be read")).with_hint_of(&first);
    whole.add_cause(first);
    failures.for_each(|failure| whole.add_cause(failure));
    Some(whole)
}
