//! The one place where what the server answers becomes errors of ours: by status, then by the codes of the body. The few
//! facts that it tells by nothing but text are in [`Text`]; they choose words and waits, and tell a missing service token
//! from a missing secret. The server's own words are never passed on.

use std::time::{Duration, SystemTime};

use secrets_core::{Error, ErrorKind, Version};
use secrets_provider::{HttpResponse, retry_after};

use crate::wire::Refusal;

/// How long a login is locked after too many wrong ones, by default (the identity's `lockoutDurationSeconds`).
const LOCKOUT: Duration = Duration::from_secs(300);
/// The longest wait that a message is believed.
const LONGEST_WAIT: u64 = 3600;

/// What was asked for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A secret, or some of them.
    Read,
    /// A secret that is made.
    Create,
    /// A secret that is there.
    Update,
    /// The deletion of a secret.
    Delete,
    /// A folder.
    Folder,
    /// A login, a renewal or a revocation.
    Login,
}

/// Codes in the body's `error`.
struct Code;

impl Code {
    /// A JWT that is expired or not one of this server; reported as 403.
    const TOKEN: &str = "TokenError";
    /// Fastify's own, for a path that the server has no route for. The server's is `NotFound`.
    const NO_ROUTE: &str = "Not Found";
}

struct Text;

impl Text {
    const LOCKED: &str = "temporarily locked";
    const WAIT: &str = "try again in ";
    /// The server says "not found" of a service token too, by the code that it has for secrets.
    const NO_SERVICE_TOKEN: &str = "Service token with ID";
}

/// Whether a new token may help: 401, or 403 with the code of a bad token.
pub(crate) fn is_bad_token(response: &HttpResponse) -> bool {
    match response.status.as_u16() {
        401 => true,
        403 => Refusal::read(&response.body).is_some_and(|refusal| refusal.error == Code::TOKEN),
        _ => false,
    }
}

/// Whether the server has no such endpoint, as opposed to no such secret.
pub(crate) fn is_without_route(response: &HttpResponse) -> bool {
    response.status.as_u16() == 404
        && Refusal::read(&response.body).is_some_and(|refusal| refusal.error == Code::NO_ROUTE)
}

/// Whether the endpoint has answered itself, the proof that there is one. Tokens, rates and failures are looked at before
/// the server asks itself whether it has the route.
pub(crate) fn is_of_endpoint(response: &HttpResponse) -> bool {
    match response.status.as_u16() {
        ..=399 => true,
        401 | 403 | 429 | 500.. => false,
        _ => Refusal::read(&response.body).is_some(),
    }
}

pub(crate) fn no_api(address: &impl std::fmt::Display) -> Error {
    Error::invalid_config(format!("{address} has no API of Infisical that is known"))
        .with_hint("check `base_url`, and `api` if it is set")
}

/// A secret that is not there, as far as the server tells.
pub(crate) fn missing() -> Error {
    Error::from(ErrorKind::NotFound).with_hint(
        "the server says the same of a project, environment or folder that is missing or may not be seen",
    )
}

pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no version {:?} of the secret", version.as_str()),
    )
    .with_hint("versions are whole numbers from 1; see `secrets versions`")
}

pub(crate) fn versions_ignored() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the server gives the current version whatever is asked for",
    )
    .with_hint("that is so in old releases of Infisical; update the server")
}

pub(crate) fn needs_approval() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "the change has not happened: it waits for an approval",
    )
    .with_hint(
        "a policy of the project protects the folder; have the request approved, do not repeat it",
    )
}

pub(crate) fn hidden() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "the identity may see the secret, but not its value",
    )
    .with_hint("give its role the permission to read values")
}

pub(crate) fn of_another_scope() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "the service token answers from its own folder or environment, not from the one that was asked for",
    )
    .with_hint("set `environment` and `path` to the token's scope, or use a machine identity")
}

pub(crate) fn unresolved() -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        "a reference in the value is not resolved: what it names is missing",
    )
    .with_hint("mend the reference, or set `unresolved_references` to `warn` or `keep`")
}

pub(crate) fn not_kept() -> Error {
    Error::new(
        ErrorKind::IntegrityFailure,
        "the server has stored another value than it was sent",
    )
    .with_hint("set `encoding = \"always\"` and write the value again")
}

pub(crate) fn not_understood(what: &'static str) -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        format!("the answer holds {what} that is not understood"),
    )
}

/// The error for a status that is not a success.
pub(crate) fn from_response(response: &HttpResponse, asked: Asked, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let Some(refusal) = Refusal::read(&response.body) else {
        return with_wait(not_infisical(status), response, None, now);
    };
    let error = match (status, asked) {
        (400..=404, Asked::Login) => login_refused(status, &refusal),
        (400, Asked::Create | Asked::Update) => Error::new(
            ErrorKind::InvalidValue,
            "the server refuses the value or the change",
        )
        .with_hint("it may refer to a secret that does not exist, be rotated by the server, or the project may want capital letters in keys"),
        (400, Asked::Delete) => Error::new(ErrorKind::Conflict, "the server refuses to delete the secret")
            .with_hint("one that the server rotates is deleted together with its rotation"),
        (400, _) => Error::invalid_config("the server refuses the request")
            .with_hint("check `project_id`, `environment` and `path`"),
        (401, _) => Error::new(
            ErrorKind::Unauthenticated,
            "the server does not accept the token",
        )
        .with_hint("it is wrong, expired or revoked; set a new one"),
        (403, _) if refusal.error == Code::TOKEN => Error::new(
            ErrorKind::Unauthenticated,
            "the server does not accept the token",
        )
        .with_hint("it is expired, or of another server; set a new one"),
        (403, _) => Error::new(ErrorKind::PermissionDenied, "permission denied")
            .with_hint("the token is valid, but the identity's role in the project does not allow this"),
        (404, _) if refusal.error == Code::NO_ROUTE => {
            Error::invalid_config("the server has no such endpoint")
                .with_hint("check `base_url`, and `api` if it is set")
        }
        (404, _) if refusal.text().starts_with(Text::NO_SERVICE_TOKEN) => Error::new(
            ErrorKind::Unauthenticated,
            "the server does not know the service token",
        )
        .with_hint("it is wrong, expired or revoked; use a machine identity with universal auth"),
        (404, Asked::Folder) => Error::invalid_config("the server has no such project or environment")
            .with_hint("check `project_id` and `environment`; the server says the same of what the identity may not see"),
        (404, _) => missing(),
        (409, Asked::Create) => Error::from(ErrorKind::AlreadyExists),
        (409, _) => Error::from(ErrorKind::Conflict)
            .with_hint("read the secret again, then repeat the change"),
        (413, _) => Error::new(ErrorKind::InvalidValue, "the server finds the request too large"),
        (422, _) => invalid_field(&refusal.fields()),
        (429, _) => Error::from(ErrorKind::RateLimited)
            .with_hint("a rate limit of the plan is reached; ask more slowly, or for more at once"),
        (500..=599, _) => Error::new(
            ErrorKind::Unavailable,
            format!(
                "the server answers with an error of its own, status {status}{}",
                request_id(&refusal)
            ),
        )
        .with_hint("see the server's log, or its status page"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the server answers with the unexpected status {status}"),
        )
        .with_hint("check that `base_url` is that of Infisical"),
    };
    with_wait(error, response, Some(&refusal), now)
}

fn with_wait(
    error: Error,
    response: &HttpResponse,
    refusal: Option<&Refusal<'_>>,
    now: SystemTime,
) -> Error {
    if !error.is_retryable() {
        return error;
    }
    let wait = retry_after(&response.headers, now).or_else(|| {
        let text = refusal.filter(|_| response.status.as_u16() == 429)?.text();
        told_wait(text)
    });
    match wait {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The seconds of `Please try again in 42 seconds`, which the documentation of rate limits gives as the place of the wait.
fn told_wait(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once(Text::WAIT)?;
    let (number, unit) = rest.split_once(' ')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = match number.parse::<u64>() {
        Ok(seconds) => seconds.min(LONGEST_WAIT),
        Err(_) => LONGEST_WAIT,
    };
    (is_number && unit.starts_with("second")).then(|| Duration::from_secs(seconds))
}

fn login_refused(status: u16, refusal: &Refusal<'_>) -> Error {
    if refusal.error == Code::NO_ROUTE {
        return Error::invalid_config("the server has no such login").with_hint("check `base_url`");
    }
    if status == 401 && refusal.text().contains(Text::LOCKED) {
        return Error::new(
            ErrorKind::Unauthenticated,
            "the login is locked for a while, after too many wrong ones",
        )
        .with_hint(
            "it opens by itself, after 5 minutes by default; correct the client secret first",
        )
        .with_retry_after(LOCKOUT);
    }
    Error::new(
        ErrorKind::Unauthenticated,
        "the server does not accept the login",
    )
    .with_hint("check client id and secret: they may be wrong, expired, used up, or not allowed from this address")
}

/// By the field that the server's validation names.
fn invalid_field(fields: &[&str]) -> Error {
    let names = |field: &str| fields.contains(&field);
    if names("secretName") || names("secretKey") || names("name") {
        Error::new(
            ErrorKind::InvalidName,
            "the server does not take the name of the secret or of its folder",
        )
        .with_hint("keys hold no `:` and no `/`, in old releases no space either")
    } else if names("secretValue") || names("secretMetadata") {
        Error::new(
            ErrorKind::InvalidValue,
            "the server does not take the value or its tags",
        )
    } else {
        Error::invalid_config("the server does not take the request")
            .with_hint("check `project_id`, `environment` and `path`")
    }
}

fn request_id(refusal: &Refusal<'_>) -> String {
    let id = refusal.request.as_deref().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(is_plain) {
        return String::new();
    }
    format!(", request {id}")
}

/// Statuses of load balancers and of other servers come with bodies that are not Infisical's.
fn not_infisical(status: u16) -> Error {
    match status {
        429 => Error::from(ErrorKind::RateLimited),
        502..=504 => Error::new(
            ErrorKind::Unavailable,
            format!("a gateway in front of the server answers with status {status}"),
        )
        .with_hint("check that the server behind it is up"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("status {status} with a body that is not Infisical's"),
        )
        .with_hint("check `base_url`, and whether the server expects https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_from_the_documented_message() {
        let seconds = |s| Some(Duration::from_secs(s));
        for (text, expected) in [
            (
                "Rate limit exceeded. Please try again in 42 seconds",
                seconds(42),
            ),
            ("try again in 1 second", seconds(1)),
            (
                "try again in 99999999999999999999999 seconds",
                seconds(3600),
            ),
            ("try again in a few seconds", None),
            ("try again in 5 minutes", None),
            ("try again in -5 seconds", None),
            ("try again in ", None),
            ("", None),
        ] {
            assert_eq!(told_wait(text), expected, "{text}");
        }
    }
}
