//! Tables in documents that are generated from code.
//!
//! A table is between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. `cargo xtask tidy --fix` generates it.

use std::fs;
use std::path::Path;

use super::{Problem, files, phrases, tree};
use crate::shell::{Result, at, cargo, read, root, say};
use crate::workspace::Package;

/// The generated tables.
const TABLES: &[Table] = &[
    Table {
        name: "providers",
        maker: Maker::Example("capabilities"),
        home: "README.md",
    },
    Table {
        name: "tree",
        maker: Maker::Tree,
        home: "ARCHITECTURE.md",
    },
    Table {
        name: "phrases",
        maker: Maker::Phrases,
        home: "CONTRIBUTING.md",
    },
];

const EXAMPLES: &str = "polysecrets-examples";

struct Table {
    name: &'static str,
    maker: Maker,
    /// A document that must have the table.
    home: &'static str,
}

enum Maker {
    /// The output of an example.
    Example(&'static str),
    /// The list of crates and their modules.
    Tree,
    /// The phrases that `tidy` refuses.
    Phrases,
}

impl Table {
    fn made(&self, packages: &[Package]) -> Result<String> {
        match self.maker {
            Maker::Example(example) => {
                let mut command = cargo(["run", "--quiet", "--package", EXAMPLES, "--example"]);
                read(command.arg(example))
            }
            Maker::Tree => tree::table(packages),
            Maker::Phrases => Ok(phrases::table()),
        }
    }
}

pub(super) fn check(packages: &[Package], fix: bool) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut documents = files(&root(), "md")?;
    documents.retain(|path| {
        !path
            .components()
            .any(|part| part.as_os_str() == "node_modules")
    });
    for table in TABLES {
        let made = table.made(packages)?;
        let mut at_home = false;
        for path in &documents {
            let text = at(path, fs::read_to_string(path))?;
            let Some(section) = section(&text, table.name) else {
                continue;
            };
            at_home |= *path == root().join(table.home);
            if section.body.trim() == made.trim() {
                continue;
            }
            if fix {
                at(path, fs::write(path, section.replaced(&text, &made)))?;
                say(&format!(
                    "wrote the table {} of {}",
                    table.name,
                    path.display()
                ));
            } else {
                problems.push(differs(path, &section, &made));
            }
        }
        let home = root().join(table.home);
        if !at_home {
            let message = format!(
                "no table between <!-- {0}:begin --> and <!-- {0}:end -->",
                table.name
            );
            problems.push(Problem::new(&home, 1, message));
        }
    }
    Ok(problems)
}

/// The first outdated line.
fn differs(path: &Path, section: &Section<'_>, made: &str) -> Problem {
    let written: Vec<&str> = section.body.trim().lines().collect();
    let made: Vec<&str> = made.trim().lines().collect();
    let index = written
        .iter()
        .zip(&made)
        .position(|(written, made)| written != made)
        .unwrap_or_else(|| written.len().min(made.len()));
    let wanted = made.get(index).copied().unwrap_or("the end of the table");
    Problem::new(
        path,
        section.line + 1 + index,
        format!("outdated; expected: {wanted} (run cargo xtask tidy --fix)"),
    )
}

/// The text between two markers.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    /// The line of the first marker, counted from 1.
    line: usize,
    /// The offset of the body in the text.
    start: usize,
    body: &'a str,
}

impl Section<'_> {
    fn replaced(&self, text: &str, made: &str) -> String {
        let mut whole = text[..self.start].to_owned();
        whole.push_str(made.trim());
        whole.push('\n');
        whole.push_str(&text[self.start + self.body.len()..]);
        whole
    }
}

fn section<'a>(text: &'a str, name: &str) -> Option<Section<'a>> {
    let begin = format!("<!-- {name}:begin -->\n");
    let end = format!("<!-- {name}:end -->");
    let start = text.find(&begin)? + begin.len();
    let length = text[start..].find(&end)?;
    Some(Section {
        line: text[..start].lines().count(),
        start,
        body: &text[start..start + length],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# Title\n\n<!-- providers:begin -->\n| a |\n| b |\n<!-- providers:end -->\nrest\n";

    #[test]
    fn a_section_is_found_and_replaced() {
        let found = section(TEXT, "providers").unwrap();
        assert_eq!((found.line, found.body), (3, "| a |\n| b |\n"));
        assert_eq!(
            found.replaced(TEXT, "\n| c |\n\n"),
            "# Title\n\n<!-- providers:begin -->\n| c |\n<!-- providers:end -->\nrest\n"
        );
        assert_eq!(section(TEXT, "exit-codes"), None);
    }

    #[test]
    fn the_first_outdated_line_is_reported() {
        let found = section(TEXT, "providers").unwrap();
        let line = |made| differs(Path::new("README.md"), &found, made).line;
        assert_eq!(line("| x |\n| b |"), 4);
        assert_eq!(line("| a |\n| x |"), 5);
        assert_eq!(line("| a |\n| b |\n| c |"), 6);
    }
}
