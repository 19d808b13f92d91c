//! AWS Secrets Manager with one value under every name, on its own thread, so it shares no runtime and counts with a client.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::store::VALUE;

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    Well,
    /// Status 400, AWS's throttling.
    Throttled,
    /// Status 500.
    Broken,
}

/// A server that runs until the process ends.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    calls: AtomicU64,
    mood: AtomicU8,
    delay: Duration,
}

impl Upstream {
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("no blocking");
        let state = Arc::new(State {
            calls: AtomicU64::new(0),
            mood: AtomicU8::new(Mood::Well as u8),
            delay,
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(serve(listener, &shared));
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of calls since the last time.
    pub(crate) fn calls(&self) -> u64 {
        self.state.calls.swap(0, SeqCst)
    }

    /// Changes how the server answers.
    pub(crate) fn set(&self, mood: Mood) {
        self.state.mood.store(mood as u8, SeqCst);
    }
}

async fn serve(listener: TcpListener, state: &Arc<State>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, state.clone()));
    }
}

async fn connection(mut stream: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while let read @ 1.. = stream.read(&mut piece).await? {
        text.extend_from_slice(&piece[..read]);
        if let Some(body) = body(&text) {
            state.calls.fetch_add(1, SeqCst);
            if !state.delay.is_zero() {
                tokio::time::sleep(state.delay).await;
            }
            let answer = answer(state.mood.load(SeqCst), &body);
            text.clear();
            stream.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The body of a request, once it is complete.
fn body(request: &[u8]) -> Option<String> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let body = request.get(end..end + length)?;
    Some(String::from_utf8_lossy(body).into_owned())
}

fn answer(mood: u8, body: &str) -> String {
    let (status, body) = if mood == Mood::Throttled as u8 {
        (
            "400 Bad Request",
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned(),
        )
    } else if mood == Mood::Broken as u8 {
        (
            "500 Internal Server Error",
            r#"{"__type":"InternalServiceError","message":"broken"}"#.to_owned(),
        )
    } else {
        ("200 OK", secret(body))
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The response to `GetSecretValue` and `DescribeSecret`.
fn secret(body: &str) -> String {
    const VERSION: &str = "0d1f2c3b-4a59-4687-9b1c-0d1f2c3b4a59";
    let asked = body
        .split_once(r#""SecretId":""#)
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or_default();
    format!(
        r#"{{"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:{asked}-AbCdEf","Name":"{asked}","VersionId":"{VERSION}","SecretString":"{VALUE}","VersionStages":["AWSCURRENT"],"VersionIdsToStages":{{"{VERSION}":["AWSCURRENT"]}},"CreatedDate":1.7E9}}"#
    )
}
