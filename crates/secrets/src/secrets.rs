use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt, TryStreamExt};
use secrets_core::{
    Answer, Call, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, Health,
    HealthStatus, ListOptions, Metadata, Operation, Origin, Page, PageToken, ProviderInfo,
    PutOptions, Reply, Request, Response, Result, RollbackOptions, Secret, SecretName, SecretRef,
    SecretValue, ToSecretRef, Version, VersionsOptions,
};
use tower::ServiceExt;

use crate::builder::SecretsBuilder;
use crate::config::{Config, DeclaredSecret, LoadOptions};
#[cfg(feature = "audit")]
use crate::layers::AuditLayer;
#[cfg(feature = "policy")]
use crate::layers::Policy;
#[cfg(feature = "cache")]
use crate::layers::{Cache, CacheHit, CachedRead};
use crate::leases::{CloseOptions, LeasesAtClose};
use crate::permissions::{self, ProviderPermissions};
use crate::plan::ReadPlan;
use crate::router::{Router, into_answer};
use crate::stack::{Outer, StackOptions};
use crate::stats::Stats;

/// The handle: typed methods over the stacks. Cheap to clone; all clones share providers and layers.
///
/// A reference is [what tells a secret](ToSecretRef): a [`SecretRef`], a [`SecretName`], or a text such as `"db/password"` or `"main://db/primary#password"`. One
/// without a provider whose name is declared in the configuration means the declared secret; else it means that name in
/// the default provider or chain.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use polysecrets::Secrets;
///
/// let secrets = Secrets::builder().default_provider("memory").build()?;
/// secrets.put("db/password", "hunter2".into()).await?;
/// assert_eq!(secrets.get("db/password").await?.expose_str()?, "hunter2");
/// # Ok::<(), polysecrets::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Secrets {
    shared: Arc<Shared>,
    target: Option<Arc<str>>,
    reason: Option<Arc<str>>,
}

struct Shared {
    outer: Outer,
    router: Router,
    config: Config,
    declared: HashMap<String, usize>,
    #[cfg_attr(
        not(any(feature = "audit", feature = "cache", feature = "policy")),
        expect(dead_code, reason = "there is none to look at")
    )]
    handles: LayerHandles,
}

/// The layers that a handle gives a look at.
pub(crate) struct LayerHandles {
    #[cfg(feature = "cache")]
    cache: Option<Cache>,
    #[cfg(feature = "audit")]
    audit: Option<AuditLayer>,
    #[cfg(feature = "policy")]
    policy: Option<Policy>,
}

impl LayerHandles {
    #[cfg_attr(
        not(any(feature = "audit", feature = "cache", feature = "policy")),
        expect(unused_variables, reason = "there is none to look at")
    )]
    pub(crate) fn new(options: &StackOptions) -> Self {
        Self {
            #[cfg(feature = "cache")]
            cache: options.cache.as_ref().map(|layer| layer.cache().clone()),
            #[cfg(feature = "audit")]
            audit: options.audit.clone(),
            #[cfg(feature = "policy")]
            policy: options.policy.as_ref().map(|layer| layer.policy().clone()),
        }
    }
}

/// A secret that is fetched once: of whom, which, and which version of it.
type Wanted<'a> = (Option<&'a Arc<str>>, &'a SecretName, Option<&'a Version>);

/// A provider or chain, and what it is asked for.
type Group = (Option<Arc<str>>, Vec<GetItem>);

/// What a reference comes to: whom to ask, for what, and what to make of the answer.
struct Resolved {
    target: Option<Arc<str>>,
    name: SecretName,
    version: Option<Version>,
    field: Option<String>,
    default: Option<String>,
}

impl Secrets {
    pub(crate) fn new(outer: Outer, router: Router, config: Config, handles: LayerHandles) -> Self {
        let declared = config.secrets.iter().enumerate();
        let declared = declared.map(|(at, one)| (one.name.clone(), at)).collect();
        Self {
            shared: Arc::new(Shared {
                outer,
                router,
                config,
                declared,
                handles,
            }),
            target: None,
            reason: None,
        }
    }

    /// Starts to build a handle in code.
    pub fn builder() -> SecretsBuilder {
        SecretsBuilder::default()
    }

    /// A handle for the configuration in this file, with the environment of the process.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], located in the file.
    pub async fn from_config(path: impl AsRef<Path>) -> Result<Self> {
        let mut options = LoadOptions::from_process();
        options.file = Some(path.as_ref().to_owned());
        let secrets = Self::from_options(&options)?;
        secrets.preload().await?;
        Ok(secrets)
    }

    /// A handle for the configuration that the environment names or that is found from the working directory upwards.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], located in the file.
    pub async fn from_env() -> Result<Self> {
        let secrets = Self::from_options(&LoadOptions::from_process())?;
        secrets.preload().await?;
        Ok(secrets)
    }

    /// Reads the declared secrets that the configuration wants at the start, in one go, so that a program which lacks one
    /// ends there and not in the middle of its work. [`from_config`](Self::from_config) and [`from_env`](Self::from_env)
    /// do it.
    ///
    /// # Errors
    /// The first secret that is required and cannot be read.
    pub async fn preload(&self) -> Result<()> {
        let preload: HashSet<&String> = self.config().preload.iter().collect();
        let wanted = self.declared().iter();
        let wanted: Vec<&DeclaredSecret> =
            wanted.filter(|one| preload.contains(&one.name)).collect();
        let answers = self.read_declared(&wanted).await;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// A handle for what these options lead to; nothing is read yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], located in the file.
    pub fn from_options(options: &LoadOptions) -> Result<Self> {
        Self::builder()
            .config(Config::load(options)?)
            .environment(options.environment.clone())
            .build()
    }

    /// The configuration behind this handle.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The secrets that the configuration declares.
    pub fn declared(&self) -> &[DeclaredSecret] {
        &self.shared.config.secrets
    }

    /// The same handle with another default provider or chain. Declared secrets keep the provider they name.
    pub fn with_provider(&self, name: impl Into<Arc<str>>) -> Self {
        Self {
            shared: self.shared.clone(),
            target: Some(name.into()),
            reason: self.reason.clone(),
        }
    }

    /// The same handle for uses that have this reason, which the audit records.
    pub fn with_reason(&self, reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self.clone()
        }
    }

    /// Reads a secret: its value, or the field that the reference names. The reference's default stands in for a secret
    /// that is missing.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the name if there is none; else what the provider or a layer says.
    pub async fn get(&self, reference: impl ToSecretRef) -> Result<SecretValue> {
        let reference = reference.to_secret_ref()?;
        #[cfg(feature = "cache")]
        if let Some(value) = self.try_cached(&reference).and_then(CacheHit::into_value) {
            return Ok(value);
        }
        Ok(self.ask(&reference).await?.secret.value)
    }

    /// What the cache has, where all layers around it agree at once. A part of a value has to be taken out of it first.
    #[cfg(feature = "cache")]
    fn try_cached(&self, reference: &SecretRef) -> Option<CacheHit> {
        let stack = self.shared.outer.try_cached.as_ref()?;
        let base = match reference.provider() {
            None if !self.shared.declared.is_empty() => self.base(reference),
            _ => reference,
        };
        if reference.field().or(base.field()).is_some() {
            return None;
        }
        stack.try_cached(CachedRead {
            target: base.provider().or(self.target.as_deref()),
            name: base.name(),
            version: reference.version().or(base.version()),
            reason: self.reason.as_ref(),
        })
    }

    /// Reads a secret with its metadata and where it came from. Otherwise as [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with_origin(&self, reference: impl ToSecretRef) -> Result<Answer> {
        let reference = reference.to_secret_ref()?;
        #[cfg(feature = "cache")]
        if let Some(answer) = self.try_cached(&reference).and_then(|hit| hit.to_answer()) {
            return Ok(answer);
        }
        self.ask(&reference).await
    }

    /// The same through the stack.
    async fn ask(&self, reference: &SecretRef) -> Result<Answer> {
        let resolved = self.resolve(reference);
        let options = GetOptions::default().with_version(resolved.version.clone());
        let call = Call::Get {
            name: resolved.name.clone(),
            options,
        };
        let answer = self
            .call(resolved.target.clone(), call)
            .await
            .and_then(into_answer);
        resolved.finish(answer)
    }

    /// Reads a secret that may be missing. Only a missing secret or field is `None`; every other error stays one.
    ///
    /// # Errors
    /// As [`get`](Self::get), without [`ErrorKind::NotFound`].
    pub async fn get_optional(&self, reference: impl ToSecretRef) -> Result<Option<SecretValue>> {
        optional(self.get(reference).await)
    }

    /// Reads a secret, or takes this value if it is missing.
    ///
    /// # Errors
    /// As [`get_optional`](Self::get_optional).
    pub async fn get_or(
        &self,
        reference: impl ToSecretRef,
        default: impl Into<SecretValue>,
    ) -> Result<SecretValue> {
        Ok(self
            .get_optional(reference)
            .await?
            .unwrap_or_else(|| default.into()))
    }

    /// Whether a secret is there and can be read.
    ///
    /// # Errors
    /// As [`get_optional`](Self::get_optional).
    pub async fn exists(&self, reference: impl ToSecretRef) -> Result<bool> {
        Ok(self.get_optional(reference).await?.is_some())
    }

    /// Reads many secrets: one result a reference, in the order asked. Each secret is fetched once, however many
    /// references or fields of it are asked for; the providers are asked side by side.
    pub async fn get_many(&self, references: &[SecretRef]) -> Vec<Result<Answer>> {
        let resolved: Vec<Resolved> = references
            .iter()
            .map(|reference| self.resolve(reference))
            .collect();
        let (groups, wanted) = grouped(&resolved);
        let fetches = groups
            .into_iter()
            .map(|(target, items)| self.fetch(target, items));
        let fetched: Vec<Vec<Result<Answer>>> = futures_util::future::join_all(fetches).await;
        let finish = |(one, (group, item)): (&Resolved, (usize, usize))| {
            one.finish(fetched[group][item].clone())
        };
        resolved.iter().zip(wanted).map(finish).collect()
    }

    /// How [`get_many`](Self::get_many) would read these references: who is asked, and in which calls. Nothing is read, but
    /// the providers are opened, and what their own settings refer to is fetched for that.
    ///
    /// # Errors
    /// A provider that cannot be opened, unless the chain goes on without it.
    pub async fn plan(&self, references: &[SecretRef]) -> Result<ReadPlan> {
        let resolved: Vec<Resolved> = references
            .iter()
            .map(|reference| self.resolve(reference))
            .collect();
        let (groups, wanted) = grouped(&resolved);
        let mut askers: Vec<Vec<Vec<usize>>> = groups
            .iter()
            .map(|(_, items)| vec![Vec::new(); items.len()])
            .collect();
        for (asker, (group, item)) in wanted.into_iter().enumerate() {
            askers[group][item].push(asker);
        }
        let mut plan = ReadPlan::default();
        for ((target, items), askers) in groups.iter().zip(&askers) {
            for mut read in self.shared.router.plan(target.as_deref(), items).await? {
                let asked = read.items.iter().flat_map(|item| &askers[*item]);
                read.items = asked.copied().collect();
                plan.reads.push(read);
            }
        }
        Ok(plan)
    }

    /// The rights that reading these references needs at each vendor, and no more; every member of a chain counts. With a
    /// scheme, only providers of that kind. Reads nothing, but opens the providers.
    ///
    /// # Errors
    /// A provider that does not exist. One that cannot be opened, or cannot hold a name, has its error beside it.
    pub async fn least_privilege(
        &self,
        references: &[SecretRef],
        scheme: Option<&str>,
    ) -> Result<Vec<ProviderPermissions>> {
        let resolved = references.iter().map(|reference| self.resolve(reference));
        let asked = resolved.map(|one| (one.target, one.name));
        permissions::least_privilege(&self.shared.router, asked, scheme).await
    }

    async fn fetch(&self, target: Option<Arc<str>>, items: Vec<GetItem>) -> Vec<Result<Answer>> {
        let count = items.len();
        let reply = self
            .call(target, Call::GetMany { items })
            .await
            .map(|response| response.reply);
        match reply {
            Ok(Reply::Secrets(answers)) if answers.len() == count => answers,
            Ok(_) => vec![Err(Reply::mismatch(Operation::GetMany)); count],
            Err(error) => vec![Err(error); count],
        }
    }

    /// Reads every secret of the default provider or chain whose name starts with this text.
    ///
    /// # Errors
    /// The first error of the listing or of a secret. A secret that vanishes in between is left out.
    pub async fn get_all(&self, prefix: &str) -> Result<BTreeMap<SecretName, SecretValue>> {
        let names: Vec<SecretName> = self
            .list(prefix)
            .map_ok(|metadata| metadata.name)
            .try_collect()
            .await?;
        let items = names
            .iter()
            .map(|name| GetItem::new(name.clone(), GetOptions::default()))
            .collect();
        let answers = self.fetch(self.target.clone(), items).await;
        let mut all = BTreeMap::new();
        for (name, answer) in names.into_iter().zip(answers) {
            if let Some(answer) = optional(answer)? {
                all.insert(name, answer.secret.value);
            }
        }
        Ok(all)
    }

    /// Reads every declared secret in one go: `None` where one that is not required is missing.
    pub async fn get_declared(&self) -> Vec<(DeclaredSecret, Result<Option<Answer>>)> {
        let declared: Vec<&DeclaredSecret> = self.declared().iter().collect();
        let answers = self.read_declared(&declared).await;
        declared.into_iter().cloned().zip(answers).collect()
    }

    async fn read_declared(&self, declared: &[&DeclaredSecret]) -> Vec<Result<Option<Answer>>> {
        let references: Vec<SecretRef> = declared.iter().map(|one| one.reference.clone()).collect();
        let answers = self.get_many(&references).await.into_iter();
        let reported = answers
            .zip(declared)
            .map(|(answer, one)| match one.required {
                true => answer.map(Some),
                false => optional(answer),
            });
        reported.collect()
    }

    /// Lists the secrets of the default provider or chain whose names start with this text: metadata, no values. Of two
    /// equal names in a chain the first counts.
    pub fn list(&self, prefix: &str) -> impl Stream<Item = Result<Metadata>> + Send + 'static {
        let (handle, prefix) = (self.clone(), prefix.to_owned());
        let mut seen = HashSet::new();
        pages(move |token| {
            let handle = handle.clone();
            let options = ListOptions::default()
                .with_prefix(prefix.clone())
                .with_page_token(token);
            async move {
                into_page(
                    handle
                        .call(handle.target.clone(), Call::List { options })
                        .await?,
                )
            }
        })
        .try_filter(move |metadata| std::future::ready(seen.insert(metadata.name.clone())))
    }

    /// Reads a secret's metadata without its value.
    ///
    /// # Errors
    /// What the provider or a layer says.
    pub async fn describe(&self, reference: impl ToSecretRef) -> Result<Metadata> {
        let reference = reference.to_secret_ref()?;
        let resolved = self.resolve(&reference);
        let options = DescribeOptions::default().with_version(resolved.version);
        into_metadata(
            self.call(
                resolved.target,
                Call::Describe {
                    name: resolved.name,
                    options,
                },
            )
            .await?,
        )
    }

    /// Writes a value: creates the secret, or adds a version to it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the reference has a version, a default or a field; else what the provider says.
    pub async fn put(&self, reference: impl ToSecretRef, value: SecretValue) -> Result<Metadata> {
        self.put_with(reference, value, PutOptions::default()).await
    }

    /// Writes a value under conditions, with tags or an end of validity.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_with(
        &self,
        reference: impl ToSecretRef,
        value: SecretValue,
        options: PutOptions,
    ) -> Result<Metadata> {
        let (target, name) = self.whole(reference, Operation::Put)?;
        into_metadata(
            self.call(
                target,
                Call::Put {
                    name,
                    value,
                    options,
                },
            )
            .await?,
        )
    }

    /// Deletes a secret, restorably where the provider can.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn delete(&self, reference: impl ToSecretRef) -> Result<()> {
        self.delete_with(reference, DeleteOptions::default()).await
    }

    /// Deletes a secret this thoroughly.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn delete_with(
        &self,
        reference: impl ToSecretRef,
        options: DeleteOptions,
    ) -> Result<()> {
        let (target, name) = self.whole(reference, Operation::Delete)?;
        self.call(target, Call::Delete { name, options })
            .await
            .map(drop)
    }

    /// Undoes a soft delete.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn restore(&self, reference: impl ToSecretRef) -> Result<()> {
        let (target, name) = self.whole(reference, Operation::Restore)?;
        self.call(target, Call::Restore { name }).await.map(drop)
    }

    /// Lists a secret's versions, newest first, without values.
    pub fn versions(
        &self,
        reference: impl ToSecretRef,
    ) -> impl Stream<Item = Result<Metadata>> + Send + 'static {
        let (handle, whole) = (self.clone(), self.whole(reference, Operation::Versions));
        pages(move |token| {
            let (handle, whole) = (handle.clone(), whole.clone());
            async move {
                let (target, name) = whole?;
                let options = VersionsOptions::default().with_page_token(token);
                into_page(
                    handle
                        .call(target, Call::Versions { name, options })
                        .await?,
                )
            }
        })
    }

    /// Makes the content of an earlier version current again; answers with the metadata of what is current now.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn rollback(&self, reference: impl ToSecretRef, to: Version) -> Result<Metadata> {
        let (target, name) = self.whole(reference, Operation::Rollback)?;
        let options = RollbackOptions::default();
        into_metadata(
            self.call(target, Call::Rollback { name, to, options })
                .await?,
        )
    }

    /// The health of every configured provider, by name. One that cannot even be opened is unavailable.
    pub async fn health(&self) -> Vec<(String, Health)> {
        let mut names: Vec<Arc<str>> = self
            .config()
            .providers
            .keys()
            .map(|name| name.as_str().into())
            .collect();
        for name in self.shared.router.opened() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let checks = names.into_iter().map(|name| async move {
            let health = self.health_of(&name).await;
            (
                name.to_string(),
                health.unwrap_or_else(|error| {
                    Health::new(HealthStatus::Unavailable, error.message().to_owned())
                }),
            )
        });
        futures_util::future::join_all(checks).await
    }

    /// The health of one provider or chain.
    ///
    /// # Errors
    /// If it cannot be opened or asked.
    pub async fn health_of(&self, name: &str) -> Result<Health> {
        match self.call(Some(name.into()), Call::Health).await?.reply {
            Reply::Health(health) => Ok(health),
            _ => Err(Reply::mismatch(Operation::Health)),
        }
    }

    /// What a provider is and can do. Opens it.
    ///
    /// # Errors
    /// If there is no such provider, or it cannot be opened.
    pub async fn info(&self, provider: &str) -> Result<ProviderInfo> {
        self.shared.router.info(provider).await
    }

    /// The providers behind the default: one, or the members of a chain in their order.
    ///
    /// # Errors
    /// If there is no default.
    pub fn default_providers(&self) -> Result<Vec<Arc<str>>> {
        self.shared.router.members(self.target.as_deref())
    }

    /// The environment variables that hold credentials of the providers which the default and the declared secrets lead
    /// to, and of any other that was opened: what a child process must not inherit. Opens them where that asks nobody.
    pub async fn credential_variables(&self) -> Vec<String> {
        let declared = self.declared().iter().map(|one| one.reference.provider());
        let mut targets: Vec<Option<&str>> = declared
            .map(|provider| provider.or(self.target.as_deref()))
            .chain([self.target.as_deref()])
            .collect();
        targets.sort_unstable();
        targets.dedup();
        self.shared.router.credential_variables(&targets).await
    }

    /// The cache of this handle, where one is configured: what it did, and how it is made to forget.
    #[cfg(feature = "cache")]
    pub fn cache(&self) -> Option<&Cache> {
        self.shared.handles.cache.as_ref()
    }

    /// The policy of this handle, where one is configured: what it decides, and how it is replaced.
    #[cfg(feature = "policy")]
    pub fn policy(&self) -> Option<&Policy> {
        self.shared.handles.policy.as_ref()
    }

    /// What this handle did since it was made: calls of each provider, and the cache.
    pub fn stats(&self) -> Stats {
        Stats {
            providers: self.shared.router.stats(),
            #[cfg(feature = "cache")]
            cache: self.cache().map(Cache::stats),
            #[cfg(not(feature = "cache"))]
            cache: None,
        }
    }

    /// Closes every provider that was opened: gives back leases, tokens and connections, wipes the cache, and tells the
    /// audit log what was only counted so far.
    ///
    /// # Errors
    /// The first error; the others are closed all the same.
    pub async fn close(&self) -> Result<()> {
        self.close_with(CloseOptions::default()).await
    }

    /// Closes the handle in the way that the options say. Leases are given back within half of the configured deadline.
    ///
    /// # Errors
    /// The first error; the others are closed all the same.
    pub async fn close_with(&self, options: CloseOptions) -> Result<()> {
        // No reader gets a value from memory that ends now.
        self.clear_cache();
        let given_back = match options.leases {
            LeasesAtClose::Revoke => self.give_back_leases().await,
            LeasesAtClose::Keep => Ok(()),
        };
        let closes = self
            .shared
            .router
            .opened()
            .into_iter()
            .map(|name| self.call(Some(name), Call::Close));
        let outcomes = futures_util::future::join_all(closes).await;
        self.clear_cache();
        #[cfg(feature = "audit")]
        let recorded = match self.audit() {
            Some(audit) => audit.flush().await,
            None => Ok(()),
        };
        #[cfg(not(feature = "audit"))]
        let recorded = Ok(());
        outcomes
            .into_iter()
            .try_for_each(|outcome| outcome.map(drop))
            .and(given_back)
            .and(recorded)
    }

    fn clear_cache(&self) {
        #[cfg(feature = "cache")]
        if let Some(cache) = self.cache() {
            cache.clear();
        }
    }

    #[cfg(feature = "audit")]
    pub(crate) fn audit_layer(&self) -> Option<&AuditLayer> {
        self.shared.handles.audit.as_ref()
    }

    pub(crate) fn router(&self) -> &Router {
        &self.shared.router
    }

    async fn call(&self, target: Option<Arc<str>>, call: Call) -> Result<Response> {
        let request = Request::new(call)
            .with_target(target)
            .with_reason(self.reason.clone());
        self.shared.outer.stack.clone().oneshot(request).await
    }

    /// What is declared under the name of this reference, else itself.
    fn base<'r>(&'r self, reference: &'r SecretRef) -> &'r SecretRef {
        let declared = match reference.provider() {
            None => self.shared.declared.get(reference.name().as_str()),
            Some(_) => None,
        };
        declared.map_or(reference, |at| &self.shared.config.secrets[*at].reference)
    }

    fn resolve(&self, reference: &SecretRef) -> Resolved {
        let base = self.base(reference);
        let target = base
            .provider()
            .map(Arc::from)
            .or_else(|| self.target.clone());
        let field = reference.field().or(base.field()).map(str::to_owned);
        Resolved {
            target,
            name: base.name().clone(),
            version: reference.version().or(base.version()).cloned(),
            field,
            default: reference.default().or(base.default()).map(str::to_owned),
        }
    }

    /// What a reference to a whole secret, for a write, comes to.
    fn whole(
        &self,
        reference: impl ToSecretRef,
        operation: Operation,
    ) -> Result<(Option<Arc<str>>, SecretName)> {
        let reference = reference.to_secret_ref()?;
        if reference.version().is_some()
            || reference.default().is_some()
            || reference.field().is_some()
        {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{operation} is about a whole secret, but the reference names a version, a default or a field"),
            )
            .with_name(reference.name())
            .with_hint("leave out what follows `?` or `#`"));
        }
        let resolved = self.resolve(&reference);
        if resolved.field.is_some() || resolved.version.is_some() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{operation} is about a whole secret, but this one is declared as a part of another"),
            )
            .with_name(reference.name())
            .with_hint(format!("name the whole secret, {}", resolved.name)));
        }
        Ok((resolved.target, resolved.name))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("router", &self.shared.router)
            .field("target", &self.target)
            .finish()
    }
}

impl Resolved {
    fn finish(&self, answer: Result<Answer>) -> Result<Answer> {
        let answer = answer.and_then(|answer| match &self.field {
            None => Ok(answer),
            Some(field) => {
                let value = answer.secret.value.field(field).map_err(|error| {
                    error
                        .with_name(&self.name)
                        .with_provider(answer.origin.provider.clone(), "")
                })?;
                Ok(Answer::new(
                    Secret::new(value, answer.secret.metadata),
                    answer.origin,
                ))
            }
        });
        match (answer, &self.default) {
            (Err(error), Some(default)) if error.kind() == ErrorKind::NotFound => {
                let secret = Secret::new(default.as_str().into(), Metadata::new(self.name.clone()));
                Ok(Answer::new(secret, Origin::fresh("default".into())))
            }
            (answer, _) => answer,
        }
    }
}

/// What to ask each provider or chain for, each secret once, and for each reference its group and its place in there.
fn grouped(resolved: &[Resolved]) -> (Vec<Group>, Vec<(usize, usize)>) {
    let mut places: HashMap<Wanted<'_>, (usize, usize), RandomState> =
        HashMap::with_capacity_and_hasher(resolved.len(), RandomState::default());
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: HashMap<Option<&Arc<str>>, usize> = HashMap::new();
    let mut wanted = Vec::with_capacity(resolved.len());
    for one in resolved {
        let key = (one.target.as_ref(), &one.name, one.version.as_ref());
        let place = *places.entry(key).or_insert_with(|| {
            let group = *group_of.entry(one.target.as_ref()).or_insert_with(|| {
                groups.push((one.target.clone(), Vec::new()));
                groups.len() - 1
            });
            let items = &mut groups[group].1;
            let options = GetOptions::default().with_version(one.version.clone());
            items.push(GetItem::new(one.name.clone(), options));
            (group, items.len() - 1)
        });
        wanted.push(place);
    }
    (groups, wanted)
}

fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn into_metadata(response: Response) -> Result<Metadata> {
    match response.reply {
        Reply::Metadata(metadata) => Ok(metadata),
        _ => Err(Reply::mismatch(Operation::Describe)),
    }
}

fn into_page(response: Response) -> Result<Page> {
    match response.reply {
        Reply::Page(page) => Ok(page),
        _ => Err(Reply::mismatch(Operation::List)),
    }
}

/// The items of all pages, one after another; each page is asked for when the one before it is used up.
fn pages<F, O>(mut ask: F) -> impl Stream<Item = Result<Metadata>> + Send
where
    F: FnMut(Option<PageToken>) -> O + Send + 'static,
    O: Future<Output = Result<Page>> + Send + 'static,
{
    // What is ready to be given out, and the token of the page after it; no token at all once the last page is there.
    let state = (VecDeque::new(), Some(None));
    stream::try_unfold(state, move |(mut ready, mut token)| {
        let asked = match (ready.is_empty(), token.take()) {
            (true, Some(next)) => Some(ask(next)),
            (_, kept) => {
                token = kept;
                None
            }
        };
        async move {
            if let Some(asked) = asked {
                let page: Page = asked.await?;
                ready.extend(page.items);
                token = page.next.map(Some);
            }
            match ready.pop_front() {
                // An empty page that is not the last one gives nothing, and the next one is asked for.
                None if token.is_none() => Ok(None),
                item => Ok::<_, Error>(Some((item, (ready, token)))),
            }
        }
    })
    .try_filter_map(|item| std::future::ready(Ok(item)))
    .boxed()
}
