//! Keys that sign and verify, and keys that encrypt and decrypt.

use std::time::SystemTime;

use aws_lc_rs::aead::{self, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::ApiError;
use super::id;
use super::routes::Context;
use super::schema::Reader;
use super::state::at;

const MOST_DATA: usize = 4096;

#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

struct Key {
    id: String,
    name: String,
    description: String,
    project: String,
    disabled: bool,
    pair: Pair,
    created: SystemTime,
    updated: SystemTime,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecc(Box<EcdsaKeyPair>),
    Aes(&'static str, Box<RandomizedNonceKey>),
}

/// What a signature is made with: the algorithms that the server names and this fake can do.
struct Algorithm {
    name: &'static str,
    hash: &'static digest::Algorithm,
    signs: Signs,
    verifies: &'static dyn signature::VerificationAlgorithm,
}

enum Signs {
    Rsa(&'static dyn signature::RsaEncoding),
    Ecc,
}

static ALGORITHMS: [Algorithm; 7] = [
    rsa(
        "RSASSA_PSS_SHA_512",
        &digest::SHA512,
        &signature::RSA_PSS_SHA512,
        &signature::RSA_PSS_2048_8192_SHA512,
    ),
    rsa(
        "RSASSA_PSS_SHA_384",
        &digest::SHA384,
        &signature::RSA_PSS_SHA384,
        &signature::RSA_PSS_2048_8192_SHA384,
    ),
    rsa(
        "RSASSA_PSS_SHA_256",
        &digest::SHA256,
        &signature::RSA_PSS_SHA256,
        &signature::RSA_PSS_2048_8192_SHA256,
    ),
    rsa(
        "RSASSA_PKCS1_V1_5_SHA_512",
        &digest::SHA512,
        &signature::RSA_PKCS1_SHA512,
        &signature::RSA_PKCS1_2048_8192_SHA512,
    ),
    rsa(
        "RSASSA_PKCS1_V1_5_SHA_384",
        &digest::SHA384,
        &signature::RSA_PKCS1_SHA384,
        &signature::RSA_PKCS1_2048_8192_SHA384,
    ),
    rsa(
        "RSASSA_PKCS1_V1_5_SHA_256",
        &digest::SHA256,
        &signature::RSA_PKCS1_SHA256,
        &signature::RSA_PKCS1_2048_8192_SHA256,
    ),
    Algorithm {
        name: "ECDSA_SHA_256",
        hash: &digest::SHA256,
        signs: Signs::Ecc,
        verifies: &signature::ECDSA_P256_SHA256_ASN1,
    },
];

const fn rsa(
    name: &'static str,
    hash: &'static digest::Algorithm,
    signs: &'static dyn signature::RsaEncoding,
    verifies: &'static dyn signature::VerificationAlgorithm,
) -> Algorithm {
    Algorithm {
        name,
        hash,
        signs: Signs::Rsa(signs),
        verifies,
    }
}

impl Key {
    fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "isDisabled": self.disabled,
            "orgId": "6f0c5f0e-4f4b-4f0e-8a55-0f2a4b1f7d21",
            "projectId": self.project,
            "keyUsage": self.pair.usage(),
            "version": 1,
            "encryptionAlgorithm": self.pair.name(),
            "createdAt": at(self.created),
            "updatedAt": at(self.updated),
        })
    }

    fn algorithm(&self, name: &str) -> Result<&'static Algorithm, ApiError> {
        let kind = match (&self.pair, name.starts_with("RSASSA")) {
            (Pair::Aes(..), _) => {
                return Err(ApiError::bad_request(format!(
                    "Key with ID '{}' is not intended for signing",
                    self.id
                )));
            }
            (Pair::Rsa(_), true) | (Pair::Ecc(_), false) => None,
            (Pair::Rsa(_), false) => Some("RSA"),
            (Pair::Ecc(_), true) => Some("ECC"),
        };
        if let Some(kind) = kind {
            return Err(ApiError::bad_request(format!(
                "KMS {kind} key cannot be used with {name}"
            )));
        }
        ALGORITHMS
            .iter()
            .find(|algorithm| algorithm.name == name)
            .ok_or_else(|| {
                ApiError::bad_request(format!("Signing algorithm {name} not implemented"))
            })
    }
}

impl Pair {
    fn generate(algorithm: &'static str) -> Option<Self> {
        let aes = |cipher: &'static aead::Algorithm| {
            let mut key = vec![0; cipher.key_len()];
            aws_lc_rs::rand::fill(&mut key).ok()?;
            let key = RandomizedNonceKey::new(cipher, &key).ok()?;
            Some(Self::Aes(algorithm, Box::new(key)))
        };
        match algorithm {
            "RSA_4096" => {
                let pair = RsaKeyPair::generate(KeySize::Rsa4096).ok()?;
                Some(Self::Rsa(Box::new(pair)))
            }
            "ECC_NIST_P256" => {
                let kind = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
                Some(Self::Ecc(Box::new(EcdsaKeyPair::generate(kind).ok()?)))
            }
            "aes-128-gcm" => aes(&aead::AES_128_GCM),
            _ => aes(&aead::AES_256_GCM),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA_4096",
            Self::Ecc(_) => "ECC_NIST_P256",
            Self::Aes(name, _) => name,
        }
    }

    fn usage(&self) -> &'static str {
        match self {
            Self::Rsa(_) | Self::Ecc(_) => "sign-verify",
            Self::Aes(..) => "encrypt-decrypt",
        }
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ecc(pair) => pair.public_key().as_ref(),
            Self::Aes(..) => &[],
        }
    }

    /// The public key in the form that other software reads.
    fn spki(&self) -> Option<Vec<u8>> {
        let der = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecc(pair) => pair.public_key().as_der(),
            Self::Aes(..) => return None,
        };
        der.ok().map(|der| der.as_ref().to_vec())
    }

    fn sign(&self, algorithm: &Algorithm, data: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match (self, &algorithm.signs) {
            (Self::Rsa(pair), Signs::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, data, &mut signature).ok()?;
                Some(signature)
            }
            (Self::Ecc(pair), Signs::Ecc) => Some(pair.sign(&random, data).ok()?.as_ref().to_vec()),
            _ => None,
        }
    }

    fn sign_digest(&self, algorithm: &Algorithm, digest: &Digest) -> Option<Vec<u8>> {
        match (self, &algorithm.signs) {
            (Self::Rsa(pair), Signs::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(*encoding, digest, &mut signature).ok()?;
                Some(signature)
            }
            (Self::Ecc(pair), Signs::Ecc) => Some(pair.sign_digest(digest).ok()?.as_ref().to_vec()),
            _ => None,
        }
    }
}

impl Algorithm {
    /// What somebody else has hashed; `None` where its length is not that of this hash.
    fn digest(&self, data: &[u8]) -> Result<Option<Digest>, ApiError> {
        if self.name.starts_with("RSASSA_PSS") {
            return Err(ApiError::bad_request(
                "RSA PSS does not support digested input",
            ));
        }
        Ok(Digest::import_less_safe(data, self.hash).ok())
    }
}

fn key_name(body: &mut Reader<'_>) -> Option<String> {
    let name = body.optional_trimmed("name")?.to_lowercase();
    let is_slug = !name.is_empty()
        && name.len() <= 32
        && name
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_slug {
        body.custom(
            "name",
            "Name field can only contain letters, numbers, and hyphens",
        );
    }
    Some(name)
}

pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (project, name, description, algorithm) = context.body(|body| {
        let project = body.text("projectId");
        let name = key_name(body);
        if name.is_none() {
            body.trimmed("name");
        }
        let description = body.optional_trimmed("description");
        let usage = body.one_of(
            "keyUsage",
            &["encrypt-decrypt", "sign-verify"],
            "encrypt-decrypt",
        );
        let algorithm = body.one_of(
            "encryptionAlgorithm",
            &["aes-256-gcm", "aes-128-gcm", "RSA_4096", "ECC_NIST_P256"],
            "aes-256-gcm",
        );
        let asymmetric = !algorithm.starts_with("aes");
        if usage == "sign-verify" && !asymmetric {
            body.custom(
                "encryptionAlgorithm",
                "encryptionAlgorithm must be a valid asymmetric sign-verify algorithm. Valid options are: RSA_4096, ECC_NIST_P256",
            );
        }
        if usage == "encrypt-decrypt" && asymmetric {
            body.custom(
                "encryptionAlgorithm",
                "encryptionAlgorithm must be a valid symmetric encryption algorithm. Valid options are: aes-256-gcm, aes-128-gcm",
            );
        }
        (project, name.unwrap_or_default(), description, algorithm)
    })?;
    context.state.project(&project)?;
    let keys = &context.state.keys.0;
    if keys
        .iter()
        .any(|key| key.project == project && key.name == name)
    {
        return Err(ApiError::bad_request(format!(
            "A KMS key with the name \"{name}\" already exists for the project with ID \"{project}\""
        )));
    }
    let pair = Pair::generate(algorithm).ok_or_else(ApiError::internal)?;
    let key = Key {
        id: id::uuid(),
        name,
        description: description.unwrap_or_default(),
        project,
        disabled: false,
        pair,
        created: context.call.now,
        updated: context.call.now,
    };
    let shape = key.as_json();
    context.state.keys.0.push(key);
    Ok(json!({ "key": shape }))
}

pub(super) fn list(context: &mut Context<'_>) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (project, search, offset, limit, descending) = context.query(|query| {
        query.one_of("orderBy", &["name"], "name");
        (
            query.text("projectId"),
            query.optional_trimmed("search").unwrap_or_default(),
            query.coerced_number("offset").unwrap_or(0.0),
            query.coerced_number("limit").unwrap_or(100.0),
            query.one_of("orderDirection", &["asc", "desc"], "asc") == "desc",
        )
    })?;
    context.state.project(&project)?;
    let mut keys: Vec<&Key> = context
        .state
        .keys
        .0
        .iter()
        .filter(|key| key.project == project && key.name.contains(&search))
        .collect();
    keys.sort_by(|left, right| left.name.cmp(&right.name));
    if descending {
        keys.reverse();
    }
    let total = keys.len();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates"
    )]
    let (offset, limit) = (offset as usize, limit as usize);
    let page: Vec<Value> = keys
        .into_iter()
        .skip(offset)
        .take(limit)
        .map(Key::as_json)
        .collect();
    Ok(json!({"keys": page, "totalCount": total}))
}

pub(super) fn get(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    Ok(json!({"key": find(context, id)?.as_json()}))
}

pub(super) fn by_name(context: &mut Context<'_>, name: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let project = context.query(|query| query.filled("projectId"))?;
    let key = context
        .state
        .keys
        .0
        .iter()
        .find(|key| key.project == project && key.name == name)
        .ok_or_else(|| {
            ApiError::not_found(format!(
                "Key with name \"{name}\" not found for project with ID \"{project}\""
            ))
        })?;
    Ok(json!({"key": key.as_json()}))
}

pub(super) fn update(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (name, disabled, description) = context.body(|body| {
        (
            key_name(body),
            body.flag("isDisabled"),
            body.optional_trimmed("description"),
        )
    })?;
    find(context, id)?;
    let now = context.call.now;
    let key = context
        .state
        .keys
        .0
        .iter_mut()
        .find(|key| key.id == id)
        .ok_or_else(ApiError::internal)?;
    if let Some(name) = name {
        key.name = name;
    }
    if let Some(description) = description {
        key.description = description;
    }
    key.disabled = disabled.unwrap_or(key.disabled);
    key.updated = now;
    Ok(json!({"key": key.as_json()}))
}

pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let shape = find(context, id)?.as_json();
    context.state.keys.0.retain(|key| key.id != id);
    Ok(json!({ "key": shape }))
}

pub(super) fn public_key(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let key = enabled(context, id)?;
    let spki = key.pair.spki().ok_or_else(|| {
        ApiError::bad_request(format!("Key with ID '{id}' is not an asymmetric key"))
    })?;
    Ok(json!({"publicKey": STANDARD.encode(spki)}))
}

pub(super) fn algorithms(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let key = enabled(context, id)?;
    let names: Vec<&str> = ALGORITHMS
        .iter()
        .map(|algorithm| algorithm.name)
        .filter(|name| key.algorithm(name).is_ok())
        .collect();
    Ok(json!({ "signingAlgorithms": names }))
}

pub(super) fn sign(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (name, data, is_digest) = context.body(|body| {
        let name = algorithm_name(body);
        let data = base64_data(body, "data");
        (name, data, body.flag("isDigest").unwrap_or(false))
    })?;
    let key = enabled(context, id)?;
    let algorithm = key.algorithm(name)?;
    let signature = if is_digest {
        algorithm
            .digest(&data)?
            .and_then(|digest| key.pair.sign_digest(algorithm, &digest))
            .ok_or_else(|| {
                let kind = if matches!(key.pair, Pair::Rsa(_)) { "RSA" } else { "ECC" };
                ApiError::bad_request(format!(
                    "Failed to sign {kind} digest with {name} due to signing error. Ensure that your digest is hashed with {:?}.",
                    algorithm.hash
                ))
            })?
    } else {
        key.pair
            .sign(algorithm, &data)
            .ok_or_else(ApiError::internal)?
    };
    Ok(json!({
        "signature": STANDARD.encode(signature),
        "keyId": key.id,
        "signingAlgorithm": name,
    }))
}

pub(super) fn verify(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (name, data, signature, is_digest) = context.body(|body| {
        let name = algorithm_name(body);
        let data = base64_data(body, "data");
        let signature = base64_data(body, "signature");
        let is_digest = body.flag("isDigest").unwrap_or(false);
        (name, data, signature, is_digest)
    })?;
    let key = enabled(context, id)?;
    let algorithm = key.algorithm(name)?;
    let public = UnparsedPublicKey::new(algorithm.verifies, key.pair.public());
    let valid = if is_digest {
        algorithm
            .digest(&data)?
            .is_some_and(|digest| public.verify_digest(&digest, &signature).is_ok())
    } else {
        public.verify(&data, &signature).is_ok()
    };
    Ok(json!({
        "signatureValid": valid,
        "keyId": key.id,
        "signingAlgorithm": name,
    }))
}

/// What is sealed is the nonce, then the text with its tag.
pub(super) fn encrypt(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let mut text = context.body(|body| base64_data(body, "plaintext"))?;
    let nonce = cipher(enabled(context, id)?)?
        .seal_in_place_append_tag(Aad::empty(), &mut text)
        .map_err(|_| ApiError::internal())?;
    let sealed = [nonce.as_ref().as_slice(), &text].concat();
    Ok(json!({"ciphertext": STANDARD.encode(sealed)}))
}

pub(super) fn decrypt(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let mut sealed = context.body(|body| base64_data(body, "ciphertext"))?;
    let key = cipher(enabled(context, id)?)?;
    // What was sealed otherwise ends in the server's catch-all.
    let (nonce, text) = sealed
        .split_at_mut_checked(aead::NONCE_LEN)
        .ok_or_else(ApiError::internal)?;
    let text = Nonce::try_assume_unique_for_key(nonce)
        .and_then(|nonce| key.open_in_place(nonce, Aad::empty(), text))
        .map_err(|_| ApiError::internal())?;
    Ok(json!({"plaintext": STANDARD.encode(text)}))
}

fn cipher(key: &Key) -> Result<&RandomizedNonceKey, ApiError> {
    match &key.pair {
        Pair::Aes(_, cipher) => Ok(cipher),
        Pair::Rsa(_) | Pair::Ecc(_) => Err(ApiError::bad_request(format!(
            "Key with ID '{}' is not intended for encryption or decryption",
            key.id
        ))),
    }
}

fn algorithm_name(body: &mut Reader<'_>) -> &'static str {
    const NAMES: [&str; 9] = [
        "RSASSA_PSS_SHA_512",
        "RSASSA_PSS_SHA_384",
        "RSASSA_PSS_SHA_256",
        "RSASSA_PKCS1_V1_5_SHA_512",
        "RSASSA_PKCS1_V1_5_SHA_384",
        "RSASSA_PKCS1_V1_5_SHA_256",
        "ECDSA_SHA_512",
        "ECDSA_SHA_384",
        "ECDSA_SHA_256",
    ];
    if body.any("signingAlgorithm").is_none() {
        body.text("signingAlgorithm");
    }
    body.one_of("signingAlgorithm", &NAMES, NAMES[8])
}

fn base64_data(body: &mut Reader<'_>, name: &'static str) -> Vec<u8> {
    let text = body.text(name);
    let data = STANDARD.decode(&text);
    match data {
        Err(_) => {
            body.custom(name, "plaintext must be base64 encoded");
            Vec::new()
        }
        Ok(data) if data.len() > MOST_DATA => {
            body.custom(name, "data cannot exceed 4096 bytes");
            Vec::new()
        }
        Ok(data) => data,
    }
}

fn find<'a>(context: &'a Context<'_>, id: &str) -> Result<&'a Key, ApiError> {
    if !id::is_uuid(id) {
        return Err(ApiError::validation(vec![json!({
            "validation": "uuid",
            "code": "invalid_string",
            "message": "Invalid uuid",
            "path": ["keyId"],
        })]));
    }
    context
        .state
        .keys
        .0
        .iter()
        .find(|key| key.id == id)
        .ok_or_else(|| ApiError::not_found(format!("Key with ID \"{id}\" not found")))
}

fn enabled<'a>(context: &'a Context<'_>, id: &str) -> Result<&'a Key, ApiError> {
    let key = find(context, id)?;
    if key.disabled {
        return Err(ApiError::bad_request("Key is disabled"));
    }
    Ok(key)
}
