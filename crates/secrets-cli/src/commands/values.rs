//! Fetches the values of declared and named secrets for a command.

use secrets::mask::{MaskOptions, Masker};
use secrets::{Answer, DeclaredSecret, Error, SecretName, SecretRef, SecretValue, Secrets};

use crate::cli::Masking;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Palette};
use crate::progress;
use crate::settings::Settings;

/// Fetches every declared secret, leaving out optional ones that are missing. One failure reports all errors.
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
                Err(error) => failed.push(located(&declared, format_error(&declared, error))),
            },
            Ok(None) => {}
            Err(error) => failed.push(located(&declared, error)),
        }
    }
    match combined(failed) {
        Some(failure) => Err(failure),
        None => Ok(values),
    }
}

/// The names and values of the declared secrets and of the named ones.
pub(super) fn to_hide(
    settings: &Settings,
    masking: &Masking,
    named: &[String],
) -> Outcome<Vec<(String, SecretValue)>> {
    let references: Vec<SecretRef> = named
        .iter()
        .map(|name| Ok(name.parse()?))
        .collect::<Outcome<_>>()?;
    let values = settings.with_revoked_secrets(async |secrets| {
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
        match combined(failed) {
            Some(failure) => Err(failure),
            None => Ok(values),
        }
    })?;
    if values.is_empty() {
        output::warn_with_hint(
            settings.palette,
            "no secrets to mask",
            "declare secrets in the configuration, or name them with --value-from",
        );
    }
    tell_short(settings.palette, masking, &values);
    Ok(values)
}

/// Builds the masker for the values.
pub(crate) fn masker(values: Vec<(String, SecretValue)>, masking: &Masking) -> Masker {
    let options = MaskOptions::default()
        .with_shortest(usize::from(masking.mask_min))
        .with_replacement(masking.mask_with.into());
    Masker::with_options(values, &options)
}

/// Whether a value is long enough to mask.
fn is_masked(value: &[u8], masking: &Masking) -> bool {
    value.trim_ascii().len() >= usize::from(masking.mask_min)
}

/// Warns of values that are too short to mask.
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
            "pass --mask-min 1 to mask every value, wherever its characters occur",
        );
    }
}

/// Adds the name of the secret whose value has the wrong format.
fn format_error(declared: &DeclaredSecret, error: Error) -> Error {
    match SecretName::new(&declared.name) {
        Ok(name) => error.with_name(&name),
        Err(_) => error.with_name(declared.reference.name()),
    }
}

/// Adds the position of the declaration, where a wrong reference must be fixed.
fn located(declared: &DeclaredSecret, error: Error) -> Error {
    match &declared.position {
        Some(position) if error.position().is_none() => error.with_position(position.clone()),
        _ => error,
    }
}

/// Combines all errors into one failure, so they can be fixed together.
fn combined(failed: Vec<Error>) -> Option<Failure> {
    let count = failed.len();
    let mut failures = failed.into_iter().map(Failure::from);
    let first = failures.next()?;
    if count == 1 {
        return Some(first);
    }
    let mut whole = Failure::other(format!("cannot read {count} secrets")).with_hint_from(&first);
    whole.add_cause(first);
    failures.for_each(|failure| whole.add_cause(failure));
    Some(whole)
}
