//! The escape functions of the languages that are installed here, and what they write of random values, masked.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};

use polysecrets_tests::{Home, Ran, is_deep};

/// Ends each record.
const END: char = '\u{1e}';

/// A language, how it takes a program, whether every machine that builds this has it, and the program: it reads the values
/// from `values.json` and writes each in several ways.
const WRITERS: &[(&str, &str, bool, &str)] = &[
    (
        "python3",
        "-c",
        true,
        r#"
import base64, html, json, shlex, sys, urllib.parse as u
sys.stdout.reconfigure(encoding="utf-8")
for v in json.load(open("values.json", encoding="utf-8")):
    b = v.encode()
    for x in [json.dumps(v), json.dumps(json.dumps(v)), json.dumps(v, ensure_ascii=False), repr(v), ascii(v), repr(b), u.quote(v), u.quote(v, safe=""),
              u.quote_plus(v), html.escape(v), shlex.quote(v), base64.b64encode(b"user:" + b + b"@").decode(), b.hex(), v.encode("unicode_escape").decode(),
              v.encode("ascii", "xmlcharrefreplace").decode(), '"' + v.replace('"', '""') + '"']:
        print(x, end="\x1e")
"#,
    ),
    (
        "perl",
        "-e",
        true,
        r#"
use strict; use JSON::PP; use Data::Dumper; binmode STDOUT, ":utf8"; local $/; open(my $f, "<:raw", "values.json"); my $values = JSON::PP->new->decode(do { my $t = <$f>; utf8::decode($t); $t });
$Data::Dumper::Terse = 1; $Data::Dumper::Indent = 0;
for my $v (@$values) {
  my $json = JSON::PP->new->allow_nonref; my $bytes = $v; utf8::encode($bytes);
  (my $uri = $bytes) =~ s/([^A-Za-z0-9\-_.!~*'()])/sprintf("%%%02X", ord $1)/ge;
  (my $html = $v) =~ s/([^a-zA-Z0-9])/sprintf("&#x%X;", ord $1)/ge;
  local $Data::Dumper::Useqq = 1;
  print "$_\x1e" for $json->encode($v), $json->ascii->encode($v), quotemeta($v), Dumper($v), $uri, $html;
}
"#,
    ),
    (
        "node",
        "-e",
        false,
        r#"
const u = require("util");
for (const v of JSON.parse(require("fs").readFileSync("values.json"))) {
  const url = new URL("https://host"); url.username = "user"; url.password = v;
  for (const x of [JSON.stringify(v), JSON.stringify(JSON.stringify(v)), u.inspect(v), u.inspect({ v }), encodeURIComponent(v), encodeURI(v), escape(v),
                   new URLSearchParams({ v }).toString(), url.href]) process.stdout.write(x + "\x1e");
}
"#,
    ),
    (
        "php",
        "-r",
        false,
        r#"
foreach (json_decode(file_get_contents("values.json")) as $v)
  foreach ([json_encode($v), json_encode($v, JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_HEX_QUOT), var_export($v, true), urlencode($v), rawurlencode($v),
            htmlspecialchars($v), htmlentities($v, ENT_QUOTES | ENT_HTML5), escapeshellarg($v), addslashes($v), addcslashes($v, "\0..\37!@\177..\377")] as $x) echo $x, "\x1e";
"#,
    ),
    (
        "ruby",
        "-e",
        false,
        r#"
require "json"; require "cgi"; require "erb"; require "shellwords"; require "uri"
JSON.parse(File.read("values.json", encoding: "utf-8")).each do |v|
  [v.to_json, v.inspect, v.dump, JSON.generate(v, ascii_only: true), CGI.escape(v), CGI.escapeHTML(v), ERB::Util.url_encode(v), Shellwords.escape(v),
   URI.encode_www_form_component(v)].each { |x| print x, "\x1e" }
end
"#,
    ),
];

/// Numbers without a pattern, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn value(&mut self) -> String {
        let printable: Vec<char> = (' '..='~').chain("äßé€😀".chars()).collect();
        let base64: Vec<char> = ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain("+/".chars())
            .collect();
        let letters = if self.below(2) == 0 {
            &printable
        } else {
            &base64
        };
        let length = 12 + self.below(30);
        // No blank at an end, which does not count for a value.
        let mut value = String::from("v");
        value.extend((0..length).map(|_| letters[self.below(letters.len())]));
        value.push('=');
        value
    }
}

#[test]
fn what_real_writers_make_of_values_is_masked() {
    let home = Home::new();
    let mut random = Random(0x5eed);
    let count = if is_deep() { 1000 } else { 100 };
    let values: Vec<String> = (0..count).map(|_| random.value()).collect();
    home.write("values.json", serde_json::to_vec(&values).unwrap());
    let mut config = "default = \"env\"\n[providers.env]\ntype = \"env\"\n".to_owned();
    for at in 0..count {
        writeln!(config, "[secrets.V{at}]\nreference = \"env://V{at}\"").unwrap();
    }
    home.write("secrets.toml", config);
    home.run(&["trust"]).ok();
    for (language, flag, is_everywhere, program) in WRITERS {
        let there = Command::new(language)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if there.is_err() {
            assert!(!is_everywhere, "{language} is not installed");
            continue;
        }
        let written = Ran::of(home.program(language).args([flag, program])).ok();
        assert_eq!(written.stderr, "", "{language}");
        let text = home.write("written", &written.stdout);
        let mut mask = home.command(&["mask"]);
        mask.envs(
            values
                .iter()
                .enumerate()
                .map(|(at, value)| (format!("V{at}"), value)),
        );
        let masked = Ran::of(mask.stdin(File::open(text).unwrap())).ok();
        let before: Vec<&str> = written.text().split_terminator(END).collect();
        let after: Vec<&str> = masked.text().split_terminator(END).collect();
        assert_eq!(
            (before.len() % count, before.len()),
            (0, after.len()),
            "{language}"
        );
        for (before, after) in before.iter().zip(after) {
            assert!(after.contains("***"), "{language} wrote {before}");
        }
    }
}
