//! Prints the table of providers in the README, from their capabilities.
#![allow(clippy::print_stdout, reason = "prints the table")]

use polysecrets::{Capabilities, Capability};

fn main() {
    let providers: [(&str, &str, Capabilities); 9] = [
        (
            "environment",
            polysecrets_local::env::SCHEME,
            polysecrets_local::env::CAPABILITIES,
        ),
        (
            ".env file",
            polysecrets_local::dotenv::SCHEME,
            polysecrets_local::dotenv::CAPABILITIES,
        ),
        (
            "encrypted file",
            polysecrets_local::file::SCHEME,
            polysecrets_local::file::CAPABILITIES,
        ),
        (
            "HashiCorp Vault, OpenBao",
            polysecrets_vault::SCHEME,
            polysecrets_vault::CAPABILITIES,
        ),
        (
            "AWS Secrets Manager",
            polysecrets_aws::SCHEME,
            polysecrets_aws::CAPABILITIES,
        ),
        (
            "Azure Key Vault",
            polysecrets_azure::SCHEME,
            polysecrets_azure::CAPABILITIES,
        ),
        (
            "Google Secret Manager",
            polysecrets_gcp::SCHEME,
            polysecrets_gcp::CAPABILITIES,
        ),
        (
            "Infisical",
            polysecrets_infisical::SCHEME,
            polysecrets_infisical::CAPABILITIES,
        ),
        (
            "memory, for tests",
            polysecrets_local::memory::SCHEME,
            polysecrets_local::memory::CAPABILITIES,
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
