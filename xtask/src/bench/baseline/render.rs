//! A minimal renderer: a map of values and one pass over the text.

use std::collections::HashMap;
use std::fs;
use std::io::Write;

/// Prints the file with each `${secret:…}` replaced by the value from a file of `NAME=value` lines.
pub(crate) fn render(values: &str, file: &str) -> Result<(), String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let text = filled(&read(values)?, &read(file)?)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

fn filled(values: &str, text: &str) -> Result<String, String> {
    let values: HashMap<&str, &str> = values
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${secret:") {
        let (reference, after) = after.split_once('}').ok_or("unclosed reference")?;
        let name = reference.rsplit("://").next().unwrap_or(reference);
        output.push_str(before);
        output.push_str(
            values
                .get(name)
                .ok_or_else(|| format!("no value for {name}"))?,
        );
        rest = after;
    }
    output.push_str(rest);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced() {
        assert_eq!(
            filled("A=1\nB=2\n", "a: ${secret:local://A}\nb: x${secret:B}y\n").unwrap(),
            "a: 1\nb: x2y\n"
        );
        assert!(filled("", "${secret:A}").is_err());
    }
}
