use secrets_core::{Error, ErrorKind};
use tower::BoxError;

/// Turns the error of any layer into ours: our own is unwrapped, tower's `Elapsed` is
/// [`Timeout`](ErrorKind::Timeout), its `Overloaded` is [`Unavailable`](ErrorKind::Unavailable), and anything else is
/// [`Unexpected`](ErrorKind::Unexpected).
pub fn error_from_boxed(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) if other.is::<tower::timeout::error::Elapsed>() => {
            Error::new(ErrorKind::Timeout, "the time limit of a layer passed")
        }
        Err(other) if other.is::<tower::load_shed::error::Overloaded>() => {
            Error::new(ErrorKind::Unavailable, "too many requests are under way")
                .with_hint("send fewer at once, or raise the limit on concurrency")
        }
        // The text of a foreign error may hold anything, so it is not kept.
        Err(_) => Error::new(
            ErrorKind::Unexpected,
            "a layer failed with an error of its own",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_comes_back_as_it_was() {
        let boxed: BoxError = Error::of(ErrorKind::Conflict).into();
        assert_eq!(error_from_boxed(boxed).kind(), ErrorKind::Conflict);
    }

    #[test]
    fn towers_errors_have_kinds() {
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(
            error_from_boxed(Box::new(elapsed)).kind(),
            ErrorKind::Timeout
        );
        let overloaded = tower::load_shed::error::Overloaded::new();
        assert_eq!(
            error_from_boxed(Box::new(overloaded)).kind(),
            ErrorKind::Unavailable
        );
    }

    #[test]
    fn a_foreign_error_is_not_repeated() {
        let error = error_from_boxed("token=hunter2".into());
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
