//! Put, get, versions and rollback in memory. Change `default_provider` to use another store.
#![allow(clippy::print_stdout, reason = "an example prints to its reader")]

use polysecrets::{Result, Secrets};

#[tokio::main]
async fn main() -> Result<()> {
    let secrets = Secrets::builder().default_provider("memory").build()?;

    let first = secrets.put("db/password", "hunter2".into()).await?;
    secrets.put("db/password", "correct horse".into()).await?;

    let password = secrets.get("db/password").await?;
    println!("{password:?} has {} bytes", password.len());

    if let Some(version) = first.version {
        secrets.rollback("db/password", version).await?;
    }
    assert_eq!(secrets.get("db/password").await?.expose_str()?, "hunter2");
    assert!(secrets.get_optional("db/user").await?.is_none());
    secrets.close().await
}
