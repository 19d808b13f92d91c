use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrets_core::{
    Answer, Call, Error, ErrorKind, GetItem, Health, HealthStatus, ListOptions, Operation, Origin,
    Page, PageToken, Reply, Request, Response, Result, Version,
};

use crate::config::{ChainEntry, ChainMember, OnError};

/// An ordered list of providers: the first that has a secret answers for it.
///
/// A missing secret lets the chain go on. Any other error is the chain's, unless the member that failed says
/// `on_error = "warn"` or `"skip"`; both leave a trace event. Writes, and what belongs to them (delete, restore,
/// versions, rollback, reading a version), go to the one member that `write` names.
///
/// A listing is the members' listings one after another; whoever reads it keeps the first of two equal names.
#[derive(Debug)]
pub(crate) struct Chain {
    name: Arc<str>,
    members: Vec<Member>,
    write: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) provider: Arc<str>,
    on_error: OnError,
}

impl Member {
    /// What this member is asked. That it is in trouble is no trouble of the chain's where the chain would go on.
    fn part_of(&self, request: &Request) -> Request {
        let mut part = request.clone();
        if self.on_error != OnError::Fail {
            part.retry_observer = None;
        }
        part
    }
}

/// The items that one member is asked for, as indices.
pub(crate) struct Share {
    pub(crate) items: Vec<usize>,
    pub(crate) via: Option<Arc<str>>,
    /// Whether only those are asked for that the members before do not have.
    pub(crate) is_fallback: bool,
}

impl Share {
    pub(crate) fn new(items: Vec<usize>, via: Option<Arc<str>>, is_fallback: bool) -> Self {
        Self {
            items,
            via,
            is_fallback,
        }
    }
}

/// How a chain asks a member.
type Ask<'a> = dyn Fn(Arc<str>, Request) -> BoxFuture<'static, Result<Response>> + Send + Sync + 'a;

impl Chain {
    pub(crate) fn new(name: &str, entry: &ChainEntry) -> Self {
        let member = |member: &ChainMember| Member {
            provider: member.provider.as_str().into(),
            on_error: member.on_error,
        };
        Self {
            name: name.into(),
            members: entry.members.iter().map(member).collect(),
            write: entry.write.as_deref().map(Arc::from),
        }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// What each member is asked for at most, in the order in which they are asked.
    pub(crate) fn shares(&self, items: &[GetItem]) -> Vec<(&Member, Share)> {
        let mut shares = Vec::new();
        let mut someone_before = false;
        for member in &self.members {
            let asked = |place: &usize| self.asks(member, &items[*place]);
            let asked: Vec<usize> = (0..items.len()).filter(asked).collect();
            if asked.is_empty() {
                continue;
            }
            let owned = |place: &usize| self.owns(items[*place].options.version.as_ref());
            let is_fallback = someone_before && !asked.iter().all(owned);
            shares.push((
                member,
                Share::new(asked, Some(self.name.clone()), is_fallback),
            ));
            someone_before = true;
        }
        shares
    }

    /// Whether this member may be asked for this item.
    fn asks(&self, member: &Member, item: &GetItem) -> bool {
        self.write.as_ref() == Some(&member.provider) || !self.owns(item.options.version.as_ref())
    }

    pub(crate) async fn call(&self, request: Request, ask: &Ask<'_>) -> Result<Response> {
        match &request.call {
            Call::Get { options, .. } if self.owns(options.version.as_ref()) => {
                self.write_member(request, ask).await
            }
            Call::Describe { options, .. } if self.owns(options.version.as_ref()) => {
                self.write_member(request, ask).await
            }
            Call::Get { .. } | Call::Describe { .. } => self.first(request, ask).await,
            Call::GetMany { items } => {
                let items = items.clone();
                self.first_of_each(request, items, ask).await
            }
            Call::List { options } => {
                let options = options.clone();
                self.list(request, options, ask).await
            }
            Call::Health => self.health(request, ask).await,
            Call::Close => {
                for member in &self.members {
                    ask(member.provider.clone(), request.clone()).await?;
                }
                Ok(Response::new(Reply::Done, Origin::fresh(self.name.clone())))
            }
            _ => self.write_member(request, ask).await,
        }
    }

    /// Whether this version can only be one of the member that is written to: ids of different members mean nothing to
    /// each other.
    fn owns(&self, version: Option<&Version>) -> bool {
        version.is_some() && self.write.is_some()
    }

    async fn write_member(&self, request: Request, ask: &Ask<'_>) -> Result<Response> {
        let writer = self.writer(request.call.operation())?;
        let response = ask(writer, request).await?;
        Ok(self.via(response))
    }

    fn writer(&self, operation: Operation) -> Result<Arc<str>> {
        self.write.clone().ok_or_else(|| {
            let members: Vec<&str> = self
                .members
                .iter()
                .map(|member| &*member.provider)
                .collect();
            Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{operation} on the chain {} needs a member to write to",
                    self.name
                ),
            )
            .with_operation(operation)
            .with_hint(format!(
                "set `write` of the chain to one of its members, or name one in the reference: {}",
                members.join(", ")
            ))
        })
    }

    fn via(&self, mut response: Response) -> Response {
        response.origin = response.origin.with_via(self.name.clone());
        response
    }

    /// Whether the chain goes on after this error of a member.
    pub(crate) fn goes_on(&self, member: &Member, error: &Error) -> bool {
        if error.kind() == ErrorKind::NotFound {
            return true;
        }
        let (chain, provider) = (&*self.name, &*member.provider);
        let name = error.name().map(|name| name.as_str());
        match member.on_error {
            OnError::Fail => return false,
            OnError::Warn => {
                tracing::warn!(chain, provider, name, kind = ?error.kind(), error = error.message(), "member failed, the chain goes on");
            }
            OnError::Skip => {
                tracing::debug!(chain, provider, name, kind = ?error.kind(), error = error.message(), "member failed, the chain goes on");
            }
        }
        true
    }

    async fn first(&self, request: Request, ask: &Ask<'_>) -> Result<Response> {
        let mut missing = None;
        for member in &self.members {
            match ask(member.provider.clone(), member.part_of(&request)).await {
                Ok(response) => return Ok(self.via(response)),
                Err(error) if self.goes_on(member, &error) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(self.not_found(missing, &request))
    }

    fn not_found(&self, last: Option<Error>, request: &Request) -> Error {
        let error = Error::from(ErrorKind::NotFound)
            .with_operation(request.call.operation())
            .with_provider(self.name.clone(), "chain");
        let error = match last.as_ref().and_then(Error::name).or(request.call.name()) {
            Some(name) => error.with_name(name),
            None => error,
        };
        let members: Vec<&str> = self
            .members
            .iter()
            .map(|member| &*member.provider)
            .collect();
        error.with_hint(format!("none of these has it: {}", members.join(", ")))
    }

    async fn first_of_each(
        &self,
        request: Request,
        items: Vec<GetItem>,
        ask: &Ask<'_>,
    ) -> Result<Response> {
        let mut results: Vec<Option<Result<Answer>>> = items.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..items.len()).collect();
        for member in &self.members {
            let (asked, others): (Vec<usize>, Vec<usize>) = open
                .into_iter()
                .partition(|place| self.asks(member, &items[*place]));
            open = others;
            if asked.is_empty() {
                continue;
            }
            let wanted = asked.iter().map(|place| items[*place].clone()).collect();
            let part = member
                .part_of(&request)
                .with_call(Call::GetMany { items: wanted });
            let answers = match ask(member.provider.clone(), part).await {
                Ok(Response {
                    reply: Reply::Secrets(answers),
                    ..
                }) => answers,
                Ok(_) => return Err(Reply::mismatch(Operation::GetMany)),
                Err(error) if self.goes_on(member, &error) => {
                    open.extend(asked);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (place, answer) in asked.into_iter().zip(answers) {
                match answer {
                    Ok(mut answer) => {
                        answer.origin = answer.origin.with_via(self.name.clone());
                        results[place] = Some(Ok(answer));
                    }
                    Err(error) if self.owns(items[place].options.version.as_ref()) => {
                        results[place] = Some(Err(error));
                    }
                    Err(error) if self.goes_on(member, &error) => open.push(place),
                    Err(error) => results[place] = Some(Err(error)),
                }
            }
        }
        let results = results.into_iter().zip(&items).map(|(result, item)| {
            result.unwrap_or_else(|| {
                let call = Call::Get {
                    name: item.name.clone(),
                    options: item.options.clone(),
                };
                Err(self.not_found(None, &Request::new(call)))
            })
        });
        Ok(Response::new(
            Reply::Secrets(results.collect()),
            Origin::fresh(self.name.clone()),
        ))
    }

    async fn list(
        &self,
        request: Request,
        options: ListOptions,
        ask: &Ask<'_>,
    ) -> Result<Response> {
        let (mut at, mut token) = read_token(options.page_token.as_ref())?;
        while let Some(member) = self.members.get(at) {
            let call = Call::List {
                options: options.clone().with_page_token(token.take()),
            };
            match ask(member.provider.clone(), request.clone().with_call(call)).await {
                Ok(Response {
                    reply: Reply::Page(page),
                    origin,
                    ..
                }) => {
                    let next = match page.next {
                        Some(token) => Some(write_token(at, Some(&token))),
                        None if at + 1 < self.members.len() => Some(write_token(at + 1, None)),
                        None => None,
                    };
                    let response = Response::new(Reply::Page(Page::new(page.items, next)), origin);
                    return Ok(self.via(response));
                }
                Ok(_) => return Err(Reply::mismatch(Operation::List)),
                Err(error) if self.goes_on(member, &error) => at += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(self.via(Response::new(
            Reply::Page(Page::default()),
            Origin::fresh(self.name.clone()),
        )))
    }

    async fn health(&self, request: Request, ask: &Ask<'_>) -> Result<Response> {
        let mut details = Vec::new();
        let mut able = 0;
        for member in &self.members {
            let health = match ask(member.provider.clone(), request.clone()).await {
                Ok(Response {
                    reply: Reply::Health(health),
                    ..
                }) => health,
                Ok(_) => return Err(Reply::mismatch(Operation::Health)),
                Err(error) => Health::new(HealthStatus::Unavailable, error.message()),
            };
            able += usize::from(health.status != HealthStatus::Unavailable);
            details.push(format!("{} {}", member.provider, health.status));
        }
        let status = match able {
            0 => HealthStatus::Unavailable,
            able if able == self.members.len() => HealthStatus::Healthy,
            _ => HealthStatus::Degraded,
        };
        let health = Health::new(status, details.join(", "));
        Ok(Response::new(
            Reply::Health(health),
            Origin::fresh(self.name.clone()),
        ))
    }
}

/// A chain's token is the member's place and, within its listing, the member's own token.
fn write_token(member: usize, token: Option<&PageToken>) -> PageToken {
    PageToken::new(match token {
        Some(token) => format!("{member}:{}", token.as_str()),
        None => member.to_string(),
    })
}

fn read_token(token: Option<&PageToken>) -> Result<(usize, Option<PageToken>)> {
    let Some(token) = token else {
        return Ok((0, None));
    };
    let (member, own) = match token.as_str().split_once(':') {
        Some((member, own)) => (member, Some(PageToken::new(own))),
        None => (token.as_str(), None),
    };
    let member = member.parse().map_err(|_| {
        Error::new(
            ErrorKind::InvalidConfig,
            "this page token is not one of this chain",
        )
    })?;
    Ok((member, own))
}
