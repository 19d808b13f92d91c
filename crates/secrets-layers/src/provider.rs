use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrets_core::{Answer, Call, Error, Origin, Reply, Request, Response, Result, SecretProvider};
use tower::Service;

/// Any provider as a tower service: the innermost part of a stack.
///
/// It ignores the request's target, and attaches to each error the provider, the operation and the secret's name.
#[derive(Debug, Clone)]
pub struct ProviderService {
    provider: Arc<dyn SecretProvider>,
}

impl ProviderService {
    /// A service that asks this provider.
    pub fn new(provider: Arc<dyn SecretProvider>) -> Self {
        Self { provider }
    }
}

impl Service<Request> for ProviderService {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let provider = self.provider.clone();
        async move {
            let call = &request.call;
            let info = provider.info();
            let origin = Origin::fresh(info.name.clone());
            match ask(&*provider, call, &origin).await {
                Ok(reply) => Ok(Response::new(reply, origin)),
                Err(error) => {
                    let error = error
                        .with_operation(call.operation())
                        .with_provider(info.name.clone(), info.scheme);
                    Err(match (error.name(), call.name()) {
                        (None, Some(name)) => error.with_name(name),
                        _ => error,
                    })
                }
            }
        }
        .boxed()
    }
}

async fn ask(provider: &dyn SecretProvider, call: &Call, origin: &Origin) -> Result<Reply> {
    Ok(match call {
        Call::Get { name, options } => Reply::Secret(provider.get(name, options).await?),
        Call::GetMany { items } => {
            let results = provider.get_many(items).await;
            if results.len() != items.len() {
                return Err(Reply::mismatch(call.operation()));
            }
            let info = provider.info();
            let answers = results
                .into_iter()
                .zip(items)
                .map(|(result, item)| match result {
                    Ok(secret) => Ok(Answer::new(secret, origin.clone())),
                    Err(error) => Err(error
                        .with_operation(call.operation())
                        .with_provider(info.name.clone(), info.scheme)
                        .with_name(&item.name)),
                });
            Reply::Secrets(answers.collect())
        }
        Call::Describe { name, options } => {
            Reply::Metadata(provider.describe(name, options).await?)
        }
        Call::List { options } => Reply::Page(provider.list(options).await?),
        Call::Put {
            name,
            value,
            options,
        } => Reply::Metadata(provider.put(name, value, options).await?),
        Call::Delete { name, options } => {
            provider.delete(name, options).await?;
            Reply::Done
        }
        Call::Restore { name } => {
            provider.restore(name).await?;
            Reply::Done
        }
        Call::Versions { name, options } => Reply::Page(provider.versions(name, options).await?),
        Call::Rollback { name, to, options } => {
            Reply::Metadata(provider.rollback(name, to, options).await?)
        }
        Call::Health => Reply::Health(provider.health().await?),
        Call::Close => {
            provider.close().await?;
            Reply::Done
        }
        other => return Err(Error::unsupported(other.operation())),
    })
}
