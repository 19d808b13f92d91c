use std::collections::HashMap;

use foldhash::fast::RandomState;
use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue};
use zeroize::Zeroizing;

use super::FileScan;

/// Files that are resolved together: each reference is read once, whichever files name it.
///
/// ```
/// use polysecrets_resolve::{FileFormat, FileScan, FileSet};
///
/// let files = FileSet::new(vec![
///     FileScan::new("a = \"${secret:db/password}\"", FileFormat::Toml, None)?,
///     FileScan::new("b: ${secret:db/password}", FileFormat::Yaml, None)?,
/// ]);
/// assert_eq!(files.references().len(), 1);
///
/// let texts = files.render(&[Ok("hunter2".into())])?;
/// assert_eq!(*texts[0], "a = \"hunter2\"");
/// assert_eq!(*texts[1], "b: hunter2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSet<'t> {
    scans: Vec<FileScan<'t>>,
    references: Vec<SecretRef>,
    /// For each file, where its references are in `references`.
    places: Vec<Vec<usize>>,
}

impl<'t> FileSet<'t> {
    /// Gathers the references of these files.
    pub fn new(scans: Vec<FileScan<'t>>) -> Self {
        let (references, places) = match &scans[..] {
            [scan] => {
                let references = scan.references().to_vec();
                let places = (0..references.len()).collect();
                (references, vec![places])
            }
            scans => gather(scans),
        };
        Self {
            scans,
            references,
            places,
        }
    }

    /// Every reference once, in the order in which the files first name it.
    pub fn references(&self) -> &[SecretRef] {
        &self.references
    }

    /// The texts of the files, in their order, with each reference replaced. `values` holds one result for each of
    /// [`references`](Self::references).
    ///
    /// # Errors
    /// The first value that is an error, with the place of its first use;
    /// [`ErrorKind::InvalidValue`](secrets_core::ErrorKind::InvalidValue) for a value that is not text or that the format
    /// cannot express.
    pub fn render(&self, values: &[Result<SecretValue>]) -> Result<Vec<Zeroizing<String>>> {
        let files = self.scans.iter().zip(&self.places);
        files
            .map(|(scan, places)| {
                let mut values = places.iter().map(|place| values.get(*place));
                scan.render(|reference| match values.next().flatten() {
                    Some(value) => value.clone(),
                    None => Err(not_read(reference)),
                })
            })
            .collect()
    }
}

fn gather(scans: &[FileScan<'_>]) -> (Vec<SecretRef>, Vec<Vec<usize>>) {
    let mut known: HashMap<&SecretRef, usize, RandomState> = HashMap::default();
    let mut references: Vec<SecretRef> = Vec::new();
    let mut place = |reference| {
        *known.entry(reference).or_insert_with(|| {
            references.push(SecretRef::clone(reference));
            references.len() - 1
        })
    };
    let places = scans
        .iter()
        .map(|scan| scan.references().iter().map(&mut place).collect())
        .collect();
    (references, places)
}

/// The error for a lookup that returns too few results.
pub(crate) fn not_read(reference: &SecretRef) -> Error {
    Error::new(ErrorKind::Unexpected, "a reference was not read").with_name(reference.name())
}
