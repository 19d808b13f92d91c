//! The one place where what the server answers becomes errors of ours: by status and form of the body. The few cases
//! that the server tells apart by nothing but text are in [`Text`]. The server's own words are never passed on: they may
//! quote a value.

use std::borrow::Cow;
use std::time::SystemTime;

use secrets_core::{Error, ErrorKind, SecretName, Version};
use secrets_provider::{HttpResponse, retry_after};

use crate::wire::Errors;

/// What was asked for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Something that can be missing.
    Read,
    /// A write; whether it named a version, and whether that was "none yet".
    Write { condition: Option<Condition> },
    /// A login or an unwrapping.
    Login,
    /// A renewal of a lease, or to take it back.
    Lease,
    /// Anything else.
    Other,
}

/// What a conditional write asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Absent,
    Version,
}

/// Texts of the server, for which it has no code.
struct Text;

impl Text {
    const CAS_MISMATCH: &str = "check-and-set parameter did not match";
    const CAS_REQUIRED: &str = "check-and-set parameter required";
    const SEALED: &str = "is sealed";
    /// A path that no secrets engine is mounted at.
    const NO_ROUTE: &str = "no handler for route";
    const NO_NAMESPACE: &str = "namespace not found";
    /// What a lease is that has ended, in the words of its renewal.
    const NO_LEASE: [&str; 3] = ["lease not found", "lease expired", "invalid lease"];
    const NOT_RENEWABLE: &str = "not renewable";
    /// OpenBao's whole message for a token that it does not know; a policy's refusal is a list.
    const BAD_TOKEN: &str = "permission denied";
    /// Vault's addition to that list.
    const INVALID_TOKEN: &str = "invalid token";
}

pub(crate) fn invalid_config(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

/// Whether a 403 looks like that of a wrong token and not like that of a policy. It decides only what is asked next,
/// never what is reported.
pub(crate) fn suggests_bad_token(response: &HttpResponse) -> bool {
    Errors::read(&response.body).is_some_and(|errors| {
        errors.has(Text::INVALID_TOKEN) || errors.errors.iter().any(|text| text == Text::BAD_TOKEN)
    })
}

/// Whether the server says that nothing is mounted at the path.
pub(crate) fn is_without_mount(response: &HttpResponse) -> bool {
    response.status.as_u16() == 404
        && Errors::read(&response.body).is_some_and(|errors| errors.has(Text::NO_ROUTE))
}

pub(crate) fn no_mount(mount: &str) -> Error {
    invalid_config(format!("the server has no mount `{mount}`"))
        .with_hint("set `mount` to where the secrets engine is mounted, and check `namespace`")
}

/// A refusal where it is not known either what is mounted, if anything.
pub(crate) fn denied_at(mount: &str, denied: Error) -> Error {
    denied.with_hint(format!(
        "the token is valid, but its policies do not allow this, or there is no mount `{mount}`"
    ))
}

pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no version {:?} of the secret", version.as_str()),
    )
    .with_hint("versions are whole numbers from 1; see `secrets versions`")
}

/// The error for a status that is no success.
pub(crate) fn from_response(response: &HttpResponse, asked: Asked, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let Some(errors) = Errors::read(&response.body) else {
        return not_vault(status);
    };
    let error = match (status, asked) {
        (400, Asked::Write { condition }) => write_refused(&errors, condition),
        (400 | 401 | 403, Asked::Login) => Error::new(
            ErrorKind::Unauthenticated,
            "the server does not accept the login",
        )
        .with_hint("check role, user and credential; one that is used up, expired or revoked has to be issued anew"),
        (404, Asked::Login) => invalid_config("the server has no such auth method or user")
            .with_hint("check the auth method's `mount`, and the namespace"),
        (400, Asked::Lease) if Text::NO_LEASE.iter().any(|text| errors.has(text)) => {
            Error::new(ErrorKind::NotFound, "the lease has ended")
                .with_hint("read the secret again, which makes a new one")
        }
        (400, Asked::Lease) if errors.has(Text::NOT_RENEWABLE) => {
            Error::new(ErrorKind::Unsupported, "the lease cannot be renewed")
                .with_hint("read the secret again before it ends")
        }
        (400, Asked::Lease) => Error::new(
            ErrorKind::Unavailable,
            "the server cannot do that with the lease now",
        )
        .with_hint("its log says why: the system that the secret is for may not answer"),
        (403, Asked::Lease) => Error::new(
            ErrorKind::PermissionDenied,
            "the token's policies do not allow that with a lease",
        )
        .with_hint("allow `update` on `sys/leases/renew` and `sys/leases/revoke`"),
        (400, _) => invalid_config("the server refuses the request")
            .with_hint("check mount, name and engine; the server's log says more"),
        (401, _) => Error::of(ErrorKind::Unauthenticated).with_hint("check the token"),
        (403, _) => Error::new(ErrorKind::PermissionDenied, "permission denied")
            .with_hint("the token is valid, but its policies do not allow this"),
        (404, _) if errors.has(Text::NO_NAMESPACE) => {
            invalid_config("the server has no such namespace").with_hint("check `namespace`")
        }
        (404, Asked::Read) if errors.is_empty() => Error::of(ErrorKind::NotFound),
        (404, _) => invalid_config("the server has nothing at this path")
            .with_hint("check that `mount` is where a secrets engine is mounted, and the namespace"),
        (405, _) => Error::new(ErrorKind::Unsupported, "the engine does not support this")
            .with_hint("check which engine is mounted there, and `engine` in the configuration"),
        (412, _) => Error::new(ErrorKind::Unavailable, "the server has not caught up yet")
            .with_hint("try again in a moment"),
        (413, _) => Error::new(ErrorKind::InvalidValue, "the server finds the value too large")
            .with_hint("its limits are `max_entry_size` and `max_request_size`"),
        (429, _) => Error::of(ErrorKind::RateLimited)
            .with_hint("a rate limit quota of the server is reached; ask more slowly"),
        (472..=474, _) => standby(),
        (501, _) => Error::new(ErrorKind::Unavailable, "vault is not initialised")
            .with_hint("initialise it with `vault operator init` or `bao operator init`"),
        (503, _) if errors.has(Text::SEALED) => {
            Error::new(ErrorKind::Unavailable, "vault is sealed")
                .with_hint("unseal it with `vault operator unseal` or `bao operator unseal`")
        }
        (500..=599, _) => Error::new(
            ErrorKind::Unavailable,
            format!("the server answers with an error of its own, status {status}"),
        )
        .with_hint("see the server's log"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the server answers with the unexpected status {status}"),
        )
        .with_hint("check that the address is that of Vault or OpenBao"),
    };
    match retry_after(&response.headers, now) {
        Some(wait) if error.is_retryable() => error.with_retry_after(wait),
        _ => error,
    }
}

/// A node that would answer if it were active, or could reach the one that is.
pub(crate) fn standby() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server is a standby that does not answer requests",
    )
    .with_hint("the cluster may have no active node at the moment; else set the address to that of the active one")
}

fn write_refused(errors: &Errors<'_>, condition: Option<Condition>) -> Error {
    if errors.has(Text::CAS_MISMATCH) {
        return match condition {
            Some(Condition::Absent) => Error::of(ErrorKind::AlreadyExists)
                .with_hint("a deleted secret exists too, until it is purged"),
            _ => Error::of(ErrorKind::Conflict)
                .with_hint("read the secret again, then repeat the change"),
        };
    }
    if errors.has(Text::CAS_REQUIRED) {
        return invalid_config("the mount takes only writes that name the version they replace")
            .with_hint("write with create or if-version, or switch `cas_required` off");
    }
    Error::new(ErrorKind::InvalidValue, "the server refuses the value")
        .with_hint("its log says why; JSON with numbers beyond 64-bit floating point is one reason")
}

/// Statuses of load balancers and of other servers come with bodies that are not Vault's.
fn not_vault(status: u16) -> Error {
    match status {
        429 => Error::of(ErrorKind::RateLimited),
        502..=504 => Error::new(
            ErrorKind::Unavailable,
            format!("a gateway in front of the server answers with status {status}"),
        )
        .with_hint("check that the server behind it is up"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("status {status} with a body that is not Vault's"),
        )
        .with_hint("check the address, and whether the server expects https"),
    }
}

pub(crate) fn deleted(destroyed: bool) -> Error {
    if destroyed {
        Error::new(ErrorKind::Deleted, "the version is destroyed")
            .with_hint("its value is gone for good; read or restore another version")
    } else {
        Error::of(ErrorKind::Deleted).with_hint("restore it, or read another version")
    }
}

pub(crate) fn unknown_engine(mount: &str, cause: &Error) -> Error {
    Error::new(
        cause.kind(),
        format!(
            "cannot find out which engine is mounted at `{mount}`: {}",
            cause.message()
        ),
    )
    .with_hint("check `mount`, or set `engine` to `kv-v2`, `kv-v1` or `generic`")
}

pub(crate) fn bad_time() -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        "the answer holds a time that is not understood",
    )
}

/// The server takes no path with `..`, wherever it stands.
pub(crate) fn name_with_dots(name: &SecretName) -> Error {
    Error::new(
        ErrorKind::InvalidName,
        "vault takes no name with `..` in it",
    )
    .with_name(name)
}
