//! The workspace, from `cargo metadata`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{Result, cargo, read, root};

/// A member of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    pub(crate) library: Option<String>,
    pub(crate) examples: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: Vec<(String, Vec<String>)>,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) readme: Option<String>,
    pub(crate) published: bool,
}

/// A dependency of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's name on the registry.
    pub(crate) package: String,
    /// Its name in the manifest and the code.
    pub(crate) called: String,
    /// Only for tests.
    pub(crate) dev: bool,
    pub(crate) optional: bool,
    /// The features that it turns on.
    pub(crate) features: Vec<String>,
}

impl Package {
    /// The folder of the manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(&self.manifest)
    }

    /// The name of the folder, which people use for the crate.
    pub(crate) fn short_name(&self) -> &str {
        self.folder()
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(&self.name)
    }

    pub(crate) fn feature(&self, name: &str) -> Option<&[String]> {
        self.features
            .iter()
            .find(|(feature, _)| feature == name)
            .map(|(_, enables)| enables.as_slice())
    }
}

/// Loads all members, without resolving their dependencies.
pub(crate) fn load() -> Result<Vec<Package>> {
    let text = read(&mut cargo(["metadata", "--format-version=1", "--no-deps"]))?;
    parse(&text).ok_or_else(|| "cargo metadata: unexpected output".to_owned())
}

/// Finds a member by its package name, its folder or its library.
pub(crate) fn find<'a>(packages: &'a [Package], word: &str) -> Result<&'a Package> {
    packages
        .iter()
        .find(|package| {
            package.name == word
                || package.short_name() == word
                || package.library.as_deref() == Some(word)
        })
        .ok_or_else(|| {
            let known: Vec<&str> = packages.iter().map(Package::short_name).collect();
            format!(
                "unknown crate: {word}; expected one of {}",
                known.join(", ")
            )
        })
}

/// A path for messages, relative to the workspace's root.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn parse(text: &str) -> Option<Vec<Package>> {
    let value: Value = serde_json::from_str(text).ok()?;
    value
        .get("packages")?
        .as_array()?
        .iter()
        .map(package)
        .collect()
}

fn package(value: &Value) -> Option<Package> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let targets = value.get("targets")?.as_array()?;
    let of_kind = |wanted: &str| {
        targets
            .iter()
            .filter(|target| {
                strings(target.get("kind"))
                    .iter()
                    .any(|kind| kind == wanted)
            })
            .filter_map(|target| target.get("name")?.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let features = value.get("features")?.as_object()?;
    Some(Package {
        name: text("name")?,
        manifest: text("manifest_path")?.into(),
        library: of_kind("lib").pop(),
        examples: of_kind("example"),
        dependencies: value
            .get("dependencies")?
            .as_array()?
            .iter()
            .map(dependency)
            .collect::<Option<_>>()?,
        features: features
            .iter()
            .map(|(name, enables)| (name.clone(), strings(Some(enables))))
            .collect(),
        license: text("license"),
        description: text("description"),
        readme: text("readme"),
        // Absent means every registry, an empty list means none.
        published: value
            .get("publish")
            .is_none_or(|list| list.as_array().is_none_or(|list| !list.is_empty())),
    })
}

fn dependency(value: &Value) -> Option<Dependency> {
    let package = value.get("name")?.as_str()?.to_owned();
    let called = value
        .get("rename")
        .and_then(Value::as_str)
        .map_or_else(|| package.clone(), str::to_owned);
    Some(Dependency {
        package,
        called,
        dev: value.get("kind").and_then(Value::as_str) == Some("dev"),
        optional: value.get("optional").and_then(Value::as_bool)?,
        features: strings(value.get("features")),
    })
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"packages": [{
        "name": "polysecrets-vault", "manifest_path": "/w/crates/secrets-vault/Cargo.toml",
        "license": "MIT", "description": null, "readme": "README.md", "publish": null,
        "features": {"default": [], "vaultrs": ["dep:vaultrs"]},
        "targets": [{"name": "polysecrets_vault", "kind": ["lib"]}, {"name": "a", "kind": ["example"]}],
        "dependencies": [
            {"name": "polysecrets-core", "rename": "secrets-core", "kind": null, "optional": false},
            {"name": "tempfile", "rename": null, "kind": "dev", "optional": false}]
    }]}"#;

    #[test]
    fn a_package_is_parsed() {
        let packages = parse(SAMPLE).unwrap();
        let package = find(&packages, "secrets-vault").unwrap();
        assert_eq!(package.library.as_deref(), Some("polysecrets_vault"));
        assert_eq!(package.examples, ["a"]);
        assert_eq!(package.feature("vaultrs").unwrap(), ["dep:vaultrs"]);
        assert_eq!(package.dependencies[0].called, "secrets-core");
        assert!(package.dependencies[1].dev);
        assert!(package.published);
        assert_eq!(package.description, None);
    }

    #[test]
    fn an_unknown_crate_is_reported_with_the_known_ones() {
        let packages = parse(SAMPLE).unwrap();
        let message = find(&packages, "secrets-aws").unwrap_err();
        assert_eq!(
            message,
            "unknown crate: secrets-aws; expected one of secrets-vault"
        );
    }
}
