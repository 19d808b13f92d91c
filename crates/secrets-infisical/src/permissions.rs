//! The least privilege of an identity.

use std::collections::{BTreeMap, BTreeSet};

use secrets_core::{LeastPrivilege, Result, SecretName};
use serde_json::{Value, json};

use crate::names::Root;

/// The additional privilege of a machine identity for reading these secrets, as the server's API takes it
/// (`POST /api/v2/identity-project-additional-privilege`).
pub(crate) fn for_names(
    root: &Root,
    project: &str,
    environment: &str,
    names: &[SecretName],
) -> Result<LeastPrivilege> {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in names {
        let place = root.place(name)?;
        folders.entry(place.folder).or_default().insert(place.key);
    }
    let permissions: Vec<Value> = folders
        .into_iter()
        .map(|(folder, keys)| {
            json!({
                "subject": "secrets",
                // A listing of a folder asks for the first, a value for the second.
                "action": ["describeSecret", "readValue"],
                "conditions": {
                    "environment": { "$eq": environment },
                    "secretPath": { "$eq": folder },
                    "secretName": { "$in": keys },
                },
            })
        })
        .collect();
    let privilege = json!({
        "identityId": "IDENTITY_ID",
        "projectId": project,
        "slug": "polysecrets-read",
        "type": { "isTemporary": false },
        "permissions": permissions,
    });
    let grants = LeastPrivilege::new("Infisical identity privilege", "json", format!("{privilege:#}\n"))
        .with_note("IDENTITY_ID is the machine identity, which needs a role of the project that allows nothing more (`no-access`)")
        .with_note("`permissions` is also what a project role takes; folders that import need read on secret-folders and secret-imports");
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_folder_by_folder() {
        let root = Root::new("/team").unwrap();
        let names = ["db/user", "db/password", "TOKEN", "TOKEN"];
        let names = names.map(|name| SecretName::new(name).unwrap());
        let grants = for_names(&root, "p-1", "prod", &names).unwrap();
        let parsed: Value = serde_json::from_str(&grants.text).unwrap();
        assert_eq!(parsed["projectId"], "p-1");
        let permissions = parsed["permissions"].as_array().unwrap();
        assert_eq!(permissions.len(), 2);
        assert_eq!(
            permissions[0]["conditions"],
            json!({
                "environment": { "$eq": "prod" },
                "secretPath": { "$eq": "/team" },
                "secretName": { "$in": ["TOKEN"] },
            })
        );
        assert_eq!(
            permissions[1]["conditions"]["secretName"]["$in"],
            json!(["password", "user"])
        );
    }
}
