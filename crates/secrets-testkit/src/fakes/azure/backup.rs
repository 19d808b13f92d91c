use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::attributes::Attributes;
use super::refusal::{Outcome, Refusal};
use super::secrets::Secret;
use super::shelf::{Entry, Revision};

/// One for the process: a vault takes the backups of the other vaults of its subscription.
#[expect(
    clippy::expect_used,
    reason = "a key of the right length is taken, and the caller is a test"
)]
static KEY: LazyLock<RandomizedNonceKey> = LazyLock::new(|| {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).expect("the system has randomness");
    RandomizedNonceKey::new(&AES_256_GCM, &key).expect("32 bytes are a key")
});

#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    revisions: Vec<KeptRevision>,
}

#[derive(Serialize, Deserialize)]
struct KeptRevision {
    version: String,
    attributes: Attributes,
    value: String,
    content_type: Option<String>,
}

/// A whole secret, all its versions, as a blob that only [`open`] can read.
#[expect(
    clippy::expect_used,
    reason = "texts and numbers can be written, and small plaintexts sealed"
)]
pub(super) fn seal(entry: &Entry<Secret>) -> String {
    let kept = Kept {
        name: entry.name.clone(),
        revisions: entry
            .revisions
            .iter()
            .map(|revision| KeptRevision {
                version: revision.version.clone(),
                attributes: revision.attributes.clone(),
                value: revision.item.value.to_string(),
                content_type: revision.item.content_type.clone(),
            })
            .collect(),
    };
    // In place: what was plaintext is ciphertext afterwards.
    let mut sealed = serde_json::to_vec(&kept).expect("texts and numbers can be written");
    let nonce = KEY
        .seal_in_place_append_tag(Aad::empty(), &mut sealed)
        .expect("a small plaintext can be sealed");
    let mut blob = nonce.as_ref().to_vec();
    blob.extend_from_slice(&sealed);
    URL_SAFE_NO_PAD.encode(blob)
}

pub(super) fn open(blob: &str) -> Outcome<(String, Vec<Revision<Secret>>)> {
    let refused = || Refusal::bad("Cannot decrypt backup blob");
    let blob = URL_SAFE_NO_PAD
        .decode(blob.trim_end_matches('='))
        .map_err(|_| refused())?;
    let (nonce, sealed) = blob.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let plain = KEY
        .open_in_place(nonce, Aad::empty(), &mut sealed)
        .map_err(|_| refused())?;
    let kept: Kept = serde_json::from_slice(plain).map_err(|_| refused())?;
    let revisions = kept.revisions.into_iter().map(|revision| Revision {
        version: revision.version,
        attributes: revision.attributes,
        item: Secret {
            value: Zeroizing::new(revision.value),
            content_type: revision.content_type,
        },
    });
    Ok((kept.name, revisions.collect()))
}
