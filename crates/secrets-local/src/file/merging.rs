//! Resolving a git conflict in a store: where the sides come from, and who agrees to the result.

use std::path::Path;

use secrets_core::{Error, ErrorKind, Result};

use super::conflict::{self, Sides};
use super::contents::Contents;
use super::guard;
use super::merge::Merge;
use super::report::{MergeConsent, MergeReport};
use super::store::FileStore;
use crate::atomic;

impl FileStore {
    /// Resolves a git conflict in the store. Secrets and versions of both sides are kept, and what either side deleted,
    /// purged or locked out stays so. The two sides come from git's index, or where that has none from the conflict
    /// markers in the file. The file still has to be added to git.
    ///
    /// `agree` gets the report before anything is written, and answers what of it is wanted; see [`MergeReport::needs`].
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if `agree` does not give what the merge needs, or if the sides are different stores;
    /// [`ErrorKind::InvalidConfig`] if there is no conflict; [`ErrorKind::IntegrityFailure`] if a side is damaged or an
    /// older copy, if its data key does not follow from the other side's, or if git had already mixed the sides and its
    /// index does not have them any more; [`ErrorKind::Unauthenticated`] if the identity opens only one side.
    pub fn merge(&self, agree: impl FnOnce(&MergeReport) -> MergeConsent) -> Result<MergeReport> {
        let lock = self.lock()?;
        let sides = match conflict::from_git(self.path())? {
            Some(sides) => sides,
            None => self.sides_from_markers()?,
        };
        let (merged, report) = self.merge_sides(sides, agree)?;
        self.write(&lock, merged)?;
        Ok(report)
    }

    /// Merges two files that come from `base` into `out`, which may be one of them: what a merge driver of git does with
    /// `%O`, `%A`, `%B` and `%A`. Nothing is remembered, since these are not the store's own path.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn merge_files(
        &self,
        base: Option<&Path>,
        ours: &Path,
        theirs: &Path,
        out: &Path,
        agree: impl FnOnce(&MergeReport) -> MergeConsent,
    ) -> Result<MergeReport> {
        let sides = Sides {
            base: base.map(guard::read_side).transpose()?,
            ours: guard::read_side(ours)?,
            theirs: guard::read_side(theirs)?,
        };
        let (mut merged, report) = self.merge_sides(sides, agree)?;
        atomic::replace(out, &merged.write(), 0o600)?;
        Ok(report)
    }

    fn sides_from_markers(&self) -> Result<Sides> {
        let path = self.path();
        let content = guard::read_store(path)?;
        if conflict::first_marker(&content.bytes).is_none() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} has no conflict to resolve", path.display()),
            )
            .with_hint("run it after `git merge` reported a conflict in the store"));
        }
        conflict::split(&content.bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::IntegrityFailure,
                format!(
                    "the conflict markers in {} are not complete",
                    path.display()
                ),
            )
            .with_hint("run `git checkout --merge` on the file to get them back, then merge again")
        })
    }

    fn merge_sides(
        &self,
        sides: Sides,
        agree: impl FnOnce(&MergeReport) -> MergeConsent,
    ) -> Result<(Contents, MergeReport)> {
        let path = self.path();
        let side = |text: &[u8], which: &str| {
            self.verify(text, path).map_err(|error| match error.kind() {
                ErrorKind::IntegrityFailure => Error::new(
                    ErrorKind::IntegrityFailure,
                    format!("the side {which} of the merge of {} is damaged, or mixed with the other one", path.display()),
                )
                .with_hint("run `git checkout --merge` on the file, then merge again before `git add`")
                .with_source(error),
                _ => error,
            })
        };
        let ours = side(&sides.ours, "ours")?;
        let theirs = side(&sides.theirs, "theirs")?;
        // A base that cannot be opened, for example since we were no recipient then, is as good as none.
        let base = sides.base.and_then(|text| self.verify(&text, path).ok());
        let known = match &self.0.revisions {
            Some(revisions) => match revisions.known(&ours.header.id) {
                Err(error) if error.kind() == ErrorKind::IntegrityFailure => return Err(error),
                known => known.unwrap_or(None),
            },
            None => None,
        };
        let (merged, report) = Merge {
            base: base.as_ref(),
            ours: &ours,
            theirs: &theirs,
            known,
            passphrase: self.0.passphrase.as_ref(),
            work_factor: self.0.work_factor,
            path,
        }
        .run()?;
        let needed = report.needs();
        let missing = match needed.is_empty() {
            true => needed,
            false => needed.missing_from(agree(&report)),
        };
        match missing.is_empty() {
            true => Ok((merged, report)),
            false => Err(refusal(path, &report, missing)),
        }
    }
}

/// Says what nobody has agreed to.
fn refusal(path: &Path, report: &MergeReport, missing: MergeConsent) -> Error {
    let hint = format!(
        "if the changes are meant, run `secrets store merge {}`; to keep our side instead, `git checkout --ours {}`",
        missing.options(),
        path.display()
    );
    if let Some((ours, common)) = report.older.filter(|_| missing.older) {
        return Error::new(
            ErrorKind::IntegrityFailure,
            format!(
                "our side of the merge is older than what git compares it with: it has revision {ours}, and that has {common}"
            ),
        )
        .with_hint(format!("a cherry-pick does that, and so does an older copy that was put back; {hint}"));
    }
    let what = [
        (missing.versions, "current versions"),
        (missing.recipients, "who can open the store"),
        (missing.old_key, "what was written under a replaced key"),
    ];
    let what: Vec<&str> = what
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, what)| *what)
        .collect();
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the merge of {} needs a yes for {}",
            path.display(),
            what.join(", ")
        ),
    )
    .with_hint(hint)
}
