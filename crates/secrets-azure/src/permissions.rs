//! The least role that Azure has to assign.

use secrets_core::{LeastPrivilege, Location, Result, SecretName};

use crate::names;

/// The built-in role that reads values (Azure built-in roles, "Security").
const ROLE: &str = "Key Vault Secrets User";

/// The role assignments for reading these secrets, each on one secret alone.
pub(crate) fn for_names(location: &Location, names: &[SecretName]) -> Result<LeastPrivilege> {
    let names = names.iter().map(names::encode);
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    names.dedup();
    let vault = location.host().split('.').next().unwrap_or_default();
    let mut text = format!("vault=$(az keyvault show --name {vault} --query id --output tsv)\n");
    for name in names {
        text.push_str(&format!(
            "az role assignment create --assignee \"$ASSIGNEE\" --role \"{ROLE}\" --scope \"$vault/secrets/{name}\"\n"
        ));
    }
    let grants = LeastPrivilege::new("Azure role assignments", "sh", text)
        .with_note("ASSIGNEE is the client or object id of the identity; the vault has to use roles, not access policies");
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_has_an_assignment_of_its_own() {
        let location: Location = "azure-kv://contoso.vault.azure.net".parse().unwrap();
        let names = ["db/password", "token", "token"].map(|name| SecretName::new(name).unwrap());
        let grants = for_names(&location, &names).unwrap();
        assert_eq!(
            grants.text,
            "vault=$(az keyvault show --name contoso --query id --output tsv)\n\
             az role assignment create --assignee \"$ASSIGNEE\" --role \"Key Vault Secrets User\" --scope \"$vault/secrets/token\"\n\
             az role assignment create --assignee \"$ASSIGNEE\" --role \"Key Vault Secrets User\" --scope \"$vault/secrets/x--db-spassword\"\n"
        );
    }
}
