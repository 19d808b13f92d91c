//! The one place where what Google answers becomes errors of ours: by canonical code and reason. The two states that only
//! the text of the message tells apart are in [`Text`]. The service's own words are never passed on.

use std::time::{Duration, SystemTime};

use secrets_core::{Error, ErrorKind, Version};
use secrets_provider::{HttpResponse, retry_after};

use crate::wire::{OauthRefusal, Refusal};

/// What was asked for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Something that can be missing, or in a state in which it cannot be read.
    Read,
    /// A page of a listing.
    Page,
    /// A new secret.
    Create,
    /// A value.
    Write,
    /// The token of another service account.
    Impersonation,
    /// Anything else.
    Other,
}

/// Parts of messages, for states that have one code.
struct Text;

impl Text {
    const DESTROYED: &str = "is in DESTROYED state";
    const DISABLED: &str = "is in DISABLED state";
}

pub(crate) fn invalid_response(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidResponse, message)
        .with_hint("check that `endpoint` is the address of Secret Manager")
}

pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "there is no version {:?} of the secret, or no such secret",
            version.as_str()
        ),
    )
    .with_hint("a version is a number, an alias or `latest`; see `secrets versions`")
}

/// The error for a status that is not a success.
pub(crate) fn from_response(response: &HttpResponse, asked: Asked, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let Some(refusal) = Refusal::read(&response.body) else {
        return with_wait(not_google(status), retry_after(&response.headers, now));
    };
    let code = match refusal.status() {
        "" => code_of(status),
        code => code,
    };
    let reason = refusal.reason();
    let error = match (code, asked) {
        ("UNAUTHENTICATED", _) => unauthenticated(reason.as_deref()),
        ("PERMISSION_DENIED", _) => denied(reason.as_deref(), asked),
        ("NOT_FOUND", Asked::Impersonation) => {
            Error::invalid_config("there is no such service account to impersonate")
                .with_hint("check `service_account_impersonation_url` in the credentials file")
        }
        ("NOT_FOUND", Asked::Page | Asked::Create) => no_project(),
        ("NOT_FOUND", _) => Error::from(ErrorKind::NotFound),
        ("ALREADY_EXISTS", _) => Error::from(ErrorKind::AlreadyExists).with_hint(
            "a secret without versions exists too, such as one whose first write broke off",
        ),
        ("ABORTED", _) => Error::from(ErrorKind::Conflict),
        ("FAILED_PRECONDITION", _) => precondition(&refusal, asked),
        ("INVALID_ARGUMENT" | "OUT_OF_RANGE", _) => invalid(reason.as_deref(), asked),
        ("RESOURCE_EXHAUSTED", _) => Error::from(ErrorKind::RateLimited)
            .with_hint("a quota of the project is used up; ask more slowly, or have it raised"),
        ("DEADLINE_EXCEEDED", _) => {
            Error::new(ErrorKind::Timeout, "the service did not answer in its time")
        }
        ("DATA_LOSS", _) => Error::from(ErrorKind::IntegrityFailure),
        ("UNIMPLEMENTED", _) => {
            Error::new(ErrorKind::Unsupported, "the service does not support this")
                .with_hint("check `endpoint`")
        }
        ("UNAVAILABLE" | "INTERNAL" | "UNKNOWN" | "CANCELLED", _) => Error::new(
            ErrorKind::Unavailable,
            format!("the service answers with an error of its own, status {status}"),
        )
        .with_hint("see https://status.cloud.google.com if it lasts"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the service answers with the unexpected status {status}"),
        )
        .with_hint("check that `endpoint` is the address of Secret Manager"),
    };
    let delay = refusal.retry_delay().and_then(|delay| seconds(&delay));
    with_wait(error, retry_after(&response.headers, now).or(delay))
}

fn with_wait(error: Error, wait: Option<Duration>) -> Error {
    match wait {
        Some(wait) if error.is_retryable() => error.with_retry_after(wait),
        _ => error,
    }
}

/// The canonical code that belongs to an HTTP status (google/rpc/code.proto), for bodies that leave it out.
fn code_of(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "UNAVAILABLE",
        _ => "",
    }
}

/// A duration as JSON has it: `3.5s`. Longer waits than a day are a day, as for `Retry-After`.
fn seconds(text: &str) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let digits = text.strip_suffix('s')?;
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds: f64 = is_plain.then(|| digits.parse().ok())??;
    Some(Duration::from_secs_f64(seconds.min(DAY)))
}

fn unauthenticated(reason: Option<&str>) -> Error {
    let message = match reason {
        Some("ACCESS_TOKEN_EXPIRED") => "the access token has expired",
        Some("CREDENTIALS_MISSING") => "the service wants a credential, and none was sent",
        Some("ACCOUNT_STATE_INVALID") => "the account of the access token is disabled or deleted",
        _ => "the service does not accept the access token",
    };
    Error::new(ErrorKind::Unauthenticated, message).with_hint(
        "log in again or set another credential; a clock that is minutes off, or another service's token, has the same effect",
    )
}

fn no_project() -> Error {
    Error::invalid_config("the project or the region does not exist").with_hint(
        "check `project_id`, which is the id or the number and not the display name, and `region`",
    )
}

fn denied(reason: Option<&str>, asked: Asked) -> Error {
    let denied = |message: &'static str| Error::new(ErrorKind::PermissionDenied, message);
    match reason {
        Some("SERVICE_DISABLED") => {
            Error::invalid_config("the project has not enabled the api that is called").with_hint(
                "run `gcloud services enable secretmanager.googleapis.com --project PROJECT`, and wait some minutes; with a user's credential, check `quota_project`",
            )
        }
        Some("BILLING_DISABLED") => Error::invalid_config("the project has no billing account")
            .with_hint("link one, and wait some minutes"),
        Some("CONSUMER_INVALID") => no_project(),
        Some("USER_PROJECT_DENIED") => denied("the account may not use the quota project")
            .with_hint("set `quota_project`, or grant `roles/serviceusage.serviceUsageConsumer` there"),
        Some("ACCESS_TOKEN_SCOPE_INSUFFICIENT") => {
            denied("the access token lacks the scope `cloud-platform`")
                .with_hint("give the machine or the login that scope")
        }
        Some("SECURITY_POLICY_VIOLATED") => {
            denied("a perimeter of VPC Service Controls refuses the request")
                .with_hint("call from inside the perimeter, or have an ingress rule made")
        }
        _ if asked == Asked::Impersonation => {
            denied("the account may not impersonate the service account")
                .with_hint("grant it `roles/iam.serviceAccountTokenCreator` on that service account")
        }
        _ => Error::from(ErrorKind::PermissionDenied).with_hint(
            "grant `roles/secretmanager.secretAccessor` for reading; a fresh grant takes some minutes, and a project that does not exist looks the same",
        ),
    }
}

fn precondition(refusal: &Refusal<'_>, asked: Asked) -> Error {
    if refusal.says(Text::DESTROYED) {
        return deleted();
    }
    if refusal.says(Text::DISABLED) {
        return disabled();
    }
    match asked {
        // Whatever it is, the service says that the secret is there and not to be read.
        Asked::Read => Error::new(
            ErrorKind::Disabled,
            "the version cannot be read in the state that it is in",
        )
        .with_hint("check the state of the version, and that of the KMS key it is encrypted with"),
        _ => Error::invalid_config("the service cannot do this as the project is set up").with_hint(
            "check `kms_key` and the rights of Secret Manager on it, `replicas`, and the organisation's policies",
        ),
    }
}

fn disabled() -> Error {
    Error::new(ErrorKind::Disabled, "the version is disabled").with_hint(
        "enable it, or write a new one; `latest` is the newest version whatever its state",
    )
}

fn deleted() -> Error {
    Error::new(ErrorKind::Deleted, "the version is destroyed")
        .with_hint("its value is gone for good; read another version, or write a new one")
}

fn invalid(reason: Option<&str>, asked: Asked) -> Error {
    match (reason, asked) {
        (Some("RESOURCE_PROJECT_INVALID" | "CONSUMER_INVALID"), _) => no_project(),
        (_, Asked::Write) => Error::new(ErrorKind::InvalidValue, "the service refuses the value")
            .with_hint("it takes 1 to 65536 bytes, whose checksum is right"),
        (_, Asked::Page) => Error::invalid_config("the service refuses to list")
            .with_hint("start the listing again; check `project_id`"),
        _ => Error::invalid_config("the service refuses the request")
            .with_hint("check `project_id`, `region`, `replicas` and `kms_key`"),
    }
}

/// Statuses of load balancers and of other servers come with bodies that are not Google's.
fn not_google(status: u16) -> Error {
    match status {
        429 => Error::from(ErrorKind::RateLimited),
        502..=504 => Error::new(
            ErrorKind::Unavailable,
            format!("a gateway in front of the service answers with status {status}"),
        ),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("status {status} with a body that is not Google's"),
        )
        .with_hint("check `endpoint`, and whether a proxy answers in place of the service"),
    }
}

/// The error for a login that an OAuth endpoint refuses. `hint` says what to do about the credential itself.
pub(crate) fn from_login(response: &HttpResponse, hint: &'static str, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let refusal: Option<OauthRefusal<'_>> = serde_json::from_slice(&response.body).ok();
    let error = match (status, refusal.as_ref().map(|refusal| &*refusal.error)) {
        (429, _) => Error::new(ErrorKind::RateLimited, "too many logins"),
        (500..=599, _) => Error::new(
            ErrorKind::Unavailable,
            format!("the login answers with an error of its own, status {status}"),
        ),
        (_, Some("invalid_grant")) => Error::new(
            ErrorKind::Unauthenticated,
            "the login does not accept the credential",
        )
        .with_hint(hint),
        (_, Some("invalid_client" | "unauthorized_client")) => Error::new(
            ErrorKind::Unauthenticated,
            "the login does not know the client or the account",
        )
        .with_hint(hint),
        (_, Some("invalid_scope" | "access_denied")) => Error::new(
            ErrorKind::PermissionDenied,
            "the login does not give access to google cloud",
        )
        .with_hint("the account's administrator can say why"),
        (400..=403, Some(_)) => {
            Error::new(ErrorKind::Unauthenticated, "the login refuses the request").with_hint(hint)
        }
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the login answers with status {status}, and not as an OAuth endpoint does"),
        )
        .with_hint("check the `token_uri` or `token_url` in the credentials file, and any proxy"),
    };
    with_wait(error, retry_after(&response.headers, now))
}

pub(crate) fn is_invalid_grant(response: &HttpResponse) -> bool {
    serde_json::from_slice::<OauthRefusal<'_>>(&response.body)
        .is_ok_and(|refusal| refusal.error == "invalid_grant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_and_nothing_else() {
        assert_eq!(seconds("3.5s"), Some(Duration::from_millis(3500)));
        assert_eq!(seconds("0s"), Some(Duration::ZERO));
        assert_eq!(seconds("99999999999s"), Some(Duration::from_secs(86_400)));
        for other in ["", "s", "3", "-3s", "1e9s", "1.2.3s", "NaNs"] {
            assert_eq!(seconds(other), None, "{other}");
        }
    }
}
