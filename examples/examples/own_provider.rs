//! Your own provider. Unsupported operations take one line each and are not in its capabilities.
#![allow(clippy::print_stdout, reason = "an example prints to its reader")]

use std::sync::Arc;

use async_trait::async_trait;
use polysecrets::{
    Capabilities, DeleteOptions, DescribeOptions, Error, GetOptions, Health, HealthStatus,
    ListOptions, Location, Metadata, Operation, Page, ProviderInfo, PutOptions, Registry, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Secrets, Version,
    VersionsOptions,
};

const SCHEME: &str = "greeting";

/// Answers every name with a greeting.
#[derive(Debug)]
struct GreetingProvider {
    info: ProviderInfo,
}

#[async_trait]
impl SecretProvider for GreetingProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        match options.version {
            Some(_) => Err(Error::not_found(name)),
            None => {
                let value = format!("hello, {name}").into();
                Ok(Secret::new(value, Metadata::new(name.clone())))
            }
        }
    }

    async fn describe(&self, _: &SecretName, _: &DescribeOptions) -> Result<Metadata> {
        Err(Error::unsupported(Operation::Describe))
    }

    async fn list(&self, _: &ListOptions) -> Result<Page> {
        Err(Error::unsupported(Operation::List))
    }

    async fn put(&self, _: &SecretName, _: &SecretValue, _: &PutOptions) -> Result<Metadata> {
        Err(Error::unsupported(Operation::Put))
    }

    async fn delete(&self, _: &SecretName, _: &DeleteOptions) -> Result<()> {
        Err(Error::unsupported(Operation::Delete))
    }

    async fn restore(&self, _: &SecretName) -> Result<()> {
        Err(Error::unsupported(Operation::Restore))
    }

    async fn versions(&self, _: &SecretName, _: &VersionsOptions) -> Result<Page> {
        Err(Error::unsupported(Operation::Versions))
    }

    async fn rollback(&self, _: &SecretName, _: &Version, _: &RollbackOptions) -> Result<Metadata> {
        Err(Error::unsupported(Operation::Rollback))
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::new(HealthStatus::Healthy, "always polite"))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut registry = Registry::builtin();
    registry.register(SCHEME, |opening| async move {
        let name = opening.context.provider;
        let location = Location::of_scheme(SCHEME);
        let info = ProviderInfo::new(SCHEME, name, location, Capabilities::default());
        Ok(Arc::new(GreetingProvider { info }) as Arc<dyn SecretProvider>)
    });
    let secrets = Secrets::builder()
        .registry(registry)
        .default_provider(SCHEME)
        .build()?;

    let greeting = secrets.get("world").await?;
    println!("{}", greeting.expose_str()?);
    let error = secrets.put("world", "hi".into()).await.err();
    println!(
        "{}",
        error.map(|error| error.to_string()).unwrap_or_default()
    );
    Ok(())
}
