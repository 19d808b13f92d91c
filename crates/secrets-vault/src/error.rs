//! The one place where the server's answers become our errors, by status and form of the body. The few cases that only
//! the server's words tell apart are in [`Text`]. Those words are never passed on: they may quote a value.

use std::borrow::Cow;
use std::time::SystemTime;

use secrets_core::{Error, ErrorKind};
use secrets_provider::{HttpResponse, retry_after};

use crate::limits::MAX_STRINGS;
use crate::names::unprintable;
use crate::wire::Errors;

/// What a request is for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A read of something that can be missing.
    Read,
    /// A write, with its condition.
    Write { condition: Option<Condition> },
    /// A login or an unwrapping.
    Login,
    /// A write of metadata.
    Metadata,
    /// Renewing or revoking a lease.
    Lease,
    /// Anything else.
    Other,
}

/// What a conditional write requires of the current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// That there is none yet.
    Absent,
    /// That it is the named one.
    Version,
}

/// The server's words for cases that have no code.
struct Text;

impl Text {
    const CAS_MISMATCH: &str = "check-and-set parameter did not match";
    const CAS_REQUIRED: &str = "check-and-set parameter required";
    const METADATA_CAS_REQUIRED: &str = "metadata check-and-set parameter required";
    const METADATA_CAS_MISMATCH: &str = "metadata check-and-set parameter does not match";
    const SEALED: &str = "is sealed";
    const NAMESPACE_SEALED: &str = "namespace is sealed";
    const NAMESPACE_LOCKED: &str = "access to this namespace has been locked";
    /// KV version 1 becomes version 2, for a second or so; also after each new mount, on a standby.
    const UPGRADING: &str = "to versioned data";
    /// The limits of a listener for JSON.
    const TOO_COMPLEX: &str = "maximum number of strings";
    /// Raft's limit of an entry; the size that it names is another one.
    const TOO_LARGE: &str = "value being too large";
    /// Vault refuses `..` anywhere in a path.
    const RELATIVE: &str = "relative path";
    /// A token that the server cannot even parse.
    const UNPARSABLE_TOKEN: &str = "performing token check";
    /// How a policy's refusal begins.
    const POLICY: &str = "1 error occurred";
    /// No secrets engine is mounted at the path.
    const NO_ROUTE: &str = "no handler for route";
    const NO_NAMESPACE: &str = "namespace not found";
    /// The lease has ended, in the words of its renewal.
    const NO_LEASE: [&str; 3] = ["lease not found", "lease expired", "invalid lease"];
    const NOT_RENEWABLE: &str = "not renewable";
    /// OpenBao's whole message for an unknown token; a policy's refusal is a list.
    const BAD_TOKEN: &str = "permission denied";
    /// Vault's addition to that list.
    const INVALID_TOKEN: &str = "invalid token";
}

pub(crate) fn invalid_config(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

/// Whether the server refuses the token or what it asks for.
pub(crate) fn is_forbidden(response: &HttpResponse) -> bool {
    match response.status.as_u16() {
        403 => true,
        500 => has(response, Text::UNPARSABLE_TOKEN),
        _ => false,
    }
}

/// Whether the server knows the token, and a policy refuses what it asks for.
pub(crate) fn is_refused_by_policy(response: &HttpResponse) -> bool {
    response.status.as_u16() == 403
        && Errors::read(&response.body).is_some_and(|errors| {
            errors
                .errors
                .iter()
                .any(|text| text.starts_with(Text::POLICY))
                && !errors.has(Text::INVALID_TOKEN)
        })
}

fn has(response: &HttpResponse, text: &str) -> bool {
    Errors::read(&response.body).is_some_and(|errors| errors.has(text))
}

/// Whether a refusal looks like that of a bad token and not like that of a policy. It decides only what to request next,
/// never what to report.
pub(crate) fn suggests_bad_token(response: &HttpResponse) -> bool {
    Errors::read(&response.body).is_some_and(|errors| {
        errors.has(Text::INVALID_TOKEN)
            || errors.has(Text::UNPARSABLE_TOKEN)
            || errors.errors.iter().any(|text| text == Text::BAD_TOKEN)
    })
}

/// Whether the server says that nothing is mounted at the path.
pub(crate) fn is_without_mount(response: &HttpResponse) -> bool {
    response.status.as_u16() == 404
        && Errors::read(&response.body).is_some_and(|errors| errors.has(Text::NO_ROUTE))
}

/// Whether metadata is accepted only with the version that it replaces.
pub(crate) fn wants_metadata_condition(response: &HttpResponse) -> bool {
    response.status.as_u16() == 400 && has(response, Text::METADATA_CAS_REQUIRED)
}

/// Whether the server does not have the listing with metadata.
pub(crate) fn is_without_details(response: &HttpResponse) -> bool {
    match response.status.as_u16() {
        405 => true,
        404 => Errors::read(&response.body).is_none_or(|errors| !errors.is_empty()),
        _ => false,
    }
}

pub(crate) fn no_mount(mount: &str) -> Error {
    invalid_config(format!("the server has no mount `{mount}`"))
        .with_hint("set `mount` to where the secrets engine is mounted, and check `namespace`")
}

/// A refusal where the engine is unknown too.
pub(crate) fn denied_at(mount: &str, denied: Error) -> Error {
    denied.with_hint(format!(
        "the token is valid, but its policies do not allow this, or there is no mount `{mount}`"
    ))
}

/// The error for a status that is not a success.
pub(crate) fn from_response(
    response: &HttpResponse,
    purpose: Purpose,
    path: &str,
    now: SystemTime,
) -> Error {
    let status = response.status.as_u16();
    if let (400, true, Some(character)) = (status, response.body.is_empty(), unprintable(path)) {
        return Error::new(
            ErrorKind::InvalidName,
            format!(
                "vault accepts no name with the character U+{:04X}",
                u32::from(character)
            ),
        )
        .with_hint("only printable characters and the space are allowed");
    }
    let Some(errors) = Errors::read(&response.body) else {
        return not_vault(status);
    };
    let error = match (status, purpose) {
        (400, _) if errors.has(Text::UPGRADING) => Error::new(
            ErrorKind::Unavailable,
            "the mount is being upgraded to KV version 2",
        )
        .with_hint("try again in a moment"),
        (400, _) if errors.has(Text::RELATIVE) => Error::new(
            ErrorKind::InvalidName,
            "the server accepts no name that contains `..`",
        ),
        (400, Purpose::Metadata) if errors.has(Text::METADATA_CAS_MISMATCH) => {
            Error::of(ErrorKind::Conflict).with_hint("repeat the change")
        }
        (400, Purpose::Write { condition }) => write_refused(&errors, condition),
        (403, Purpose::Login) => Error::new(
            ErrorKind::Unauthenticated,
            "the server refuses the login",
        )
        .with_hint("a user is locked after too many failed logins, for 15 minutes by default; otherwise check role, user and credential"),
        (400 | 401, Purpose::Login) => Error::new(
            ErrorKind::Unauthenticated,
            "the server does not accept the login",
        )
        .with_hint(
            "check role, user and credential; get a new one if it is used up, expired or revoked",
        ),
        (404, Purpose::Login) => {
            invalid_config("the server does not have this auth method or user")
                .with_hint("check the auth method's `mount`, and the namespace")
        }
        (400, Purpose::Lease) if Text::NO_LEASE.iter().any(|text| errors.has(text)) => {
            Error::new(ErrorKind::NotFound, "the lease has ended")
                .with_hint("read the secret again to get a new one")
        }
        (400, Purpose::Lease) if errors.has(Text::NOT_RENEWABLE) => {
            Error::new(ErrorKind::Unsupported, "the lease cannot be renewed")
                .with_hint("read the secret again before it ends")
        }
        (400, Purpose::Lease) => Error::new(
            ErrorKind::Unavailable,
            "the server cannot change the lease now",
        )
        .with_hint("see its log; the system that the secret is for may not answer"),
        (403, Purpose::Lease) => Error::new(
            ErrorKind::PermissionDenied,
            "the token's policies do not allow this for a lease",
        )
        .with_hint("allow `update` on `sys/leases/renew` and `sys/leases/revoke`"),
        (400, _) => invalid_config("the server refuses the request")
            .with_hint("check mount, name and engine; see the server's log"),
        (401, _) => Error::of(ErrorKind::Unauthenticated).with_hint("check the token"),
        (403, _) => Error::new(ErrorKind::PermissionDenied, "permission denied")
            .with_hint("the token is valid, but its policies do not allow this"),
        (404, _) if errors.has(Text::NO_NAMESPACE) => {
            invalid_config("the server does not have this namespace").with_hint("check `namespace`")
        }
        (404, Purpose::Read) if errors.is_empty() => Error::of(ErrorKind::NotFound),
        (404, _) => invalid_config("the server has nothing at this path")
            .with_hint("check `mount` and the namespace"),
        (405, _) => Error::new(ErrorKind::Unsupported, "the engine does not support this")
            .with_hint("check which engine is mounted, and `engine` in the configuration"),
        (412, _) => behind(),
        (413, _) => Error::new(
            ErrorKind::InvalidValue,
            "the server refuses the value as too large",
        )
        .with_hint("its limits are `max_entry_size` and `max_request_size`"),
        // A standby behind the index of a write. A quota says what it is.
        (429, _) if errors.is_empty() => behind(),
        (429, _) => Error::of(ErrorKind::RateLimited)
            .with_hint("a rate limit quota of the server is exhausted; send fewer requests"),
        (472..=474, _) => standby(),
        (501, _) => Error::new(ErrorKind::Unavailable, "vault is not initialised")
            .with_hint("initialise it with `vault operator init` or `bao operator init`"),
        (503, _) if errors.has(Text::NAMESPACE_LOCKED) => {
            Error::new(ErrorKind::Unavailable, "the namespace is locked")
                .with_hint("an administrator unlocks it with `bao namespace unlock`")
        }
        (503, _) if errors.has(Text::NAMESPACE_SEALED) => {
            Error::new(ErrorKind::Unavailable, "the namespace is sealed")
                .with_hint("unseal it with `bao namespace unseal`")
        }
        (500, _) if errors.has(Text::UNPARSABLE_TOKEN) => {
            Error::of(ErrorKind::Unauthenticated).with_hint("check the token")
        }
        (500, _) if errors.has(Text::TOO_LARGE) => {
            Error::new(ErrorKind::InvalidValue, "the server refuses the value as too large")
                .with_hint("its limit is `max_entry_size` of the raft storage, 1 MiB by default")
        }
        (503, _) if errors.has(Text::SEALED) => {
            Error::new(ErrorKind::Unavailable, "vault is sealed")
                .with_hint("unseal it with `vault operator unseal` or `bao operator unseal`")
        }
        (500..=599, _) => Error::new(
            ErrorKind::Unavailable,
            format!("the server failed with status {status}"),
        )
        .with_hint("see the server's log"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("unexpected status {status} from the server"),
        )
        .with_hint("check that the address is that of Vault or OpenBao"),
    };
    match retry_after(&response.headers, now) {
        Some(wait) if error.is_retryable() => error.with_retry_after(wait),
        _ => error,
    }
}

/// A standby that lags behind a write, and may not forward the request.
fn behind() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server has not caught up with the last write",
    )
    .with_hint("try again in a moment")
}

/// A node that is not active and does not reach the active one.
pub(crate) fn standby() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server is a standby that does not answer requests",
    )
    .with_hint(
        "the cluster may have no active node now; otherwise set the address to the active node's",
    )
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
        return invalid_config("the mount accepts only writes that name the version they replace")
            .with_hint("write with create or if-version, or turn `cas_required` off");
    }
    if errors.has(Text::TOO_COMPLEX) {
        return Error::new(
            ErrorKind::InvalidValue,
            format!("the server accepts at most {MAX_STRINGS} strings in one request, keys and values together"),
        )
        .with_hint("split the secret, or raise `max_request_json_strings` of the listener");
    }
    Error::new(ErrorKind::InvalidValue, "the server refuses the value")
        .with_hint("see its log; JSON with numbers beyond 64-bit floating point is one reason")
}

/// Load balancers and other servers send bodies that are not Vault's.
fn not_vault(status: u16) -> Error {
    match status {
        429 => Error::of(ErrorKind::RateLimited),
        502..=504 => Error::new(
            ErrorKind::Unavailable,
            format!("a gateway in front of the server returned status {status}"),
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
            .with_hint("its value is gone for good; read another version")
    } else {
        Error::of(ErrorKind::Deleted).with_hint("restore it, or read another version")
    }
}

pub(crate) fn unknown_engine(mount: &str, cause: &Error) -> Error {
    Error::new(
        cause.kind(),
        format!(
            "cannot detect the engine mounted at `{mount}`: {}",
            cause.message()
        ),
    )
    .with_hint("check `mount`, or set `engine` to `kv-v2`, `kv-v1` or `generic`")
}

pub(crate) fn bad_time() -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        "the answer holds an invalid time",
    )
}

/// An answer without data. `is_wrapped`: it holds a wrapping token in place of the data.
pub(crate) fn no_data(is_wrapped: bool) -> Error {
    if is_wrapped {
        return Error::new(
            ErrorKind::PermissionDenied,
            "the answer is wrapped: a control group must authorise the request",
        )
        .with_hint("an application needs a policy without `control_group`; a proxy that adds X-Vault-Wrap-TTL has the same effect");
    }
    Error::new(ErrorKind::InvalidResponse, "the answer holds no data").with_hint(
        "check the address; a policy with a `control_group` that has no `ttl` answers so too",
    )
}

/// A folder with more keys than an answer may hold.
pub(crate) fn oversize() -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        "the listing is larger than the largest accepted answer",
    )
    .with_hint("list a prefix that is a folder with fewer secrets")
}

pub(crate) fn no_versions() -> Error {
    Error::new(ErrorKind::Unsupported, "this mount keeps no versions")
        .with_hint("omit the version, or use a mount of KV version 2")
}

pub(crate) fn folder_as_mount(given: &str, mount: &str) -> Error {
    invalid_config(format!("`{given}` is a folder of the mount `{mount}`"))
        .with_hint("set `mount` to the mount alone, and begin the names with the folder")
}

pub(crate) fn foreign_page_token() -> Error {
    invalid_config("the page token is from another listing").with_hint("start the listing again")
}

pub(crate) fn not_wrapped(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        format!("the answer to the login holds no {what}"),
    )
    .with_hint(format!("check that the wrapping token wraps a {what}"))
}
