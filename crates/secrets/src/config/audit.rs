//! Reads `[audit]`.

use secrets_core::{AmbientCredentials, Result, SecretRef};

use super::describe::Origins;
use super::fields::{Fields, text};
use super::keys::AUDIT;
use crate::layers::{AuditConfig, FsyncMode, Hits, OnFailure};

/// `[audit]`, unless it is not there or switched off.
pub(super) fn audit(
    root: &Fields<'_>,
    trust: &AmbientCredentials,
    origins: &mut Origins,
) -> Result<Option<AuditConfig>> {
    let Some(node) = root.child("audit") else {
        return Ok(None);
    };
    let fields = Fields::new(node, "audit", AUDIT);
    let mut audit = AuditConfig::default();
    for (key, place) in [("path", &mut audit.path), ("key_file", &mut audit.key_file)] {
        if let Some((path, node)) = fields.text(key, origins)? {
            if path.is_empty() {
                return Err(node.error("expected the path of a file"));
            }
            if *trust != AmbientCredentials::Allowed && leaves_folder(&path) {
                return Err(node
                    .error("this file is not trusted, and the audit log would lie outside of its folder")
                    .with_hint("read the file, then approve it with `secrets trust`"));
            }
            *place = Some(path.as_str().into());
        }
    }
    if let Some(trace) = fields.flag("trace", origins)? {
        audit.trace = trace;
    }
    if let Some(node) = fields.noted("key", origins) {
        let reference: SecretRef = text(node)?.parse().map_err(|error: secrets_core::Error| {
            node.error(error.message().to_owned())
                .with_hint("the key is a secret of its own: `key = \"local://audit-key\"`")
        })?;
        if reference.default().is_some() {
            return Err(node
                .error("the key of the audit log has no default")
                .with_hint("make the key with `secrets audit init`"));
        }
        audit.key = Some(reference);
    }
    if let Some(on_failure) = fields.word("on_failure", origins, OnFailure::from_name)? {
        audit.on_failure = on_failure;
    }
    if let Some(sync) = fields.word("sync", origins, FsyncMode::from_name)? {
        audit.sync = sync;
    }
    if let Some(hits) = fields.word("hits", origins, Hits::from_name)? {
        audit.hits = hits;
    }
    if let Some(queue) = fields.count("queue", origins)? {
        audit.queue = queue as usize;
    }
    if let Some(deadline) = fields.limit("deadline", origins)? {
        audit.deadline = deadline;
    }
    if let Some(bytes) = fields.count("max_bytes", origins)? {
        audit.max_bytes = bytes.into();
    }
    audit.max_age = fields.limit("max_age", origins)?;
    if let Some(reopen) = fields.flag("reopen_on_hangup", origins)? {
        audit.reopen_on_hangup = reopen;
    }
    if let Some(conflict) = audit.conflict() {
        let at = fields.child(conflict.setting).unwrap_or(node);
        return Err(at.error(conflict.message).with_hint(conflict.hint));
    }
    Ok(fields
        .flag("enabled", origins)?
        .unwrap_or(true)
        .then_some(audit))
}

fn leaves_folder(path: &str) -> bool {
    path.starts_with(['/', '~', '\\']) || path.split(['/', '\\']).any(|part| part == "..")
}
