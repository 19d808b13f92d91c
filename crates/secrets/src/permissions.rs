use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrets_core::{LeastPrivilege, Result, SecretName};

use crate::router::Router;

/// The rights that a project needs at one provider's vendor to read its secrets, and no more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderPermissions {
    /// The provider.
    pub provider: Arc<str>,
    /// Its kind.
    pub scheme: String,
    /// The secrets that it is asked for.
    pub names: Vec<SecretName>,
    /// The least privilege; `None` for a store without an access policy of its own; the error of a provider that cannot be
    /// opened.
    pub permissions: Result<Option<LeastPrivilege>>,
}

/// Asks the providers that these secrets lead to, those of a chain all; of one kind alone if that is given.
pub(crate) async fn least_privilege(
    router: &Router,
    asked: impl IntoIterator<Item = (Option<Arc<str>>, SecretName)>,
    scheme: Option<&str>,
) -> Result<Vec<ProviderPermissions>> {
    let mut providers: BTreeMap<Arc<str>, BTreeSet<SecretName>> = BTreeMap::new();
    for (target, name) in asked {
        for member in router.members(target.as_deref())? {
            providers.entry(member).or_default().insert(name.clone());
        }
    }
    let mut all = Vec::with_capacity(providers.len());
    for (provider, names) in providers {
        let own = router.scheme(&provider)?.to_owned();
        if scheme.is_some_and(|scheme| scheme != own) {
            continue;
        }
        let names: Vec<SecretName> = names.into_iter().collect();
        let permissions = router.least_privilege(&provider, &names).await;
        all.push(ProviderPermissions {
            provider,
            scheme: own,
            names,
            permissions,
        });
    }
    Ok(all)
}
