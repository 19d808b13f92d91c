use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED,
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::refusal::{Outcome, Refusal};

/// A key pair. The private half never leaves it.
#[derive(Clone)]
pub(super) enum Material {
    Ec(&'static Curve, Arc<EcdsaKeyPair>),
    Rsa(Arc<rsa::KeyPair>),
}

pub(super) struct Curve {
    name: &'static str,
    signing: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 4] = [
    Curve {
        name: "P-256",
        signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        name: "P-256K",
        signing: &ECDSA_P256K1_SHA256_FIXED_SIGNING,
    },
    Curve {
        name: "P-384",
        signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        name: "P-521",
        signing: &ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

/// How a digest is signed. Signatures over elliptic curves are `r` and `s` side by side, as JWS has them.
struct Algorithm {
    name: &'static str,
    scheme: Scheme,
    digest: &'static digest::Algorithm,
    verification: &'static dyn VerificationAlgorithm,
}

enum Scheme {
    /// With a key on the curve of this name.
    Ec(&'static str),
    Rsa(&'static dyn RsaEncoding),
}

static ALGORITHMS: [Algorithm; 10] = [
    Algorithm {
        name: "ES256",
        scheme: Scheme::Ec("P-256"),
        digest: &digest::SHA256,
        verification: &ECDSA_P256_SHA256_FIXED,
    },
    Algorithm {
        name: "ES256K",
        scheme: Scheme::Ec("P-256K"),
        digest: &digest::SHA256,
        verification: &ECDSA_P256K1_SHA256_FIXED,
    },
    Algorithm {
        name: "ES384",
        scheme: Scheme::Ec("P-384"),
        digest: &digest::SHA384,
        verification: &ECDSA_P384_SHA384_FIXED,
    },
    Algorithm {
        name: "ES512",
        scheme: Scheme::Ec("P-521"),
        digest: &digest::SHA512,
        verification: &ECDSA_P521_SHA512_FIXED,
    },
    Algorithm {
        name: "RS256",
        scheme: Scheme::Rsa(&RSA_PKCS1_SHA256),
        digest: &digest::SHA256,
        verification: &RSA_PKCS1_2048_8192_SHA256,
    },
    Algorithm {
        name: "RS384",
        scheme: Scheme::Rsa(&RSA_PKCS1_SHA384),
        digest: &digest::SHA384,
        verification: &RSA_PKCS1_2048_8192_SHA384,
    },
    Algorithm {
        name: "RS512",
        scheme: Scheme::Rsa(&RSA_PKCS1_SHA512),
        digest: &digest::SHA512,
        verification: &RSA_PKCS1_2048_8192_SHA512,
    },
    Algorithm {
        name: "PS256",
        scheme: Scheme::Rsa(&RSA_PSS_SHA256),
        digest: &digest::SHA256,
        verification: &RSA_PSS_2048_8192_SHA256,
    },
    Algorithm {
        name: "PS384",
        scheme: Scheme::Rsa(&RSA_PSS_SHA384),
        digest: &digest::SHA384,
        verification: &RSA_PSS_2048_8192_SHA384,
    },
    Algorithm {
        name: "PS512",
        scheme: Scheme::Rsa(&RSA_PSS_SHA512),
        digest: &digest::SHA512,
        verification: &RSA_PSS_2048_8192_SHA512,
    },
];

impl Material {
    /// A new key on a curve.
    pub(super) fn ec(curve: &str) -> Outcome<Self> {
        let curve = CURVES
            .iter()
            .find(|own| own.name == curve)
            .ok_or_else(|| Refusal::bad("Property crv has invalid value"))?;
        let pair = EcdsaKeyPair::generate(curve.signing).map_err(|_| no_key())?;
        Ok(Self::Ec(curve, Arc::new(pair)))
    }

    /// A new RSA key of this size in bits.
    pub(super) fn rsa(bits: u32) -> Outcome<Self> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(Refusal::bad("Property key_size has invalid value")),
        };
        let pair = rsa::KeyPair::generate(size).map_err(|_| no_key())?;
        Ok(Self::Rsa(Arc::new(pair)))
    }

    /// The members of the public key, as JWK has them.
    pub(super) fn write(&self, into: &mut Map<String, Value>) {
        let mut put = |name: &str, bytes: &[u8]| {
            into.insert(name.to_owned(), URL_SAFE_NO_PAD.encode(bytes).into());
        };
        match self {
            Self::Ec(curve, pair) => {
                // A byte that says that the point is not compressed, then both coordinates.
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                put("x", x);
                put("y", y);
                into.insert("crv".to_owned(), curve.name.into());
            }
            Self::Rsa(pair) => {
                put(
                    "n",
                    pair.public_key()
                        .modulus()
                        .big_endian_without_leading_zero(),
                );
                put(
                    "e",
                    pair.public_key()
                        .exponent()
                        .big_endian_without_leading_zero(),
                );
            }
        }
    }

    pub(super) fn sign(&self, algorithm: &str, digest: &[u8]) -> Outcome<Vec<u8>> {
        let algorithm = self.algorithm(algorithm)?;
        let digest = import(algorithm, digest)?;
        let failed = |_| Refusal::bad("The digest cannot be signed.");
        match (self, &algorithm.scheme) {
            (Self::Ec(_, pair), _) => {
                Ok(pair.sign_digest(&digest).map_err(failed)?.as_ref().to_vec())
            }
            (Self::Rsa(pair), Scheme::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(*encoding, &digest, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            (Self::Rsa(_), Scheme::Ec(_)) => Err(unfit(algorithm.name)),
        }
    }

    pub(super) fn verify(&self, algorithm: &str, digest: &[u8], signature: &[u8]) -> Outcome<bool> {
        let algorithm = self.algorithm(algorithm)?;
        let digest = import(algorithm, digest)?;
        let public = match self {
            Self::Ec(_, pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
        };
        Ok(UnparsedPublicKey::new(algorithm.verification, public)
            .verify_digest(&digest, signature)
            .is_ok())
    }

    /// `EC` or `RSA`.
    pub(super) fn kty(&self) -> &'static str {
        match self {
            Self::Ec(..) => "EC",
            Self::Rsa(_) => "RSA",
        }
    }

    fn algorithm(&self, name: &str) -> Outcome<&'static Algorithm> {
        let algorithm = ALGORITHMS
            .iter()
            .find(|own| own.name == name)
            .ok_or_else(|| Refusal::bad("Property alg has invalid value"))?;
        match (self, &algorithm.scheme) {
            (Self::Ec(curve, _), Scheme::Ec(wanted)) if curve.name == *wanted => Ok(algorithm),
            (Self::Rsa(_), Scheme::Rsa(_)) => Ok(algorithm),
            _ => Err(unfit(name)),
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kty())
    }
}

fn import(algorithm: &Algorithm, digest: &[u8]) -> Outcome<Digest> {
    Digest::import_less_safe(digest, algorithm.digest).map_err(|_| {
        Refusal::bad(format!(
            "Invalid length of 'digest': {} bytes. {} requires {}.",
            digest.len(),
            algorithm.name,
            algorithm.digest.output_len()
        ))
    })
}

fn unfit(algorithm: &str) -> Refusal {
    Refusal::bad(format!(
        "Key and signing algorithm are incompatible: {algorithm}"
    ))
}

fn no_key() -> Refusal {
    Refusal::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "No key can be made on this machine.",
    )
}
