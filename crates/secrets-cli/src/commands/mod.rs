//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod ci_mask;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod delete;
pub(crate) mod demo;
mod explain;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod mask;
#[cfg(feature = "policy")]
pub(crate) mod policy;
#[cfg(feature = "policy")]
mod policy_generate;
pub(crate) mod render;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod set;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod store;
mod store_merge;
pub(crate) mod trust;
pub(crate) mod values;
pub(crate) mod versions;

use secrets::{SecretRef, Secrets};

use crate::failure::{Failure, Outcome};

/// Refuses to change a secret through the declared name of one of its fields, which would change all of them.
fn refuse_field(secrets: &Secrets, reference: &SecretRef) -> Outcome<()> {
    if reference.provider().is_some() {
        return Ok(());
    }
    let name = reference.name().as_str();
    let declared = secrets.declared().iter().find(|one| one.name == name);
    match declared.map(|one| (&one.reference, one.reference.field())) {
        Some((whole, Some(field))) => Err(Failure::input(format!(
            "{name}: only the field {field} of {}",
            whole.name()
        ))
        .with_hint(format!("name the whole secret: {}", whole.name()))),
        _ => Ok(()),
    }
}
