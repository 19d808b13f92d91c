use std::time::Instant;

use secrets_core::{ErrorKind, PutMode, PutOptions, SecretProvider, SecretValue};

use crate::child::{Order, Writer};
use crate::support::{Room, get, name, put};

#[tokio::test]
async fn two_processes_that_write_at_once_lose_nothing() {
    let room = Room::new();
    let writers: Vec<_> = ["a", "b"]
        .map(|prefix| {
            let order = Order {
                prefix,
                same: false,
                count: 100,
                padding: 10,
            };
            Writer::start(room.folder.path(), &order)
        })
        .into_iter()
        .collect();
    for writer in writers {
        let reports = writer.finish();
        assert!(
            reports.iter().all(|report| report.starts_with("done ")),
            "{reports:?}"
        );
    }
    let provider = room.provider().await;
    for key in 0..100 {
        for prefix in ["a", "b"] {
            let value = get(&provider, &format!("{prefix}{key}")).await.unwrap();
            assert_eq!(value, format!("{key}:xxxxxxxxxx"));
        }
    }
    assert_eq!(room.store().summary().unwrap().revision, 201);
}

#[tokio::test]
async fn what_one_handle_writes_another_reads_at_once() {
    let room = Room::new();
    let (writer, reader) = (room.provider().await, room.provider().await);
    for number in 0..30 {
        let text = format!("{:02}", number);
        put(&writer, "key", &text).await;
        assert_eq!(get(&reader, "key").await.unwrap(), text);
    }
}

#[tokio::test]
async fn a_reader_beside_a_writer_never_takes_the_race_for_a_rollback() {
    let room = Room::new();
    put(&room.provider().await, "key", "0:").await;
    let order = Order {
        prefix: "key",
        same: true,
        count: 200,
        padding: 0,
    };
    let writer = Writer::start(room.folder.path(), &order);
    let finished = std::thread::spawn(move || writer.finish());
    let (mut last, mut reads) = (0, 0);
    while !finished.is_finished() {
        let value = get(&room.provider().await, "key").await.unwrap();
        let number: usize = value.strip_suffix(':').unwrap().parse().unwrap();
        assert!(number >= last, "{number} after {last}");
        last = number;
        reads += 1;
    }
    assert_eq!(finished.join().unwrap().len(), 200);
    assert!(reads > 10, "only {reads} reads beside the writer");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_create_one_succeeds() {
    let room = Room::new();
    let providers = [room.provider().await, room.provider().await];
    let options = PutOptions::default().with_mode(PutMode::Create);
    let (key, value) = (name("key"), SecretValue::from("v"));
    let puts = (0..16).map(|number| providers[number % 2].put(&key, &value, &options));
    let results = futures_join(puts).await;
    let created = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(created, 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}

#[tokio::test]
async fn a_dropped_write_happens_in_full_or_not_at_all() {
    let room = Room::new();
    let provider = room.provider().await;
    put(&provider, "key", "old").await;
    let start = Instant::now();
    let (key, value, options) = (name("key"), SecretValue::from("new"), PutOptions::default());
    let write = provider.put(&key, &value, &options);
    let outcome = tokio::time::timeout(std::time::Duration::from_micros(50), write).await;
    // It goes on in the background; the next write waits for it.
    put(&provider, "other", "x").await;
    let now = get(&provider, "key").await.unwrap();
    assert!(
        now == "new" || outcome.is_err() && now == "old",
        "{now} after {:?}",
        start.elapsed()
    );
    assert_eq!(get(&provider, "other").await.unwrap(), "x");
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        match ready {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    pending
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
