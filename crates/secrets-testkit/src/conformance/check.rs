use secrets_core::{Error, ErrorKind, SecretName, SecretValue};

/// How a case ends: well, or for the reason of a [`Stop`].
pub(super) type CaseResult = Result<(), Stop>;

/// Why a case ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The provider broke the contract.
    Failed(String),
    /// A call failed that should not have.
    Error(Error),
    /// The provider cannot do this, and has refused it as it should.
    Unsupported(String),
}

impl Stop {
    pub(super) fn fail(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The kind and the line of an error, for a reason.
pub(super) fn described(error: &Error) -> String {
    format!("{:?}: {error}", error.kind())
}

pub(super) fn ensure(condition: bool, reason: impl FnOnce() -> String) -> CaseResult {
    if condition {
        Ok(())
    } else {
        Err(Stop::Failed(reason()))
    }
}

/// Fails unless a call was refused with one of these kinds; gives the error.
pub(super) fn refused<T>(
    what: &str,
    answer: Result<T, Error>,
    kinds: &[ErrorKind],
) -> Result<Error, Stop> {
    match answer {
        Ok(_) => Err(Stop::Failed(format!(
            "{what} succeeded, should be refused with {}",
            names(kinds)
        ))),
        Err(error) if kinds.contains(&error.kind()) => Ok(error),
        Err(error) => Err(Stop::Failed(format!(
            "{what} was refused with {}, should be {}",
            described(&error),
            names(kinds)
        ))),
    }
}

fn names(kinds: &[ErrorKind]) -> String {
    kinds
        .iter()
        .map(|kind| format!("{kind:?}"))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// Fails unless a value has exactly these bytes, and tells where it differs, never what it holds.
pub(super) fn same(actual: &SecretValue, expected: &[u8]) -> CaseResult {
    let actual = actual.expose_bytes();
    if actual == expected {
        return Ok(());
    }
    let at = actual
        .iter()
        .zip(expected)
        .position(|(left, right)| left != right)
        .unwrap_or(actual.len().min(expected.len()));
    Err(Stop::Failed(format!(
        "the value read has {} bytes, the one written {}; they differ from byte {at} on",
        actual.len(),
        expected.len()
    )))
}

pub(super) fn same_names(actual: &[SecretName], expected: &[&SecretName]) -> CaseResult {
    let mut expected: Vec<_> = expected.to_vec();
    expected.sort();
    ensure(actual.iter().eq(expected.iter().copied()), || {
        let list = |names: &mut dyn Iterator<Item = &SecretName>| {
            names.map(SecretName::as_str).collect::<Vec<_>>().join(", ")
        };
        format!(
            "listed [{}], should be [{}]",
            list(&mut actual.iter()),
            list(&mut expected.iter().copied())
        )
    })
}
