//! `secrets render`.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use secrets::{FileFormat, FileScan, FileSet, Secrets, Template};
use zeroize::Zeroizing;

use super::explain::{Wanted, explain};
use crate::cli::Render;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::files::FileId;
use crate::settings::Settings;
use crate::{files, output, progress};

pub(crate) fn run(command: &Render, settings: &Settings) -> Outcome {
    if command.in_place {
        return Err(Failure::usage(
            "--in-place: would replace the references in the file with plaintext",
        )
        .with_hint("pass --out FILE or --out-dir FOLDER"));
    }
    let targets = targets(command)?;
    // Check all targets before the first write, since an overwritten source is lost.
    not_a_source(&command.files, &targets)?;
    for target in targets.iter().flatten() {
        files::check_private(target)?;
    }
    let texts = command
        .files
        .iter()
        .map(|path| files::read_text(path))
        .collect::<Outcome<Vec<_>>>()?;
    if let Some(folder) = &command.out_dir {
        fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))?;
    }
    if command.explain.explain {
        return settings.with_secrets(async |secrets| {
            let wanted = wanted(command, &texts)?;
            explain(secrets, &wanted, command.json).await?;
            Ok(Exit::Ok)
        });
    }
    let rendered = settings.with_secrets(async |secrets| {
        if command.template {
            templates(secrets, &command.files, &texts).await
        } else {
            documents(secrets, command, &texts).await
        }
    })?;
    // Write nothing until everything is resolved.
    for (target, text) in targets.iter().zip(&rendered) {
        match target {
            Some(path) => files::write_private(path, text.as_bytes())?,
            None => output::data(text.as_bytes())?,
        }
    }
    Ok(Exit::Ok)
}

/// Where each file goes; `None` is standard output.
fn targets(command: &Render) -> Outcome<Vec<Option<PathBuf>>> {
    if let Some(folder) = &command.out_dir {
        return command
            .files
            .iter()
            .map(|file| match file.file_name() {
                Some(name) if file.as_os_str() != "-" => Ok(Some(folder.join(name))),
                _ => Err(Failure::usage(format!(
                    "{}: no file name for --out-dir",
                    called(file).display()
                ))
                .with_hint("pass --out FILE")),
            })
            .collect::<Outcome<Vec<_>>>()
            .and_then(distinct);
    }
    if command.files.len() > 1 {
        return Err(Failure::usage("cannot render several files into one")
            .with_hint("pass --out-dir FOLDER, or render one file at a time"));
    }
    Ok(vec![command.out.clone()])
}

fn distinct(targets: Vec<Option<PathBuf>>) -> Outcome<Vec<Option<PathBuf>>> {
    for (index, target) in targets.iter().enumerate() {
        if let (Some(path), true) = (target, targets[..index].contains(target)) {
            return Err(Failure::usage(format!(
                "two files have the same target: {}",
                path.display()
            ))
            .with_hint("render them into different folders"));
        }
    }
    Ok(targets)
}

/// Refuses to overwrite a source, whatever path or link leads to it.
fn not_a_source(sources: &[PathBuf], targets: &[Option<PathBuf>]) -> Outcome<()> {
    let sources: HashMap<FileId, &PathBuf> = sources
        .iter()
        .filter_map(|source| Some((FileId::from_path(source)?, source)))
        .collect();
    for target in targets.iter().flatten() {
        // A file called `-` is a file here, not standard input.
        let place = Path::new(".").join(target);
        if let Some(source) = FileId::from_path(&place).and_then(|target| sources.get(&target)) {
            return Err(Failure::usage(format!(
                "{}: would replace the references in the source {} with plaintext",
                target.display(),
                called(source).display()
            ))
            .with_hint("name another file or folder; nothing was written"));
        }
    }
    Ok(())
}

/// The format of a file: the one asked for, or the one that its name implies.
pub(crate) fn format(path: &Path, asked: Option<FileFormat>) -> Outcome<FileFormat> {
    asked
        .or_else(|| FileFormat::from_path(path))
        .ok_or_else(|| {
            Failure::input(format!(
                "cannot tell the format of {}",
                called(path).display()
            ))
            .with_hint("pass --format yaml, toml, json, dotenv or text")
        })
}

/// The name of a file in errors.
pub(crate) fn called(path: &Path) -> &Path {
    if path.as_os_str() == "-" {
        Path::new("standard input")
    } else {
        path
    }
}

/// Every secret that the files refer to, once. Keys that a template computes are not known before it is rendered.
fn wanted(command: &Render, texts: &[Zeroizing<String>]) -> Outcome<Vec<Wanted>> {
    if !command.template {
        let files = files_of(command, texts)?;
        return Ok(files
            .references()
            .iter()
            .map(Wanted::from_reference)
            .collect());
    }
    let mut keys = BTreeSet::new();
    for (path, text) in command.files.iter().zip(texts) {
        let name = called(path).display().to_string();
        keys.extend(Template::parse(&name, text)?.references().to_vec());
    }
    let wanted = keys.into_iter().map(|key| {
        let reference = key.parse()?;
        Ok(Wanted {
            name: key,
            reference,
        })
    });
    wanted.collect()
}

fn files_of<'t>(command: &Render, texts: &'t [Zeroizing<String>]) -> Outcome<FileSet<'t>> {
    let files = command.files.iter().zip(texts);
    let scan = |(path, text): (&PathBuf, &'t Zeroizing<String>)| {
        let format = format(path, command.format)?;
        Ok(FileScan::new(text, format, Some(called(path)))?)
    };
    Ok(FileSet::new(files.map(scan).collect::<Outcome<_>>()?))
}

async fn documents(
    secrets: &Secrets,
    command: &Render,
    texts: &[Zeroizing<String>],
) -> Outcome<Vec<Zeroizing<String>>> {
    let files = files_of(command, texts)?;
    let count = files.references().len();
    let message = format!("fetching {}", output::count(count, "secret"));
    Ok(progress::during(&message, secrets.resolve_files(&files)).await?)
}

async fn templates(
    secrets: &Secrets,
    paths: &[PathBuf],
    texts: &[Zeroizing<String>],
) -> Outcome<Vec<Zeroizing<String>>> {
    let named = paths.iter().zip(texts);
    let templates = named
        .map(|(path, text)| Template::parse(&called(path).display().to_string(), text))
        .collect::<Result<Vec<_>, _>>()?;
    let work = secrets.render_templates(&templates, None);
    Ok(progress::during("rendering", work).await?)
}
