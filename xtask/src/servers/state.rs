//! The state of running servers, kept in a file between commands.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Server;
use super::process::Process;
use crate::shell::{Result, at};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) servers: Vec<Server>,
}

impl State {
    /// Loads the state; empty if the file does not exist.
    pub(super) fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = at(path, fs::read_to_string(path))?;
        Self::parse(&text).ok_or_else(|| format!("{}: not a state file", path.display()))
    }

    /// Writes a new file and renames it, so a reader sees the old state or the new one.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("new");
        at(&beside, fs::write(&beside, self.text()))?;
        at(path, fs::rename(&beside, path))
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        self.servers
            .iter()
            .flat_map(|server| server.variables.iter().cloned())
            .collect()
    }

    fn text(&self) -> String {
        let servers: Vec<Value> = self
            .servers
            .iter()
            .map(|server| {
                json!({
                    "name": server.name,
                    "processes": server.processes.iter().map(|process| {
                        json!({ "pid": process.pid, "mark": process.mark })
                    }).collect::<Vec<_>>(),
                    "address": server.address,
                    "folder": server.folder,
                    "variables": server.variables,
                })
            })
            .collect();
        format!("{:#}\n", json!({ "servers": servers }))
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let servers = value.get("servers")?.as_array()?;
        servers
            .iter()
            .map(server)
            .collect::<Option<_>>()
            .map(|servers| Self { servers })
    }
}

fn server(value: &Value) -> Option<Server> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let pair = |entry: &Value| {
        let name = entry.get(0)?.as_str()?.to_owned();
        Some((name, entry.get(1)?.as_str()?.to_owned()))
    };
    Some(Server {
        name: text("name")?,
        processes: value
            .get("processes")?
            .as_array()?
            .iter()
            .map(process)
            .collect::<Option<_>>()?,
        address: text("address")?,
        folder: text("folder")?.into(),
        variables: value
            .get("variables")?
            .as_array()?
            .iter()
            .map(pair)
            .collect::<Option<_>>()?,
    })
}

fn process(value: &Value) -> Option<Process> {
    Some(Process {
        pid: value.get("pid")?.as_u64()?.try_into().ok()?,
        mark: value.get("mark")?.as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let state = State {
            servers: vec![Server {
                name: "openbao".to_owned(),
                processes: vec![Process {
                    pid: 7,
                    mark: "127.0.0.1:8200".to_owned(),
                }],
                address: "http://127.0.0.1:8200".to_owned(),
                folder: "/tmp/it's here".into(),
                variables: vec![("A".to_owned(), "b".to_owned())],
            }],
        };
        assert_eq!(State::parse(&state.text()), Some(state));
    }

    #[test]
    fn a_torn_file_is_refused() {
        for text in ["", "{", "{}", r#"{"servers": [{"name": "x"}]}"#] {
            assert_eq!(State::parse(text), None, "{text}");
        }
    }
}
