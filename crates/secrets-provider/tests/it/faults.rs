//! What a client of ours does when the network or the server misbehaves.
use std::time::{Duration, Instant};

use polysecrets_provider::{
    BaseUrl, ClientOptions, HeaderName, HttpClient, HttpRequest, HttpResponse, Method,
    SettingNames, Transport, Url, refused_redirect, sensitive_header,
};
use secrets_core::{Environment, ErrorKind, Result, SecretValue};
use secrets_testkit::canary::{Canary, Sinks};
use secrets_testkit::fault::{ConnectFault, Fault, FaultServer, Reply, Script};

fn client(options: ClientOptions) -> HttpClient {
    Transport::default().client(options).unwrap()
}

fn request(address: &str) -> HttpRequest {
    let url = BaseUrl::parse(address).unwrap().join("v1/secret");
    HttpRequest::new(Method::GET, url).with_header(
        HeaderName::from_static("x-vault-token"),
        sensitive_header(&"hunter2".into(), "the token").unwrap(),
    )
}

async fn answer(fault: Fault) -> Result<HttpResponse> {
    let server = FaultServer::start(fault).await.unwrap();
    let options = ClientOptions::default().with_request_timeout(Duration::from_millis(500));
    client(options).send(request(&server.url())).await
}

async fn failure(fault: Fault) -> ErrorKind {
    let error = answer(fault).await.unwrap_err();
    assert!(!error.to_string().contains("v1/secret"), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error.kind()
}

#[tokio::test]
async fn an_answer_has_status_headers_and_body() {
    let reply = Reply::new(404).header("x-a", "b").body("hello");
    let response = answer(Fault::reply(reply)).await.unwrap();
    assert_eq!(response.status, 404);
    assert_eq!(response.headers["x-a"], "b");
    assert_eq!(*response.body, b"hello");
    let chunked = answer(Fault::chunked(Reply::new(200).body("hello"), 2)).await;
    assert_eq!(*chunked.unwrap().body, b"hello");
}

#[tokio::test]
async fn bodies_arrive_as_they_are() {
    let server = FaultServer::start(Reply::new(200)).await.unwrap();
    let body: Vec<u8> = (0..=255).collect();
    let request = request(&server.url()).with_json(body.clone().into());
    client(ClientOptions::default())
        .send(request)
        .await
        .unwrap();
    assert_eq!(server.requests()[0].body, body);
    assert_eq!(
        server.requests()[0].header("content-type"),
        Some("application/json")
    );
}

#[tokio::test]
async fn no_credential_follows_a_redirect() {
    let target = FaultServer::start(Reply::new(200)).await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        for location in [
            format!("{}/v1/secret?hunter3", target.url()),
            target.url().replace("127.0.0.1", "localhost"),
            "/elsewhere".to_owned(),
        ] {
            let server = FaultServer::start(Fault::redirect(status, location))
                .await
                .unwrap();
            let error = client(ClientOptions::default())
                .send(request(&server.url()))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
            assert_eq!(server.request_count(), 1);
            // To whom it is an answer, it is not followed either.
            let url = Url::parse(&server.url()).unwrap();
            let asked = HttpRequest::new(Method::GET, url.clone()).with_redirects_as_answers();
            let response = client(ClientOptions::default()).send(asked).await.unwrap();
            assert_eq!(response.status.as_u16(), status);
            let refused = refused_redirect(&url, &response.headers);
            assert_eq!(refused.to_string(), error.to_string());
            assert_eq!(server.request_count(), 2);
        }
    }
    assert_eq!(target.connection_count(), 0);
}

#[tokio::test]
async fn a_body_is_bounded_whether_its_length_is_told_or_not() {
    for fault in [
        Fault::oversized(Reply::new(200), 1 << 40),
        Fault::endless(Reply::new(200)),
    ] {
        let server = FaultServer::start(fault).await.unwrap();
        let request = request(&server.url()).with_body_limit(100_000);
        let error = client(ClientOptions::default())
            .send(request)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(error.to_string().contains("100000"), "{error}");
    }
    let server = FaultServer::start(Reply::new(200).body(vec![b'x'; 1000]))
        .await
        .unwrap();
    let exact = request(&server.url()).with_body_limit(1000);
    let response = client(ClientOptions::default()).send(exact).await.unwrap();
    assert_eq!(response.body.len(), 1000);
}

#[tokio::test]
async fn broken_connections_are_unavailable() {
    let reply = || Reply::new(200).body("0123456789");
    for fault in [
        Fault::close(),
        Fault::reset(),
        Fault::half_close(),
        Fault::truncated(reply(), 4),
        Fault::half_close_after(reply(), 4),
        Fault::reset_after(reply(), 4),
    ] {
        assert_eq!(
            failure(fault.clone()).await,
            ErrorKind::Unavailable,
            "{fault:?}"
        );
    }
    let nobody = client(ClientOptions::default())
        .send(request("http://127.0.0.1:1"))
        .await
        .unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unavailable);
    assert!(
        nobody.to_string().contains("connection refused"),
        "{nobody}"
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_in_plain_words() {
    let mut names = SettingNames::default();
    names.address = "VAULT_ADDR".into();
    let options = || ClientOptions::default().with_names(names.clone());
    // RFC 6761 keeps `.invalid` free of hosts.
    let nowhere = client(options())
        .send(request("http://vault.invalid:8200"))
        .await
        .unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Unavailable);
    assert_eq!(
        nowhere.message(),
        "cannot resolve the host name vault.invalid"
    );
    assert!(nowhere.hint().unwrap().contains("VAULT_ADDR"));

    let nobody = client(options())
        .send(request("http://127.0.0.1:1"))
        .await
        .unwrap_err();
    assert_eq!(
        nobody.message(),
        "cannot connect to http://127.0.0.1:1: connection refused"
    );
    assert!(nobody.hint().unwrap().contains("VAULT_ADDR"));

    let proxied: Environment = [("HTTP_PROXY", "http://proxy.invalid:3128")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), SecretValue::from(value)))
        .collect();
    let proxy = Transport::new(proxied)
        .client(options())
        .unwrap()
        .send(request("http://vault.example:8200"))
        .await
        .unwrap_err();
    assert!(proxy.message().contains("that of the proxy"), "{proxy}");
}

#[tokio::test]
async fn slow_answers_end_in_time() {
    let reply = Reply::new(200).body(vec![b'x'; 10_000]);
    for fault in [
        Fault::silence(),
        Fault::drip(reply, 1, Duration::from_millis(20)),
        Fault::reply(Reply::new(200)).delayed(Duration::from_secs(60)),
    ] {
        let start = Instant::now();
        assert_eq!(
            failure(fault.clone()).await,
            ErrorKind::Timeout,
            "{fault:?}"
        );
        assert!(
            start.elapsed() < Duration::from_millis(1500),
            "{:?}",
            start.elapsed()
        );
    }
    let stalled = Script::default().every_connection(ConnectFault::Stall);
    let server = FaultServer::start(stalled).await.unwrap();
    let options = ClientOptions::default().with_request_timeout(Duration::from_millis(300));
    let error = client(options)
        .send(request(&server.url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn what_is_not_http_is_an_invalid_response() {
    let ssh = Fault::raw("SSH-2.0-OpenSSH_9.2\r\nhunter2\r\n");
    assert_eq!(failure(ssh).await, ErrorKind::InvalidResponse);
    assert_eq!(
        failure(Fault::header_flood(5000)).await,
        ErrorKind::InvalidResponse
    );
}

#[tokio::test]
async fn proxies_come_from_the_given_environment_and_never_apply_to_this_machine() {
    let proxy = FaultServer::start(Reply::new(200).body("from the proxy"))
        .await
        .unwrap();
    let send = |variables: Vec<(&'static str, String)>, address: &'static str| {
        let environment: Environment = variables
            .into_iter()
            .map(|(name, value)| (name, SecretValue::from(value)))
            .collect();
        let options = ClientOptions::default().with_connect_timeout(Duration::from_millis(500));
        let client = Transport::new(environment).client(options).unwrap();
        async move { client.send(request(address)).await }
    };
    // RFC 2606 reserves `.invalid`: nobody answers there but the proxy.
    let through = send(vec![("HTTP_PROXY", proxy.url())], "http://vault.invalid").await;
    assert_eq!(*through.unwrap().body, b"from the proxy");
    assert_eq!(proxy.requests()[0].target, "http://vault.invalid/v1/secret");

    let cgi = vec![
        ("HTTP_PROXY", proxy.url()),
        ("REQUEST_METHOD", "GET".to_owned()),
    ];
    assert!(send(cgi, "http://vault.invalid").await.is_err());
    let excepted = vec![
        ("http_proxy", proxy.url()),
        ("NO_PROXY", ".invalid".to_owned()),
    ];
    assert!(send(excepted, "http://vault.invalid").await.is_err());
    let local = vec![("ALL_PROXY", proxy.url())];
    assert!(send(local, "http://127.0.0.1:1").await.is_err());
    assert_eq!(proxy.request_count(), 1);

    // A TLS connection is tunnelled: the proxy sees where it goes, and no credential.
    let tunnel = send(vec![("HTTPS_PROXY", proxy.url())], "https://vault.invalid").await;
    assert!(tunnel.is_err());
    let connect = &proxy.requests()[1];
    assert_eq!(
        (&*connect.method, &*connect.target),
        ("CONNECT", "vault.invalid:443")
    );
    assert_eq!(connect.header("x-vault-token"), None);

    let environment: Environment = [("HTTPS_PROXY", "socks5://user:hunter2@host")]
        .into_iter()
        .collect();
    let error = Transport::new(environment)
        .client(ClientOptions::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("HTTPS_PROXY") && !format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn nothing_shows_a_credential_or_a_body() {
    let (token, value) = (Canary::generate(), Canary::generate());
    let mut sinks = Sinks::new([&token, &value]);
    for fault in [
        Fault::reply(Reply::new(200).body(value.reveal().as_str())),
        Fault::raw(value.reveal().as_str()),
        // The host is reported, it says what to change; nothing else of the target is.
        Fault::redirect(
            307,
            format!(
                "http://u:{0}@elsewhere.example/{0}?t={0}#{0}",
                *value.reveal()
            ),
        ),
        Fault::truncated(Reply::new(200).body(value.reveal().as_str()), 3),
    ] {
        let server = FaultServer::start(fault).await.unwrap();
        let request = request(&server.url())
            .with_header(
                HeaderName::from_static("authorization"),
                sensitive_header(&token.reveal().as_str().into(), "the token").unwrap(),
            )
            .with_json(value.reveal().as_str().into());
        sinks.debug("the request", &request);
        match client(ClientOptions::default()).send(request).await {
            Ok(response) => sinks.debug("the answer", &response),
            Err(error) => sinks.error("the error", &error),
        };
    }
    sinks.assert_clean();
}
