//! Finds circular imports between files, from their `use` lines.
//!
//! A circle is fine within a module family: the files below one module other than the crate's root. Any other circle
//! couples two concerns, so neither can be read, moved or tested alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

use super::{Problem, Role, files, role};
use crate::shell::{Result, at};
use crate::workspace::Package;

/// Accepted circles: crate, modules, reason.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    (
        "secrets-core",
        &[
            "error",
            "json",
            "leases",
            "location",
            "name",
            "options",
            "permissions",
            "provider",
            "request",
            "secret",
            "value",
        ],
        "the types of the contract name each other: an error has a name, a name fails with an error",
    ),
    (
        "secrets",
        &["audit", "builder", "leases", "secrets"],
        "the handle, its builder and parts of its methods",
    ),
    (
        "secrets-mask",
        &["masker", "stream"],
        "a masker makes streams, and a stream belongs to a masker",
    ),
    (
        "secrets-aws",
        &["auth::login", "error", "wire"],
        "a failed login is explained by what the login recorded",
    ),
    (
        "secrets-aws",
        &["permissions", "provider"],
        "an ability of the provider, in a file of its own",
    ),
];

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut within = 0;
    for package in packages
        .iter()
        .filter(|package| role(package) != Role::Outside)
    {
        let source = package.folder().join("src");
        let mut texts = Vec::new();
        for file in files(&source, "rs")? {
            texts.push((file.clone(), at(&file, fs::read_to_string(&file))?));
        }
        let library = package.library.as_deref().unwrap_or_default();
        let imports = Imports::read(&source, library, &texts)?;
        for circle in imports.circles() {
            let modules: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            if is_family(&circle) || is_allowed(package.short_name(), &modules) {
                within += 1;
                continue;
            }
            let file = &imports.files[circle[0]];
            let message = format!("circular imports: {}", modules.join(", "));
            problems.push(Problem::new(file, 1, message));
        }
    }
    println!("{within} circular imports within a module family");
    Ok(problems)
}

type Module = Vec<String>;

/// Whether all modules are below one module other than the root.
fn is_family(circle: &[&Module]) -> bool {
    circle.iter().all(|module| {
        !module.is_empty() && module.first() == circle.first().and_then(|first| first.first())
    })
}

fn is_allowed(package: &str, modules: &[String]) -> bool {
    ALLOWED
        .iter()
        .any(|(owner, members, _)| *owner == package && *members == modules)
}

/// The modules of a crate with their re-exports and imports.
#[derive(Debug, Default)]
struct Imports {
    files: BTreeMap<Module, PathBuf>,
    /// For each module, the names that it re-exports and their paths.
    reexports: BTreeMap<Module, BTreeMap<String, Module>>,
    imports: BTreeMap<Module, BTreeSet<Module>>,
}

impl Imports {
    fn read(source: &Path, library: &str, texts: &[(PathBuf, String)]) -> Result<Self> {
        let mut imports = Self::default();
        let mut uses = Vec::new();
        for (file, _) in texts {
            imports.files.insert(module(source, file), file.clone());
        }
        for (file, text) in texts {
            let syntax = syn::parse_file(text)
                .map_err(|error| format!("{}: not Rust: {error}", file.display()))?;
            let mut found = Uses::default();
            found.visit_file(&syntax);
            let here = module(source, file);
            for (path, alias, public) in found.lines {
                let Some(path) = imports.absolute(&here, library, &path) else {
                    continue;
                };
                if public {
                    let names = imports.reexports.entry(here.clone()).or_default();
                    names.insert(alias, path);
                } else {
                    uses.push((here.clone(), path));
                }
            }
        }
        for (here, path) in uses {
            let Some(target) = imports.target(&path, 0) else {
                continue;
            };
            if target != here {
                imports.imports.entry(here).or_default().insert(target);
            }
        }
        Ok(imports)
    }

    /// The path from the crate's root; `None` for paths into other crates.
    fn absolute(&self, here: &Module, library: &str, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" => here.clone(),
            "super" => here[..here.len().checked_sub(1)?].to_vec(),
            name if name == library => Module::new(),
            name => {
                let mut child = here.clone();
                child.push(name.to_owned());
                if !self.files.contains_key(&child) {
                    return None;
                }
                child
            }
        };
        for part in rest {
            if part == "super" {
                base.pop()?;
            } else if part != "self" {
                base.push(part.clone());
            }
        }
        Some(base)
    }

    /// The file that defines the path, following re-exports.
    fn target(&self, path: &[String], depth: usize) -> Option<Module> {
        let holder = (0..=path.len())
            .rev()
            .map(|length| path[..length].to_vec())
            .find(|module| self.files.contains_key(module))?;
        let Some(name) = path.get(holder.len()) else {
            return Some(holder);
        };
        // Modules may re-export each other, so give up after a few steps.
        if depth < 8
            && let Some(passed) = self
                .reexports
                .get(&holder)
                .and_then(|names| names.get(name))
        {
            let mut longer = passed.clone();
            longer.extend_from_slice(&path[holder.len() + 1..]);
            return self.target(&longer, depth + 1);
        }
        Some(holder)
    }

    /// Groups of two or more modules that import each other, directly or indirectly.
    fn circles(&self) -> Vec<Vec<&Module>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self
            .files
            .keys()
            .map(|module| (module, self.reached(module)))
            .collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for module in self.files.keys() {
            if seen.contains(module) {
                continue;
            }
            let circle: Vec<&Module> = reach[module]
                .iter()
                .copied()
                .filter(|other| reach[other].contains(module))
                .collect();
            seen.extend(circle.iter().copied());
            if circle.len() > 1 {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached<'a>(&'a self, from: &'a Module) -> BTreeSet<&'a Module> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(module) = waiting.pop() {
            for next in self.imports.get(module).into_iter().flatten() {
                if found.insert(next) {
                    waiting.push(next);
                }
            }
        }
        found
    }
}

/// The module of a file: `a` for `src/a/mod.rs` and `src/a.rs`, empty for the root.
fn module(source: &Path, file: &Path) -> Module {
    let below = file.strip_prefix(source).unwrap_or(file).with_extension("");
    let mut parts: Module = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        parts.pop();
    }
    parts
}

/// The `use` lines of a file outside its tests: path, name, and whether it is re-exported.
#[derive(Debug, Default)]
struct Uses {
    lines: Vec<(Vec<String>, String, bool)>,
    /// The number of enclosing inline modules.
    depth: usize,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        // In an inline module, `super` is this file.
        if self.depth == 0 {
            self.tree(&item.tree, &mut Vec::new(), public);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|word| word == "test")
        });
        if !is_test && item.content.is_some() {
            self.depth += 1;
            syn::visit::visit_item_mod(self, item);
            self.depth -= 1;
        }
    }
}

impl Uses {
    fn tree(&mut self, tree: &syn::UseTree, path: &mut Vec<String>, public: bool) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&part.tree, path, public);
                path.pop();
            }
            syn::UseTree::Name(name) => self.line(path, &name.ident, &name.ident, public),
            syn::UseTree::Rename(name) => self.line(path, &name.ident, &name.rename, public),
            syn::UseTree::Glob(_) => {
                self.lines.push((path.clone(), String::new(), false));
            }
            syn::UseTree::Group(group) => {
                for one in &group.items {
                    self.tree(one, path, public);
                }
            }
        }
    }

    fn line(&mut self, path: &[String], name: &syn::Ident, alias: &syn::Ident, public: bool) {
        let mut whole = path.to_vec();
        whole.push(name.to_string());
        self.lines.push((whole, alias.to_string(), public));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<(String, bool)> {
        let texts: Vec<(PathBuf, String)> = files
            .iter()
            .map(|(path, text)| (Path::new("src").join(path), (*text).to_owned()))
            .collect();
        let imports = Imports::read(Path::new("src"), "secrets_x", &texts).unwrap();
        imports
            .circles()
            .iter()
            .map(|circle| {
                let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
                (names.join(" "), is_family(circle))
            })
            .collect()
    }

    #[test]
    fn two_files_that_import_each_other() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::{A, other::Other};"),
        ]);
        assert_eq!(found, [("a b".to_owned(), false)]);
    }

    #[test]
    fn reexports_are_followed() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B as C;"),
            ("a.rs", "use crate::C;"),
            ("b.rs", "use secrets_x::A;"),
        ]);
        assert_eq!(found, [("a b".to_owned(), false)]);
    }

    #[test]
    fn families_may_be_circular_and_tests_do_not_count() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod child; use child::Child;"),
            ("a/child.rs", "use super::A;"),
            (
                "b.rs",
                "#[cfg(test)] mod tests { use super::*; use crate::a::A; }",
            ),
        ]);
        assert_eq!(found, [("a a::child".to_owned(), true)]);
    }

    #[test]
    fn a_straight_line_is_not_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; use serde::Serialize;"),
            ("b.rs", "use std::fmt;"),
        ]);
        assert_eq!(found, []);
    }
}
