//! Your own layer and one from tower around the stack.
#![allow(clippy::print_stdout, reason = "an example prints to its reader")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use polysecrets::{Request, Response, Result, Secrets};
use tower::{Layer, Service};

/// Counts the calls that reach a provider's stack.
#[derive(Clone, Default)]
struct CountLayer {
    calls: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct CountService<S> {
    inner: S,
    calls: Arc<AtomicUsize>,
}

impl<S> Layer<S> for CountLayer {
    type Service = CountService<S>;

    fn layer(&self, inner: S) -> CountService<S> {
        CountService {
            inner,
            calls: self.calls.clone(),
        }
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for CountService<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let count = CountLayer::default();
    let secrets = Secrets::builder()
        .default_provider("memory")
        .inner_layer(count.clone())
        .outer_layer(tower::load_shed::LoadShedLayer::new())
        .build()?;

    secrets.put("token", "abc".into()).await?;
    secrets.get("token").await?;

    let calls = count.calls.load(Ordering::Relaxed);
    println!("{calls} calls reached the provider");
    assert_eq!(calls, 2);
    Ok(())
}
