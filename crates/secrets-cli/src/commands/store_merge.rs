//! `secrets store merge` and `merge-files`: what a merge changes, and who agrees.

use std::fs;
use std::path::Path;

use secrets::file::{
    ChangeKind, FileStore, KeyChange, MergeConsent, MergeReport, MergeSide, OldKeyWrite,
    VersionChange,
};
use serde_json::{Value, json};

use crate::cli::Consent;
use crate::failure::Outcome;
use crate::{output, prompt};

const TWINS: &str = "use the --accept options; `secrets store merge --help` lists them";

pub(super) fn merge(store: &FileStore, consent: Consent, as_json: bool) -> Outcome<()> {
    let given = agreed(consent);
    let mut asked = Ok(());
    let report = store.merge(|report| {
        let missing = report.needs().missing_from(given);
        if missing.is_empty() {
            return given;
        }
        say_changes(report);
        if as_json || !prompt::is_possible() {
            return given;
        }
        match prompt::confirm("merge the store with these changes?", TWINS) {
            Ok(true) => MergeConsent::ALL,
            Ok(false) => given,
            Err(error) => {
                asked = Err(error);
                given
            }
        }
    });
    asked?;
    let report = report?;
    if as_json {
        return output::json(merged(store, &report));
    }
    say(&report);
    let path = store.path().display().to_string();
    output::say(format!("now: git add {}", output::printable(&path)));
    Ok(())
}

/// What git runs as its merge driver. It never asks: where somebody has to agree, git gets a conflict.
pub(super) fn merge_files(
    store: &FileStore,
    consent: Consent,
    base: &Path,
    ours: &Path,
    theirs: &Path,
) -> Outcome<()> {
    let given = agreed(consent);
    // Git gives an empty file where the sides have no common ancestor.
    let common = fs::metadata(base).is_ok_and(|base| base.len() > 0);
    let base = common.then_some(base);
    let report = store.merge_files(base, ours, theirs, ours, |report| {
        if !report.needs().missing_from(given).is_empty() {
            say_changes(report);
        }
        given
    })?;
    say(&report);
    Ok(())
}

fn agreed(consent: Consent) -> MergeConsent {
    MergeConsent::default()
        .with_versions(consent.accept_versions)
        .with_recipients(consent.accept_recipients)
        .with_old_key(consent.accept_old_key)
        .with_older(consent.accept_older)
}

fn say(report: &MergeReport) {
    output::say(format!(
        "merged: {}, revision {}",
        output::count(report.secrets, "secret"),
        report.revision
    ));
    say_changes(report);
}

/// Says all that the merge changes on our side, a line each: what, of what, how.
fn say_changes(report: &MergeReport) {
    let lines = lines(report);
    let width = |cells: &mut dyn Iterator<Item = &String>| {
        cells.map(|cell| output::width(cell)).max().unwrap_or(0)
    };
    let first = width(&mut lines.iter().map(|line| &line[0]));
    // A public key ends its line, and is too long to align others with.
    let table = lines.iter().filter(|line| !line[2].is_empty());
    let second = width(&mut table.map(|line| &line[1]));
    for [what, of, how] in &lines {
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(output::width(text)));
        let line = format!(
            "  {what}{}  {of}{}  {how}",
            pad(what, first),
            pad(of, second)
        );
        output::say(line.trim_end());
    }
}

fn lines(report: &MergeReport) -> Vec<[String; 3]> {
    let mut lines = Vec::new();
    let mut add = |what: &str, of: &str, how: String| {
        lines.push([what.to_owned(), output::printable(of), how]);
    };
    if let Some((ours, common)) = report.older {
        add(
            "older",
            "our side",
            format!("revision {ours}, below {common}"),
        );
    }
    match report.key {
        KeyChange::Unchanged => {}
        KeyChange::Theirs => add(
            "key",
            "theirs",
            "it replaced the one of our side".to_owned(),
        ),
        _ => add("key", "new", "both sides had replaced the key".to_owned()),
    }
    for recipient in &report.added_recipients {
        add("recipient added", recipient, String::new());
    }
    for recipient in &report.removed_recipients {
        add("recipient removed", recipient, String::new());
    }
    for recipient in &report.dropped_recipients {
        add("recipient kept out", recipient, String::new());
    }
    for change in &report.changes {
        add(word(change), change.name.as_str(), versions(change));
    }
    for name in &report.diverged {
        add(
            "both wrote",
            name.as_str(),
            "the newer value is current; `secrets versions` shows both".to_owned(),
        );
    }
    for write in &report.old_key {
        add("replaced key", write.name.as_str(), under_old_key(write));
    }
    lines
}

fn word(change: &VersionChange) -> &'static str {
    match (change.kind, change.from) {
        (ChangeKind::Written, None) => "added",
        (ChangeKind::Written, Some(_)) => "changed",
        (kind, _) => kind.as_str(),
    }
}

fn versions(change: &VersionChange) -> String {
    match (change.from, change.to) {
        (Some(from), Some(to)) if from != to => format!("version {from} to {to}"),
        (_, Some(version)) | (Some(version), None) => format!("version {version}"),
        (None, None) => String::new(),
    }
}

fn under_old_key(write: &OldKeyWrite) -> String {
    format!(
        "version {} {} under a replaced key, on {} side",
        write.version,
        write.kind.as_str(),
        possessive(write.side)
    )
}

fn possessive(side: MergeSide) -> &'static str {
    match side {
        MergeSide::Ours => "our",
        _ => "their",
    }
}

fn merged(store: &FileStore, report: &MergeReport) -> Value {
    let changes: Vec<Value> = report
        .changes
        .iter()
        .map(|change| {
            json!({
                "name": change.name,
                "change": change.kind.as_str(),
                "from": change.from,
                "to": change.to,
            })
        })
        .collect();
    let old_key: Vec<Value> = report
        .old_key
        .iter()
        .map(|write| {
            json!({
                "name": write.name,
                "version": write.version,
                "change": write.kind.as_str(),
                "side": match write.side {
                    MergeSide::Ours => "ours",
                    _ => "theirs",
                },
            })
        })
        .collect();
    json!({
        "path": store.path(),
        "secrets": report.secrets,
        "revision": report.revision,
        "diverged": report.diverged,
        "key": match report.key {
            KeyChange::Unchanged => "unchanged",
            KeyChange::Theirs => "theirs",
            _ => "new",
        },
        "added_recipients": report.added_recipients,
        "removed_recipients": report.removed_recipients,
        "dropped_recipients": report.dropped_recipients,
        "changes": changes,
        "old_key": old_key,
    })
}
