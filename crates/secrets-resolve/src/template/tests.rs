use std::cell::RefCell;

use proptest::prelude::*;
use secrets_core::SecretRef;
use serde_json::json;

use super::*;
use crate::Lookup;

/// Knows `A` … `D`, `db/password` and `bytes`; `broken` cannot be resolved.
fn look(key: &str) -> Result<Option<SecretValue>> {
    Ok(match key {
        "A" => Some("canary-a".into()),
        "B" => Some("<b> & \"b\"".into()),
        "EMPTY" => Some("".into()),
        "db/password" => Some("canary-pw".into()),
        "bytes" => Some(vec![0xff].into()),
        "broken" => return Err(Error::new(ErrorKind::Unavailable, "the store is gone")),
        "denied" => return Err(Error::not_found(&SecretName::new("denied").unwrap())),
        _ => None,
    })
}

fn parse(source: &str) -> Template {
    match Template::parse("t.conf", source) {
        Ok(template) => template,
        Err(error) => panic!("{error}\n{source}"),
    }
}

fn render(source: &str) -> String {
    match parse(source).render(&look, None) {
        Ok(text) => text.to_string(),
        Err(error) => panic!("{error}\n{source}"),
    }
}

fn refused(source: &str) -> Error {
    match Template::parse("t.conf", source).and_then(|template| template.render(&look, None)) {
        Ok(text) => panic!("accepted: {source}\n{}", &*text),
        Err(error) => error,
    }
}

#[test]
fn every_way_to_a_value() {
    assert_eq!(render("x={{ secrets.A }}\n"), "x=canary-a\n");
    assert_eq!(render("{{ secrets[\"db/password\"] }}"), "canary-pw");
    assert_eq!(render("{{secrets['db/password']}}"), "canary-pw");
    assert_eq!(render("{{ secrets.get(\"A\") }}"), "canary-a");
    assert_eq!(render("{{ secrets.get(\"A\", \"d\") }}"), "canary-a");
    assert_eq!(render("{{ secrets.get('GONE', 'd') }}"), "d");
    assert_eq!(render("{{ secrets.get('GONE', default='d') }}"), "d");
    assert_eq!(render("{{ secrets.get('EMPTY', 'd') }}"), "");
    assert_eq!(render("{{ secrets.get('denied', 7) + 1 }}"), "8");
    assert_eq!(
        render("{% if secrets.has('A') and not secrets.has('GONE') %}y{% endif %}"),
        "y"
    );
    assert_eq!(
        render("{{ secrets.GONE if secrets.has('GONE') else 'n' }}"),
        "n"
    );
    assert_eq!(
        render("Authorization: \"Bearer {{ secrets.A }}\""),
        "Authorization: \"Bearer canary-a\""
    );
    assert_eq!(
        render("{{ secrets.A|upper }} {{ secrets.A == 'canary-a' }}"),
        "CANARY-A True"
    );
    assert_eq!(
        render("{% for k in ['A', 'db/' ~ 'password'] %}{{ secrets[k] }};{% endfor %}"),
        "canary-a;canary-pw;"
    );
    assert_eq!(render("{% set s = secrets %}{{ s.A }}"), "canary-a");
}

#[test]
fn text_stays_as_it_is() {
    assert_eq!(render("{{ secrets.B }}\r\n\n"), "<b> & \"b\"\r\n\n");
    assert_eq!(render("${HOME} { { # {x} }}\n"), "${HOME} { { # {x} }}\n");
    assert_eq!(
        render("{% raw %}{{ secrets.GONE }}{% endraw %}"),
        "{{ secrets.GONE }}"
    );
    assert_eq!(render("a{# {{ secrets.GONE }} #}b"), "ab");
    assert_eq!(render("{{ secrets }}"), "<secrets>");
}

#[test]
fn references_are_those_that_the_text_names() {
    let template = parse(
        "{{ secrets.A }}{{- secrets['db/x'] -}}{# secrets.NO #}{% raw %}{{ secrets.NO }}{%- endraw %}
        {% if secrets.has(\"H\") %}{{ {'k': secrets.get('G', secrets.D)}['k'] }}{% endif %}
        {{ other.secrets.NO }} secrets.NO {{ 'secrets.NO' }} {{ secrets[k ~ 'NO'] }} {{ secrets['A'] }}
        {%+ set get = secrets.get %}{{ secrets.get( 'E' , 1) }}",
    );
    assert_eq!(
        template.references(),
        ["A", "db/x", "H", "G", "D", "get", "E"]
    );
}

#[test]
fn each_key_is_looked_up_once() {
    let asked = RefCell::new(Vec::new());
    let lookup = |key: &str| {
        asked.borrow_mut().push(key.to_owned());
        look(key)
    };
    let template = parse(
        "{{ secrets.A }}{{ secrets.A }}{% for i in range(3) %}{{ secrets['EM' ~ 'PTY'] }}{% endfor %}{% if false %}{{ secrets.GONE }}{{ secrets.broken }}{% endif %}",
    );
    assert_eq!(*template.render(&lookup, None).unwrap(), "canary-acanary-a");
    assert_eq!(*asked.borrow(), ["A", "GONE", "broken", "EMPTY"]);
}

#[test]
fn further_variables_are_passed_in() {
    let extra = json!({
        "name": "app", "n": 3, "big": u64::MAX, "half": 0.5, "on": true, "none": null,
        "list": [1, {"k": "v"}], "secrets": {"A": "hidden"},
    });
    let template = parse(
        "{{ name }} {{ n + 1 }} {{ big }} {{ half }} {{ on }} {{ none }} {{ list[1].k }} {{ secrets.A }}",
    );
    let text = template.render(&look, extra.as_object()).unwrap();
    assert_eq!(*text, "app 4 18446744073709551615 0.5 True None v canary-a");
}

#[test]
fn errors_are_located_and_hold_no_value() {
    for (source, kind, place, message) in [
        (
            "a\n é {{ secrets.GONE }}",
            ErrorKind::NotFound,
            (2, 7),
            "secret not found: GONE",
        ),
        (
            "{{ secrets['no#t']}}",
            ErrorKind::NotFound,
            (1, 4),
            "secret not found: no#t",
        ),
        (
            "{{ secrets.get('GONE') }}",
            ErrorKind::NotFound,
            (1, 4),
            "secret not found: GONE",
        ),
        (
            "\n\n{{ secrets['GO' ~ 'NE'] }}",
            ErrorKind::NotFound,
            (3, 1),
            "secret not found: GONE",
        ),
        (
            "{{ secrets.GONE|default('x') }}",
            ErrorKind::NotFound,
            (1, 4),
            "secret not found: GONE",
        ),
        (
            "{{ secrets.broken }}",
            ErrorKind::Unavailable,
            (1, 4),
            "the store is gone",
        ),
        (
            "{{ secrets.has('broken') }}",
            ErrorKind::Unavailable,
            (1, 4),
            "the store is gone",
        ),
        (
            "{{ secrets.bytes }}",
            ErrorKind::InvalidValue,
            (1, 4),
            "not UTF-8 text: bytes",
        ),
        (
            "{{ secrets[1] }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "must be a string",
        ),
        (
            "x\n{{ secrets.A + 1 }}",
            ErrorKind::InvalidConfig,
            (2, 1),
            "operands",
        ),
        (
            "{{ secrets.A|int }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "operands",
        ),
        (
            "{{ secrets.A.x.y }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "not defined",
        ),
        (
            "{{ typo }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "not defined",
        ),
        (
            "{{ secrets.A|nofilter }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "nofilter",
        ),
        (
            "{{ secrets.nomethod() }}",
            ErrorKind::NotFound,
            (1, 4),
            "secret not found: nomethod",
        ),
        (
            "{{ secrets.has() }}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "arguments",
        ),
        (
            "a\n  {% if %}",
            ErrorKind::InvalidConfig,
            (2, 3),
            "invalid template: unexpected end of block",
        ),
        (
            "{% include 'x' %}",
            ErrorKind::InvalidConfig,
            (1, 1),
            "unknown statement include",
        ),
    ] {
        let error = refused(source);
        let reported = format!("{error} {error:?} {:?}", error.hint());
        assert_eq!(error.kind(), kind, "{source}: {reported}");
        assert!(error.to_string().contains(message), "{source}: {reported}");
        let position = error.position().unwrap();
        assert_eq!(
            (position.line, position.column),
            place,
            "{source}: {reported}"
        );
        assert!(error.to_string().starts_with("t.conf:"), "{reported}");
        assert!(!reported.contains("canary"), "{reported}");
        assert!(!error.to_string().contains('\n'), "{reported}");
    }
}

#[test]
fn debug_shows_no_source() {
    assert!(!format!("{:?}", parse("canary {{ secrets.A }}")).contains("canary"));
}

#[test]
fn a_lookup_that_panics_ends_the_rendering() {
    let template = parse("{{ secrets['A' ~ ''] }}");
    let lookup = |_: &str| -> Result<Option<SecretValue>> { panic!("no") };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        template.render(&lookup, None)
    }));
    assert!(ended.is_err());
}

/// Knows `k/0` … `k/49`.
struct Numbered;

impl Lookup for Numbered {
    async fn get_many(&self, references: &[SecretRef]) -> Vec<Result<SecretValue>> {
        let value = |reference: &SecretRef| {
            let name = reference.name();
            match name.as_str().strip_prefix("k/").map(str::parse::<u8>) {
                Some(Ok(index @ ..50)) => Ok(format!("v{index};").as_str().into()),
                _ => Err(Error::not_found(name)),
            }
        };
        references.iter().map(value).collect()
    }
}

#[tokio::test]
async fn a_lookup_reads_named_and_computed_keys() {
    let templates = [
        parse(
            "{{ secrets['k/7'] }}{% for i in range(50) %}{{ secrets['k/' ~ i] }}{% endfor %}{{ secrets.get('no', 'none') }}",
        ),
        parse("{{ secrets['k/7'] }}{{ secrets['k/8'] }}"),
    ];
    let rendered = render_templates(&Numbered, &templates, None).await.unwrap();
    let all = (0..50)
        .map(|index| format!("v{index};"))
        .collect::<String>();
    assert_eq!(*rendered[0], format!("v7;{all}none"));
    assert_eq!(*rendered[1], "v7;v8;");

    let gone = [parse("x\n{{ secrets['go' ~ 'ne'] }}")];
    let error = render_templates(&Numbered, &gone, None).await.unwrap_err();
    assert_eq!(error.to_string(), "t.conf:2:1: secret not found: gone");
}

proptest! {
    #[test]
    fn values_come_out_as_they_are(value in any::<String>(), before in "[^{]{0,20}", after in "[^{]{0,20}") {
        let source = format!("{before}{{{{ secrets.X }}}}{after}");
        let lookup = |_: &str| -> Result<Option<SecretValue>> { Ok(Some(value.as_str().into())) };
        let text = parse(&source).render(&lookup, None).unwrap();
        prop_assert_eq!(&*text, &format!("{before}{value}{after}"));
    }

    #[test]
    fn no_template_breaks_the_scan(source in r#"[{}%#"'\\ \-a-z.\[\]()é\n]{0,40}|\{\{ ?secrets[.\[("'a-z)\]{}%\\é ]{0,20}"#) {
        for used in keys::scan(&source) {
            prop_assert!(source[used.offset..].starts_with("secrets"));
        }
    }
}

#[test]
fn the_state_of_the_engine_is_not_printed() {
    let template = Template::parse("t", "{{ secrets.KEY }}{{ debug() }}").unwrap();
    let lookup = |_: &str| -> Result<Option<SecretValue>> { Ok(Some("hunter2".into())) };
    let error = template.render(&lookup, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}
