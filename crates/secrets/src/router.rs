use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use secrets_core::{
    Answer, Call, Environment, Error, ErrorKind, GetItem, LeastPrivilege, OpenContext, Operation,
    Origin, PlannedCall, ProviderInfo, Reply, Request, Response, Result, SecretName,
    SecretProvider, SecretRef, SecretValue, plan_reads,
};
use tokio::sync::OnceCell;
use tower::{Service, ServiceExt};

use crate::chain::{Chain, Share};
use crate::config::{ChainEntry, ProviderEntry, Settings};
use crate::plan::PlannedRead;
use crate::registry::{self, ProviderSpec, Registry};
use crate::stack::{self, Inner, StackOptions};
use crate::stats::ProviderStats;

/// Sends each request to the inner stack of the provider that it names, or to the members of a chain.
///
/// A provider is opened when the first request for it comes.
#[derive(Clone)]
pub(crate) struct Router(Arc<Shared>);

struct Shared {
    slots: BTreeMap<Arc<str>, Slot>,
    chains: BTreeMap<Arc<str>, Chain>,
    default: Option<Arc<str>>,
    opener: Opener,
}

/// What every provider is opened with.
pub(crate) struct Opener {
    pub(crate) registry: Registry,
    pub(crate) stack: StackOptions,
    pub(crate) environment: Environment,
    pub(crate) base_dir: PathBuf,
    pub(crate) config_dir: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    #[cfg(feature = "http")]
    pub(crate) transport: secrets_provider::Transport,
}

/// A provider that is open, or knows how it will be.
struct Slot {
    name: Arc<str>,
    source: Source,
    opened: OnceCell<Opened>,
}

enum Source {
    Ready(Arc<dyn SecretProvider>),
    Entry(Box<ProviderEntry>),
}

#[derive(Clone)]
struct Opened {
    provider: Arc<dyn SecretProvider>,
    inner: Inner,
    interpolated: Vec<String>,
}

impl Router {
    pub(crate) fn new(
        ready: Vec<(Arc<str>, Arc<dyn SecretProvider>)>,
        entries: &BTreeMap<String, ProviderEntry>,
        chains: &BTreeMap<String, ChainEntry>,
        default: Option<Arc<str>>,
        opener: Opener,
    ) -> Result<Self> {
        let mut slots = BTreeMap::new();
        // A name that is not configured but is a scheme means that scheme with its defaults.
        for scheme in opener.registry.schemes() {
            let entry = ProviderEntry::new(scheme, Settings::default());
            slots.insert(
                Arc::from(scheme),
                Slot::new(scheme.into(), Source::Entry(Box::new(entry))),
            );
        }
        for (name, entry) in entries {
            slots.insert(
                Arc::from(name.as_str()),
                Slot::new(name.as_str().into(), Source::Entry(Box::new(entry.clone()))),
            );
        }
        for (name, provider) in ready {
            slots.insert(name.clone(), Slot::new(name, Source::Ready(provider)));
        }
        let chains = chains
            .iter()
            .map(|(name, entry)| (Arc::from(name.as_str()), Chain::new(name, entry)))
            .collect::<BTreeMap<Arc<str>, _>>();
        let router = Self(Arc::new(Shared {
            slots,
            chains,
            default,
            opener,
        }));
        for chain in router.0.chains.values() {
            for member in chain.members() {
                router.slot(&member.provider)?;
            }
        }
        if let Some(default) = &router.0.default
            && !router.0.chains.contains_key(default)
        {
            router.slot(default)?;
        }
        Ok(router)
    }

    /// What a provider says about itself; opens it.
    pub(crate) async fn info(&self, name: &str) -> Result<ProviderInfo> {
        Ok(self.open(name, &[]).await?.provider.info().clone())
    }

    /// The scheme of a provider, and what it is opened with.
    #[cfg(feature = "file")]
    pub(crate) async fn settings(&self, name: &str) -> Result<(String, Settings, OpenContext)> {
        let slot = self.slot(name)?;
        match &slot.source {
            Source::Entry(entry) => {
                let settings = self.bootstrap(slot, &entry.settings, &[]).await?;
                let context = self.0.opener.context(slot, entry);
                Ok((entry.scheme.clone(), settings, context))
            }
            Source::Ready(_) => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("the provider {name} has no settings, since it was opened elsewhere"),
            )),
        }
    }

    /// The kind of a provider, which need not be open.
    pub(crate) fn scheme(&self, name: &str) -> Result<&str> {
        Ok(self.slot(name)?.scheme())
    }

    /// What has to be allowed at a provider's vendor so that these secrets can be read; opens it.
    pub(crate) async fn least_privilege(
        &self,
        name: &str,
        names: &[SecretName],
    ) -> Result<Option<LeastPrivilege>> {
        let opened = self.open(name, &[]).await?;
        let Some(permissions) = opened.provider.permissions() else {
            return Ok(None);
        };
        permissions
            .least_privilege(names)
            .map(Some)
            .map_err(|error| {
                error.with_provider(
                    name.into(),
                    self.scheme(name).unwrap_or_default().to_owned(),
                )
            })
    }

    /// The providers that a target leads to: the members of a chain, or the one provider.
    pub(crate) fn members(&self, target: Option<&str>) -> Result<Vec<Arc<str>>> {
        let name = self.target(target)?;
        match self.0.chains.get(name) {
            Some(chain) => Ok(chain
                .members()
                .iter()
                .map(|member| member.provider.clone())
                .collect()),
            None => Ok(vec![self.slot(name)?.name.clone()]),
        }
    }

    /// The variables that hold credentials of the providers that these targets lead to, and of all that were opened.
    /// Opens those that can be opened without asking another provider; one that cannot be opened is left out.
    pub(crate) async fn credential_variables(&self, targets: &[Option<&str>]) -> Vec<String> {
        for target in targets {
            for name in self.members(*target).unwrap_or_default() {
                let asks_another = self.slot(&name).is_ok_and(|slot| match &slot.source {
                    Source::Entry(entry) => !entry.settings.references().is_empty(),
                    Source::Ready(_) => false,
                });
                if !asks_another && let Err(error) = self.open(&name, &[]).await {
                    tracing::debug!(provider = &*name, error = error.message(), "not opened");
                }
            }
        }
        let opened = self.0.slots.values().filter_map(|slot| slot.opened.get());
        let mut names: Vec<String> = opened
            .flat_map(|opened| {
                let own = &opened.provider.info().credential_variables;
                own.iter().chain(&opened.interpolated).cloned()
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The providers that were opened.
    pub(crate) fn opened(&self) -> Vec<Arc<str>> {
        let open = self
            .0
            .slots
            .values()
            .filter(|slot| slot.opened.get().is_some());
        open.map(|slot| slot.name.clone()).collect()
    }

    /// The same, as they are beneath their stacks.
    pub(crate) fn opened_providers(&self) -> Vec<Arc<dyn SecretProvider>> {
        let opened = self.0.slots.values().filter_map(|slot| slot.opened.get());
        opened.map(|opened| opened.provider.clone()).collect()
    }

    /// A provider as it is beneath its stack; opens it.
    pub(crate) async fn provider(&self, name: &str) -> Result<Arc<dyn SecretProvider>> {
        Ok(self.open(name, &[]).await?.provider)
    }

    /// What the providers that were opened were asked so far.
    pub(crate) fn stats(&self) -> Vec<ProviderStats> {
        let opened = self.0.slots.values().filter_map(|slot| slot.opened.get());
        let stats = opened.map(|Opened { inner, .. }| ProviderStats {
            provider: inner.metrics.provider().clone(),
            scheme: inner.metrics.scheme(),
            breaker: inner.breaker.state(),
            calls: inner.metrics.calls(),
        });
        stats.collect()
    }

    fn target<'a>(&'a self, target: Option<&'a str>) -> Result<&'a str> {
        target.or(self.0.default.as_deref()).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "no provider is named, and there is no default one",
            )
            .with_hint(
                "set `default` in the configuration, pass `--provider`, or run `secrets init`",
            )
        })
    }

    fn slot(&self, name: &str) -> Result<&Slot> {
        self.0.slots.get(name).ok_or_else(|| {
            let known: Vec<&str> = self
                .0
                .chains
                .keys()
                .chain(self.0.slots.keys())
                .map(|name| &**name)
                .collect();
            Error::new(
                ErrorKind::InvalidConfig,
                format!("unknown provider {name:?}"),
            )
            .with_hint(format!("known providers and chains: {}", known.join(", ")))
        })
    }

    /// Opens a provider unless it is open. `path` holds the providers whose settings led here.
    async fn open(&self, name: &str, path: &[Arc<str>]) -> Result<Opened> {
        let slot = self.slot(name)?;
        if path.contains(&slot.name) {
            let names: Vec<&str> = path.iter().map(|name| &**name).chain([name]).collect();
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the settings of providers refer to each other in a circle: {}",
                    names.join(" → ")
                ),
            ));
        }
        let opened = slot
            .opened
            .get_or_try_init(|| self.open_slot(slot, path))
            .await;
        opened.cloned().map_err(|error| match error.provider() {
            Some(_) => error,
            None => error.with_provider(slot.name.clone(), slot.scheme().to_owned()),
        })
    }

    fn open_slot<'a>(
        &'a self,
        slot: &'a Slot,
        path: &'a [Arc<str>],
    ) -> BoxFuture<'a, Result<Opened>> {
        async move {
            let opener = &self.0.opener;
            let (provider, interpolated) = match &slot.source {
                Source::Ready(provider) => (provider.clone(), Vec::new()),
                Source::Entry(entry) => {
                    let settings = self.bootstrap(slot, &entry.settings, path).await?;
                    let context = opener.context(slot, entry);
                    let spec = ProviderSpec::new(settings.clone(), context);
                    let opened = opener.registry.open(&entry.scheme, spec).await;
                    let provider = opened.map_err(|error| match error.kind() {
                        ErrorKind::InvalidConfig => registry::placed(error, entry.position.clone()),
                        _ => error,
                    })?;
                    (provider, settings.credential_variables())
                }
            };
            tracing::debug!(
                provider = &*slot.name,
                scheme = provider.info().scheme,
                "opened a provider"
            );
            let inner = stack::inner(provider.clone(), &slot.stack_options(&opener.stack));
            Ok(Opened {
                provider,
                inner,
                interpolated,
            })
        }
        .boxed()
    }

    /// Fetches the secrets that a provider's own settings refer to.
    async fn bootstrap(
        &self,
        slot: &Slot,
        settings: &Settings,
        path: &[Arc<str>],
    ) -> Result<Settings> {
        let references = settings.references();
        if references.is_empty() {
            return Ok(settings.clone());
        }
        let path: Vec<Arc<str>> = path.iter().chain([&slot.name]).cloned().collect();
        let mut values: BTreeMap<SecretRef, SecretValue> = BTreeMap::new();
        for (reference, position) in references {
            if values.contains_key(&reference) {
                continue;
            }
            let value = self.read_below(&reference, path.clone()).await;
            values.insert(
                reference,
                value.map_err(|error| error.with_position(position))?,
            );
        }
        let mut filled = settings.clone();
        filled.fill(|reference| {
            values
                .get(reference)
                .cloned()
                .ok_or_else(|| Error::not_found(reference.name()))
        })?;
        Ok(filled)
    }

    /// Reads a secret beneath the layers of the handle: nobody asks whether that is allowed, and nobody records it.
    #[allow(
        dead_code,
        reason = "only some features read several references at once"
    )]
    pub(crate) async fn read(&self, reference: &SecretRef) -> Result<SecretValue> {
        self.read_below(reference, Vec::new()).await
    }

    async fn read_below(&self, reference: &SecretRef, path: Vec<Arc<str>>) -> Result<SecretValue> {
        let call = Call::Get {
            name: reference.name().clone(),
            options: secrets_core::GetOptions::default().with_version(reference.version().cloned()),
        };
        let request = Request::new(call).with_target(reference.provider().map(Arc::from));
        let read = self.route(request, path).await.and_then(into_secret);
        let value = match reference.field() {
            Some(field) => read.and_then(|value| value.field(field)),
            None => read,
        };
        match (value, reference.default()) {
            (Err(error), Some(default)) if error.kind() == ErrorKind::NotFound => {
                Ok(default.into())
            }
            (value, _) => value,
        }
    }

    fn route(&self, request: Request, path: Vec<Arc<str>>) -> BoxFuture<'static, Result<Response>> {
        let router = self.clone();
        async move {
            let name: Arc<str> = router.target(request.target.as_deref())?.into();
            match router.0.chains.get(&name) {
                Some(chain) => {
                    let member = |name: Arc<str>, request: Request| {
                        let (router, path) = (router.clone(), path.clone());
                        async move { router.ask(&name, request, &path).await }.boxed()
                    };
                    chain.call(request, &member).await
                }
                None => router.ask(&name, request, &path).await,
            }
        }
        .boxed()
    }

    async fn ask(&self, name: &str, request: Request, path: &[Arc<str>]) -> Result<Response> {
        if let (Call::Put { .. }, Source::Entry(entry)) = (&request.call, &self.slot(name)?.source)
        {
            entry.allow_put()?;
        }
        let opened = self.open(name, path).await?;
        match &request.call {
            Call::GetMany { items } => {
                let calls = plan_reads(&*opened.provider, items);
                match &calls[..] {
                    [all] if all.items.len() == items.len() => {
                        opened.inner.stack.oneshot(request).await
                    }
                    _ => Ok(opened.get_many(&calls, items, &request).await),
                }
            }
            _ => opened.inner.stack.oneshot(request).await,
        }
    }

    /// Who would be asked for these items, and in which calls, without asking. Opens providers.
    pub(crate) async fn plan(
        &self,
        target: Option<&str>,
        items: &[GetItem],
    ) -> Result<Vec<PlannedRead>> {
        let name = self.target(target)?;
        let mut plan = Vec::new();
        match self.0.chains.get(name) {
            None => {
                let opened = self.open(name, &[]).await?;
                let all = (0..items.len()).collect();
                plan.extend(opened.plan(items, Share::new(all, None, false)));
            }
            Some(chain) => {
                for (member, share) in chain.shares(items) {
                    match self.open(&member.provider, &[]).await {
                        Ok(opened) => plan.extend(opened.plan(items, share)),
                        Err(error) if chain.goes_on(member, &error) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(plan)
    }
}

impl Opened {
    /// The provider's plan, call by call: each has its own retries, timeout and place in the limit.
    async fn get_many(
        &self,
        calls: &[PlannedCall],
        items: &[GetItem],
        whole: &Request,
    ) -> Response {
        let fetches = calls.iter().map(|planned| async move {
            let call = match planned.items[..] {
                [place] => Call::Get {
                    name: items[place].name.clone(),
                    options: items[place].options.clone(),
                },
                _ => Call::GetMany {
                    items: planned.items.iter().map(|at| items[*at].clone()).collect(),
                },
            };
            let request = Request::new(call)
                .with_deadline(whole.deadline)
                .with_retry_observer(whole.retry_observer.clone());
            let answered = self.inner.stack.clone().oneshot(request).await;
            (planned, answered.map(|response| response.reply))
        });
        let mut results: Vec<Option<Result<Answer>>> = items.iter().map(|_| None).collect();
        let origin = Origin::fresh(self.provider.info().name.clone());
        for (planned, answered) in join_all(fetches).await {
            let count = planned.items.len();
            let answers = match answered {
                Ok(Reply::Secret(secret)) => vec![Ok(Answer::new(secret, origin.clone()))],
                Ok(Reply::Secrets(answers)) if answers.len() == count => answers,
                Ok(_) => vec![Err(Reply::mismatch(Operation::GetMany)); count],
                Err(error) => vec![Err(error); count],
            };
            for (place, answer) in planned.items.iter().zip(answers) {
                results[*place] = Some(answer);
            }
        }
        let results = results.into_iter().zip(items).map(|(result, item)| {
            result.unwrap_or_else(|| {
                Err(Error::new(
                    ErrorKind::Unexpected,
                    "the provider's plan leaves this secret out",
                )
                .with_name(&item.name))
            })
        });
        Response::new(Reply::Secrets(results.collect()), origin)
    }

    fn plan(&self, items: &[GetItem], share: Share) -> Vec<PlannedRead> {
        let info = self.provider.info();
        let asked: Vec<GetItem> = share.items.iter().map(|at| items[*at].clone()).collect();
        let calls = plan_reads(&*self.provider, &asked).into_iter();
        let read = |call: PlannedCall| PlannedRead {
            provider: info.name.clone(),
            scheme: info.scheme,
            location: info.location.clone(),
            via: share.via.clone(),
            is_fallback: share.is_fallback,
            call: call.call,
            requests: call.requests,
            items: call.items.iter().map(|at| share.items[*at]).collect(),
        };
        calls.map(read).collect()
    }
}

impl Opener {
    fn context(&self, slot: &Slot, entry: &ProviderEntry) -> OpenContext {
        let context = OpenContext::new(slot.name.clone())
            .with_environment(self.environment.clone())
            .with_clock(self.stack.clock.clone())
            .with_ambient(entry.trust.clone())
            .with_base_dir(self.base_dir.clone())
            .with_user_dirs(self.config_dir.clone(), self.state_dir.clone());
        #[cfg(feature = "http")]
        let context = context.with_shared(self.transport.clone());
        context
    }
}

impl Slot {
    fn new(name: Arc<str>, source: Source) -> Self {
        Self {
            name,
            source,
            opened: OnceCell::new(),
        }
    }

    /// The options of all stacks, with what this provider's entry says instead.
    fn stack_options(&self, common: &StackOptions) -> StackOptions {
        let mut options = common.clone();
        if let Source::Entry(entry) = &self.source {
            if let Some(retry) = &entry.retry {
                options.retry = retry.clone();
            }
            if let Some(limit) = entry.attempt_timeout {
                options.timeouts.attempt = limit;
            }
            options.concurrency = entry.concurrency.or(options.concurrency);
            #[cfg(feature = "rate-limit")]
            {
                options.rate = entry.rate;
            }
            if let Some(breaker) = &entry.breaker {
                options.breaker = breaker.clone();
            }
        }
        options
    }

    fn scheme(&self) -> &str {
        match &self.source {
            Source::Ready(provider) => provider.info().scheme,
            Source::Entry(entry) => &entry.scheme,
        }
    }
}

pub(crate) fn into_answer(response: Response) -> Result<Answer> {
    match response.reply {
        Reply::Secret(secret) => Ok(Answer::new(secret, response.origin)),
        _ => Err(Reply::mismatch(secrets_core::Operation::Get)),
    }
}

fn into_secret(response: Response) -> Result<SecretValue> {
    into_answer(response).map(|answer| answer.secret.value)
}

impl Service<Request> for Router {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.route(request, Vec::new())
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("providers", &self.0.slots.keys())
            .field("chains", &self.0.chains.keys())
            .field("default", &self.0.default)
            .finish()
    }
}
