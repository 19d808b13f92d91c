//! A configuration with secret fields, filled for use and written to a checkpoint without values.
#![allow(clippy::print_stdout, reason = "an example prints to its reader")]

use polysecrets::{Result, SecretField, Secrets};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    host: String,
    password: SecretField,
}

#[tokio::main]
async fn main() -> Result<()> {
    let secrets = Secrets::builder().default_provider("memory").build()?;
    secrets.put("db/password", "hunter2".into()).await?;

    let text = r#"{ "host": "localhost", "password": "${secret:db/password}" }"#;
    let settings: Settings = serde_json::from_str(text).expect("valid settings");
    secrets.fill(&settings).await?;
    assert!(settings.password.value().is_some());

    let checkpoint = serde_json::to_string(&settings).expect("a checkpoint");
    println!("{checkpoint}");
    assert!(!checkpoint.contains("hunter2"));
    Ok(())
}
