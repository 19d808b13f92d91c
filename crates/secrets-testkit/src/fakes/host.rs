use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::Authority;
use super::console::{Console, Unsent};

/// Serves one fake, or a part of it, on a port of 127.0.0.1 until it is dropped.
pub(super) struct Host {
    address: SocketAddr,
    scheme: &'static str,
    task: JoinHandle<()>,
}

impl Host {
    /// Serves `router` behind `console`: over HTTPS with the certificate of an authority, else over plain HTTP; HTTP/1.1
    /// and HTTP/2. `port` 0 is a free one.
    pub(super) async fn start(
        router: Router,
        port: u16,
        authority: Option<&Authority>,
        console: &Console,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let router = console.around(router);
        let acceptor = authority.map(|authority| TlsAcceptor::from(authority.server_config()));
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        Ok(Self {
            address,
            scheme,
            task: tokio::spawn(accept(listener, acceptor, router)),
        })
    }

    /// `https://localhost:PORT` or `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.url())
    }
}

/// Connections live in the set, and end with it.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // A connection that was gone before it was accepted, or no free descriptor for a moment.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Headers and body leave in one or two packets; a delayed acknowledgement must not hold up the second.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        match acceptor.clone() {
            None => connections.spawn(serve(stream, router)),
            Some(acceptor) => connections.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, router).await;
                }
            }),
        };
    }
}

/// A connection that breaks is the client's affair.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(Answering(router));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The router, whose [`Unsent`] answers end the connection.
#[derive(Clone)]
struct Answering(Router);

impl<B> Service<Request<B>> for Answering
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A router is always ready.
        let answer = self.0.call(request.map(Body::new));
        Box::pin(async move {
            let response: Result<Response, Infallible> = answer.await;
            let Ok(response) = response;
            match response.extensions().get::<Unsent>() {
                None => Ok(response),
                Some(Unsent) => Err(io::ErrorKind::ConnectionReset.into()),
            }
        })
    }
}
