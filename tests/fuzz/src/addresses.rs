//! Names, references and locations: printing and parsing round-trips.

use secrets_core::{ErrorKind, Location, SecretName, SecretRef, Version};

use super::input::texts;

/// Parses a text as each kind of address, then builds a reference from parts.
pub fn addresses(data: &[u8]) {
    let Some([text, provider, version, default, field]) = texts(data) else {
        return;
    };
    if let Ok(location) = text.parse::<Location>() {
        round_trips(&location);
    }
    match text.parse::<SecretRef>() {
        Ok(reference) => reference_round_trips(&reference),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::InvalidConfig | ErrorKind::InvalidName
            ),
            "{error}"
        ),
    }
    let Ok(name) = SecretName::new(text) else {
        return;
    };
    assert_eq!(name.segments().collect::<Vec<_>>().join("/"), text);
    let mut reference = SecretRef::new(name).with_default(default);
    if !provider.is_empty() {
        match reference.clone().with_provider(provider) {
            Ok(with) => reference = with,
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidConfig),
        }
    }
    if !version.is_empty() {
        reference = reference.with_version(Version::new(version));
    }
    if !field.is_empty() {
        reference = reference.with_field(field);
    }
    reference_round_trips(&reference);
}

fn round_trips(location: &Location) {
    let printed = location.to_string();
    assert!(!printed.contains(char::is_control), "{printed:?}");
    match printed.parse::<Location>() {
        Ok(again) => assert_eq!(again, *location, "{printed}"),
        Err(error) => panic!("{printed}: {error}"),
    }
}

fn reference_round_trips(reference: &SecretRef) {
    let printed = reference.to_string();
    assert!(
        !printed.contains(|c: char| c.is_control() || matches!(c, ' ' | '{' | '}')),
        "{printed:?}"
    );
    match printed.parse::<SecretRef>() {
        Ok(again) => assert_eq!(again, *reference, "{printed}"),
        Err(error) => panic!("{printed}: {error}"),
    }
    let json = serde_json::to_string(reference).expect("a string");
    assert_eq!(
        serde_json::from_str::<SecretRef>(&json).ok().as_ref(),
        Some(reference)
    );
}
