use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The issuer whose tokens Entra takes in exchange: what a cluster is to workload identity.
#[derive(Debug)]
pub(super) struct Issuer {
    key: EcdsaKeyPair,
}

const ISSUER: &str = "https://issuer.fake.example/";
const SUBJECT: &str = "system:serviceaccount:default:fake";
const AUDIENCE: &str = "api://AzureADTokenExchange";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// Why a presented assertion is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Malformed,
    Signature,
    Issuer,
    Subject,
    Audience,
    Expired,
}

impl Issuer {
    #[expect(
        clippy::expect_used,
        reason = "fails only where no key can be made, and the caller is a test"
    )]
    pub(super) fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .expect("a key can be made"),
        }
    }

    /// A token that lives from `now` for `life`.
    #[expect(clippy::expect_used, reason = "a fresh key signs anything")]
    pub(super) fn mint(&self, now: u64, life: Duration) -> String {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: SUBJECT.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            exp: now + life.as_secs(),
        };
        let claims = serde_json::to_vec(&claims).expect("claims are text and numbers");
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("a fresh key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn check(&self, assertion: &str, now: u64) -> Result<(), Unfit> {
        let (signed, signature) = assertion.rsplit_once('.').ok_or(Unfit::Malformed)?;
        let (_, claims) = signed.split_once('.').ok_or(Unfit::Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Unfit::Malformed);
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| Unfit::Malformed)?;
        if claims.iss != ISSUER {
            return Err(Unfit::Issuer);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key())
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| Unfit::Signature)?;
        if claims.sub != SUBJECT {
            return Err(Unfit::Subject);
        }
        if claims.aud != AUDIENCE {
            return Err(Unfit::Audience);
        }
        if claims.exp <= now || claims.iat > now + 300 {
            return Err(Unfit::Expired);
        }
        Ok(())
    }
}
