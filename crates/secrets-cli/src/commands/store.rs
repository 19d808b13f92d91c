//! `secrets store`.

use std::fs;

use secrets::file::{FileStore, MergeReport};
use serde_json::json;

use crate::cli::{RecipientsVerb, Store, StoreVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::settings::Settings;

pub(crate) fn run(command: &Store, settings: &Settings) -> Outcome {
    let store = open(settings)?;
    match &command.verb {
        StoreVerb::Accept => accept(&store)?,
        StoreVerb::Merge => {
            tell(&store.merge()?);
            output::say(format!("now: git add {}", store.path().display()));
        }
        StoreVerb::MergeFiles { base, ours, theirs } => {
            // Git gives an empty file where the sides have no common ancestor.
            let common = fs::metadata(base).is_ok_and(|base| base.len() > 0);
            let base = common.then_some(base.as_path());
            tell(&store.merge_files(base, ours, theirs, ours)?);
        }
        StoreVerb::Info { json } => info(&store, *json)?,
        StoreVerb::Recipients { verb } => recipients(&store, verb)?,
    }
    Ok(Exit::Ok)
}

/// The store of the configuration, as its provider would open it.
fn open(settings: &Settings) -> Outcome<FileStore> {
    settings.with_secrets(async |secrets| {
        Ok(secrets
            .file_store(settings.load.provider.as_deref())
            .await?)
    })
}

fn accept(store: &FileStore) -> Outcome<()> {
    let accepted = store.accept()?;
    let before = accepted.seen_before.map(|seen| format!(", after {seen}"));
    output::say(format!(
        "accepted revision {}{} of {}",
        accepted.revision,
        before.unwrap_or_default(),
        store.path().display()
    ));
    Ok(())
}

fn tell(report: &MergeReport) {
    output::say(format!(
        "merged: {}, revision {}",
        output::count(report.secrets, "secret"),
        report.revision
    ));
    for name in &report.diverged {
        output::say(format!(
            "both sides wrote {name}: the newer value is current, `secrets versions {name}` shows both"
        ));
    }
    for recipient in &report.dropped_recipients {
        output::say(format!(
            "not taken over, add it again if it belongs there: {recipient}"
        ));
    }
}

fn info(store: &FileStore, as_json: bool) -> Outcome<()> {
    let summary = store.summary()?;
    if as_json {
        return output::json(json!({
            "path": store.path(),
            "id": summary.id,
            "revision": summary.revision,
            "secrets": summary.secrets,
            "rollback_protected": summary.rollback_protected,
        }));
    }
    output::data(
        format!(
            "path      {}\nid        {}\nrevision  {}\nsecrets   {}\n",
            output::printable(&store.path().display().to_string()),
            summary.id,
            summary.revision,
            summary.secrets
        )
        .as_bytes(),
    )
}

fn recipients(store: &FileStore, verb: &RecipientsVerb) -> Outcome<()> {
    match verb {
        RecipientsVerb::List { json } => list(store, *json)?,
        RecipientsVerb::Add { recipients } => {
            for recipient in recipients {
                let added = store.add_recipient(recipient)?;
                output::say(format!(
                    "{recipient} {}",
                    if added { "is added" } else { "was there" }
                ));
            }
        }
        RecipientsVerb::Remove { recipients } => {
            for recipient in recipients {
                if !store.remove_recipient(recipient)? {
                    return Err(Failure::input(format!("{recipient} is not a recipient"))
                        .with_hint("`secrets store recipients list` shows them"));
                }
                output::say(format!(
                    "{recipient} is removed, and the store has a new key"
                ));
            }
            output::say(
                "copies from before stay readable for them: change the secrets themselves too",
            );
        }
        RecipientsVerb::Rekey => {
            store.rekey()?;
            output::say("the store has a new key");
        }
    }
    Ok(())
}

fn list(store: &FileStore, as_json: bool) -> Outcome<()> {
    let recipients = store.recipients()?;
    if as_json {
        return output::json(json!({
            "recipients": recipients.public_keys,
            "passphrase": recipients.passphrase,
        }));
    }
    let mut text = String::new();
    for key in &recipients.public_keys {
        text.push_str(&output::printable(key));
        text.push('\n');
    }
    output::data(text.as_bytes())?;
    if recipients.passphrase {
        output::say("a passphrase opens it too");
    }
    Ok(())
}
