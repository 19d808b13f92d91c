//! Prints one secret, or starts a program with many, using only AWS's SDK, to compare our command with.

use std::collections::HashMap;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use aws_config::BehaviorVersion;
use aws_sdk_secretsmanager::Client;
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// The most secrets in one request.
const BATCH: usize = 20;
/// The default of our provider.
const IN_FLIGHT: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work())
}

async fn work() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    match words.as_slice() {
        ["get", name] => {
            let secret = client.get_secret_value().secret_id(*name).send().await?;
            println!(
                "{}",
                secret.secret_string().ok_or("the secret has no text")?
            );
            Ok(())
        }
        ["run", names, "--", program, arguments @ ..] => {
            let variables = variables(&client, &std::fs::read_to_string(names)?).await?;
            Err(Command::new(program)
                .args(arguments)
                .envs(variables)
                .exec()
                .into())
        }
        _ => Err("usage: bare-sdk get NAME | run NAMES -- PROGRAM [ARGUMENT...]".into()),
    }
}

/// Fetches lines of a variable, the name of its secret and a field, which is ignored.
async fn variables(client: &Client, names: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let words = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    let wanted: Vec<(String, String)> = names.lines().filter_map(words).collect();
    let requests = wanted.chunks(BATCH).map(|part| {
        let names = part.iter().map(|(_, name)| name.clone()).collect();
        client
            .batch_get_secret_value()
            .set_secret_id_list(Some(names))
            .send()
    });
    let answers: Vec<_> = stream::iter(requests)
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let mut values: HashMap<String, String> = answers
        .into_iter()
        .flat_map(|answer| answer.secret_values.unwrap_or_default())
        .filter_map(|secret| Some((secret.name?, secret.secret_string?)))
        .collect();
    wanted
        .into_iter()
        .map(|(variable, name)| {
            let value = values.remove(&name).ok_or("a secret is missing")?;
            Ok((variable, value))
        })
        .collect()
}
