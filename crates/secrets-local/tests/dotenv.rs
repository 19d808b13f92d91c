//! The dotenv provider on real files: what is read, what a write leaves alone, and who may see the file.
#![cfg(feature = "dotenv")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polysecrets_local::dotenv::{self, DotenvConfig, DotenvProvider};
use proptest::prelude::*;
use secrets_core::{
    DeleteMode, DeleteOptions, Environment, Error, ErrorKind, GetItem, GetOptions, HealthStatus,
    ListOptions, OpenContext, PutMode, PutOptions, Secret, SecretName, SecretProvider, SecretValue,
};
use tempfile::TempDir;

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let room = Self::new();
        room.write(content);
        room
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(".env")
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        fs::write(self.path(), content).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    async fn open(&self) -> DotenvProvider {
        self.open_with(DotenvConfig::default()).await
    }

    async fn open_with(&self, config: DotenvConfig) -> DotenvProvider {
        let environment: Environment = [("OUTSIDE", "environment")].into_iter().collect();
        let context = OpenContext::new("test")
            .with_base_dir(self.folder.path())
            .with_environment(environment);
        dotenv::open(config, context).await.unwrap()
    }
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

async fn get(provider: &DotenvProvider, from: &str) -> Result<String, Error> {
    let secret = provider.get(&name(from), &GetOptions::default()).await?;
    Ok(secret.value.expose_str().unwrap().to_owned())
}

async fn put(provider: &DotenvProvider, to: &str, value: &str) -> Result<(), Error> {
    let options = PutOptions::default();
    provider
        .put(&name(to), &value.into(), &options)
        .await
        .map(drop)
}

async fn delete(provider: &DotenvProvider, which: &str) -> Result<(), Error> {
    provider
        .delete(&name(which), &DeleteOptions::default())
        .await
}

async fn listed(provider: &DotenvProvider) -> Vec<String> {
    let page = provider.list(&ListOptions::default()).await.unwrap();
    page.items
        .iter()
        .map(|item| item.name.to_string())
        .collect()
}

#[tokio::test]
async fn a_write_leaves_every_other_byte_alone() {
    for (mark, end) in [
        ("", "\n"),
        ("", "\r\n"),
        ("\u{feff}", "\n"),
        ("\u{feff}", "\r\n"),
    ] {
        let before = "# top\n\n  export A = 'one' # tail\n\n# odd\nB=\"x\ny\"\nC=\n# end";
        let room = Room::with(format!("{mark}{before}").replace('\n', end));
        let provider = room.open().await;
        put(&provider, "A", "it's new").await.unwrap();
        put(&provider, "B", "plain").await.unwrap();
        put(&provider, "C", "$x").await.unwrap();
        put(&provider, "db/password", "p w").await.unwrap();
        put(&provider, "D", "").await.unwrap();
        let after = "# top\n\n  export A = \"it's new\" # tail\n\n# odd\nB=plain\nC='$x'\n# end\n\
            # secret: db/password\nDB_PASSWORD='p w'\nD=\n";
        assert_eq!(room.text(), format!("{mark}{after}").replace('\n', end));
        delete(&provider, "B").await.unwrap();
        delete(&provider, "db/password").await.unwrap();
        let after = "# top\n\n  export A = \"it's new\" # tail\n\n# odd\nC='$x'\n# end\nD=\n";
        assert_eq!(room.text(), format!("{mark}{after}").replace('\n', end));
    }
}

#[tokio::test]
async fn line_endings_and_mark_give_identical_maps_or_an_error_with_its_place() {
    let text = "A=1\nB=\"x\ny\"\n\nC='z' # c\nexport D=\nE=end";
    for end in ["\n", "\r\n"] {
        for mark in ["", "\u{feff}"] {
            let room = Room::with(format!("{mark}{}", text.replace('\n', end)));
            let provider = room.open().await;
            assert_eq!(listed(&provider).await, ["A", "B", "C", "D", "E"]);
            for (key, value) in [
                ("A", "1"),
                ("B", "x\ny"),
                ("C", "z"),
                ("D", ""),
                ("E", "end"),
            ] {
                assert_eq!(get(&provider, key).await.unwrap(), value);
            }
        }
    }
    let room = Room::with(text.replace('\n', "\r"));
    let error = get(&room.open().await, "A").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let position = error.position().unwrap();
    assert_eq!((position.line, position.column), (1, 4));
    assert_eq!(position.file.as_deref(), Some(room.path().as_path()));
}

#[tokio::test]
async fn what_is_deleted_is_gone_under_each_key_that_leads_to_it() {
    let room = Room::with("a=1\nB=2\nA=1\n");
    let provider = room.open().await;
    delete(&provider, "a").await.unwrap();
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(room.text(), "B=2\n");
}

#[tokio::test]
async fn a_wrong_line_is_told_without_its_text_and_stops_writes_too() {
    let room = Room::with("A=1\nhunter2 hunter2\n");
    let provider = room.open().await;
    for error in [
        get(&provider, "A").await.unwrap_err(),
        put(&provider, "A", "2").await.unwrap_err(),
        delete(&provider, "A").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(".env:2:9: "), "{error}");
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hunter2"));
    }
    assert_eq!(room.text(), "A=1\nhunter2 hunter2\n");
}

#[tokio::test]
async fn names_that_are_no_keys_keep_their_name() {
    let room = Room::new();
    let provider = room.open().await;
    put(&provider, "db/password", "1").await.unwrap();
    put(&provider, "api_key", "2").await.unwrap();
    put(&provider, "PLAIN", "3").await.unwrap();
    let again = room.open().await;
    assert_eq!(listed(&again).await, ["PLAIN", "api_key", "db/password"]);
    // The key itself can be read, but writing by another name would change a secret that somebody else means.
    assert_eq!(get(&again, "DB_PASSWORD").await.unwrap(), "1");
    for other in ["db-password", "DB_PASSWORD", "db.password"] {
        let error = put(&again, other, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        assert!(error.to_string().contains("db/password"), "{error}");
    }
    assert_eq!(
        get(&again, "db-password").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    put(&again, "db/password", "new").await.unwrap();
    assert_eq!(get(&again, "db/password").await.unwrap(), "new");
    delete(&again, "db/password").await.unwrap();
    assert!(!room.text().contains("password"));
    put(&again, "db-password", "other").await.unwrap();
    assert_eq!(get(&provider, "db-password").await.unwrap(), "other");
}

#[tokio::test]
async fn a_key_without_a_kept_name_answers_to_what_leads_to_it() {
    let room = Room::with("DB_PASSWORD=1\n# secret: wrong\nAPI_KEY=2\n");
    let provider = room.open().await;
    assert_eq!(get(&provider, "db/password").await.unwrap(), "1");
    put(&provider, "db-password", "3").await.unwrap();
    assert_eq!(room.text(), "DB_PASSWORD=3\n# secret: wrong\nAPI_KEY=2\n");
    assert_eq!(listed(&provider).await, ["API_KEY", "DB_PASSWORD"]);
    let items = ["db/password", "API_KEY", "db-password"]
        .map(|item| GetItem::new(name(item), GetOptions::default()));
    let answers = provider.get_many(&items).await;
    assert_eq!(
        answers[0].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidName
    );
    assert!(answers[1].is_ok() && answers[2].is_err());
}

#[tokio::test]
async fn what_is_ambiguous_is_an_error() {
    let room =
        Room::with("api_key=1\nAPI_KEY=2\nx=same\nX=same\nTWICE=1\nTWICE=2\nSAME=1\nSAME=1\n");
    let provider = room.open().await;
    let error = get(&provider, "api_key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    assert_eq!(get(&provider, "API_KEY").await.unwrap(), "2");
    assert_eq!(get(&provider, "x").await.unwrap(), "same");
    assert_eq!(get(&provider, "SAME").await.unwrap(), "1");
    let error = get(&provider, "TWICE").await.unwrap_err();
    assert!(
        error.to_string().contains(".env:6:1: ") && error.to_string().contains("line 5"),
        "{error}"
    );
    put(&provider, "TWICE", "3").await.unwrap();
    assert_eq!(get(&provider, "TWICE").await.unwrap(), "3");
    delete(&provider, "TWICE").await.unwrap();
    assert!(!room.text().contains("TWICE"));
}

#[tokio::test]
async fn only_keys_with_the_prefix_are_secrets() {
    let room = Room::with("APP_A=1\nB=2\nAPP_=3\n");
    let provider = room
        .open_with(DotenvConfig::default().with_prefix("APP_"))
        .await;
    assert_eq!(listed(&provider).await, ["A"]);
    assert_eq!(get(&provider, "a").await.unwrap(), "1");
    assert_eq!(
        get(&provider, "B").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    put(&provider, "c/d", "4").await.unwrap();
    assert_eq!(
        room.text(),
        "APP_A=1\nB=2\nAPP_=3\n# secret: c/d\nAPP_C_D=4\n"
    );
    assert_eq!(listed(&provider).await, ["A", "c/d"]);
}

#[tokio::test]
async fn variables_are_replaced_only_when_asked() {
    let text = "A=base\nB=\"$A/${OUTSIDE}\"\nC=$NOWHERE\n";
    let room = Room::with(text);
    let plain = room.open().await;
    assert_eq!(get(&plain, "B").await.unwrap(), "$A/${OUTSIDE}");
    let expanding = room.open_with(DotenvConfig::default().with_expand()).await;
    assert_eq!(get(&expanding, "B").await.unwrap(), "base/environment");
    let error = get(&expanding, "C").await.unwrap_err();
    assert!(
        error.to_string().contains(".env:3:1: ") && error.to_string().contains("NOWHERE"),
        "{error}"
    );
    for value in ["$A", "it's ${A}", "\\$A"] {
        put(&expanding, "D", value).await.unwrap();
        assert_eq!(get(&expanding, "D").await.unwrap(), value);
    }
}

#[tokio::test]
async fn a_missing_file_has_no_secrets_and_is_made_by_the_first_write() {
    let room = Room::new();
    let provider = room.open().await;
    let error = get(&provider, "A").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains(".env"));
    assert_eq!(
        delete(&provider, "A").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(listed(&provider).await.is_empty() && !room.path().exists());
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Degraded
    );
    put(&provider, "A", "1").await.unwrap();
    assert_eq!(room.text(), "A=1\n");
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Healthy
    );
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_and_changes_nothing() {
    let room = Room::with("A=1\n");
    let provider = room.open().await;
    for value in [
        SecretValue::from(vec![0xff]),
        "a\0b".into(),
        vec![b'x'; 64 * 1024 + 1].into(),
    ] {
        let error = provider
            .put(&name("A"), &value, &PutOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
        assert!(error.hint().is_some(), "{error}");
    }
    for odd in [
        "with space",
        "ключ",
        "a#b",
        &"x".repeat(512).replace('x', "é")[..512],
    ] {
        let error = put(&provider, odd, "1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
    }
    let create = PutOptions::default().with_mode(PutMode::Create);
    let error = provider
        .put(&name("B"), &"1".into(), &create)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let window = DeleteOptions::default().with_mode(DeleteMode::Window(Duration::ZERO));
    let error = provider.delete(&name("A"), &window).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(room.text(), "A=1\n");
}

#[tokio::test]
async fn a_change_of_the_file_is_seen_at_once() {
    let room = Room::with("A=1\n");
    let provider = room.open().await;
    for number in 0..50 {
        room.write(format!("A={number:02}\n"));
        assert_eq!(get(&provider, "A").await.unwrap(), format!("{number:02}"));
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_settled_file_is_given_up_with_it() {
    let room = Room::with("A=one\n");
    let provider = room.open().await;
    // From two seconds of age on, a file is read once until it changes.
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let first = provider
        .get(&name("A"), &GetOptions::default())
        .await
        .unwrap();
    let second = provider
        .get(&name("A"), &GetOptions::default())
        .await
        .unwrap();
    let buffer = |secret: &Secret| secret.value.expose_bytes().as_ptr();
    assert_eq!(buffer(&first), buffer(&second));
    room.write("A=two\n");
    assert_eq!(get(&provider, "A").await.unwrap(), "two");
    fs::remove_file(room.path()).unwrap();
    assert_eq!(
        get(&provider, "A").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn ten_thousand_secrets_are_read_and_listed_in_proportion() {
    let text: String = (0..10_000)
        .map(|number| format!("KEY_{number}='value {number}'\n"))
        .collect();
    let room = Room::with(text);
    let provider = room.open().await;
    let items: Vec<_> = (0..10_000)
        .map(|number| GetItem::new(name(&format!("key/{number}")), GetOptions::default()))
        .collect();
    let start = Instant::now();
    let answers = provider.get_many(&items).await;
    assert!(answers.iter().all(Result::is_ok));
    let mut options = ListOptions::default();
    let mut count = 0;
    loop {
        let page = provider.list(&options).await.unwrap();
        count += page.items.len();
        match page.next {
            Some(next) => options = options.with_page_token(next),
            None => break,
        }
    }
    assert_eq!(count, 10_000);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_once_lose_nothing() {
    let room = Room::with("# kept\n");
    let mut writers = Vec::new();
    for number in 0..32 {
        let provider = room.open().await;
        writers.push(tokio::spawn(async move {
            put(&provider, &format!("KEY_{number}"), &number.to_string()).await
        }));
    }
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let provider = room.open().await;
    for number in 0..32 {
        assert_eq!(
            get(&provider, &format!("KEY_{number}")).await.unwrap(),
            number.to_string()
        );
    }
    assert!(room.text().starts_with("# kept\n"));
    assert_eq!(fs::read_dir(room.folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use secrets_testkit::canary::TraceCapture;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn a_new_file_is_for_its_owner_and_an_old_one_is_never_opened_wider() {
        let room = Room::new();
        let provider = room.open().await;
        put(&provider, "A", "1").await.unwrap();
        assert_eq!(mode(&room.path()), 0o600);
        for old in [0o600, 0o400, 0o640, 0o644] {
            set_mode(&room.path(), old);
            put(&provider, "A", "2").await.unwrap();
            assert_eq!(mode(&room.path()) & !old, 0);
            assert_eq!(mode(&room.path()) & 0o700, old & 0o700);
        }
    }

    #[tokio::test]
    async fn strict_permissions_refuse_a_file_for_others() {
        let room = Room::with("A=1\n");
        set_mode(&room.path(), 0o640);
        let strict = room
            .open_with(DotenvConfig::default().with_strict_permissions())
            .await;
        for error in [
            get(&strict, "A").await.unwrap_err(),
            put(&strict, "A", "2").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.hint().unwrap().starts_with("chmod 600 "));
        }
        assert_eq!(get(&room.open().await, "A").await.unwrap(), "1");
        set_mode(&room.path(), 0o600);
        assert_eq!(get(&strict, "A").await.unwrap(), "1");
    }

    #[test]
    fn a_file_for_others_is_warned_of_once_and_without_its_content() {
        let capture = TraceCapture::new();
        let _guard = capture.on_this_thread();
        let room = Room::with("A=hunter2\n");
        set_mode(&room.path(), 0o644);
        // The warning comes from the thread that reads, which a task of this thread would not be.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .on_thread_start({
                let dispatch = capture.dispatch();
                move || std::mem::forget(tracing::dispatcher::set_default(&dispatch))
            })
            .build()
            .unwrap();
        runtime.block_on(async {
            let provider = room.open().await;
            for _ in 0..3 {
                assert_eq!(get(&provider, "A").await.unwrap(), "hunter2");
            }
        });
        let reported = capture.text();
        assert_eq!(
            reported.matches("other users have access").count(),
            1,
            "{reported}"
        );
        assert!(
            reported.contains("644") && reported.contains(".env") && !reported.contains("hunter2"),
            "{reported}"
        );
    }

    #[tokio::test]
    async fn a_link_is_followed_and_kept() {
        let room = Room::new();
        let real = room.folder.path().join("real");
        fs::write(&real, "A=1\n").unwrap();
        symlink("real", room.path()).unwrap();
        let provider = room.open().await;
        put(&provider, "A", "2").await.unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "A=2\n");
        assert!(fs::symlink_metadata(room.path()).unwrap().is_symlink());
    }
}

fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::new()),
        "# [a-z =\"'#]{0,12}",
        "(export )?[XYZ]{1,3} ?= ?[a-z]{0,5}( # [a-z]{0,5})?",
        "[XYZ]{1,3}='[a-z\n #\"$]{0,9}'",
        "[XYZ]{1,3}=\"[a-z\n #'$]{0,9}\" #c",
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_round_trips_through_any_file(
        before in lines(),
        value in "[^\0]{0,40}|[\\\\\"'$#`\r\n\t =a]{0,20}",
        ending in "\n|\r\n",
        mark in "|\u{feff}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let content = format!("{mark}{}", before.replace('\n', &ending));
            let room = Room::with(&content);
            let provider = room.open().await;
            put(&provider, "NEW", &value).await.unwrap();
            assert_eq!(get(&provider, "NEW").await.unwrap(), value);
            let text = room.text();
            assert!(text.starts_with(&content));
            delete(&provider, "NEW").await.unwrap();
            let rest = room.text();
            assert!(rest == content || rest == format!("{content}{ending}") || rest == format!("{content}\n"));
            put(&provider, "NEW", &value).await.unwrap();
            put(&provider, "NEW", "again").await.unwrap();
            delete(&provider, "NEW").await.unwrap();
            assert_eq!(room.text(), rest);
        });
    }
}

/// What shells make of `VALUE_0` and so on after they sourced the file.
#[cfg(unix)]
fn sourced(shell: &str, values: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for (number, value) in values.iter().enumerate() {
        let quoted = dotenv::syntax::quote(value).unwrap();
        text.push_str(&format!("VALUE_{number}={}\n", *quoted));
    }
    fs::write(folder.path().join(".env"), &text).unwrap();
    let script = r#"set -a; . ./.env; set +a; n=0
        while [ "$n" -lt "$COUNT" ]; do eval "printf '%s\0' \"\$VALUE_$n\""; n=$((n + 1)); done"#;
    let output = std::process::Command::new(shell)
        .args(["-c", script])
        .current_dir(folder.path())
        .env("COUNT", values.len().to_string())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{shell}: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let only_ours = fs::read_dir(folder.path()).unwrap().count() == 1;
    assert!(only_ours, "{shell} executed something in\n{text}");
    let read = String::from_utf8(output.stdout).unwrap();
    let mut read: Vec<_> = read.split('\0').map(str::to_owned).collect();
    assert_eq!(read.pop().as_deref(), Some(""));
    read
}

#[cfg(unix)]
#[test]
fn a_shell_that_sources_the_file_reads_the_values_and_executes_nothing() {
    let values: Vec<String> = [
        "`touch pwned`",
        "it's `touch pwned`",
        "it's\n`touch pwned`",
        "$(touch pwned)",
        "it's $(touch pwned)",
        "it's ${IFS} $HOME $$ $'x'",
        "'; touch pwned; '",
        "\"; touch pwned; \"",
        "'\"; touch pwned; \"'",
        "\\`touch pwned\\`",
        "'\\`touch pwned\\`",
        "\\\\`touch pwned`\\\\",
        "a & touch pwned | b > pwned",
        "\ntouch pwned\n",
        "'\ntouch pwned\n",
        "'\\\ntouch pwned\\\n",
        "ends in a backslash\\",
        "'ends in a backslash\\",
        "\\n is not \\t a line",
        "it's not \\n \\t \\\\ either",
        "bang! !! !$ it's!",
        "# no comment # none",
        " spaces \t around ",
        "~ ~root a:~",
        "=ls",
        "a=b:=ls",
        "{a,b} * ? [a-z]",
        "ключ 🔑 it's",
        "-----BEGIN KEY-----\nabc/+=\n-----END KEY-----\n",
        "{\"json\": \"it's $5 `x`\"}",
        "",
        "\n",
        "'",
        "\"",
        "\\",
        "`",
        "$",
    ]
    .map(str::to_owned)
    .into();
    for shell in ["bash", "sh"] {
        assert_eq!(sourced(shell, &values), values, "{shell}");
    }
    // A carriage return has no form that both a shell and other readers know.
    let returns = vec!["it's a\r\n`touch pwned`$(touch pwned)".to_owned()];
    let read = "it's a\\r\n`touch pwned`$(touch pwned)";
    for shell in ["bash", "sh"] {
        assert_eq!(sourced(shell, &returns), [read], "{shell}");
    }
}

#[cfg(unix)]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_shell_reads_what_was_quoted(
        values in prop::collection::vec(
            "[^\0\r]{0,30}|[`$()'\"\\\\\n!# ~=:;&|<>*{}a]{0,20}|'[`$()\"\\\\\n a]{0,20}",
            10,
        ),
    ) {
        prop_assert_eq!(sourced("bash", &values), values);
    }
}
