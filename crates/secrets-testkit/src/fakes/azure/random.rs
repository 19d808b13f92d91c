use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `prefix`, and 43 characters that nobody can guess.
pub(super) fn random_text(prefix: &str) -> String {
    let mut bytes = [0; 32];
    // It fails only where the system has no randomness; a token that can be guessed is none the worse in a fake.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        fastrand::fill(&mut bytes);
    }
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// 32 hexadecimal digits, as versions have them.
pub(super) fn random_hex() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// In the form of a UUID.
pub(super) fn random_uuid() -> String {
    let hex = random_hex();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
