//! Work that a caller who goes away must not interrupt.

use secrets_core::{Error, ErrorKind, Result};

/// Runs the work to its end, even if the caller is dropped: several requests that belong together. Needs the runtime.
///
/// # Errors
/// The error of the work; [`ErrorKind::Unexpected`], which names `what`, if it panics or the runtime shuts down.
pub async fn run_to_completion<T: Send + 'static>(
    what: &str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work)
        .await
        .map_err(|_| Error::new(ErrorKind::Unexpected, format!("the {what} was interrupted")))?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_dropped_caller_does_not_interrupt_the_work() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (awaited, reported) = (go.clone(), done.clone());
        let caller = tokio::spawn(run_to_completion("write", async move {
            awaited.notified().await;
            reported.notify_one();
            Ok(())
        }));
        tokio::task::yield_now().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        go.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_work() {
        let outcome: Result<()> = run_to_completion("write", async { panic!("on purpose") }).await;
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Unexpected);
        assert_eq!(failure.message(), "the write was interrupted");
    }
}
