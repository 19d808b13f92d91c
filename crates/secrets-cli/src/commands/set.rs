//! `secrets set`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use secrets::{
    PutMode, PutOptions, SecretName, SecretRef, SecretValue, Secrets, Version, canonical_scheme,
};

use crate::cli::{Set, Source};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output, prompt, show};

const SOURCES: &str = "use the prompt, --stdin, --from-file FILE or --generate";

pub(crate) fn run(command: Set, settings: &Settings) -> Outcome {
    // The message does not repeat the argument, which is most likely the value.
    let name = command.name.split('?').next().unwrap_or_default();
    if !command.refused.is_empty() || name.contains('=') {
        return Err(Failure::usage(
            "the value must not be an argument: the process list and the shell history would show it",
        )
        .with_hint(format!("{SOURCES}; write `=` in a name as %3D")));
    }
    let reference: SecretRef = command.name.parse()?;
    let options = options(&command)?;
    let written = settings.with_secrets(async |secrets| {
        super::refuse_field(secrets, &reference)?;
        // Ask last, so an earlier error does not cost the user their typing.
        let value = value(&command.source, reference.name().as_str(), settings)?;
        let written = secrets.put_with(reference.clone(), value, options).await?;
        if let Some(shadow) = shadow(secrets, &reference, settings).await {
            output::warn_with_hint(settings.palette, &shadow.warning, &shadow.hint);
        }
        Ok(written)
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

/// Another provider hides the value that was just written.
struct Shadow {
    warning: String,
    hint: String,
}

/// Finds an earlier member of the chain that answers the name. Gives up after three seconds, since the secret is
/// written in any case.
async fn shadow(secrets: &Secrets, reference: &SecretRef, settings: &Settings) -> Option<Shadow> {
    const PATIENCE: Duration = Duration::from_secs(3);

    let config = secrets.config();
    let name = reference.name();
    let declared = secrets
        .declared()
        .iter()
        .find(|one| reference.provider().is_none() && one.name == name.as_str());
    let meant = declared.map_or(reference, |declared| &declared.reference);
    let target = meant.provider().or(config.default.as_deref())?;
    let chain = config.chains.get(target)?;
    let writer = chain.write.as_deref()?;
    let before: Vec<&str> = chain
        .members
        .iter()
        .map(|member| member.provider.as_str())
        .take_while(|provider| *provider != writer)
        .collect();
    if before.is_empty() {
        return None;
    }
    let read = secrets.get_with_origin(reference.clone());
    let answer = tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?;
    let first = before
        .into_iter()
        .find(|provider| *provider == &*answer.origin.provider)?;
    let scheme = config
        .providers
        .get(first)
        .map_or(first, |entry| entry.scheme.as_str());
    let other = format!("or read {writer}://{}", meant.name());
    let hint = match canonical_scheme(scheme) {
        "env" => match variable(settings, meant.name(), &answer.secret.value) {
            Some(variable) => format!("unset {variable}, {other}"),
            None => format!("unset its variable, {other}"),
        },
        _ => format!("`secrets delete {first}://{}`, {other}", meant.name()),
    };
    Some(Shadow {
        warning: format!("`{first}` shadows `{writer}` for {:?}", name.as_str()),
        hint,
    })
}

/// The environment variable behind a name: the name after a prefix, as it is or in upper case with underscores.
fn variable<'a>(settings: &'a Settings, name: &SecretName, value: &SecretValue) -> Option<&'a str> {
    let upper = name
        .as_str()
        .replace(['/', '-', '.'], "_")
        .to_ascii_uppercase();
    let variables = settings.load.environment.iter();
    variables
        .filter(|(variable, held)| {
            (variable.ends_with(name.as_str()) || variable.ends_with(&upper)) && *held == value
        })
        .map(|(variable, _)| variable)
        .min_by_key(|variable| variable.len())
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
            _ => Err(Failure::usage(format!("not a tag: {tag:?}")).with_hint("write KEY=VALUE")),
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
            output::say(
                "reading the value from the terminal, which shows what you type; end with Ctrl-D",
            );
        }
        files::stdin()?
    } else if let Some(path) = &source.from_file {
        files::read(path)?
    } else {
        let value = prompt::hidden_twice(&format!("value of {name}"), SOURCES)?;
        if value.is_empty() {
            return Err(Failure::input("the value is empty")
                .with_hint("pass --from-file /dev/null to write an empty value"));
        }
        return Ok(value);
    };
    if bytes.iter().position(|byte| *byte == b'\n') == Some(bytes.len().wrapping_sub(1)) {
        output::warn(
            settings.palette,
            "the value ends with a newline; `printf %s` writes none",
        );
    }
    Ok(SecretValue::from_zeroizing(bytes))
}
