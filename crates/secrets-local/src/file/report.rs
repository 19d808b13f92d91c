//! What a merge does to a store, for the person who has to agree.

use secrets_core::SecretName;

/// What a merge does, compared with our side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// The revision of the merged store.
    pub revision: u64,
    /// How many secrets it has.
    pub secrets: usize,
    /// The secrets that both sides wrote; both values are kept, the newer one is current.
    pub diverged: Vec<SecretName>,
    /// The secrets whose current version differs from our side's, by name.
    pub changes: Vec<VersionChange>,
    /// Whether the merged store has another data key than our side.
    pub key: KeyChange,
    /// Public keys that open the merged store and not our side. The word `passphrase` stands for a passphrase.
    pub added_recipients: Vec<String>,
    /// Public keys that open our side and not the merged store, likewise.
    pub removed_recipients: Vec<String>,
    /// Public keys that the other side added and ours removed: they stay removed.
    pub dropped_recipients: Vec<String>,
    /// What was written under a data key that has been replaced. It is encrypted again with the current one.
    pub old_key: Vec<OldKeyWrite>,
    /// The revisions of our side and of what both sides come from, if ours is not the later one.
    pub older: Option<(u64, u64)>,
}

/// How the current version of a secret changes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionChange {
    /// The secret.
    pub name: SecretName,
    /// What the other side did.
    pub kind: ChangeKind,
    /// The current version of our side; `None` for a secret that it does not have.
    pub from: Option<u64>,
    /// The current version of the merged store; `None` for a secret that it does not have.
    pub to: Option<u64>,
}

/// What was done to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A value was written.
    Written,
    /// A version was deleted.
    Deleted,
    /// A deleted version was restored.
    Restored,
    /// All versions were purged.
    Purged,
}

impl ChangeKind {
    /// The lowercase word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Purged => "purged",
        }
    }
}

/// Where the data key of a merged store comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// It is the key of our side.
    #[default]
    Unchanged,
    /// It is the key of the other side, which replaced ours.
    Theirs,
    /// It is new, because both sides had replaced the key.
    New,
}

/// One side of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeSide {
    /// The branch that is merged into.
    Ours,
    /// The branch that is merged.
    Theirs,
}

/// Something that was written under a data key that has been replaced: by somebody who did not know that yet, or by a
/// recipient who was removed and kept the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OldKeyWrite {
    /// The secret.
    pub name: SecretName,
    /// The version in the merged store.
    pub version: u64,
    /// What was done to it.
    pub kind: ChangeKind,
    /// The side that has it.
    pub side: MergeSide,
}

/// What somebody agrees to in a merge. Nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeConsent {
    /// That current versions of our side change.
    pub versions: bool,
    /// That recipients, the passphrase or the data key change.
    pub recipients: bool,
    /// That what was written under a replaced data key is taken over.
    pub old_key: bool,
    /// That our side is older than what both sides come from, as in a cherry-pick.
    pub older: bool,
}

impl MergeConsent {
    /// Agrees to everything.
    pub const ALL: Self = Self {
        versions: true,
        recipients: true,
        old_key: true,
        older: true,
    };

    /// Sets whether current versions may change.
    #[must_use]
    pub fn with_versions(mut self, versions: bool) -> Self {
        self.versions = versions;
        self
    }

    /// Sets whether recipients, passphrase and data key may change.
    #[must_use]
    pub fn with_recipients(mut self, recipients: bool) -> Self {
        self.recipients = recipients;
        self
    }

    /// Sets whether writes under a replaced data key are taken over.
    #[must_use]
    pub fn with_old_key(mut self, old_key: bool) -> Self {
        self.old_key = old_key;
        self
    }

    /// Sets whether our side may be older than what both sides come from.
    #[must_use]
    pub fn with_older(mut self, older: bool) -> Self {
        self.older = older;
        self
    }

    /// The part of this that `given` does not have.
    #[must_use]
    pub fn missing_from(self, given: Self) -> Self {
        Self {
            versions: self.versions && !given.versions,
            recipients: self.recipients && !given.recipients,
            old_key: self.old_key && !given.old_key,
            older: self.older && !given.older,
        }
    }

    /// Whether it agrees to nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The options of `secrets store merge` that say the same.
    #[must_use]
    pub fn options(self) -> String {
        let options = [
            (self.versions, "--accept-versions"),
            (self.recipients, "--accept-recipients"),
            (self.old_key, "--accept-old-key"),
            (self.older, "--accept-older"),
        ];
        let given = options.iter().filter(|(is_given, _)| *is_given);
        given
            .map(|(_, option)| *option)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl MergeReport {
    /// What somebody has to agree to before the merge is written.
    #[must_use]
    pub fn needs(&self) -> MergeConsent {
        MergeConsent {
            versions: self.changes.iter().any(|change| change.from.is_some()),
            recipients: self.key != KeyChange::Unchanged,
            old_key: !self.old_key.is_empty(),
            older: self.older.is_some(),
        }
    }
}
