//! The fault server does what its script says, seen from a bare TCP client.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use polysecrets_testkit::fault::{ConnectFault, Fault, FaultServer, Reply, RetryAfter, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] =
    b"GET /a?b=%20c HTTP/1.1\r\nHost: t\r\nX-Token: hunter2\r\nConnection: close\r\n\r\n";

/// All that the server sends until it closes, or the error that cut it off after what was read.
async fn exchange(address: SocketAddr, request: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    if let Err(error) = stream.write_all(request).await {
        return (Vec::new(), Some(error.kind()));
    }
    let mut read = Vec::new();
    match stream.read_to_end(&mut read).await {
        Ok(_) => (read, None),
        Err(error) => (read, Some(error.kind())),
    }
}

async fn text(address: SocketAddr, request: &[u8]) -> String {
    let (bytes, error) = exchange(address, request).await;
    assert_eq!(error, None);
    String::from_utf8(bytes).unwrap()
}

fn hello() -> Reply {
    Reply::new(200).header("x-a", "1").body("hello world")
}

#[tokio::test]
async fn replies_and_records_the_request_as_it_was_sent() {
    let server = FaultServer::start(hello()).await.unwrap();
    let answer = text(server.address(), GET).await;
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 11\r\n\r\nhello world"
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].target, "/a?b=%20c");
    assert_eq!(requests[0].path(), "/a");
    assert_eq!(requests[0].query(), Some("b=%20c"));
    assert_eq!(requests[0].header("x-token"), Some("hunter2"));
    assert!(format!("{requests:?}").contains("hunter2"));
    let transcript = String::from_utf8(requests[0].transcript()).unwrap();
    assert!(transcript.contains("X-Token: hunter2"));
}

#[tokio::test]
async fn keeps_connections_open_and_tells_them_apart() {
    let server = FaultServer::start(hello()).await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut buffer = [0; 256];
    for body in ["", "abc"] {
        let request = format!(
            "POST /x HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello world") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            seen.extend_from_slice(&buffer[..read]);
        }
    }
    text(server.address(), GET).await;
    let requests = server.requests();
    assert_eq!(requests[1].body, b"abc");
    assert_eq!(
        requests.iter().map(|r| r.connection).collect::<Vec<_>>(),
        [0, 0, 1]
    );
    assert_eq!(server.connection_count(), 2);
    assert_eq!(server.counts_by_target()["/x"], 2);
    server.clear();
    assert_eq!(server.request_count(), 0);
}

#[tokio::test]
async fn reads_chunked_bodies_and_answers_expect_continue() {
    let server = FaultServer::start(hello()).await.unwrap();
    let answer = text(
        server.address(),
        b"PUT /c HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
          3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: 1\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert_eq!(server.requests()[0].body, b"abc0123456789");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_counted() {
    let server = FaultServer::start(hello()).await.unwrap();
    for bad in [
        &b"\x16\x03\x01\x02\x00\x01\n"[..],
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
    ] {
        let answer = text(server.address(), bad).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(server.request_count(), 0);
    assert_eq!(server.unreadable_count(), 3);
}

#[tokio::test]
async fn sequence_then_routes_then_default() {
    let server = FaultServer::start(
        Script::sequence([Fault::reply(Reply::new(500))])
            .route("GET", "/a", Reply::new(201))
            .or_respond(|request| (request.path() == "/b").then(|| Reply::new(202).into()))
            .then(Reply::new(418)),
    )
    .await
    .unwrap();
    let mut statuses = Vec::new();
    for path in ["/a", "/a", "/b", "/c"] {
        let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n");
        statuses.push(text(server.address(), request.as_bytes()).await[9..12].to_owned());
    }
    assert_eq!(statuses, ["500", "201", "202", "418"]);
    server.set_script(Reply::new(204));
    let answer = text(server.address(), GET).await;
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn delay_holds_the_reply_and_counts_in_flight() {
    let delay = Duration::from_millis(80);
    let server = FaultServer::start(Fault::reply(hello()).delayed(delay))
        .await
        .unwrap();
    let started = Instant::now();
    let address = server.address();
    let clients = (0..5).map(|_| tokio::spawn(async move { text(address, GET).await }));
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!(started.elapsed() >= delay);
    assert_eq!(server.in_flight_max(), 5);
    // The guard is dropped just after the reply has left.
    while server.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn reset_is_a_reset_and_close_is_not() {
    let server = FaultServer::start(Fault::reset()).await.unwrap();
    let (bytes, error) = exchange(server.address(), GET).await;
    assert_eq!((bytes.len(), error), (0, Some(ErrorKind::ConnectionReset)));

    server.set_script(Fault::reset_after(hello(), 5));
    let (bytes, error) = exchange(server.address(), GET).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(bytes.ends_with(b"\r\n\r\nhello"));

    server.set_script(Fault::close());
    assert_eq!(exchange(server.address(), GET).await, (Vec::new(), None));
}

#[tokio::test]
async fn connection_faults_come_before_any_request() {
    let server = FaultServer::start(
        Script::always(hello()).connections([ConnectFault::Reset, ConnectFault::Close]),
    )
    .await
    .unwrap();
    let (_, error) = exchange(server.address(), GET).await;
    assert!(error.is_some());
    // Closed with the request unread, which the system may turn into a reset.
    let (bytes, _) = exchange(server.address(), GET).await;
    assert!(bytes.is_empty());
    assert!(
        text(server.address(), GET)
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(server.request_count(), 1);
    assert_eq!(server.connection_count(), 3);

    server.set_script(Script::always(hello()).every_connection(ConnectFault::Stall));
    let stalled = tokio::time::timeout(Duration::from_millis(50), exchange(server.address(), GET));
    assert!(stalled.await.is_err());
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn truncated_body_keeps_its_promise_of_length() {
    let server = FaultServer::start(Fault::truncated(hello(), 4))
        .await
        .unwrap();
    let answer = text(server.address(), GET).await;
    assert!(answer.contains("content-length: 11\r\n"));
    assert!(answer.ends_with("\r\n\r\nhell"));

    server.set_script(hello().header("Content-Length", "3"));
    let answer = text(server.address(), GET).await;
    assert!(answer.contains("Content-Length: 3\r\n") && !answer.contains("content-length"));
}

#[tokio::test]
async fn half_close_still_reads() {
    let server = FaultServer::start(Fault::half_close_after(hello(), 2))
        .await
        .unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    assert!(read.ends_with(b"\r\n\r\nhe"));
    for _ in 0..20 {
        stream.write_all(b"still here").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.in_flight(), 1);
}

#[tokio::test]
async fn oversized_and_endless_bodies() {
    let length = 3 * 1024 * 1024 + 7;
    let server = FaultServer::start(Fault::oversized(Reply::new(200), length))
        .await
        .unwrap();
    let (bytes, error) = exchange(server.address(), GET).await;
    assert_eq!(error, None);
    let body = bytes.iter().rev().take_while(|byte| **byte == b'x').count();
    assert_eq!(body as u64, length);

    server.set_script(Fault::endless(Reply::new(200)));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    while total < 8 * 1024 * 1024 {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "an endless body has ended");
        total += read;
    }
}

#[tokio::test]
async fn drip_takes_its_time() {
    let every = Duration::from_millis(5);
    let server = FaultServer::start(Fault::drip(hello(), 8, every))
        .await
        .unwrap();
    let started = Instant::now();
    let answer = text(server.address(), GET).await;
    assert!(answer.ends_with("hello world"));
    let pieces = answer.len().div_ceil(8) as u32;
    assert!(started.elapsed() >= every * (pieces - 1));
}

#[tokio::test]
async fn redirects_and_retry_hints() {
    let server = FaultServer::start(Script::default()).await.unwrap();
    for status in [301, 302, 307, 308] {
        server.set_script(Fault::redirect(status, "http://elsewhere.test/x"));
        let answer = text(server.address(), GET).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(answer.contains("\r\nlocation: http://elsewhere.test/x\r\n"));
    }
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for (hint, header) in [
        (RetryAfter::Seconds(7), "retry-after: 7"),
        (RetryAfter::Millis(250), "retry-after-ms: 250"),
        (RetryAfter::MsMillis(250), "x-ms-retry-after-ms: 250"),
        (RetryAfter::AmzMillis(250), "x-amz-retry-after: 250"),
        (
            RetryAfter::Date(date),
            "retry-after: Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        (RetryAfter::Garbage("soon".into()), "retry-after: soon"),
    ] {
        server.set_script(Fault::throttled(503, hint));
        let answer = text(server.address(), GET).await;
        assert!(answer.starts_with("HTTP/1.1 503 "));
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{answer}");
    }
    server.set_script(Fault::throttled(429, RetryAfter::Absent));
    assert!(!text(server.address(), GET).await.contains("retry"));
}

#[tokio::test]
async fn raw_floods_chunks_and_silence() {
    let server = FaultServer::start(Fault::raw("SSH-2.0-OpenSSH\r\n"))
        .await
        .unwrap();
    assert_eq!(text(server.address(), GET).await, "SSH-2.0-OpenSSH\r\n");

    server.set_script(Fault::header_flood(5000));
    assert!(
        text(server.address(), GET)
            .await
            .contains("\r\nx-flood-4999: 4999\r\n")
    );

    server.set_script(Fault::chunked(hello(), 6));
    let answer = text(server.address(), GET).await;
    assert!(answer.ends_with("\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"));

    server.set_script(Fault::silence());
    let silent = tokio::time::timeout(Duration::from_millis(50), exchange(server.address(), GET));
    assert!(silent.await.is_err());
}

#[tokio::test]
async fn dropping_the_server_ends_it_and_its_connections() {
    let server = FaultServer::start(Fault::silence()).await.unwrap();
    let address = server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    while server.request_count() == 0 {
        tokio::task::yield_now().await;
    }
    drop(server);
    let mut byte = [0];
    assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}
