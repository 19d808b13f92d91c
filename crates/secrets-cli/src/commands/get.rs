//! `secrets get`.

use std::io::{self, IsTerminal};

use secrets::{Answer, Secret, SecretRef, SecretValue, Version};
use zeroize::Zeroizing;

use crate::cli::{Form, Get};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output, show};

pub(crate) fn run(command: &Get, settings: &Settings) -> Outcome {
    let mut reference: SecretRef = command.reference.parse()?;
    if let Some(field) = &command.field {
        reference = reference.with_field(field);
    }
    if let Some(version) = &command.version {
        reference = reference.with_version(Version::new(version.as_str()));
    }
    // Check before the provider creates a dynamic secret in vain.
    if let (Some(path), false) = (&command.form.out, command.force) {
        files::check_absent(path)?;
    }
    let answer =
        settings.with_secrets(async |secrets| Ok(secrets.get_with_origin(reference).await?))?;
    match (&command.form.out, command.force) {
        (Some(path), true) => files::write_private(path, answer.secret.value.expose_bytes())?,
        (Some(path), false) => files::create_private(path, answer.secret.value.expose_bytes())?,
        (None, _) => write(&answer, &command.form)?,
    }
    Ok(Exit::Ok)
}

fn write(answer: &Answer, form: &Form) -> Outcome<()> {
    let Secret {
        value, metadata, ..
    } = &answer.secret;
    if form.json {
        let mut object = show::metadata(metadata);
        show::add_origin(&mut object, &answer.origin);
        return output::json_with_value(object, value);
    }
    if form.hint {
        return output::data(format!("{}\n", *hint(value)).as_bytes());
    }
    if io::stdout().is_terminal() && !is_text(value) {
        return Err(Failure::input(format!(
            "{}: value is not printable text",
            answer.secret.metadata.name
        ))
        .with_hint("write it to a file with --out FILE, or to a pipe"));
    }
    output::value(value)
}

/// The first and last four characters of a value, or `***` if that would give away too much.
fn hint(value: &SecretValue) -> Zeroizing<String> {
    const SHORTEST: usize = 20;
    const SHOWN: usize = 4;

    let text = value.expose_str().unwrap_or_default();
    let length = text.chars().count();
    if length < SHORTEST {
        return Zeroizing::new("***".to_owned());
    }
    let start: Zeroizing<String> = Zeroizing::new(text.chars().take(SHOWN).collect());
    let end: Zeroizing<String> = Zeroizing::new(text.chars().skip(length - SHOWN).collect());
    Zeroizing::new(format!(
        "{}...{}",
        output::printable(&start),
        output::printable(&end)
    ))
}

/// Whether the value is text without control characters that a terminal obeys.
fn is_text(value: &SecretValue) -> bool {
    value.expose_str().is_ok_and(|text| {
        !text
            .chars()
            .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_shows_eight_characters_of_twenty_or_more() {
        assert_eq!(*hint(&"1234567890123456789".into()), "***");
        assert_eq!(*hint(&"abcd567890123456wxyz".into()), "abcd...wxyz");
        assert_eq!(*hint(&"äöüß567890123456wxyz".into()), "äöüß...wxyz");
        assert_eq!(*hint(&vec![0xff; 40].into()), "***");
        assert_eq!(*hint(&"".into()), "***");
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert!(is_text(&"two\nlines\t".into()));
        assert!(!is_text(&"\u{1b}[2J".into()));
        assert!(!is_text(&vec![0xff].into()));
    }
}
