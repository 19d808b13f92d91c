use std::path::{Path, PathBuf};

use polysecrets_local::file::{
    FileConfig, FileProvider, FileStore, MergeConsent, MergeReport, open,
};
use secrets_core::{
    GetOptions, OpenContext, PutOptions, Result, SecretName, SecretProvider, SecretValue,
};

/// Whether the full figures are wanted.
pub(crate) fn deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some_and(|value| value == "1")
}

/// A folder with a user's identity and state, and a project with a store.
pub(crate) struct Room {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) recipient: String,
}

impl Room {
    pub(crate) fn new() -> Self {
        let room = Self::without_store();
        room.create([room.recipient.as_str()]).unwrap();
        room
    }

    pub(crate) fn without_store() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipient =
            FileStore::generate_identity(folder.path().join("user/identity.txt")).unwrap();
        std::fs::create_dir(folder.path().join("project")).unwrap();
        Self { folder, recipient }
    }

    pub(crate) fn create<'a>(
        &self,
        recipients: impl IntoIterator<Item = &'a str>,
    ) -> Result<FileStore> {
        FileStore::create(FileConfig::default(), &self.context(), recipients)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path("project")
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.project().join(".secrets/store.txt")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.store_path()).unwrap()
    }

    /// Puts a file in place of the store, as somebody else would.
    pub(crate) fn replace(&self, bytes: &[u8]) {
        put_file(&self.store_path(), bytes);
    }

    pub(crate) fn context(&self) -> OpenContext {
        context(&self.project(), self.folder.path())
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::open(FileConfig::default(), &self.context()).unwrap()
    }

    pub(crate) async fn provider(&self) -> FileProvider {
        open(FileConfig::default(), self.context()).await.unwrap()
    }
}

pub(crate) fn context(project: &Path, user: &Path) -> OpenContext {
    OpenContext::new("local")
        .with_base_dir(project)
        .with_user_dirs(Some(user.join("user")), Some(user.join("state")))
}

pub(crate) fn put_file(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes).unwrap();
    std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(temporary, path).unwrap();
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

pub(crate) async fn put(provider: &FileProvider, key: &str, value: &str) {
    let value = SecretValue::from(value);
    provider
        .put(&name(key), &value, &PutOptions::default())
        .await
        .unwrap();
}

pub(crate) async fn get(provider: &FileProvider, key: &str) -> Result<String> {
    let secret = provider.get(&name(key), &GetOptions::default()).await?;
    Ok(secret.value.expose_str().unwrap().to_owned())
}

/// Agrees to every merge.
pub(crate) fn agree(_: &MergeReport) -> MergeConsent {
    MergeConsent::ALL
}
