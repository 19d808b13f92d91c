use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::recorder::{RecordedRequest, Recorder};
use super::reply::Reply;
use super::request;
use super::script::{Action, ConnectFault, Fault, Script};

/// A fault-injecting HTTP/1.1 server on `127.0.0.1`, on a port that the system chose.
///
/// It lives on the runtime that it was started on and ends with all its connections when it is dropped.
/// Its pauses use tokio's clock, so that they can be paused together with the rest of a test.
pub struct FaultServer {
    address: SocketAddr,
    recorder: Recorder,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl FaultServer {
    /// Binds a port and serves `script` in the background.
    ///
    /// # Errors
    ///
    /// Those of binding a socket.
    pub async fn start(script: impl Into<Script>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let recorder = Recorder::default();
        let script = Arc::new(Mutex::new(script.into()));
        let task = tokio::spawn(accept(listener, Arc::clone(&script), recorder.clone()));
        Ok(Self {
            address,
            recorder,
            script,
            task,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the script; requests that are being answered keep the old one.
    pub fn set_script(&self, script: impl Into<Script>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script.into();
    }

    /// Every request read so far, in the order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.recorder.requests()
    }

    /// How many requests were read so far.
    pub fn request_count(&self) -> u64 {
        self.recorder.request_count()
    }

    /// How many requests were read for each target (path and query, as sent).
    pub fn counts_by_target(&self) -> BTreeMap<String, u64> {
        self.recorder.counts_by_target()
    }

    /// How many connections were accepted so far.
    pub fn connection_count(&self) -> u64 {
        self.recorder.connection_count()
    }

    /// How many requests are being answered now.
    pub fn in_flight(&self) -> usize {
        self.recorder.in_flight()
    }

    /// The greatest number of requests that were being answered at once.
    pub fn in_flight_max(&self) -> usize {
        self.recorder.in_flight_max()
    }

    /// How many times a client sent something other than an HTTP/1.1 request, or left in the middle of one.
    pub fn unreadable_count(&self) -> u64 {
        self.recorder.unreadable_count()
    }

    /// Forgets what was recorded. Requests in flight stay counted as such.
    pub fn clear(&self) {
        self.recorder.clear();
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FaultServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultServer")
            .field("address", &self.address)
            .field("requests", &self.request_count())
            .finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>, recorder: Recorder) {
    // Dropped with this task, which ends every connection of the server.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, say: the next one may go well, but not in a busy loop.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let number = recorder.connected();
        let fault = lock(&script).next_connect();
        connections.spawn(connection(
            stream,
            number,
            fault,
            Arc::clone(&script),
            recorder.clone(),
        ));
    }
}

async fn connection(
    stream: TcpStream,
    number: u64,
    fault: ConnectFault,
    script: Arc<Mutex<Script>>,
    recorder: Recorder,
) {
    // Small pieces must leave when they are written, or a drip would arrive as one packet.
    let _ = stream.set_nodelay(true);
    match fault {
        ConnectFault::Serve => {}
        ConnectFault::Close => return,
        ConnectFault::Reset => {
            let _ = stream.set_zero_linger();
            return;
        }
        ConnectFault::Stall => {
            // Without a read there is no telling when the client leaves; the server's end ends this too.
            std::future::pending::<()>().await;
        }
    }

    let mut stream = BufStream::new(stream);
    loop {
        let parsed = match request::read(&mut stream, number).await {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return,
            Err(error) => {
                recorder.unreadable();
                if error.kind() == io::ErrorKind::InvalidData {
                    let _ = send(&mut stream, &Reply::new(400), true).await;
                }
                return;
            }
        };
        let (request, in_flight) = recorder.arrived(parsed.request);
        let next = lock(&script).next();
        let fault = next.decide(&request);
        let outcome = answer(&mut stream, fault, request.method == "HEAD").await;
        drop(in_flight);
        match outcome {
            Ok(After::Keep) if parsed.keep_alive => {}
            // With a linger of zero, dropping the socket sends the RST; shutting it down first would not.
            Ok(After::Drop) | Err(_) => return,
            Ok(After::Keep | After::Close) => {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

enum After {
    Keep,
    Close,
    Drop,
}

async fn answer(stream: &mut BufStream<TcpStream>, fault: Fault, head: bool) -> io::Result<After> {
    if !fault.delay.is_zero() {
        tokio::time::sleep(fault.delay).await;
    }
    match fault.action {
        Action::Reply(reply) => {
            send(stream, &reply, !head).await?;
            return Ok(After::Keep);
        }
        Action::Chunked { reply, chunk } => {
            stream.write_all(&reply.head(chunked_framing())).await?;
            for piece in reply.body.chunks(chunk) {
                write_chunk(stream, piece).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
            stream.flush().await?;
            return Ok(After::Keep);
        }
        Action::Close => {}
        Action::Reset { reply, after } => {
            if let Some(reply) = reply {
                send_part(stream, &reply, after).await?;
                // Time for the client to read what was sent: a reset overtakes what is still queued.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stream.get_ref().set_zero_linger()?;
            return Ok(After::Drop);
        }
        Action::Truncate { reply, after } => send_part(stream, &reply, after).await?,
        Action::HalfClose { reply, after } => {
            if let Some(reply) = reply {
                send_part(stream, &reply, after).await?;
            }
            stream.shutdown().await?;
            until_client_leaves(stream).await;
        }
        Action::Oversized {
            reply,
            length,
            declared,
        } => oversized(stream, &reply, length, declared).await?,
        Action::Drip {
            reply,
            chunk,
            every,
        } => {
            let mut bytes = reply.head(length_framing(&reply));
            bytes.extend_from_slice(&reply.body);
            for piece in bytes.chunks(chunk) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(every).await;
            }
            return Ok(After::Keep);
        }
        Action::HeaderFlood { count } => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            for number in 0..count {
                let header = format!("x-flood-{number}: {number}\r\n");
                stream.write_all(header.as_bytes()).await?;
            }
            stream.write_all(b"content-length: 0\r\n\r\n").await?;
            stream.flush().await?;
            return Ok(After::Keep);
        }
        Action::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
        }
        Action::Silence => until_client_leaves(stream).await,
    }
    Ok(After::Close)
}

async fn send(stream: &mut BufStream<TcpStream>, reply: &Reply, body: bool) -> io::Result<()> {
    stream.write_all(&reply.head(length_framing(reply))).await?;
    if body && reply.has_framing() {
        stream.write_all(&reply.body).await?;
    }
    stream.flush().await
}

/// The head with the full length, and only the first `after` bytes of the body.
async fn send_part(
    stream: &mut BufStream<TcpStream>,
    reply: &Reply,
    after: usize,
) -> io::Result<()> {
    stream.write_all(&reply.head(length_framing(reply))).await?;
    stream
        .write_all(&reply.body[..after.min(reply.body.len())])
        .await?;
    stream.flush().await
}

async fn oversized(
    stream: &mut BufStream<TcpStream>,
    reply: &Reply,
    length: u64,
    declared: bool,
) -> io::Result<()> {
    let framing = if declared {
        Some(("content-length", length.to_string()))
    } else {
        chunked_framing()
    };
    stream.write_all(&reply.head(framing)).await?;
    let filler = [b'x'; 16 * 1024];
    let mut left = length;
    while left > 0 {
        let piece = &filler[..left.min(filler.len() as u64) as usize];
        if declared {
            stream.write_all(piece).await?;
        } else {
            write_chunk(stream, piece).await?;
        }
        left -= piece.len() as u64;
    }
    stream.flush().await
}

async fn write_chunk(stream: &mut BufStream<TcpStream>, piece: &[u8]) -> io::Result<()> {
    stream
        .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
        .await?;
    stream.write_all(piece).await?;
    stream.write_all(b"\r\n").await
}

async fn until_client_leaves(stream: &mut BufStream<TcpStream>) {
    let mut scratch = [0; 1024];
    while matches!(stream.read(&mut scratch).await, Ok(read) if read > 0) {}
}

fn length_framing(reply: &Reply) -> Option<(&'static str, String)> {
    reply
        .has_framing()
        .then(|| ("content-length", reply.body.len().to_string()))
}

fn chunked_framing() -> Option<(&'static str, String)> {
    Some(("transfer-encoding", "chunked".to_owned()))
}

fn lock(script: &Mutex<Script>) -> std::sync::MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}
