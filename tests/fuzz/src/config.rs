//! Configurations in each format: errors have a position, and JSON means the same as YAML.

use std::path::Path;

use secrets::{Config, Environment, ErrorKind, LoadOptions};

use super::scratch;

const BUILTIN: [&str; 9] = [
    "aws-sm",
    "azure-kv",
    "dotenv",
    "env",
    "file",
    "gcp-sm",
    "infisical",
    "memory",
    "vault",
];

/// The first letter selects the format: `t`oml, `y`aml, `j`son, or the `w`orkflow of another program.
pub fn config(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    let name = match kind {
        b't' => "secrets.toml",
        b'y' => "secrets.yaml",
        b'j' => "secrets.json",
        b'w' => "workflow.yaml",
        _ => return,
    };
    let loaded = load(name, text);
    if *kind == b'j'
        && let Some(loaded) = &loaded
        && let Some(again) = load("secrets.yaml", text)
    {
        assert_eq!(settings(&again), settings(loaded));
    }
}

fn load(name: &str, text: &[u8]) -> Option<Config> {
    let path = scratch::write(name, text);
    let environment: Environment = [("HOME", "/home/me"), ("TOKEN", "t"), ("EMPTY", "")]
        .into_iter()
        .collect();
    let options = LoadOptions::new("/", environment).with_file(&path);
    match Config::load(&options) {
        Ok(config) => {
            settings(&config);
            for problem in config.problems() {
                is_well_formed(&problem, &path, text);
            }
            if let Err(error) = config.check_names(BUILTIN) {
                is_well_formed(&error, &path, text);
            }
            Some(config)
        }
        Err(error) => {
            is_well_formed(&error, &path, text);
            None
        }
    }
}

fn is_well_formed(error: &secrets::Error, path: &Path, text: &[u8]) {
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    let message = error.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    let Some(position) = error.position() else {
        return;
    };
    assert_eq!(position.file.as_deref(), Some(path), "{message}");
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(
        (1..=lines).contains(&position.line) && position.column > 0,
        "{position:?}: {message}"
    );
}

fn settings(config: &Config) -> Vec<(String, String)> {
    let all = config.describe().into_iter();
    all.filter(|setting| setting.key != "config")
        .map(|setting| (setting.key, setting.value))
        .collect()
}
