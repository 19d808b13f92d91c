//! Whom a client trusts, and what it says when it does not.
use polysecrets_provider::{
    BaseUrl, ClientIdentity, ClientOptions, HttpRequest, HttpResponse, Method, SettingNames,
    Transport,
};
use secrets_core::{ErrorKind, Result};
use secrets_testkit::fault::{Fault, FaultServer};

use crate::support;

async fn get(address: &str, options: ClientOptions) -> Result<HttpResponse> {
    let url = BaseUrl::parse(address)?.join("");
    let client = Transport::default().client(options)?;
    client.send(HttpRequest::new(Method::GET, url)).await
}

#[tokio::test]
async fn a_ca_of_ones_own_is_trusted_and_is_the_only_one() {
    let (pki, other) = (support::Pki::generate(), support::Pki::generate());
    let server = support::TlsServer::start(&pki, false).await;
    let trusting = |pem: &str| ClientOptions::default().with_ca_pem(pem.as_bytes().to_vec());

    let response = get(&server.url(), trusting(&pki.ca_pem)).await.unwrap();
    assert_eq!(*response.body, b"ok");

    let error = get(&server.url(), trusting(&other.ca_pem))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("issuer is unknown"), "{error}");

    let by_name = server.url().replace("127.0.0.1", "localhost");
    let error = get(&by_name, trusting(&pki.ca_pem)).await.unwrap_err();
    assert!(error.to_string().contains("another host"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_told_with_the_setting_or_the_fault() {
    let other = support::Pki::generate();
    for (years, knows_ca, says, hints) in [
        ((2000, 3000), false, "its issuer is unknown", "`ca_cert`"),
        ((2001, 2002), true, "it has expired", "renew"),
        ((3000, 3001), true, "it is not valid yet", "clock"),
    ] {
        let mut pki = support::Pki::generate();
        pki.redate(years.0, years.1);
        let server = support::TlsServer::start(&pki, false).await;
        let ca = if knows_ca { &pki.ca_pem } else { &other.ca_pem };
        let mut names = SettingNames::default();
        names.ca = "`ca_cert`".into();
        let options = ClientOptions::default()
            .with_ca_pem(ca.as_bytes().to_vec())
            .with_names(names);
        let error = get(&server.url(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().ends_with(says), "{error}");
        assert!(error.hint().unwrap().contains(hints), "{error:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let pki = support::Pki::generate();
    let server = support::TlsServer::start(&pki, true).await;
    let options = ClientOptions::default().with_ca_pem(pki.ca_pem.clone().into_bytes());
    let identity = ClientIdentity::new(pki.client.0.clone().into(), pki.client.1.as_str().into());

    let with = options.clone().with_identity(identity);
    assert_eq!(*get(&server.url(), with).await.unwrap().body, b"ok");

    let without = get(&server.url(), options).await.unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Unauthenticated, "{without}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let server = FaultServer::start(Fault::raw("HTTP/1.1 400 Bad Request\r\n\r\n"))
        .await
        .unwrap();
    let address = server.url().replace("http:", "https:");
    let error = get(&address, ClientOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
}

#[tokio::test]
async fn files_that_are_not_pem_are_refused() {
    let pki = support::Pki::generate();
    let transport = Transport::default();
    let refused = |options: ClientOptions| {
        let error = transport.client(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        error.to_string()
    };
    let text = refused(ClientOptions::default().with_ca_pem(b"hunter2".to_vec()));
    assert_eq!(text, "the CA file holds no certificate");
    for (cert, key, says) in [
        (&*pki.client.0, "hunter2", "no private key"),
        ("hunter2", &*pki.client.1, "no certificate"),
        (&*pki.client.0, &*pki.server.1, "does not belong"),
    ] {
        let identity = ClientIdentity::new(cert.into(), key.into());
        let text = refused(ClientOptions::default().with_identity(identity));
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}
