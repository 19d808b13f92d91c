//! The versions of a store that git could not merge: from git itself, or from the markers that it left in the file.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrets_core::{Error, ErrorKind, Result};

use super::guard::MAX_STORE_BYTES;

/// The longest `.git` file that is read; it holds one path.
const MAX_LINK_BYTES: u64 = 16 << 10;

/// The texts of both sides, and of what both come from where that is known.
pub(super) struct Sides {
    pub(super) base: Option<Vec<u8>>,
    pub(super) ours: Vec<u8>,
    pub(super) theirs: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Common,
    Ours,
    Base,
    Theirs,
}

/// What follows a marker line, and nothing where the line is none.
fn marker(line: &[u8]) -> Option<Part> {
    let begins = |sign: u8| {
        line.len() >= 7
            && line[..7].iter().all(|byte| *byte == sign)
            && matches!(line.get(7), None | Some(b' ' | b'\r' | b'\n'))
    };
    match line.first()? {
        b'<' if begins(b'<') => Some(Part::Ours),
        b'|' if begins(b'|') => Some(Part::Base),
        b'=' if begins(b'=') => Some(Part::Theirs),
        b'>' if begins(b'>') => Some(Part::Common),
        _ => None,
    }
}

/// The offset of the first line that is a conflict marker.
pub(super) fn first_marker(text: &[u8]) -> Option<usize> {
    let mut offset = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if marker(line).is_some() {
            return Some(offset);
        }
        offset += line.len();
    }
    None
}

/// Both sides of a text with markers, in the style `merge` or `diff3`; `None` if its markers do not match.
pub(super) fn split(text: &[u8]) -> Option<Sides> {
    let (mut base, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut part = Part::Common;
    let mut blocks = 0;
    let mut blocks_with_base = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some(next) = marker(line) {
            match (part, next) {
                (Part::Common, Part::Ours) => blocks += 1,
                (Part::Ours, Part::Base) => blocks_with_base += 1,
                (Part::Ours | Part::Base, Part::Theirs) | (Part::Theirs, Part::Common) => {}
                _ => return None,
            }
            part = next;
            continue;
        }
        let into: &mut [&mut Vec<u8>] = match part {
            Part::Common => &mut [&mut base, &mut ours, &mut theirs],
            Part::Ours => &mut [&mut ours],
            Part::Base => &mut [&mut base],
            Part::Theirs => &mut [&mut theirs],
        };
        for side in into {
            side.extend_from_slice(line);
        }
    }
    (part == Part::Common && blocks > 0).then_some(Sides {
        base: (blocks == blocks_with_base).then_some(base),
        ours,
        theirs,
    })
}

/// The sides that git keeps in its index for a file in conflict, which are exact whatever the file holds now; `None` if
/// there is no git, no repository or no conflict.
///
/// # Errors
/// [`ErrorKind::Conflict`] if one side deleted the file.
pub(super) fn from_git(path: &Path) -> Result<Option<Sides>> {
    let stages = stages(path);
    if stages.is_empty() {
        return Ok(None);
    }
    let blob = |number: u8| {
        let (_, id) = stages.iter().find(|(stage, _)| *stage == number)?;
        let mut show = git(path);
        show.args(["cat-file", "blob", id]);
        output(show)
    };
    match (blob(2), blob(3)) {
        (Some(ours), Some(theirs)) => Ok(Some(Sides {
            base: blob(1),
            ours,
            theirs,
        })),
        _ => Err(Error::new(
            ErrorKind::Conflict,
            format!("one side of the merge has no store {}", path.display()),
        )
        .with_hint("keep the side that has one with `git checkout --ours` or `--theirs`")),
    }
}

/// Refuses a write to a store that git has two sides of and that shows only one of them, as git leaves it where the merge
/// driver is configured but did not run: the write would be lost in the merge, or the other side would.
///
/// # Errors
/// [`ErrorKind::Conflict`] if so.
pub(super) fn refuse_unmerged(path: &Path) -> Result<()> {
    // Git is only asked where it has something under way, which is seen without it.
    if !is_merge_under_way(path) || stages(path).is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!("git has not merged {} yet", path.display()),
    )
    .with_hint("run `secrets store merge`, then `git add` on the store, and write again"))
}

fn is_merge_under_way(path: &Path) -> bool {
    let Some(git) = path.parent().and_then(git_folder) else {
        return false;
    };
    [
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REBASE_HEAD",
        "REVERT_HEAD",
    ]
    .iter()
    .any(|head| git.join(head).exists())
}

/// Where git keeps the state of the work tree that a folder lies in.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let entry = folder
        .ancestors()
        .map(|folder| folder.join(".git"))
        .find(|entry| entry.exists())?;
    if entry.is_dir() {
        return Some(entry);
    }
    // A linked work tree or a submodule.
    let mut text = String::new();
    let file = File::open(&entry).ok()?;
    file.take(MAX_LINK_BYTES).read_to_string(&mut text).ok()?;
    Some(
        entry
            .parent()?
            .join(text.strip_prefix("gitdir: ")?.trim_end()),
    )
}

/// What git's index has of a file that it could not merge.
fn stages(path: &Path) -> Vec<(u8, String)> {
    let Some(name) = path.file_name() else {
        return Vec::new();
    };
    let mut list = git(path);
    list.args(["ls-files", "--unmerged", "-z", "--"]).arg(name);
    let listing = output(list).unwrap_or_default();
    String::from_utf8_lossy(&listing)
        .split('\0')
        .filter_map(stage)
        .collect()
}

/// Number and blob of a line `MODE ID STAGE\tPATH`.
fn stage(line: &str) -> Option<(u8, String)> {
    let mut words = line.split('\t').next()?.split(' ');
    let (_mode, id, stage) = (words.next()?, words.next()?, words.next()?);
    Some((stage.parse().ok()?, id.to_owned()))
}

fn git(path: &Path) -> Command {
    let mut command = Command::new("git");
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    command
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        // A repository may name a program for this one.
        .args(["-c", "core.fsmonitor=false", "--literal-pathspecs"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What a command writes, if it succeeds and writes no more than a store can have.
fn output(mut command: Command) -> Option<Vec<u8>> {
    let mut child = command.spawn().ok()?;
    let mut text = Vec::new();
    let read = child
        .stdout
        .take()
        .map(|pipe| pipe.take(MAX_STORE_BYTES + 1).read_to_end(&mut text));
    let succeeded = child.wait().ok()?.success();
    let whole = matches!(read, Some(Ok(length)) if length as u64 <= MAX_STORE_BYTES);
    (succeeded && whole).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_both_styles() {
        let plain = split(b"a\n<<<<<<< HEAD\no\n=======\nt\n>>>>>>> x\nz\n").unwrap();
        assert_eq!(
            (&plain.ours[..], &plain.theirs[..]),
            (&b"a\no\nz\n"[..], &b"a\nt\nz\n"[..])
        );
        assert_eq!(plain.base, None);
        let diff3 = split(b"<<<<<<< a\no\n||||||| b\nb\n=======\n>>>>>>> c\n").unwrap();
        assert_eq!(diff3.base.unwrap(), b"b\n");
        assert_eq!(
            (&diff3.ours[..], &diff3.theirs[..]),
            (&b"o\n"[..], &b""[..])
        );
    }

    #[test]
    fn markers_that_make_no_sense_are_refused() {
        for text in [
            "a\n",
            "<<<<<<< a\n",
            "<<<<<<< a\n=======\n",
            "=======\n>>>>>>> a\n",
            "<<<<<<< a\n<<<<<<< b\n=======\n>>>>>>> c\n",
        ] {
            assert!(split(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn finds_the_first_marker() {
        assert_eq!(first_marker(b"ab\n<<<<<<< HEAD\n"), Some(3));
        assert_eq!(first_marker(b"ab\n <<<<<<< HEAD\n<<<<<<<<\n=====\n"), None);
    }
}
