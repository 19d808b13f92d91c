//! The encrypted file: a changed file never opens.

use std::cell::OnceCell;
use std::path::Path;

use secrets_core::{
    ErrorKind, GetOptions, ListOptions, OpenContext, SecretName, SecretProvider, SecretValue,
};
use secrets_local::file::{self, FileConfig, FileProvider, FileStore, MergeConsent, MergeReport};

use super::input::edited;
use super::scratch;

const STORE: &[u8] = include_bytes!("../fixtures/store.txt");
/// The key of this store only. Split, so scanners for keys do not report it.
const IDENTITY: &str = concat!(
    "AGE-SECRET-",
    "KEY-1PYJWUDTUDKQC9GEFRNU68N6WNYPHTUM4KHX9HPS0A9U34DQ2DQLSXG330T"
);
/// The content of the store.
const SECRETS: [(&str, &str); 3] = [
    ("api/key", "third version"),
    ("db/password", "correct horse"),
    ("empty", ""),
];

struct Opened {
    store: FileStore,
    provider: FileProvider,
}

thread_local! {
    /// Kept, so the key is derived only once while the envelope is unchanged.
    static OPENED: OnceCell<Opened> = const { OnceCell::new() };
}

/// The first letter selects the input: a `t`ext, `e`dits of the store, or edits of one side of a `m`erge.
pub fn store(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    OPENED.with(|opened| {
        let opened = opened.get_or_init(open);
        match kind {
            b't' => opened.read(rest),
            b'e' => opened.read(&edited(STORE, rest)),
            b'm' => opened.merge(&edited(STORE, rest)),
            _ => {}
        }
    });
}

fn open() -> Opened {
    let config = FileConfig::default()
        .with_path(scratch::path("store"))
        .with_identity_key(SecretValue::from(IDENTITY));
    let context = OpenContext::new("fuzz");
    let store = FileStore::open(config.clone(), &context).expect("settings");
    let provider = scratch::wait(file::open(config, context)).expect("settings");
    let opened = Opened { store, provider };
    opened.read(STORE);
    opened
}

impl Opened {
    fn read(&self, text: &[u8]) {
        replace(self.store.path(), text);
        match self.store.summary() {
            Ok(summary) => {
                assert_eq!(summary.secrets, SECRETS.len());
                assert!(text == STORE, "opened a changed store");
                self.has_its_values();
            }
            Err(error) => {
                assert!(text != STORE, "{error}");
                is_well_formed(&error);
                let name = SecretName::new("db/password").expect("a name");
                let secret = scratch::wait(self.provider.get(&name, &GetOptions::default()));
                is_well_formed(&secret.expect_err("read a refused store"));
            }
        }
    }

    fn has_its_values(&self) {
        let page = scratch::wait(self.provider.list(&ListOptions::default())).expect("a listing");
        let names: Vec<&str> = page.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, SECRETS.map(|(name, _)| name));
        for (item, (_, value)) in page.items.iter().zip(SECRETS) {
            let secret = scratch::wait(self.provider.get(&item.name, &GetOptions::default()));
            assert_eq!(
                secret.expect("a value").value.expose_str().ok(),
                Some(value)
            );
        }
    }

    fn merge(&self, theirs: &[u8]) {
        let base = scratch::write("base", STORE);
        let other = scratch::write("theirs", theirs);
        let out = scratch::path("merged");
        let agree = |_: &MergeReport| MergeConsent::ALL;
        match self
            .store
            .merge_files(Some(&base), &base, &other, &out, agree)
        {
            Ok(_) => {
                assert!(theirs == STORE, "accepted a changed side");
                replace(
                    self.store.path(),
                    &std::fs::read(&out).expect("what was merged"),
                );
                self.has_its_values();
            }
            Err(error) => {
                assert!(theirs != STORE, "{error}");
                is_well_formed(&error);
            }
        }
    }
}

/// Replaces the file by a new one, as editors do.
fn replace(path: &Path, text: &[u8]) {
    let new = scratch::write("new", text);
    std::fs::rename(new, path).expect("a store");
}

fn is_well_formed(error: &secrets_core::Error) {
    assert!(
        matches!(
            error.kind(),
            ErrorKind::IntegrityFailure | ErrorKind::Unauthenticated | ErrorKind::InvalidConfig
        ),
        "{error}"
    );
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}
