use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue};
use serde_json::json;

use super::*;
use crate::ValueScan;
use crate::document::{Document, Format, Node, Value};
use crate::tokens::OPEN;

fn scan(text: &str, format: FileFormat) -> FileScan<'_> {
    match FileScan::new(text, format, Some(Path::new("app.conf"))) {
        Ok(scan) => scan,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn refused(text: &str, format: FileFormat) -> Error {
    match FileScan::new(text, format, Some(Path::new("app.conf"))) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error,
    }
}

/// Resolves with the value `<name>` unless `values` has another one.
fn resolve(text: &str, format: FileFormat, values: &[(&str, &str)]) -> String {
    let rendered = scan(text, format).render(|reference| {
        let name = reference.name().as_str();
        let value = values.iter().find(|(known, _)| *known == name);
        Ok(value.map_or_else(|| format!("<{name}>").into(), |(_, value)| (*value).into()))
    });
    match rendered {
        Ok(text) => text.to_string(),
        Err(error) => panic!("{error}\n{text}"),
    }
}

#[test]
fn yaml_keeps_everything_but_the_scalars() {
    let before = "\
# ${secret:in/a/comment} stays
${secret:key}: &anchor ${secret:plain}   # kept
same: *anchor
single: 'it''s ${secret:single}'
double: \"\\u00e9 ${secret:double}\\n\"
url: postgres://u:${secret:pw}@host/db
flow: {a: \"${secret:flow}\", b: ['${secret:flow}', 1]}
tagged: !!int ${secret:port}
custom: !vault '${secret:custom}'
literal: |- # note | here
  first
    ${secret:pem}
  last

folded: >
  one
  ${secret:folded}

base: &base {x: 1}
merged: {<<: *base}
escaped: $${secret:not/one}
word: ${secret:word}
---
second: ${secret:second?version=2#user}
";
    let after = "\
# ${secret:in/a/comment} stays
${secret:key}: &anchor abc   # kept
same: *anchor
single: 'it''s o''k'
double: \"\\u00e9 a\\\"b\\n\"
url: \"postgres://u:#1: @host/db\"
flow: {a: \"<flow>\", b: ['<flow>', 1]}
tagged: !!int \"5432\"
custom: !vault '<custom>'
literal: |- # note | here
  first
    -----BEGIN-----

  abc
  -----END-----
  last

folded: >
  one
  <folded>

base: &base {x: 1}
merged: {<<: *base}
escaped: \"${secret:not/one}\"
word: \"Yes\"
---
second: \"<second>\"
";
    let values = [
        ("plain", "abc"),
        ("single", "o'k"),
        ("double", "a\"b"),
        ("pw", "#1: "),
        ("port", "5432"),
        ("pem", "-----BEGIN-----\n\nabc\n-----END-----"),
        ("word", "Yes"),
    ];
    assert_eq!(resolve(before, FileFormat::Yaml, &values), after);
    let before = format!("\u{feff}{}", before.replace('\n', "\r\n"));
    let after = format!("\u{feff}{}", after.replace('\n', "\r\n"));
    assert_eq!(resolve(&before, FileFormat::Yaml, &values), after);
}

#[test]
fn yaml_blocks_that_cannot_hold_a_value_are_quoted() {
    for (value, quoted) in [
        ("", r#""a\n\nb\n""#),
        (" x", r#""a\n x\nb\n""#),
        ("x\n", r#""a\nx\n\nb\n""#),
        ("x\r\ny", r#""a\nx\r\ny\nb\n""#),
        ("\u{7}", r#""a\n\x07\nb\n""#),
        ("\u{85}\u{2028}\u{feff}", r#""a\n\x85\u2028\ufeff\nb\n""#),
        ("x\n  \ny", r#""a\nx\n  \ny\nb\n""#),
    ] {
        let before = "k: | # why\n  a\n  ${secret:v}\n  b\n\n\n# end\nl: 1\n";
        let after = format!("k: {quoted} # why\n\n\n# end\nl: 1\n");
        assert_eq!(resolve(before, FileFormat::Yaml, &[("v", value)]), after);
    }
    assert_eq!(
        resolve(
            "k: >-\n  a ${secret:v}\nl: 1",
            FileFormat::Yaml,
            &[("v", "x\ny")]
        ),
        "k: \"a x\\ny\"\nl: 1"
    );
    assert_eq!(
        resolve(
            "k: |2\n   a ${secret:v}\n",
            FileFormat::Yaml,
            &[("v", "x\ny")]
        ),
        "k: \" a x\\ny\\n\"\n"
    );
}

#[test]
fn yaml_block_headers_are_found_behind_anything() {
    let before = "? &k !t |\n  key\n: # a | b > c\n  !t &a|b |-\n  ${secret:v}\nlist:\n- >-\n  ${secret:v}\n-   |+\n\n  ${secret:v}\n\n--- |\n ${secret:v}\n";
    let after = before.replace("${secret:v}", "x");
    assert_eq!(resolve(before, FileFormat::Yaml, &[("v", "x")]), after);
    let bare = resolve("# c\n|-\n  a${secret:v}\n", FileFormat::Yaml, &[("v", "x")]);
    assert_eq!(bare, "# c\n|-\n  ax\n");
}

#[test]
fn toml_keeps_everything_but_the_scalars() {
    let before = "\
# ${secret:in/a/comment}
a = \"\\u00e9 ${secret:basic}\" # kept
b = '${secret:literal}'
c = '${secret:quote}'
d = \"\"\"
  ${secret:basic} \\\\ \"x\"
\"\"\"
e = '''
${secret:quote}${secret:lines}'''
f = '''
${secret:lines}
'''
g = \"\"\"a \\
   ${secret:literal}\"\"\"
[t.\"${secret:key}\"]
h = [1979-05-27, { i = \"$${secret:x}\" }]
[[n]]
j = \"${secret:lines}\"
[t.u]
k = '${secret:literal}'
";
    let after = "\
# ${secret:in/a/comment}
a = \"\\u00e9 a\\\"b\" # kept
b = '<literal>'
c = \"o'k\"
d = \"\"\"
  a\\\"b \\\\ \"x\"
\"\"\"
e = \"o'k1\\n2\"
f = '''
1
2
'''
g = \"a <literal>\"
[t.\"${secret:key}\"]
h = [1979-05-27, { i = \"${secret:x}\" }]
[[n]]
j = \"1\\n2\"
[t.u]
k = '<literal>'
";
    let values = [("basic", "a\"b"), ("quote", "o'k"), ("lines", "1\n2")];
    assert_eq!(resolve(before, FileFormat::Toml, &values), after);
}

#[test]
fn json_keeps_everything_but_the_scalars() {
    let before = "{\r\n\t\"${secret:key}\" : [1.50, \"\\u00e9\\/${secret:a}\", {\"b\":\"\\u0024{secret:b}\"}]\r\n}";
    let after =
        "{\r\n\t\"${secret:key}\" : [1.50, \"\\u00e9\\/a\\\\\\\"\\u0000\", {\"b\":\"<b>\"}]\r\n}";
    assert_eq!(
        resolve(before, FileFormat::Json, &[("a", "a\\\"\0")]),
        after
    );
}

#[test]
fn dotenv_keeps_everything_but_the_values() {
    let before = "# ${secret:c}\nexport A=${secret:a} # kept\r\nB=\"x ${secret:b}\"\n\nC='${secret:c}'\nD=1\nE=\"a\nb\"\n";
    let after =
        "# ${secret:c}\nexport A=abc # kept\r\nB='x $1 #'\n\nC=\"it's\n\"\nD=1\nE=\"a\nb\"\n";
    let values = [("a", "abc"), ("b", "$1 #"), ("c", "it's\n")];
    assert_eq!(resolve(before, FileFormat::Dotenv, &values), after);
}

#[test]
fn text_takes_values_as_they_are() {
    let before = "user=${secret:a};pw=\"${secret:b}\" $${secret:c} $$${secret:c}";
    assert_eq!(
        resolve(before, FileFormat::Text, &[("b", "\"\n\0")]),
        "user=<a>;pw=\"\"\n\0\" ${secret:c} $${secret:c}"
    );
}

#[test]
fn references_are_looked_up_once_and_know_their_places() {
    let text = "é: ${secret:b}\nx: \"é ${secret:a} ${secret:b}\"\nw: ${secret:a}\ny: ${secret:a?version=1}\n";
    let scan = scan(text, FileFormat::Yaml);
    let names = scan
        .references()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(names, ["b", "a", "a?version=1"]);
    let uses = scan
        .uses()
        .into_iter()
        .map(|(reference, position)| format!("{reference} {position}"))
        .collect::<Vec<_>>();
    assert_eq!(
        uses,
        [
            "b app.conf:1:4",
            "a app.conf:2:7",
            "b app.conf:2:19",
            "a app.conf:3:4",
            "a?version=1 app.conf:4:4",
        ]
    );
    let mut asked = Vec::new();
    scan.render(|reference| {
        asked.push(reference.to_string());
        Ok("v".into())
    })
    .unwrap();
    assert_eq!(asked, names);
}

#[test]
fn errors_are_located_and_say_what_to_do() {
    for (text, format, position, message) in [
        (
            "a: 1\nb: x ${secret:}\n",
            FileFormat::Yaml,
            (2, 6),
            "invalid secret name",
        ),
        (
            "a = \"${secret:a\"\n",
            FileFormat::Toml,
            (1, 6),
            "has no `}`",
        ),
        (
            "{\"a\": \"${secret:A://b}\"}",
            FileFormat::Json,
            (1, 8),
            "${secret:A://b}",
        ),
        (
            "A=1\nB=${secret:x y}\n",
            FileFormat::Dotenv,
            (2, 3),
            "percent-encoded",
        ),
        (
            "x ${secret:a?v=1}",
            FileFormat::Text,
            (1, 3),
            "unknown parameter",
        ),
        ("a: [1\n", FileFormat::Yaml, (1, 4), "never closed"),
        (
            "a = ${secret:a}\n",
            FileFormat::Toml,
            (1, 6),
            "invalid TOML",
        ),
        (
            "{\"a\": ${secret:a}}",
            FileFormat::Json,
            (1, 7),
            "expected a value",
        ),
        (
            "A\n",
            FileFormat::Dotenv,
            (1, 2),
            "expected `=` after the key",
        ),
        ("A=\"x", FileFormat::Dotenv, (1, 3), "never closed"),
    ] {
        let error = refused(text, format);
        assert!(
            matches!(
                error.kind(),
                ErrorKind::InvalidConfig | ErrorKind::InvalidName
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(message), "{error}");
        let place = error.position().unwrap();
        assert_eq!((place.line, place.column), position, "{error}");
        assert!(error.to_string().starts_with("app.conf:"), "{error}");
        if text.contains(OPEN) {
            assert!(error.hint().is_some(), "{error}");
        }
    }
    let flow = refused("a: [${secret:a}]\n", FileFormat::Yaml);
    assert!(flow.hint().unwrap().contains("quotes"), "{flow}");
}

#[test]
fn missing_and_unusable_values_are_located() {
    let missing = scan("a: 1\nb: \"x ${secret:db/pw}\"\n", FileFormat::Yaml)
        .render(|reference| Err(Error::not_found(reference.name())))
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.to_string(), "app.conf:2:7: secret not found: db/pw");

    let bytes = scan("a = '${secret:key}'", FileFormat::Toml)
        .render(|_| Ok(vec![0xff].into()))
        .unwrap_err();
    assert_eq!(bytes.kind(), ErrorKind::InvalidValue);
    assert_eq!(bytes.name().unwrap().as_str(), "key");
    assert_eq!(bytes.position().unwrap().column, 6);

    let nul = scan("A=1\nB=${secret:key}", FileFormat::Dotenv)
        .render(|_| Ok("canary\0".into()))
        .unwrap_err();
    assert_eq!(nul.kind(), ErrorKind::InvalidValue);
    assert_eq!(nul.position().unwrap().line, 2);
    assert!(!format!("{nul} {nul:?}").contains("canary"));
}

#[test]
fn formats_are_told_by_name_and_text_never_is() {
    for (path, format) in [
        ("a.yml", Some(FileFormat::Yaml)),
        ("a.toml", Some(FileFormat::Toml)),
        ("a.json", Some(FileFormat::Json)),
        ("x/.env", Some(FileFormat::Dotenv)),
        (".env.production", Some(FileFormat::Dotenv)),
        ("prod.env", Some(FileFormat::Dotenv)),
        ("nginx.conf", None),
        ("a.txt", None),
    ] {
        assert_eq!(FileFormat::from_path(Path::new(path)), format, "{path}");
    }
    assert_eq!("text".parse::<FileFormat>().unwrap(), FileFormat::Text);
    assert!(
        "ini"
            .parse::<FileFormat>()
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("dotenv")
    );
}

#[test]
fn serde_values_are_resolved_in_depth() {
    let value = json!({
        "${secret:key}": [1, true, null, "plain", "${secret:a}"],
        "b": {"c": "x ${secret:a} ${secret:b#f} $${secret:d}"},
    });
    let scan = ValueScan::new(value).unwrap();
    let names = scan
        .references()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(names, ["a", "b#f"]);
    let resolved = scan
        .render(|reference| Ok(format!("<{reference}>").into()))
        .unwrap();
    assert_eq!(
        resolved,
        json!({
            "${secret:key}": [1, true, null, "plain", "<a>"],
            "b": {"c": "x <a> <b#f> ${secret:d}"},
        })
    );
}

#[test]
fn serde_values_tell_where_an_error_is() {
    let error = ValueScan::new(json!({"a": ["x", {"b/c": "${secret:}"}]})).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("at /a/1/b~1c: invalid secret name"),
        "{error}"
    );
    let scan = ValueScan::new(json!({"a": ["x", "y ${secret:gone}"]})).unwrap();
    let error = scan
        .render(|reference| Err(Error::not_found(reference.name())))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "at /a/1: secret not found: gone");
    let scan = ValueScan::new(json!("${secret:bytes}")).unwrap();
    let error = scan.render(|_| Ok(vec![0xff].into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
}

/// Spans and texts of all scalars by their paths.
fn leaves(text: &str, format: Format) -> BTreeMap<String, (Range<usize>, String)> {
    fn walk(
        text: &str,
        path: String,
        node: &Node,
        found: &mut BTreeMap<String, (Range<usize>, String)>,
    ) {
        match &node.value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(text, format!("{path}/{index}"), item, found);
                }
            }
            Value::Table(entries) => {
                for entry in entries.iter() {
                    walk(text, format!("{path}/{}", entry.key), &entry.value, found);
                }
            }
            Value::String(string) => {
                found.insert(path, (node.span.clone(), string.as_str().to_owned()));
            }
            _ => {
                let source = text[node.span.clone()].to_owned();
                found.insert(path, (node.span.clone(), source));
            }
        }
    }
    let document =
        Document::parse(text, format).unwrap_or_else(|failure| panic!("{failure}\n{text}"));
    let mut found = BTreeMap::new();
    for (index, root) in document.roots().iter().enumerate() {
        walk(text, index.to_string(), root, &mut found);
    }
    found
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Secret(usize),
    Escape,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec(
        prop_oneof![
            "[a-z][a-z ]{0,6}[a-z]".prop_map(Piece::Literal),
            (0..4usize).prop_map(Piece::Secret),
            (0..4usize).prop_map(Piece::Secret),
            Just(Piece::Escape),
        ],
        1..4,
    )
}

fn values() -> impl Strategy<Value = Vec<String>> {
    let nasty = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "yes",
        "No",
        "null",
        "~",
        "123",
        "-1.5e3",
        "0x1F",
        "1979-05-27",
        "a: b",
        "# x",
        "x #y",
        "- a",
        "'",
        "''",
        "'''",
        "\"",
        "\"\"\"",
        "\\",
        "\\n",
        "a\\",
        " lead",
        "trail ",
        "\ttab",
        "a\n",
        "\na",
        "a\n\nb",
        "a\n b\n",
        "---\na",
        "...",
        "a\r\nb",
        "\r",
        "{{x}}",
        "[1]",
        "{a: 1}",
        "*a",
        "&a",
        "!t",
        "%d",
        "@a",
        "`",
        "|",
        ">",
        "?",
        "? a",
        "a:",
        ":",
        "=",
        "<<",
        "${secret:s0}",
        "$${secret:s0}",
        "$HOME",
        "${HOME}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "\u{9f}",
        "\u{fffe}",
        "\u{10ffff}",
        "é",
        "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n",
        "a\n\n",
        "x\n   \ny",
        "a\n\tb",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(
        prop_oneof![
            nasty,
            any::<String>(),
            "(?s).{0,12}",
            "[ -~\n\t]{0,40}",
            "[a-z]{1,8}",
            "[A-Za-z0-9_./+=:@,-]{1,24}"
        ],
        4,
    )
}

/// The same pieces as they stand in a file and as they must read.
fn spell(pieces: &[Piece], values: &[String]) -> (String, String) {
    let (mut source, mut expected) = (String::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Literal(text) => {
                source.push_str(text);
                expected.push_str(text);
            }
            Piece::Secret(index) => {
                source.push_str(&format!("${{secret:s{index}}}"));
                expected.push_str(&values[*index]);
            }
            Piece::Escape => {
                source.push_str("$${secret:x}");
                expected.push_str("${secret:x}");
            }
        }
    }
    (source, expected)
}

fn lookup(reference: &SecretRef, values: &[String]) -> Result<SecretValue> {
    let index = reference.name().as_str()[1..].parse::<usize>().unwrap();
    Ok(values[index].as_str().into())
}

/// One value in one style, with the line or lines that hold it; `{}` is the source.
const YAML_SHAPES: &[(&str, &str)] = &[
    ("k{i}: {}   # ${secret:comment}\n", ""),
    ("k{i}: '{}' # c\n", ""),
    ("k{i}: \"{}\"\n", ""),
    ("k{i}: [\"{}\", 12]\n", "/0"),
    ("k{i}: {a: '{}', b: yes}\n", "/a"),
    ("k{i}:\n- {}\n- ~\n", "/0"),
    ("k{i}: &a{i} '{}'\nalias{i}: *a{i}\n", ""),
    ("k{i}: |-\n  {}\n", ""),
    (
        "k{i}: !!str |- # c | d\n\n  a\n    {} z\n\n\n# end\n",
        "\u{1}\na\n  \u{2} z",
    ),
    ("k{i}: >-\n  a\n  {}\n", "\u{1}a \u{2}"),
    ("k{i}: >-\n    a {} z\n    b\n\n", "\u{1}a \u{2} z b"),
    ("k{i}: \"a\n  {}\n  z\"\n", "\u{1}a \u{2} z"),
    ("k{i}: a\n  {} z\n", "\u{1}a \u{2} z"),
];

const TOML_SHAPES: &[(&str, &str)] = &[
    ("k{i} = \"{}\" # ${secret:comment}\n", ""),
    ("k{i} = '{}'\n", ""),
    ("k{i} = \"\"\"\n{}\"\"\"\n", ""),
    ("k{i} = '''{}'''\n", ""),
    ("k{i} = [ 1, '{}' ] # c\n", "/1"),
    ("k{i} = { a = \"{}\", b = 2 }\n", "/a"),
    ("k{i} = \"\"\"a \\\n   {} z\"\"\"\n", "\u{1}a \u{2} z"),
    (
        "k{i} = '''\na\n{} \u{1f600}'''\n",
        "\u{1}a\n\u{2} \u{1f600}",
    ),
    ("k{i} = \"\\u00e9 {}\\t\"\n", "\u{1}é \u{2}\t"),
];

const JSON_SHAPES: &[(&str, &str)] = &[
    ("\"k{i}\": \"{}\",\n", ""),
    ("\"k{i}\" :[1.0, \"{}\"],\n", "/1"),
    ("\"k{i}\": {\"\\u0061\": \"{}\"},\n", "/a"),
    ("\"k{i}\": \"\\u00e9\\/{}\\n\",\n", "\u{1}é/\u{2}\n"),
    ("\"k{i}\": \"\\u0024 {}\",\n", "\u{1}$ \u{2}"),
];

const DOTENV_SHAPES: &[&str] = &[
    "K{i}={} # ${secret:comment}\n",
    "export K{i}='{}'\n",
    "K{i} = \"{}\"\n",
];

/// A path below the key, or, after U+0001, the text around U+0002 as it must read.
fn shape_of(shape: &str) -> (&str, Option<(&str, &str)>) {
    match shape.strip_prefix('\u{1}') {
        Some(around) => ("", around.split_once('\u{2}')),
        None => (shape, None),
    }
}

fn document_case(
    shapes: &[(&str, &str)],
    chosen: &[(usize, Vec<Piece>)],
    values: &[String],
    crlf: bool,
) -> (String, BTreeMap<String, String>) {
    let mut text = String::new();
    let mut expected = BTreeMap::new();
    for (index, (shape, pieces)) in chosen.iter().enumerate() {
        let (line, reading) = shapes[shape % shapes.len()];
        let (source, value) = spell(pieces, values);
        text.push_str(
            &line
                .replace("{i}", &index.to_string())
                .replace("{}", &source),
        );
        let (path, around) = shape_of(reading);
        let value = match around {
            Some((before, after)) => format!("{before}{value}{after}"),
            None => value,
        };
        // A multi-line literal keeps the line breaks of its file.
        let value = if crlf && line.starts_with("k{i} = '''\na") {
            value.replacen("a\n", "a\r\n", 1)
        } else {
            value
        };
        expected.insert(format!("0/k{index}{path}"), value);
    }
    (text, expected)
}

fn check_document(
    before: &str,
    format: FileFormat,
    parser: Format,
    expected: &BTreeMap<String, String>,
    values: &[String],
) -> Result<(), TestCaseError> {
    let scan = scan(before, format);
    let after = match scan.render(|reference| lookup(reference, values)) {
        Ok(after) => after,
        Err(error) => return Err(TestCaseError::fail(format!("{error}\n{before}"))),
    };
    let old = leaves(before, parser);
    let new = leaves(&after, parser);
    prop_assert_eq!(
        old.keys().collect::<Vec<_>>(),
        new.keys().collect::<Vec<_>>(),
        "{}",
        &*after
    );

    let mut replaced = Vec::new();
    for (path, (span, text)) in &old {
        let (new_span, new_text) = &new[path];
        match expected.get(path) {
            Some(expected) => {
                prop_assert_eq!(new_text, expected, "{}\n{}", before, &*after);
                if text.contains(OPEN) {
                    replaced.push((span.clone(), new_span.clone()));
                }
            }
            None if path.contains("alias") => {}
            None => prop_assert_eq!(new_text, text),
        }
    }
    prop_assert!(
        expected.keys().all(|path| old.contains_key(path)),
        "{:?}\n{}",
        expected,
        before
    );

    replaced.sort_by_key(|(span, _)| span.start);
    let (mut old_at, mut new_at) = (0, 0);
    let mut last = "";
    let end = (before.len()..before.len(), after.len()..after.len());
    for (old, new) in replaced.into_iter().chain([end]) {
        let kept = after[new_at..new.start].strip_suffix(&before[old_at..old.start]);
        // A block that became a quoted scalar leaves the comment of its header and its blank lines behind.
        let left = kept.map(|left| left.split_once('\n').unwrap_or((left, "")));
        let expected = left.is_some_and(|(comment, blank)| {
            let header = last.lines().next().unwrap_or_default();
            blank.trim().is_empty() && header.ends_with(comment.trim_end()) && last.contains(blank)
        });
        prop_assert!(expected, "{:?}\n{}\n{}", kept, before, &*after);
        last = &before[old.clone()];
        (old_at, new_at) = (old.end, new.end);
    }
    Ok(())
}

fn dressed(text: &str, crlf: bool, bom: bool) -> String {
    let text = if crlf {
        text.replace('\n', "\r\n")
    } else {
        text.to_owned()
    };
    if bom { format!("\u{feff}{text}") } else { text }
}

fn chosen() -> impl Strategy<Value = Vec<(usize, Vec<Piece>)>> {
    prop::collection::vec((0..100usize, pieces()), 1..6)
}

proptest! {
    #[test]
    fn any_value_reads_back_from_yaml(chosen in chosen(), values in values(), crlf: bool, bom: bool) {
        let (text, expected) = document_case(YAML_SHAPES, &chosen, &values, crlf);
        let text = dressed(&format!("# head\n{text}last: 1 # end\n"), crlf, bom);
        check_document(&text, FileFormat::Yaml, Format::Yaml, &expected, &values)?;
    }

    #[test]
    fn any_value_reads_back_from_toml(chosen in chosen(), values in values(), crlf: bool, bom: bool) {
        let (text, expected) = document_case(TOML_SHAPES, &chosen, &values, crlf);
        let text = dressed(&format!("# head\n{text}last = 1 # end\n"), crlf, bom);
        check_document(&text, FileFormat::Toml, Format::Toml, &expected, &values)?;
    }

    #[test]
    fn any_value_reads_back_from_json(chosen in chosen(), values in values(), crlf: bool, bom: bool) {
        let (text, expected) = document_case(JSON_SHAPES, &chosen, &values, crlf);
        let text = dressed(&format!("{{{text}\"last\": 1}}"), crlf, bom);
        check_document(&text, FileFormat::Json, Format::Json, &expected, &values)?;
    }

    #[test]
    fn any_value_reads_back_from_dotenv(chosen in chosen(), values in values(), crlf: bool, bom: bool) {
        let mut text = String::from("# head\n");
        let mut expected = Vec::new();
        for (index, (shape, pieces)) in chosen.iter().enumerate() {
            let (source, value) = spell(pieces, &values);
            let line = DOTENV_SHAPES[shape % DOTENV_SHAPES.len()];
            text.push_str(&line.replace("{i}", &index.to_string()).replace("{}", &source));
            expected.push((format!("K{index}"), value));
        }
        let text = dressed(&text, crlf, bom);
        let scan = scan(&text, FileFormat::Dotenv);
        match scan.render(|reference| lookup(reference, &values)) {
            Ok(after) => {
                let read = dotenv::parse(&after)
                    .unwrap()
                    .into_iter()
                    .map(|assignment| (assignment.name.clone(), assignment.text.to_string()))
                    .collect::<Vec<_>>();
                prop_assert_eq!(read, expected);
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidValue);
                prop_assert!(expected.iter().any(|(_, value)| value.contains('\0')));
            }
        }
    }

    #[test]
    fn text_without_references_is_returned_byte_for_byte(text in "(?s)[^$]{0,200}") {
        prop_assert_eq!(resolve(&text, FileFormat::Text, &[]), text);
    }
}
