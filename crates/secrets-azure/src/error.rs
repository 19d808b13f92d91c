//! The one place where what Key Vault, Entra and metadata services answer becomes errors of ours: by status and code,
//! never by text. Their own words are not passed on: they may quote what was sent.

use std::time::SystemTime;

use secrets_core::{Error, ErrorKind, Version};
use secrets_provider::{HttpResponse, retry_after};

use crate::client::http::carried_error;
use crate::wire::{LoginError, VaultError};

/// What was asked for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Something that can be missing.
    Read,
    /// A new version.
    Write,
    /// That a deleted secret goes for good.
    Purge,
    /// Anything else.
    Other,
}

/// What a secret is in the middle of, which holds up a write for some seconds.
const BEING_DELETED: &str = "the secret is being deleted";
const BEING_RESTORED: &str = "the secret is being restored";

/// Whether a write meets a secret in the middle of something that ends by itself.
pub(crate) fn is_passing(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
        && [BEING_DELETED, BEING_RESTORED].contains(&error.message())
}

/// The error for an answer of the vault that is not a success.
pub(crate) fn from_vault(response: &HttpResponse, asked: Asked, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let error = match VaultError::read(&response.body) {
        Some(error) => of_code(status, error.code(), asked),
        None => not_vault(status),
    };
    with_wait(error, response, now)
}

fn of_code(status: u16, code: &str, asked: Asked) -> Error {
    let denied = |message: &'static str, hint: &'static str| {
        Error::new(ErrorKind::PermissionDenied, message).with_hint(hint)
    };
    match (status, code) {
        (400, _) if asked == Asked::Write => {
            Error::new(ErrorKind::InvalidValue, "key vault refuses the value or its tags")
                .with_hint("a value has at most 25 KB, a secret at most 15 tags of 512 characters")
        }
        (400, _) => Error::invalid_config("key vault does not understand the request")
            .with_hint("check the name, the version and `vault_url`"),
        (401, _) => Error::new(
            ErrorKind::Unauthenticated,
            "key vault does not accept the token",
        )
        .with_hint("check that the credential is of the vault's own tenant and cloud, and this machine's clock"),
        (403, "SecretDisabled") => Error::from(ErrorKind::Disabled)
            .with_hint("enable the version again, or read another one"),
        (403, "ForbiddenByFirewall") => denied(
            "the vault's firewall does not let this machine in",
            "allow this address or network in the vault's networking settings",
        ),
        (403, "ForbiddenByConnection") => denied(
            "the vault does not take connections from here",
            "it takes them only through its private endpoint",
        ),
        (403, "ForbiddenByRbac") => denied(
            "permission denied",
            "assign a role such as Key Vault Secrets User or Officer; a new assignment takes some minutes",
        ),
        (403, "AccessDenied" | "ForbiddenByPolicy") => denied(
            "permission denied",
            "the vault's access policy for this identity lacks the permission",
        ),
        (403, _) if asked == Asked::Purge => denied(
            "the secret may not be purged",
            "the identity lacks the permission to purge, or the vault has purge protection",
        ),
        (403, _) => denied(
            "permission denied",
            "check the identity's roles or access policy, and the vault's firewall",
        ),
        (404, _) => Error::from(ErrorKind::NotFound),
        (409, "ObjectIsDeletedButRecoverable") => Error::from(ErrorKind::Deleted)
            .with_hint("restore it or purge it first: its name stays taken until then"),
        (409, "ObjectIsBeingDeleted") if asked == Asked::Write => {
            // After a purge the name is free then, after a delete it stays taken.
            Error::new(ErrorKind::Unavailable, BEING_DELETED).with_hint("try again in a moment")
        }
        (409, "ObjectIsBeingDeleted") => Error::new(ErrorKind::Deleted, BEING_DELETED)
            .with_hint("restore it or purge it once that is done"),
        (409, "ObjectIsBeingRecovered") => Error::new(ErrorKind::Unavailable, BEING_RESTORED)
            .with_hint("try again in a moment"),
        (409, _) => Error::from(ErrorKind::Conflict)
            .with_hint("another change of the secret, or of a deleted one of its name, is in the way"),
        (413, _) => Error::new(ErrorKind::InvalidValue, "key vault finds the value too large")
            .with_hint("a value has at most 25 KB"),
        (429, _) => Error::from(ErrorKind::RateLimited)
            .with_hint("the vault takes 4,000 reads in 10 seconds; ask more slowly or use the cache"),
        (500..=599, _) => Error::new(
            ErrorKind::Unavailable,
            format!("key vault answers with an error of its own, status {status}"),
        )
        .with_hint("try again; see the status page of Azure if it lasts"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("key vault answers with the unexpected status {status}"),
        )
        .with_hint("check `vault_url`"),
    }
}

/// Statuses of proxies and of other servers come with bodies that are not the service's.
fn not_vault(status: u16) -> Error {
    match status {
        401 => Error::new(
            ErrorKind::Unauthenticated,
            "key vault does not accept the token",
        )
        .with_hint("check that the credential is of the vault's own tenant and cloud"),
        429 => Error::from(ErrorKind::RateLimited).with_hint("ask more slowly, or use the cache"),
        408 | 500..=599 => Error::new(
            ErrorKind::Unavailable,
            format!("the vault or a gateway in front of it answers with status {status}"),
        )
        .with_hint("try again; see the status page of Azure if it lasts"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("status {status} with a body that is not key vault's"),
        )
        .with_hint("check `vault_url`, and whether a proxy answers instead"),
    }
}

/// The error for a login that Entra refuses.
pub(crate) fn from_login(response: &HttpResponse, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let refused = |hint: &'static str| {
        Error::new(ErrorKind::Unauthenticated, "the login is refused by azure").with_hint(hint)
    };
    let Some(error) = LoginError::read(&response.body) else {
        let error = match status {
            429 => Error::from(ErrorKind::RateLimited).with_hint("azure asks for fewer logins"),
            408 | 500..=599 => login_unavailable(status),
            _ => Error::new(
                ErrorKind::InvalidResponse,
                format!("status {status} with a body that is not that of a login"),
            )
            .with_hint("check `authority_host`"),
        };
        return with_wait(error, response, now);
    };
    let code = |code: i64| error.error_codes.contains(&code);
    let error = match (status, error.error.as_ref()) {
        (429, _) => Error::from(ErrorKind::RateLimited).with_hint("azure asks for fewer logins"),
        (408 | 500..=599, _) | (_, "temporarily_unavailable" | "server_error") => {
            login_unavailable(status)
        }
        _ if code(7_000_215) => refused(
            "the client secret is wrong; it is the secret's value that is wanted, not its id",
        ),
        _ if code(7_000_222) => refused("the client secret has expired; make a new one"),
        _ if code(700_016) => refused("the tenant has no application with this `client_id`"),
        _ if code(700_024) => refused(
            "the federated token has expired or is not valid yet; check what writes its file, and the clock",
        ),
        _ if code(70_021) || code(700_213) || code(700_211) || code(700_212) => refused(
            "no federated credential of the application matches the token's issuer, subject and audience",
        ),
        _ if code(90_002) || code(900_023) || code(900_021) => {
            Error::invalid_config("azure knows no such tenant")
                .with_hint("check `tenant_id`, and that `authority_host` is that of its cloud")
        }
        _ if code(500_011) => Error::invalid_config("the tenant does not know the resource")
            .with_hint("check `resource`; it looks like `https://vault.azure.net`"),
        (400..=403, _) => refused("check tenant, client id and credential"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the login answers with the unexpected status {status}"),
        )
        .with_hint("check `authority_host`"),
    };
    with_wait(error, response, now)
}

fn login_unavailable(status: u16) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("azure's login answers with an error of its own, status {status}"),
    )
    .with_hint("try again; see the status page of Azure if it lasts")
}

/// The error for a token that a metadata service does not give.
pub(crate) fn from_identity(response: &HttpResponse, now: SystemTime) -> Error {
    let status = response.status.as_u16();
    let error = match status {
        400 => Error::new(
            ErrorKind::Unauthenticated,
            "this machine has no such managed identity",
        )
        .with_hint("assign one to it, or check `managed_identity.client_id`"),
        401 | 403 => Error::new(
            ErrorKind::Unauthenticated,
            "the metadata service refuses to give a token",
        )
        .with_hint("check that a managed identity is switched on for this machine"),
        429 => Error::from(ErrorKind::RateLimited)
            .with_hint("the metadata service asks for fewer requests"),
        // The service answers 404 and 410 during an update.
        404 | 408 | 410 | 500..=599 => Error::new(
            ErrorKind::Unavailable,
            format!("the metadata service answers with status {status}"),
        )
        .with_hint("try again; it may be in an update of up to 70 seconds"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("the metadata service answers with the unexpected status {status}"),
        )
        .with_hint("check that this runs in Azure"),
    };
    with_wait(error, response, now)
}

fn with_wait(error: Error, response: &HttpResponse, now: SystemTime) -> Error {
    match retry_after(&response.headers, now) {
        Some(wait) if error.is_retryable() => error.with_retry_after(wait),
        _ => error,
    }
}

/// What the SDK reports: an error of ours that it carries, else one that tells only where it happened. Theirs is never
/// kept: it may hold a whole body.
pub(crate) fn from_sdk(failure: &azure_core::Error, doing: &'static str) -> Error {
    carried_error(failure).unwrap_or_else(|| match failure.http_status() {
        Some(status) if u16::from(status) == 401 => not_vault(401),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("{doing} gives an answer that is not understood"),
        )
        .with_hint("check `vault_url` and `authority_host`"),
    })
}

/// The resource in the vault's challenge is not that of its host: a token for it must not go there.
pub(crate) fn foreign_resource() -> Error {
    Error::invalid_config("the vault asks for a token of another service than its host belongs to")
        .with_hint(
            "check `vault_url`; for a host of your own, set `resource` to what its tokens are for",
        )
}

pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no version {:?} of the secret", version.as_str()),
    )
    .with_hint("versions are ids of 32 characters; see `secrets versions`")
}

pub(crate) fn deleted() -> Error {
    Error::from(ErrorKind::Deleted).with_hint("restore it, or purge it to use its name again")
}
