use std::path::{Path, PathBuf};
use std::process::Command;

use polysecrets_local::file::{
    FileConfig, FileProvider, FileStore, KeyChange, MergeConsent, MergeReport, open,
};
use secrets_core::{
    DeleteMode, DeleteOptions, ErrorKind, GetOptions, ListOptions, SecretProvider, Version,
    VersionsOptions,
};

use crate::support::{Room, agree, get, name, put};

fn git(folder: &Path, arguments: &[&str]) -> bool {
    let output = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    output.status.success()
}

/// A repository with a committed store, on a branch `main`.
struct Repository {
    room: Room,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { room: Room::new() };
        repository.git(&["init", "-q", "-b", "main"]);
        repository.commit("create");
        repository
    }

    fn git(&self, arguments: &[&str]) {
        assert!(git(&self.room.project(), arguments), "git {arguments:?}");
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Goes to a branch, where the revision may be lower than before.
    fn check_out(&self, arguments: &[&str]) {
        self.git(&[&["checkout", "-q"], arguments].concat());
        self.room.store().accept().unwrap();
    }

    /// Merges a branch that git cannot merge alone.
    fn merge_in_conflict(&self, branch: &str) {
        assert!(
            !git(&self.room.project(), &["merge", "-q", branch]),
            "there should be a conflict"
        );
    }

    async fn provider(&self) -> FileProvider {
        self.room.provider().await
    }
}

async fn names(provider: &FileProvider) -> Vec<String> {
    let page = provider.list(&ListOptions::default()).await.unwrap();
    page.items
        .into_iter()
        .map(|item| item.name.to_string())
        .collect()
}

#[tokio::test]
async fn two_branches_that_both_added_secrets_lose_nothing() {
    let repository = Repository::new();
    for number in 0..20 {
        put(
            &repository.provider().await,
            &format!("m{number:02}"),
            "common",
        )
        .await;
    }
    repository.commit("common");
    repository.check_out(&["-b", "feature"]);
    put(&repository.provider().await, "a-theirs", "t1").await;
    put(&repository.provider().await, "z-theirs", "t2").await;
    put(&repository.provider().await, "m05", "changed by theirs").await;
    repository.commit("theirs");
    repository.check_out(&["main"]);
    put(&repository.provider().await, "b-ours", "o1").await;
    put(&repository.provider().await, "y-ours", "o2").await;
    put(&repository.provider().await, "m15", "changed by ours").await;
    put(&repository.provider().await, "m16", "changed by ours").await;
    repository.commit("ours");
    repository.merge_in_conflict("feature");

    let error = get(&repository.provider().await, "m00").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert!(
        error.hint().unwrap().contains("secrets store merge"),
        "{error:?}"
    );

    let report = repository.room.store().merge(agree).unwrap();
    assert_eq!((report.secrets, report.revision), (24, 26));
    assert!(report.diverged.is_empty() && report.dropped_recipients.is_empty());
    let provider = repository.provider().await;
    for (key, value) in [
        ("a-theirs", "t1"),
        ("z-theirs", "t2"),
        ("b-ours", "o1"),
        ("y-ours", "o2"),
        ("m05", "changed by theirs"),
        ("m15", "changed by ours"),
        ("m00", "common"),
    ] {
        assert_eq!(get(&provider, key).await.unwrap(), value);
    }
    repository.commit("merged");
    let error = repository.room.store().merge(agree).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidConfig,
        "there is nothing left to merge"
    );
}

#[tokio::test]
async fn a_secret_that_both_wrote_keeps_both_values_and_the_newer_is_current() {
    for newer_is_ours in [true, false] {
        let repository = Repository::new();
        put(&repository.provider().await, "key", "base").await;
        repository.commit("base");
        repository.git(&["branch", "feature"]);
        let write_ours = async || {
            put(&repository.provider().await, "key", "ours").await;
            repository.commit("ours");
        };
        let write_theirs = async || {
            repository.check_out(&["feature"]);
            put(&repository.provider().await, "key", "theirs 1").await;
            put(&repository.provider().await, "key", "theirs 2").await;
            repository.commit("theirs");
            repository.check_out(&["main"]);
        };
        if newer_is_ours {
            write_theirs().await;
            write_ours().await;
        } else {
            write_ours().await;
            write_theirs().await;
        }
        repository.merge_in_conflict("feature");
        let report = repository.room.store().merge(agree).unwrap();
        assert_eq!(report.diverged, [name("key")]);
        let provider = repository.provider().await;
        let versions = provider
            .versions(&name("key"), &VersionsOptions::default())
            .await
            .unwrap();
        let mut values = Vec::new();
        for version in versions.items.iter().rev() {
            let options = GetOptions::default().with_version(version.version.clone());
            let secret = provider.get(&name("key"), &options).await.unwrap();
            values.push(secret.value.expose_str().unwrap().to_owned());
        }
        let expected = match newer_is_ours {
            true => ["base", "theirs 1", "theirs 2", "ours"],
            false => ["base", "ours", "theirs 1", "theirs 2"],
        };
        assert_eq!(values, expected);
        assert_eq!(versions.items[0].version, Some(Version::from("4")));
    }
}

#[tokio::test]
async fn what_one_side_deleted_or_purged_stays_away() {
    let repository = Repository::new();
    for key in ["deleted", "purged", "purged-and-written", "kept"] {
        put(&repository.provider().await, key, "base").await;
    }
    repository.commit("base");
    repository.check_out(&["-b", "feature"]);
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    let provider = repository.provider().await;
    provider
        .delete(&name("deleted"), &DeleteOptions::default())
        .await
        .unwrap();
    provider.delete(&name("purged"), &purge).await.unwrap();
    provider
        .delete(&name("purged-and-written"), &purge)
        .await
        .unwrap();
    repository.commit("theirs");
    repository.check_out(&["main"]);
    put(&repository.provider().await, "kept", "ours").await;
    put(&repository.provider().await, "purged-and-written", "ours").await;
    repository.commit("ours");
    repository.merge_in_conflict("feature");
    repository.room.store().merge(agree).unwrap();
    let provider = repository.provider().await;
    assert_eq!(names(&provider).await, ["kept", "purged-and-written"]);
    assert_eq!(
        get(&provider, "deleted").await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    assert_eq!(
        get(&provider, "purged").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(get(&provider, "purged-and-written").await.unwrap(), "ours");
    let versions = provider
        .versions(&name("purged-and-written"), &VersionsOptions::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 1);
}

/// Two copies of one store that went apart, without git.
struct Copies {
    room: Room,
}

impl Copies {
    async fn new() -> Self {
        let room = Room::new();
        put(&room.provider().await, "key", "base").await;
        let copies = Self { room };
        for copy in ["base", "ours", "theirs"] {
            std::fs::copy(copies.room.store_path(), copies.path(copy)).unwrap();
        }
        copies
    }

    fn path(&self, copy: &str) -> PathBuf {
        self.room.path(copy)
    }

    fn store(&self, copy: &str) -> FileStore {
        FileStore::open(self.config(copy), &self.context(copy)).unwrap()
    }

    async fn provider(&self, copy: &str) -> FileProvider {
        open(self.config(copy), self.context(copy)).await.unwrap()
    }

    fn config(&self, copy: &str) -> FileConfig {
        FileConfig::default().with_path(self.path(copy))
    }

    fn context(&self, copy: &str) -> secrets_core::OpenContext {
        let state = self.path(&format!("state of {copy}"));
        self.room
            .context()
            .with_user_dirs(Some(self.path("user")), Some(state))
    }

    fn merge(&self, base: Option<&str>) -> secrets_core::Result<MergeReport> {
        let base = base.map(|base| self.path(base));
        self.room.store().merge_files(
            base.as_deref(),
            &self.path("ours"),
            &self.path("theirs"),
            &self.path("merged"),
            agree,
        )
    }

    fn conflict(&self, style: &str) {
        let texts = ["ours", "base", "theirs"]
            .map(|copy| std::fs::read_to_string(self.path(copy)).unwrap());
        let text = match style {
            "diff3" => format!(
                "<<<<<<< HEAD\n{}||||||| base\n{}=======\n{}>>>>>>> feature\n",
                texts[0], texts[1], texts[2]
            ),
            _ => format!(
                "<<<<<<< HEAD\n{}=======\n{}>>>>>>> feature\n",
                texts[0], texts[2]
            ),
        };
        crate::support::put_file(&self.path("ours"), text.as_bytes());
    }
}

#[tokio::test]
async fn markers_are_enough_where_git_has_nothing() {
    for style in ["merge", "diff3"] {
        let copies = Copies::new().await;
        put(&copies.provider("ours").await, "o", "1").await;
        put(&copies.provider("theirs").await, "t", "2").await;
        copies.conflict(style);
        let report = copies.store("ours").merge(agree).unwrap();
        assert_eq!(report.secrets, 3);
        assert_eq!(
            names(&copies.provider("ours").await).await,
            ["key", "o", "t"]
        );
    }
}

#[tokio::test]
async fn a_side_that_is_damaged_or_mixed_is_not_merged() {
    let copies = Copies::new().await;
    put(&copies.provider("ours").await, "o", "1").await;
    put(&copies.provider("theirs").await, "t", "2").await;
    copies.conflict("merge");
    let text = std::fs::read_to_string(copies.path("ours")).unwrap();
    let mixed = text.replacen(" enabled ", " deleted ", 1);
    crate::support::put_file(&copies.path("ours"), mixed.as_bytes());
    let error = copies.store("ours").merge(agree).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    assert!(error.hint().unwrap().contains("git checkout --merge"));
    assert_eq!(std::fs::read_to_string(copies.path("ours")).unwrap(), mixed);
    crate::support::put_file(&copies.path("ours"), b"<<<<<<< HEAD\n=======\n");
    assert_eq!(
        copies.store("ours").merge(agree).unwrap_err().kind(),
        ErrorKind::IntegrityFailure
    );
}

#[tokio::test]
async fn recipients_are_merged_by_what_changed() {
    let copies = Copies::new().await;
    let anna = FileStore::generate_identity(copies.path("anna.txt")).unwrap();
    let bert = FileStore::generate_identity(copies.path("bert.txt")).unwrap();
    copies.store("base").add_recipient(&bert).unwrap();
    for copy in ["ours", "theirs"] {
        std::fs::copy(copies.path("base"), copies.path(copy)).unwrap();
    }
    let merged = || {
        let mut recipients = copies.store("merged").recipients().unwrap().public_keys;
        recipients.retain(|recipient| *recipient != copies.room.recipient);
        std::fs::remove_dir_all(copies.path("state of merged")).unwrap();
        recipients
    };
    // Only one side changed them: its key is taken, and the other side's new secret gets it.
    copies.store("theirs").add_recipient(&anna).unwrap();
    put(&copies.provider("ours").await, "o", "1").await;
    let report = copies.merge(Some("base")).unwrap();
    assert_eq!(report.key, KeyChange::Theirs);
    assert_eq!(report.added_recipients, [anna.as_str()]);
    let mut both = vec![anna.clone(), bert.clone()];
    both.sort();
    assert_eq!(merged(), both);
    assert_eq!(
        get(&copies.provider("merged").await, "o").await.unwrap(),
        "1"
    );
    std::fs::remove_dir_all(copies.path("state of merged")).unwrap();
    // One added, the other removed: both hold.
    copies.store("ours").remove_recipient(&bert).unwrap();
    let report = copies.merge(Some("base")).unwrap();
    assert_eq!(merged(), [anna.as_str()]);
    assert!(report.dropped_recipients.is_empty());
    assert_eq!(report.key, KeyChange::New);
    // The history of the keys knows it without a base, too.
    copies.merge(None).unwrap();
    assert_eq!(merged(), [anna.as_str()]);
}

#[tokio::test]
async fn a_name_that_both_added_keeps_both_values_without_a_base() {
    let copies = Copies::new().await;
    put(&copies.provider("theirs").await, "new", "theirs").await;
    put(&copies.provider("ours").await, "new", "ours").await;
    let report = copies.merge(None).unwrap();
    assert_eq!(report.diverged, [name("new")]);
    let provider = copies.provider("merged").await;
    assert_eq!(get(&provider, "new").await.unwrap(), "ours");
    let first = GetOptions::default().with_version(Version::from("1"));
    let older = provider.get(&name("new"), &first).await.unwrap();
    assert_eq!(older.value.expose_str().unwrap(), "theirs");
}

#[tokio::test]
async fn different_stores_are_not_merged() {
    let copies = Copies::new().await;
    std::fs::copy(Room::new().store_path(), copies.path("stranger")).unwrap();
    let other = copies.room.project().join("other.txt");
    let config = FileConfig::default().with_path(&other);
    FileStore::create(config, &copies.room.context(), [&copies.room.recipient]).unwrap();
    std::fs::copy(&other, copies.path("theirs")).unwrap();
    assert_eq!(copies.merge(None).unwrap_err().kind(), ErrorKind::Conflict);
    std::fs::copy(copies.path("stranger"), copies.path("theirs")).unwrap();
    assert_eq!(
        copies.merge(None).unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );
    assert!(!copies.path("merged").exists());
}

#[tokio::test]
async fn works_as_a_merge_driver_result_is_the_same_from_both_sides() {
    let copies = Copies::new().await;
    put(&copies.provider("ours").await, "key", "ours").await;
    put(&copies.provider("theirs").await, "key", "theirs").await;
    copies.merge(Some("base")).unwrap();
    let current = get(&copies.provider("merged").await, "key").await.unwrap();
    assert_eq!(current, "theirs");
    std::fs::rename(copies.path("ours"), copies.path("swap")).unwrap();
    std::fs::rename(copies.path("theirs"), copies.path("ours")).unwrap();
    std::fs::rename(copies.path("swap"), copies.path("theirs")).unwrap();
    copies.merge(Some("base")).unwrap();
    std::fs::remove_dir_all(copies.path("state of merged")).unwrap();
    assert_eq!(
        get(&copies.provider("merged").await, "key").await.unwrap(),
        current
    );
}

const DRIVER: &str = "POLYSECRETS_TEST_DRIVER";

/// Git starts this test again as its merge driver.
#[tokio::test]
async fn git_merges_alone_once_it_knows_the_driver() {
    if let Ok(order) = std::env::var(DRIVER) {
        let words: Vec<&str> = order.split('|').collect();
        let [user, base, ours, theirs] = words[..] else {
            panic!("an order has four words");
        };
        let user = Path::new(user);
        let context = crate::support::context(&user.join("project"), user);
        let store = FileStore::open(FileConfig::default(), &context).unwrap();
        let [base, ours, theirs] = [base, ours, theirs].map(Path::new);
        let nobody = |_: &MergeReport| MergeConsent::default();
        store
            .merge_files(Some(base), ours, theirs, ours, nobody)
            .unwrap();
        return;
    }
    let repository = Repository::new();
    put(&repository.provider().await, "key", "base").await;
    repository.commit("base");
    repository.check_out(&["-b", "feature"]);
    put(&repository.provider().await, "theirs", "t").await;
    put(&repository.provider().await, "key", "theirs").await;
    repository.commit("theirs");
    repository.check_out(&["main"]);
    put(&repository.provider().await, "ours", "o").await;
    put(&repository.provider().await, "key", "ours").await;
    repository.commit("ours");
    let driver = format!(
        "{DRIVER}='{}|%O|%A|%B' '{}' --exact merge::git_merges_alone_once_it_knows_the_driver",
        repository.room.folder.path().display(),
        std::env::current_exe().unwrap().display()
    );
    repository.git(&["config", "merge.polysecrets.driver", &driver]);
    repository.git(&["merge", "-q", "--no-edit", "feature"]);
    repository.git(&["diff", "--quiet", "HEAD"]);
    let provider = repository.provider().await;
    assert_eq!(names(&provider).await, ["key", "ours", "theirs"]);
    assert_eq!(get(&provider, "key").await.unwrap(), "ours");
    let versions = provider
        .versions(&name("key"), &VersionsOptions::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 3);
}

#[tokio::test]
async fn a_store_that_git_has_not_merged_takes_no_write_until_it_is() {
    let repository = Repository::new();
    let project = repository.room.project();
    put(&repository.provider().await, "common", "c").await;
    repository.commit("common");
    // A driver that cannot run leaves our side in the file, without markers.
    repository.git(&["config", "merge.polysecrets.driver", "false"]);
    repository.check_out(&["-b", "feature"]);
    put(&repository.provider().await, "theirs", "t").await;
    repository.commit("theirs");
    repository.check_out(&["main"]);
    put(&repository.provider().await, "ours", "o").await;
    repository.commit("ours");
    let worktree = repository.room.path("linked");
    repository.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "other",
        worktree.to_str().unwrap(),
    ]);

    let write = async |folder: &Path| {
        let context = crate::support::context(folder, repository.room.folder.path());
        let provider = open(FileConfig::default(), context).await.unwrap();
        let options = secrets_core::PutOptions::default();
        provider
            .put(
                &name("late"),
                &secrets_core::SecretValue::from("l"),
                &options,
            )
            .await
    };
    for folder in [&project, &worktree] {
        assert!(!git(folder, &["merge", "-q", "feature"]));
        let context = crate::support::context(folder, repository.room.folder.path());
        let store = FileStore::open(FileConfig::default(), &context).unwrap();
        store.accept().unwrap();
        let provider = open(FileConfig::default(), context).await.unwrap();
        assert_eq!(get(&provider, "ours").await.unwrap(), "o");
        let error = write(folder).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.hint().unwrap().contains("secrets store merge"));

        store.merge(agree).unwrap();
        assert!(git(folder, &["add", "-A"]));
        // The merge is not committed yet, but the store is merged.
        write(folder).await.unwrap();
        for (key, value) in [
            ("common", "c"),
            ("ours", "o"),
            ("theirs", "t"),
            ("late", "l"),
        ] {
            assert_eq!(get(&provider, key).await.unwrap(), value);
        }
    }
}
