//! Prints the table of providers in the README, from their capabilities.
#![allow(clippy::print_stdout, reason = "prints the table")]

use secrets::{Capabilities, Capability};

fn main() {
    let providers: [(&str, &str, Capabilities); 9] = [
        (
            "environment",
            secrets_local::env::SCHEME,
            secrets_local::env::CAPABILITIES,
        ),
        (
            ".env file",
            secrets_local::dotenv::SCHEME,
            secrets_local::dotenv::CAPABILITIES,
        ),
        (
            "encrypted file",
            secrets_local::file::SCHEME,
            secrets_local::file::CAPABILITIES,
        ),
        (
            "HashiCorp Vault, OpenBao",
            secrets_vault::SCHEME,
            secrets_vault::CAPABILITIES,
        ),
        (
            "AWS Secrets Manager",
            secrets_aws::SCHEME,
            secrets_aws::CAPABILITIES,
        ),
        (
            "Azure Key Vault",
            secrets_azure::SCHEME,
            secrets_azure::CAPABILITIES,
        ),
        (
            "Google Secret Manager",
            secrets_gcp::SCHEME,
            secrets_gcp::CAPABILITIES,
        ),
        (
            "Infisical",
            secrets_infisical::SCHEME,
            secrets_infisical::CAPABILITIES,
        ),
        (
            "memory, for tests",
            secrets_local::memory::SCHEME,
            secrets_local::memory::CAPABILITIES,
        ),
    ];
    print!("| capability |");
    for (title, scheme, _) in providers {
        print!(" {title} (`{scheme}`) |");
    }
    println!("\n|---|{}", ":-:|".repeat(providers.len()));
    for capability in Capability::ALL {
        print!("| {capability} |");
        for (_, _, capabilities) in providers {
            print!(
                " {} |",
                if capabilities.has(*capability) {
                    "yes"
                } else {
                    "–"
                }
            );
        }
        println!();
    }
    print!("| largest value |");
    for (_, _, capabilities) in providers {
        match capabilities.max_value_bytes {
            Some(bytes) => print!(" {bytes} bytes |"),
            None => print!(" – |"),
        }
    }
    println!();
}
