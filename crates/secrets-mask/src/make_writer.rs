use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::live::{LiveMasker, MaskWriter};

/// Writers for the log of `tracing-subscriber`, each of which masks an event: made by
/// [`LiveMasker::make_writer`].
///
/// ```
/// use polysecrets_mask::LiveMasker;
///
/// let masker = LiveMasker::default();
/// let log = tracing_subscriber::fmt().with_writer(masker.make_writer(std::io::stderr));
/// tracing::subscriber::with_default(log.finish(), || {
///     masker.learn("TOKEN", &"t0p-secret".into());
///     tracing::info!("the token is t0p-secret"); // … INFO …: the token is ***
/// });
/// ```
#[derive(Debug, Clone)]
pub struct MaskMakeWriter<M> {
    masker: LiveMasker,
    inner: M,
}

impl<M> MaskMakeWriter<M> {
    pub(crate) fn new(masker: LiveMasker, inner: M) -> Self {
        Self { masker, inner }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for MaskMakeWriter<M> {
    type Writer = MaskWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        self.masker.writer(self.inner.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        self.masker.writer(self.inner.make_writer_for(metadata))
    }
}
