//! `secrets set`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use secrets::{PutMode, PutOptions, SecretRef, SecretValue, Version};

use crate::cli::{Set, Source};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output, prompt, show};

const WAYS: &str = "use the prompt, --stdin, --from-file FILE or --generate";

pub(crate) fn run(command: Set, settings: &Settings) -> Outcome {
    // Not repeated in the message: what was typed is most likely the value.
    let name = command.name.split('?').next().unwrap_or_default();
    if !command.refused.is_empty() || name.contains('=') {
        return Err(Failure::usage(
            "a value is not taken as an argument: it would be in the process list and in the shell's history",
        )
        .with_hint(format!("{WAYS}; an `=` that belongs to the name is written %3D")));
    }
    let reference: SecretRef = command.name.parse()?;
    let options = options(&command)?;
    let written = settings.with_secrets(async |secrets| {
        super::whole(secrets, &reference)?;
        // Asked for last: nothing that is wrong before should cost a person their typing.
        let value = value(&command.source, reference.name().as_str(), settings)?;
        Ok(secrets.put_with(reference, value, options).await?)
    })?;
    if command.json {
        output::json(show::metadata(&written))?;
    } else {
        let version = written
            .version
            .as_ref()
            .map(|version| format!(", version {version}"));
        output::say(format!(
            "wrote {}{}",
            written.name,
            version.unwrap_or_default()
        ));
    }
    Ok(Exit::Ok)
}

fn options(command: &Set) -> Outcome<PutOptions> {
    let mode = match &command.if_version {
        Some(version) => PutMode::IfVersion(Version::new(version.as_str())),
        None if command.create => PutMode::Create,
        None => PutMode::Upsert,
    };
    let tags = command
        .tags
        .iter()
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Failure::usage(format!("{tag:?} is not a tag"))
                .with_hint("a tag looks like KEY=VALUE")),
        })
        .collect::<Outcome<BTreeMap<String, String>>>()?;
    Ok(PutOptions::default()
        .with_mode(mode)
        .with_tags((!tags.is_empty()).then_some(tags)))
}

fn value(source: &Source, name: &str, settings: &Settings) -> Outcome<SecretValue> {
    if let Some(recipe) = &source.generate {
        return recipe.make();
    }
    let bytes = if source.stdin {
        if io::stdin().is_terminal() {
            output::say("reading standard input to its end; what you type is shown");
        }
        files::stdin()?
    } else if let Some(path) = &source.from_file {
        files::read(path)?
    } else {
        let value = prompt::hidden_twice(&format!("value of {name}"), WAYS)?;
        if value.is_empty() {
            return Err(Failure::input("no value was typed")
                .with_hint("an empty value is written with --from-file /dev/null"));
        }
        return Ok(value);
    };
    if bytes.iter().position(|byte| *byte == b'\n') == Some(bytes.len().wrapping_sub(1)) {
        output::warn(
            settings.palette,
            "the value ends with a newline, which is kept; `printf %s` writes none",
        );
    }
    Ok(SecretValue::from_zeroizing(bytes))
}
