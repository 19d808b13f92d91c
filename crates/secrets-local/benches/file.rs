//! How long the encrypted file takes to be opened, read and written, by its size. Prints a table of the
//! best of 15 rounds, which a busy machine disturbs least.
#![allow(clippy::print_stdout, reason = "a table is what it is for")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use polysecrets_local::file::{FileConfig, FileStore, open};
use secrets_core::{
    GetItem, GetOptions, OpenContext, PutOptions, SecretName, SecretProvider, SecretValue,
};

const ROUNDS: usize = 15;

fn best(mut measure: impl FnMut() -> Duration) -> f64 {
    let times = (0..ROUNDS).map(|_| measure());
    times.min().unwrap().as_secs_f64() * 1e3
}

fn main() {
    println!("entries   open ms   10,000 gets ms   get_many of 10,000 ms   put ms   bytes");
    for count in [1_000, 10_000, 100_000] {
        measure(count);
    }
}

fn measure(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("user");
    let recipient = FileStore::generate_identity(user.join("identity.txt")).unwrap();
    let context = OpenContext::new("local")
        .with_base_dir(folder.path())
        .with_user_dirs(Some(user), Some(folder.path().join("state")));
    let store = FileStore::create(FileConfig::default(), &context, [recipient]).unwrap();
    let names: Vec<SecretName> = (0..count)
        .map(|number| SecretName::new(format!("service-{}/key-{number}", number % 97)).unwrap())
        .collect();
    let value = SecretValue::from("a value of thirty-two characters");
    store
        .put_all(names.iter().map(|name| (name.clone(), value.clone())))
        .unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let open_provider = || {
        runtime
            .block_on(open(FileConfig::default(), context.clone()))
            .unwrap()
    };
    let opening = best(|| {
        let provider = open_provider();
        let start = Instant::now();
        black_box(provider.store().summary().unwrap());
        start.elapsed()
    });
    let provider = open_provider();
    provider.store().summary().unwrap();
    let wanted: Vec<&SecretName> = (0..10_000)
        .map(|number| &names[number * 7 % count])
        .collect();
    let gets = best(|| {
        let start = Instant::now();
        runtime.block_on(async {
            for name in &wanted {
                black_box(provider.get(name, &GetOptions::default()).await.unwrap());
            }
        });
        start.elapsed()
    });
    let items: Vec<GetItem> = wanted
        .iter()
        .map(|name| GetItem::new((*name).clone(), GetOptions::default()))
        .collect();
    let batch = best(|| {
        let start = Instant::now();
        black_box(runtime.block_on(provider.get_many(&items)));
        start.elapsed()
    });
    let put = best(|| {
        let start = Instant::now();
        runtime
            .block_on(provider.put(&names[0], &value, &PutOptions::default()))
            .unwrap();
        start.elapsed()
    });
    let bytes = std::fs::metadata(store.path()).unwrap().len();
    println!("{count:>7} {opening:>9.2} {gets:>16.2} {batch:>23.2} {put:>8.2} {bytes:>7}");
}
