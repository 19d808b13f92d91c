use std::fmt;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// A certificate authority of its own, with a certificate for `localhost`, `*.localhost`, `*.vault.azure.net` and
/// `127.0.0.1`: a client that trusts [`ca_pem`](Self::ca_pem) trusts the fakes that use it.
pub struct Authority {
    ca_pem: String,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// A new one, with new keys.
    ///
    /// # Panics
    /// If keys cannot be generated on this machine.
    #[expect(
        clippy::expect_used,
        reason = "fails only where no key can be made, and the caller is a test"
    )]
    pub fn generate() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A leaf with the name of its issuer is taken for one that signed itself.
        params.distinguished_name = named("polysecrets fakes, certificate authority");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().expect("a key can be made");
        let ca = params.self_signed(&ca_key).expect("a CA can sign itself");
        let issuer = Issuer::new(params, ca_key);
        let names =
            ["localhost", "*.localhost", "*.vault.azure.net", "127.0.0.1"].map(str::to_owned);
        let key = KeyPair::generate().expect("a key can be made");
        let leaf = CertificateParams::new(names.to_vec())
            .and_then(|mut params| {
                params.distinguished_name = named("polysecrets fakes");
                params.use_authority_key_identifier_extension = true;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params.signed_by(&key, &issuer)
            })
            .expect("a CA can sign a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![leaf.der().clone()], key)
            })
            .expect("a new key and its certificate fit");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            ca_pem: ca.pem(),
            config: Arc::new(config),
        }
    }

    /// The certificate of the CA, in PEM form.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(..)")
    }
}
