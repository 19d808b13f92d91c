//! Roots are parsed for the first TLS handshake, and not before.
use polysecrets_provider::{
    BaseUrl, ClientOptions, HttpRequest, Method, Transport, root_stores_parsed,
};
use secrets_core::{Environment, ErrorKind};
use secrets_testkit::fault::{FaultServer, Reply};

use crate::support;

/// Set in the process that counts.
const ALONE: &str = "POLYSECRETS_TEST_ALONE";

/// The count is the process's, so the test runs in one of its own.
#[test]
fn roots_are_parsed_once_and_only_for_tls() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(counts_parsed_roots());
    }
    let own = "lazy_roots::roots_are_parsed_once_and_only_for_tls";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", own])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("1 passed"), "{shown}");
}

async fn counts_parsed_roots() {
    let pki = support::Pki::generate();
    let folder = std::env::temp_dir().join(format!("polysecrets-roots-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let bundle = folder.join("ca.pem");
    std::fs::write(&bundle, &pki.ca_pem).unwrap();
    let environment: Environment = [("SSL_CERT_FILE", bundle.to_str().unwrap())]
        .into_iter()
        .collect();
    let transport = Transport::new(environment);
    let get = |address: String| {
        let client = transport.client(ClientOptions::default()).unwrap();
        let url = BaseUrl::parse(&address).unwrap().join("");
        async move { client.send(HttpRequest::new(Method::GET, url)).await }
    };

    let plain = FaultServer::start(Reply::new(200)).await.unwrap();
    get(plain.url()).await.unwrap();
    let nobody = get("https://127.0.0.1:1".to_owned()).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unavailable);
    assert_eq!(root_stores_parsed(), 0);

    let server = support::TlsServer::start(&pki, false).await;
    for _ in 0..3 {
        get(server.url()).await.unwrap();
    }
    assert_eq!(root_stores_parsed(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
