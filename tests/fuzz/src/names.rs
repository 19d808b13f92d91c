//! The name mapping of each provider: reversible and unambiguous.

use secrets_core::{ErrorKind, NameMapping, NameRules, SecretName};

use super::input::texts;

/// AWS Secrets Manager, Azure Key Vault, Google Secret Manager, Infisical's folders and its keys.
const PROVIDERS: [NameRules; 5] = [
    NameRules::new("/_+=.@-", '_', 512),
    NameRules::new("-", '-', 127).folding_case(),
    NameRules::new("-_", '_', 255),
    NameRules::new("-_", '_', 255),
    NameRules::new("-_.", '_', 800),
];

/// Maps two names, and each as an existing name of a provider.
pub fn names(data: &[u8]) {
    let Some([one, other]) = texts(data) else {
        return;
    };
    let (one, other) = (SecretName::new(one), SecretName::new(other));
    for rules in PROVIDERS {
        let mapping = NameMapping::new(rules);
        for name in [&one, &other].into_iter().flatten() {
            comes_back(&mapping, rules, name);
        }
        if let (Ok(one), Ok(other)) = (&one, &other)
            && one != other
            && let (Ok(first), Ok(second)) = (mapping.encode(one), mapping.encode(other))
        {
            let same = mapping.folded(&first) == mapping.folded(&second);
            let both = mapping.encode_all(&[one.clone(), other.clone()]);
            assert_eq!(
                both.is_err(),
                same,
                "{one} and {other}: {first} and {second}"
            );
            let folded = one.as_str().eq_ignore_ascii_case(other.as_str());
            assert!(
                !same || rules.folds_case && folded,
                "{one} and {other} are {first}"
            );
        }
    }
}

fn comes_back(mapping: &NameMapping, rules: NameRules, name: &SecretName) {
    let native = |text: &str| {
        let mut characters = text.chars();
        characters.all(|c| c.is_ascii_alphanumeric() || rules.extra.contains(c))
    };
    match mapping.encode(name) {
        Ok(encoded) => {
            assert!(
                native(&encoded) && encoded.len() <= rules.max_bytes,
                "{name}: {encoded}"
            );
            let decoded = mapping.decode(&encoded);
            assert_eq!(decoded.as_ref().ok(), Some(name), "{encoded}");
            if encoded != name.as_str() && rules.folds_case {
                let decoded = mapping.decode(&encoded.to_ascii_uppercase());
                assert_eq!(decoded.as_ref().ok(), Some(name), "{encoded} in capitals");
            }
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidName),
    }
    // A name that another program created belongs to one secret with one name.
    let foreign = name.as_str();
    if native(foreign) && foreign.len() <= rules.max_bytes {
        let name = mapping.decode(foreign).expect("an existing name");
        let encoded = mapping
            .encode(&name)
            .expect("the name of an existing secret");
        assert_eq!(mapping.folded(&encoded), mapping.folded(foreign), "{name}");
    }
}
