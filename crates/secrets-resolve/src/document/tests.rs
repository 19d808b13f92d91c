use proptest::prelude::*;

use super::*;

fn parse(text: &str, format: Format) -> Document {
    match Document::parse(text, format) {
        Ok(document) => document,
        Err(failure) => panic!("{failure}\n{text}"),
    }
}

fn root(text: &str, format: Format) -> Node {
    let document = parse(text, format);
    assert_eq!(document.roots().len(), 1, "{text}");
    document.roots()[0].clone()
}

fn refused(text: &str, format: Format) -> ParseFailure {
    match Document::parse(text, format) {
        Ok(document) => panic!("accepted: {text}\n{document:?}"),
        Err(failure) => failure,
    }
}

/// Every scalar as `path=source text=value`, which shows structure, spans and decoding at once.
fn outline(text: &str, format: Format) -> Vec<String> {
    fn walk(text: &str, path: &str, node: &Node, lines: &mut Vec<String>) {
        let source = &text[node.span.clone()];
        match &node.value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(text, &format!("{path}[{index}]"), item, lines);
                }
            }
            Value::Table(entries) => {
                for entry in entries.iter() {
                    walk(text, &format!("{path}.{}", entry.key), &entry.value, lines);
                }
            }
            Value::String(string) => {
                lines.push(format!(
                    "{path} {source:?} {:?} {:?}",
                    string.style(),
                    string.as_str()
                ));
            }
            Value::Integer(integer) => lines.push(format!("{path} {source:?} int {integer}")),
            Value::Float(number) => lines.push(format!("{path} {source:?} float {number}")),
            Value::DateTime(time) => lines.push(format!("{path} {source:?} time {time}")),
            Value::Bool(bool) => lines.push(format!("{path} {source:?} {bool}")),
            Value::Null => lines.push(format!("{path} {source:?} null")),
        }
    }
    let mut lines = Vec::new();
    for root in parse(text, format).roots() {
        walk(text, "", root, &mut lines);
    }
    lines
}

#[test]
fn toml_outline() {
    let text = "\u{feff}# c\r\na = \"x\\ty\" # c\r\n'b c' = '''\r\nm\r\n'''\r\n[t.u]\r\nd.e = [1, 0x1F, 1.5, true]\r\n[[n]]\r\nf = {g = 1979-05-27, h = 'l'}\r\n[[n]]\r\nk = \"\"\"z\"\"\"\r\n";
    assert_eq!(
        outline(text, Format::Toml),
        [
            r#".a "\"x\\ty\"" TomlBasic "x\ty""#,
            r#".b c "'''\r\nm\r\n'''" TomlMultilineLiteral "m\r\n""#,
            r#".t.u.d.e[0] "1" int 1"#,
            r#".t.u.d.e[1] "0x1F" int 31"#,
            r#".t.u.d.e[2] "1.5" float 1.5"#,
            r#".t.u.d.e[3] "true" true"#,
            r#".n[0].f.g "1979-05-27" time 1979-05-27"#,
            r#".n[0].f.h "'l'" TomlLiteral "l""#,
            r#".n[1].k "\"\"\"z\"\"\"" TomlMultilineBasic "z""#,
        ]
    );
}

#[test]
fn yaml_outline() {
    let text = "\u{feff}a: pl ain # c\r\nb: 'si''ngle'\r\nc: \"d\\u00e9\"\r\ne:\r\n- &x yes\r\n- *x\r\n- !!str 12\r\n- 12\r\n- 1.5e3\r\n- ~\r\n-\r\n- {k: [v, 0x1f]}\r\nf: |-\r\n  one\r\n  two\r\n\r\ng: >+\r\n  fo\r\n  ld\r\n\r\n# end\r\nh: multi\r\n  line\r\n";
    assert_eq!(
        outline(text, Format::Yaml),
        [
            r#".a "pl ain" YamlPlain "pl ain""#,
            r#".b "'si''ngle'" YamlSingle "si'ngle""#,
            r#".c "\"d\\u00e9\"" YamlDouble "dé""#,
            r#".e[0] "yes" YamlPlain "yes""#,
            r#".e[1] "*x" YamlPlain "yes""#,
            r#".e[2] "12" YamlPlain "12""#,
            r#".e[3] "12" int 12"#,
            r#".e[4] "1.5e3" float 1.5e3"#,
            r#".e[5] "~" null"#,
            r#".e[6] "" null"#,
            r#".e[7].k[0] "v" YamlPlain "v""#,
            r#".e[7].k[1] "0x1f" int 31"#,
            r#".f "|-\r\n  one\r\n  two\r\n\r\n" YamlLiteral "one\ntwo""#,
            r#".g ">+\r\n  fo\r\n  ld\r\n\r\n" YamlFolded "fo ld\n\n""#,
            r#".h "multi\r\n  line" YamlPlain "multi line""#,
        ]
    );
}

#[test]
fn yaml_streams_hold_several_documents() {
    let document = parse("a: 1\n---\nb: 2\n...\n---\n- 3\n", Format::Yaml);
    assert_eq!(document.roots().len(), 3);
    assert_eq!(parse("", Format::Yaml).roots().len(), 0);
    assert_eq!(parse("# only a comment\n", Format::Yaml).roots().len(), 0);
}

#[test]
fn yaml_numbers_follow_the_core_schema() {
    for text in ["0", "-7", "+12", "0o17", "0x1F", "007"] {
        assert!(
            matches!(root(text, Format::Yaml).value, Value::Integer(_)),
            "{text}"
        );
    }
    for text in [
        "1.",
        ".5",
        "-1.5E+3",
        "1e3",
        ".inf",
        "-.INF",
        ".nan",
        "99999999999999999999",
    ] {
        assert!(
            matches!(root(text, Format::Yaml).value, Value::Float(_)),
            "{text}"
        );
    }
    for text in [
        "1_000", "0b1", "-0x1", "1e", "e3", "+.nan", "0x", "1.2.3", "12:30:45", ".",
    ] {
        assert!(
            matches!(root(text, Format::Yaml).value, Value::String(_)),
            "{text}"
        );
    }
}

#[test]
fn yaml_aliases_are_shared_and_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![below; 10].join(", ")
        ));
    }
    let failure = refused(&bomb, Format::Yaml);
    assert_eq!(failure.kind, FailureKind::TooLarge);

    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(refused(&chain, Format::Yaml).kind, FailureKind::TooDeep);

    let inside = refused("a: &a [*a]\n", Format::Yaml);
    assert_eq!(inside.position, Position { line: 1, column: 8 });
    let unknown = refused("a: &a 1\n---\nb: *a\n", Format::Yaml);
    assert_eq!(unknown.position.line, 3);
}

#[test]
fn duplicates_name_the_key_and_where_it_is() {
    for (text, format) in [
        ("{\"a\": 1,\n \"key\": 2, \"key\": 3}", Format::Json),
        ("a: 1\nb: {key: 2, 'key': 3}", Format::Yaml),
        ("a = 1\nb = {key = 2, \"key\" = 3}", Format::Toml),
    ] {
        let failure = refused(text, format);
        assert_eq!(failure.kind, FailureKind::DuplicateKey, "{text}");
        assert_eq!(failure.message, "duplicate key `key`", "{text}");
        assert_eq!(failure.position.line, 2, "{text}");
        assert!(failure.position.column > 10, "{text}");
    }
    let many = (0..20)
        .chain([7])
        .map(|key| format!("k{key}: 1\n"))
        .collect::<String>();
    assert_eq!(
        refused(&many, Format::Yaml).position,
        Position {
            line: 21,
            column: 1
        }
    );
}

#[test]
fn failures_never_quote_values() {
    const CANARY: &str = "hunter2canary";
    let texts = [
        (format!("a = {CANARY}"), Format::Toml),
        (format!("a = \"{CANARY}"), Format::Toml),
        (format!("a = \"{CANARY}\" {CANARY}"), Format::Toml),
        (format!("a = 1\na.b = '{CANARY}'"), Format::Toml),
        (format!("{{\"a\": {CANARY}}}"), Format::Json),
        (format!("{{\"a\": \"{CANARY}"), Format::Json),
        (format!("{{\"a\": \"{CANARY}\" \"b\"}}"), Format::Json),
        (format!("a: \"{CANARY}"), Format::Yaml),
        (format!("a: [{CANARY}"), Format::Yaml),
        (format!("a: '{CANARY}' {CANARY}"), Format::Yaml),
        (format!("a: @{CANARY}"), Format::Yaml),
        (format!("a: *{CANARY}"), Format::Yaml),
        (format!("a: 1\n {CANARY}\nb"), Format::Yaml),
    ];
    for (text, format) in texts {
        let failure = refused(&text, format);
        let shown = format!("{failure} {failure:?}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let document = parse(&format!("a = '{CANARY}'"), Format::Toml);
    assert!(!format!("{document:?}").contains(CANARY));
}

#[test]
fn depth_is_limited_in_every_spelling() {
    let deep = 100_000;
    for (text, format) in [
        ("[".repeat(deep), Format::Json),
        ("{\"a\":".repeat(deep), Format::Json),
        ("[".repeat(deep), Format::Yaml),
        ("- ".repeat(deep), Format::Yaml),
        ("{a: ".repeat(deep), Format::Yaml),
        (format!("a = {}", "[".repeat(deep)), Format::Toml),
        (format!("{} = 1", vec!["a"; deep].join(".")), Format::Toml),
        (format!("[{}]", vec!["a"; deep].join(".")), Format::Toml),
        (format!("[[{}]]", vec!["a"; deep].join(".")), Format::Toml),
        (format!("a = {}", "{ b.c.d = ".repeat(60)), Format::Toml),
    ] {
        let failure = refused(&text, format);
        assert_eq!(
            failure.kind,
            FailureKind::TooDeep,
            "{format:?} {}",
            &text[..20]
        );
    }
    root(
        &format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)),
        Format::Json,
    );
    root(
        &format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)),
        Format::Yaml,
    );
    root(&format!("{} = 1", vec!["a"; 79].join(".")), Format::Toml);
    assert_eq!(
        refused(
            &format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1)),
            Format::Json
        )
        .kind,
        FailureKind::TooDeep
    );
}

#[test]
fn input_over_the_limit_is_refused_unread() {
    let text = " ".repeat(MAX_INPUT + 1);
    assert_eq!(refused(&text, Format::Json).kind, FailureKind::TooLarge);
}

#[test]
fn formats_are_told_by_extension() {
    for (path, format) in [
        ("secrets.toml", Some(Format::Toml)),
        ("a/b.YAML", Some(Format::Yaml)),
        ("b.yml", Some(Format::Yaml)),
        ("c.json", Some(Format::Json)),
        (".env", None),
        ("toml", None),
    ] {
        assert_eq!(Format::from_path(Path::new(path)), format, "{path}");
    }
}

#[test]
fn json_is_strict() {
    for text in [
        "",
        " ",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "[1] 2",
        "// c\n1",
        "NaN",
        "{\"a\" 1}",
    ] {
        assert_eq!(
            refused(text, Format::Json).kind,
            FailureKind::Syntax,
            "{text}"
        );
        assert!(
            serde_json::from_str::<serde_json::Value>(text).is_err(),
            "{text}"
        );
    }
    assert_eq!(
        refused("{\n  \"é\": x}", Format::Json).position,
        Position { line: 2, column: 8 }
    );
}

fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(number) => serde_json::from_str(number).expect("a JSON number"),
        Value::String(text) => text.as_str().into(),
        Value::DateTime(_) => panic!("JSON has no dates"),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Table(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), to_json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn json_reads_as_serde_json_does(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("it prints");
        // Its numbers are read approximately, so what it reads is compared and not what it wrote.
        let read = serde_json::from_str::<serde_json::Value>(&text).expect("it reads back");
        prop_assert_eq!(to_json(&root(&text, Format::Json)), read);
    }

    #[test]
    fn json_accepts_what_serde_json_accepts(text in r#"[\[\]{}:, "\\untrue0-9.e\-é]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match Document::parse(&text, Format::Json) {
            Ok(document) => match theirs {
                Ok(theirs) => prop_assert_eq!(to_json(&document.roots()[0]), theirs),
                Err(error) => prop_assert!(error.to_string().contains("out of range"), "{}", error),
            },
            Err(failure) => prop_assert!(theirs.is_err() || failure.kind == FailureKind::DuplicateKey, "{}", failure),
        }
    }

    #[test]
    fn no_input_breaks_a_parser(text in r#"[-\[\]{}:,"'#|>&*!%@`\\ \t\r\n=.$~?a01é\u{feff}\u{85}\u{0}]{0,48}"#) {
        for format in [Format::Toml, Format::Yaml, Format::Json] {
            if let Ok(document) = Document::parse(&text, format) {
                let mut pending = document.roots().iter().collect::<Vec<_>>();
                while let Some(node) = pending.pop() {
                    prop_assert!(text.get(node.span.clone()).is_some());
                    match &node.value {
                        Value::Array(items) => pending.extend(items.iter()),
                        Value::Table(entries) => for entry in entries.iter() {
                            prop_assert!(text.get(entry.key_span.clone()).is_some());
                            pending.push(&entry.value);
                        },
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn positions_count_lines_and_characters(text in "(?s)[a-zé\u{1f600}\n\r]{0,3000}", at in 0.0..=1.0f64) {
        let mut offset = (text.len() as f64 * at) as usize;
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        prop_assert_eq!(LineIndex::new(&text).position(offset), Position { line, column });
    }
}
