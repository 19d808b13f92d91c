//! AWS's SDK speaks TLS through our transport: roots are parsed at the first handshake, and only those count that were
//! asked for. Alone in its file, since the count is the process's.

use crate::support;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrets_core::{
    Environment, ErrorKind, GetOptions, OpenContext, Result, Secret, SecretProvider,
};
use secrets_provider::{Transport, root_stores_parsed};
use secrets_testkit::fault::{FaultServer, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &str = r#"{"Name":"a","ARN":"arn","VersionId":"v","SecretString":"over TLS"}"#;

/// A server for `localhost`, its address, and the PEM text of the CA that vouches for it.
async fn serve() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = vec![0; 16 * 1024];
            // The whole request fits into one record.
            let _ = stream.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                ANSWER.len()
            );
            let _ = stream.write_all(format!("{head}{ANSWER}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, ca)
}

#[tokio::test]
async fn roots_are_parsed_at_the_first_handshake_and_only_the_right_ones_trusted() {
    let (address, ca) = serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let other = folder.path().join("other.pem");
    let stranger = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    std::fs::write(&other, stranger.cert.pem()).unwrap();

    let read =
        async |endpoint: &str, bundle: Option<&str>, setting: Option<&str>| -> Result<Secret> {
            let mut config = support::config(endpoint, "id", "key");
            config.ca_cert = setting.map(Into::into);
            let environment: Environment = bundle
                .map(|path| ("AWS_CA_BUNDLE", path))
                .into_iter()
                .collect();
            let context = OpenContext::new("main")
                .with_environment(environment)
                .with_base_dir(folder.path());
            let provider = polysecrets_aws::open(config, context, Transport::default()).await?;
            provider
                .get(&support::name("a"), &GetOptions::default())
                .await
        };
    let plain = FaultServer::start(Reply::new(200).body(ANSWER))
        .await
        .unwrap();
    read(&plain.url(), None, None).await.unwrap();
    // A bundle that cannot be read does not matter where nothing goes over TLS.
    read(&plain.url(), Some("/missing.pem"), None)
        .await
        .unwrap();
    assert_eq!(root_stores_parsed(), 0);

    let secret = read(&address, None, Some("ca.pem")).await.unwrap();
    assert_eq!(secret.value.expose_str().unwrap(), "over TLS");
    assert_eq!(root_stores_parsed(), 1);
    read(&address, Some(file.to_str().unwrap()), None)
        .await
        .unwrap();
    // The configuration goes before the environment.
    read(&address, Some(other.to_str().unwrap()), Some("ca.pem"))
        .await
        .unwrap();

    let error = read(&address, None, Some("other.pem")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(
        error.hint().unwrap().contains("`ca_cert`"),
        "{:?}",
        error.hint()
    );
    let error = read(&address, None, Some("missing.pem")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("missing.pem"), "{error}");
    let error = read(&address, Some("/missing.pem"), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "AWS_CA_BUNDLE: there is no file /missing.pem"
    );
}
