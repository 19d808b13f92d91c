//! The table of crates and modules in `ARCHITECTURE.md`.

use std::fmt::Write as _;

use super::{Role, children, role};
use crate::shell::Result;
use crate::workspace::Package;

/// A row for each published crate: folder, description, modules.
pub(super) fn table(packages: &[Package]) -> Result<String> {
    let mut text = "| folder | description | modules |\n|---|---|---|\n".to_owned();
    let mut crates: Vec<&Package> = packages
        .iter()
        .filter(|package| role(package) != Role::Outside)
        .collect();
    crates.sort_by_key(|package| (role(package), package.short_name()));
    for package in crates {
        let mut modules = Vec::new();
        for child in children(&package.folder().join("src"))? {
            let stem = child.file_stem().unwrap_or_default().to_string_lossy();
            if !["lib", "main", "tests", "bin"].contains(&stem.as_ref()) {
                modules.push(format!("`{stem}`"));
            }
        }
        modules.dedup();
        let _ = writeln!(
            text,
            "| `crates/{}` | {} | {} |",
            package.short_name(),
            package.description.as_deref().unwrap_or_default(),
            modules.join(" ")
        );
    }
    Ok(text)
}
