use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::tokens::random;

/// A service account with one key.
pub(super) struct ServiceAccount {
    email: String,
    key_id: String,
    /// Made when it is first asked for: that takes a tenth of a second, and most tests need none.
    key: OnceLock<KeyPair>,
}

impl ServiceAccount {
    pub(super) fn new(project: &str) -> Self {
        Self {
            email: format!("tester@{project}.iam.gserviceaccount.com"),
            key_id: random(40).to_lowercase(),
            key: OnceLock::new(),
        }
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// PKCS#8, in PEM form.
    #[expect(
        clippy::expect_used,
        reason = "fails only where no key can be made, and the caller is a test"
    )]
    pub(super) fn private_key_pem(&self) -> Zeroizing<String> {
        let der = self.key().as_der().expect("a new key can be written");
        let text = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(text.len() * 66 / 64 + 64));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, left) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = left;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// With RS256.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        // Nobody can have signed with a key that was never given out.
        self.key.get().is_some_and(|key| {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                .verify(message, signature)
                .is_ok()
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "fails only where no key can be made, and the caller is a test"
    )]
    fn key(&self) -> &KeyPair {
        self.key
            .get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("a key can be made"))
    }
}
