use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use secrets_core::{SecretProvider, VersionsOptions};

use crate::child::{Order, Writer};
use crate::support::{Room, deep, get, name, put};

/// Kills a writer at any point of its writes, often enough to hit every step of one.
#[tokio::test]
async fn a_killed_writer_leaves_the_old_content_or_the_new() {
    let kills = if deep() { 1000 } else { 50 };
    let room = Room::new();
    put(&room.provider().await, "bystander", "unharmed").await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut interrupted = 0;
    for kill in 0..kills {
        let order = Order {
            prefix: "key",
            same: true,
            count: 100_000,
            padding: 40_000,
        };
        let mut writer = Writer::start(room.folder.path(), &order);
        let mut last = report_number(&writer.next().unwrap());
        let pause = random.u64(..12_000);
        std::thread::sleep(Duration::from_micros(pause));
        writer.process.kill().unwrap();
        while let Some(report) = writer.next() {
            last = report_number(&report);
        }
        writer.process.wait().unwrap();

        let mode = std::fs::metadata(room.store_path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "after kill {kill}");
        let provider = room.provider().await;
        let value = get(&provider, "key").await.unwrap();
        let (number, padding) = value.split_once(':').unwrap();
        let number: usize = number.parse().unwrap();
        assert!(
            number == last || number == last + 1,
            "after kill {kill}: {number}, reported {last}"
        );
        assert_eq!(padding.len(), 40_000);
        assert_eq!(get(&provider, "bystander").await.unwrap(), "unharmed");
        interrupted += usize::from(left_over(&room));
    }
    let provider = room.provider().await;
    put(&provider, "key", "after").await;
    assert!(
        !left_over(&room),
        "a write clears away what a killed one left"
    );
    let versions = provider
        .versions(&name("key"), &VersionsOptions::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 10);
    assert!(
        interrupted > 0,
        "no kill hit a write, so nothing was tested"
    );
}

fn report_number(report: &str) -> usize {
    report
        .strip_prefix("done ")
        .unwrap_or_else(|| panic!("{report}"))
        .parse()
        .unwrap()
}

fn left_over(room: &Room) -> bool {
    let folder = std::fs::read_dir(room.project().join(".secrets")).unwrap();
    folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .any(|name| name.ends_with(".tmp"))
}
