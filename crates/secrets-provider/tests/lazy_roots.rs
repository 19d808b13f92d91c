//! Roots are parsed for the first TLS handshake, and not before. Alone in its file, since the count is the process's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use polysecrets_provider::{
    BaseUrl, ClientOptions, HttpRequest, Method, Transport, root_stores_parsed,
};
use secrets_core::{Environment, ErrorKind};
use secrets_testkit::fault::{FaultServer, Reply};

mod support;

#[tokio::test]
async fn roots_are_parsed_once_and_only_for_tls() {
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
