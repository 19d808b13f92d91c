use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrets_core::{Grants, Result, SecretName};

use crate::router::Router;

/// What has to be allowed at the vendor of one provider, so that a project can read its secrets and nothing else.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderGrants {
    /// The provider.
    pub provider: Arc<str>,
    /// Its kind.
    pub scheme: String,
    /// The secrets that it is asked for.
    pub names: Vec<SecretName>,
    /// What has to be allowed; `None` for a store where nothing is granted; an error of a provider that cannot be opened.
    pub grants: Result<Option<Grants>>,
}

/// Asks the providers that these secrets lead to, those of a chain all; of one kind alone if that is given.
pub(crate) async fn of(
    router: &Router,
    asked: impl IntoIterator<Item = (Option<Arc<str>>, SecretName)>,
    scheme: Option<&str>,
) -> Result<Vec<ProviderGrants>> {
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
        let grants = router.grants(&provider, &names).await;
        all.push(ProviderGrants {
            provider,
            scheme: own,
            names,
            grants,
        });
    }
    Ok(all)
}
