//! The values that a command works with: those of the declared secrets, and of others that are named.

use secrets::mask::{MaskOptions, Masker};
use secrets::{Answer, DeclaredSecret, Error, SecretName, SecretRef, SecretValue, Secrets};

use crate::cli::Masking;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Palette};
use crate::progress;
use crate::settings::Settings;

/// Every declared secret that is there. What fails is told all at once.
pub(super) async fn declared(secrets: &Secrets) -> Outcome<Vec<(DeclaredSecret, Answer)>> {
    let count = secrets.declared().len();
    let message = format!("fetching {}", output::count(count, "secret"));
    let answers = progress::during(&message, secrets.get_declared()).await;
    let mut values = Vec::with_capacity(answers.len());
    let mut failed = Vec::new();
    for (declared, answer) in answers {
        match answer {
            Ok(Some(answer)) => match declared.check_format(&answer.secret.value) {
                Ok(()) => values.push((declared, answer)),
                Err(error) => failed.push(located(&declared, of_format(&declared, error))),
            },
            Ok(None) => {}
            Err(error) => failed.push(located(&declared, error)),
        }
    }
    match all_of(failed) {
        Some(failure) => Err(failure),
        None => Ok(values),
    }
}

/// The declared secrets and those that are named, each with its name.
pub(super) fn to_hide(
    settings: &Settings,
    masking: &Masking,
    named: &[String],
) -> Outcome<Vec<(String, SecretValue)>> {
    let references: Vec<SecretRef> = named
        .iter()
        .map(|name| Ok(name.parse()?))
        .collect::<Outcome<_>>()?;
    let values = settings.with_secrets_given_back(async |secrets| {
        let mut values: Vec<(String, SecretValue)> = declared(secrets)
            .await?
            .into_iter()
            .map(|(declared, answer)| (declared.name, answer.secret.value))
            .collect();
        let message = format!("fetching {}", output::count(references.len(), "secret"));
        let answers = progress::during(&message, secrets.get_many(&references)).await;
        let mut failed = Vec::new();
        for (name, answer) in named.iter().zip(answers) {
            match answer {
                Ok(answer) => values.push((name.clone(), answer.secret.value)),
                Err(error) => failed.push(error),
            }
        }
        match all_of(failed) {
            Some(failure) => Err(failure),
            None => Ok(values),
        }
    })?;
    if values.is_empty() {
        output::warn_with_hint(
            settings.palette,
            "there is nothing to mask",
            "declare secrets in the configuration, or name them with --value-from",
        );
    }
    tell_short(settings.palette, masking, &values);
    Ok(values)
}

/// A masker of these values.
pub(super) fn masker(values: Vec<(String, SecretValue)>, masking: &Masking) -> Masker {
    let options = MaskOptions::default()
        .with_shortest(usize::from(masking.mask_min))
        .with_replacement(masking.mask_with.into());
    Masker::with_options(values, &options)
}

/// Whether a value is long enough to be masked.
pub(super) fn is_masked(value: &[u8], masking: &Masking) -> bool {
    value.trim_ascii().len() >= usize::from(masking.mask_min)
}

/// Says which values are too short to be masked.
pub(super) fn tell_short(palette: Palette, masking: &Masking, values: &[(String, SecretValue)]) {
    let short: Vec<&str> = values
        .iter()
        .filter(|(_, value)| !is_masked(value.expose_bytes(), masking))
        .map(|(name, _)| name.as_str())
        .collect();
    if !short.is_empty() {
        let (values, are) = match short.len() {
            1 => ("value", "is"),
            _ => ("values", "are"),
        };
        output::warn_with_hint(
            palette,
            &format!(
                "the {values} of {} {are} shorter than {} bytes and {are} not masked",
                short.join(", "),
                masking.mask_min
            ),
            "--mask-min 1 masks any value, wherever its characters occur",
        );
    }
}

/// Says of which secret the value is not of its format.
fn of_format(declared: &DeclaredSecret, error: Error) -> Error {
    match SecretName::new(&declared.name) {
        Ok(name) => error.with_name(&name),
        Err(_) => error.with_name(declared.reference.name()),
    }
}

/// Says where the secret is declared, which is where a wrong reference is mended.
fn located(declared: &DeclaredSecret, error: Error) -> Error {
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
