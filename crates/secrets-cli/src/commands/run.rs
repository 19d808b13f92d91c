//! `secrets run`.

use std::collections::BTreeSet;

use secrets::mask::Masker;
use secrets::{Answer, DeclaredSecret, Secrets};

use super::explain::{declared, explain};
use super::values;
use crate::child::{self, Rules, Variable};
use crate::cli::Run;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::masked::{self, Hidden, Program, Streams};
use crate::settings::{Settings, block_on};
use crate::{output, trace};

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
    let streams = Streams::new(command.mask);
    let hidden = Hidden {
        values: match streams.any() {
            true => variables
                .iter()
                .map(|one| (one.secret.clone(), one.value.clone()))
                .collect(),
            false => Vec::new(),
        },
        masking: command.masking,
    };
    drop(variables);
    values::tell_short(settings.palette, &hidden.masking, &hidden.values);
    let masker = Masker::from(&hidden);
    trace::finish(settings.palette);
    if masker.is_empty() {
        match child::become_program(&command.program, &environment)? {}
    }
    let program = Program {
        words: &command.program,
        environment: &environment,
        palette: settings.palette,
    };
    match masked::run(&program, &hidden, masker, streams)? {}
}

async fn fetch(
    secrets: &Secrets,
    settings: &Settings,
) -> Outcome<(Vec<Variable>, BTreeSet<String>)> {
    if secrets.declared().is_empty() {
        output::warn_with_hint(
            settings.palette,
            "no secrets are declared",
            "declare in the configuration what the program needs: [secrets.VARIABLE] with `reference = \"NAME\"`",
        );
    }
    let fetched = values::declared(secrets).await;
    let removed = secrets.credential_variables().await.into_iter().collect();
    settings.close(secrets).await;
    let variables = fetched?.into_iter().map(variable).collect();
    Ok((variables, removed))
}

fn variable((declared, answer): (DeclaredSecret, Answer)) -> Variable {
    Variable {
        name: declared.env_name().to_owned(),
        value: answer.secret.value,
        place: declared.position,
        secret: declared.name,
    }
}
