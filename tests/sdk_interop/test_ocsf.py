"""The schema of OCSF itself, as JSON Schema, over what `secrets audit show --ocsf` writes."""

import hashlib
import itertools
import json

import jsonschema
import ocsf_json_schema
from common import Judge

VERSION = "1.3.0"
CLASS = "api_activity"

OPERATIONS = ["get", "get-many", "describe", "list", "versions", "put", "delete", "restore", "rollback"]
OUTCOMES = [
    "ok",
    "not_found",
    "deleted",
    "disabled",
    "already_exists",
    "conflict",
    "unauthenticated",
    "permission_denied",
    "rate_limited",
    "unavailable",
    "timeout",
    "invalid_name",
    "invalid_value",
    "invalid_config",
    "invalid_response",
    "integrity_failure",
    "unsupported",
    "unexpected",
    "cancelled",
]

# What `secrets init` wrote, and this.
ADDED = """
[secrets.PASSWORD]
reference = "db/a"

[audit]
path = "audit.jsonl"
key = "local://audit-key"

[policy.principals]
"*" = ["all"]

[policy.roles.all]
operations = ["*"]
names = ["db/**", "audit-key"]
"""

WHOLE_ACTOR = {"user": "ann", "uid": 1000, "host": "r2-d2", "process": "secrets", "pid": 7, "command": "secrets get"}


class Ocsf(Judge):
    @classmethod
    def setUpClass(cls):
        cls.schema = ocsf_json_schema.get_ocsf_schema(version=VERSION)
        of_class = ocsf_json_schema.OcsfJsonSchemaEmbedded(cls.schema).get_class_schema(class_name=CLASS)
        jsonschema.Draft202012Validator.check_schema(of_class)
        cls.validator = jsonschema.Draft202012Validator(of_class)
        cls.attributes = cls.schema["classes"][CLASS]["attributes"]

    def check(self, event):
        faults = [f"{fault.json_path}: {fault.message}" for fault in self.validator.iter_errors(event)]
        self.assertEqual(faults, [], event)
        # What JSON Schema does not say of the class.
        self.assertEqual(event["metadata"]["version"], VERSION)
        self.assertEqual(event["type_uid"], event["class_uid"] * 100 + event["activity_id"])
        for number, name in [("activity_id", "activity_name"), ("status_id", "status")]:
            caption = self.attributes[number]["enum"][str(event[number])]["caption"]
            if caption == "Other":
                # Then the name is the source's own.
                self.assertNotIn(event[name], ("", "Other", "Unknown"))
            else:
                self.assertEqual(event[name], caption)

    def checked(self, secrets, *words):
        events = [json.loads(line) for line in secrets.run("audit", "show", "--ocsf", *words).splitlines()]
        for event in events:
            self.check(event)
        return events


class Uses(Ocsf):
    """What the command itself records."""

    def test_every_operation_of_the_command(self):
        ours = self.our("", {"SECRETS_PRINCIPAL": "ann"})
        ours.configuration.unlink()
        ours.run("init", "--yes")
        with open(ours.configuration, "a") as configuration:
            configuration.write(ADDED)
        ours.run("audit", "init")
        ours.set("db/a", b"first")
        ours.set("db/a", b"second")
        ours.get("db/a")
        ours.get("db/a", version="1")
        ours.list("db/")
        ours.versions("db/a")
        ours.rollback("db/a", "1")
        ours.delete("db/a")
        self.assertFails(3, ours.get, "db/a")
        ours.restore("db/a")
        self.assertFails(3, ours.get, "db/none")
        self.assertFails(4, ours.get, "forbidden")
        ours.run("run", "--", "true")
        # A crash leaves this behind, which the log records.
        with open(ours.folder / "work" / "audit.jsonl", "ab") as log:
            log.write(b'{"seq":')
        ours.get("db/a")
        events = self.checked(ours)
        seen = {(event["api"]["operation"], event["status_id"]) for event in events}
        self.assertLessEqual(
            {
                ("opened", 0),
                ("recovered", 0),
                ("put", 0),
                ("put", 1),
                ("get", 1),
                ("get", 2),
                ("get-many", 1),
                ("list", 1),
                ("versions", 1),
                ("rollback", 1),
                ("delete", 1),
                ("restore", 1),
            },
            seen,
        )
        self.assertLessEqual(
            {"ok", "not_found", "permission_denied"}, {event.get("status_detail") for event in events}
        )
        ids = [event["metadata"]["uid"] for event in events]
        self.assertEqual(len(ids), len(set(ids)))


def log_of(records):
    """These records as lines of a log without a key."""
    before, lines = "0" * 64, []
    for seq, record in enumerate(records, 1):
        text = json.dumps({"seq": seq, **record}, separators=(",", ":"), ensure_ascii=False)
        hashed = f'{text[:-1]},"prev":"{before}'
        before = hashlib.sha256(hashed.encode()).hexdigest()
        lines.append(f'{hashed}","hash":"{before}"}}\n')
    return "".join(lines)


def record(number, event, **more):
    return {
        "id": f"{number:026d}",
        "time": "2026-01-01T00:00:00.000123Z",
        "event": event,
        "actor": WHOLE_ACTOR,
        **more,
    }


class Records(Ocsf):
    """Every record that there can be, also those that no test of the command brings about."""

    def checked_records(self, records):
        ours = self.our("")
        path = ours.folder / "work" / "log.jsonl"
        path.write_text(log_of(records))
        # They are a log to our command too.
        self.assertIn(f"{len(records)}:".encode(), ours.run("audit", "verify", path))
        events = self.checked(ours, path)
        self.assertEqual(len(events), len(records))
        return events

    def test_every_operation_with_every_outcome(self):
        numbers = itertools.count()
        records = [record(next(numbers), "opened", note="format=1 key=none")]
        for operation in OPERATIONS:
            about = {"operation": operation, "provider": "main", "name": "db/a", "reason": "ticket 7"}
            is_write = operation in ("put", "delete", "restore", "rollback")
            if is_write:
                records.append(record(next(numbers), "intent", **about))
            for outcome in OUTCOMES:
                event = "outcome" if is_write else "read"
                records.append(record(next(numbers), event, outcome=outcome, duration_ms=3, **about))
            for source in ("provider", "cache", "stale"):
                answer = {"outcome": "ok", "source": source, "via": "chain", "version": "8", "duration_ms": 0}
                records.append(record(next(numbers), "outcome" if is_write else "read", **about, **answer))
        for event in self.checked_records(records)[1:]:
            self.assertNotEqual(event["activity_id"], 99)
            if event["status_id"] == 2:
                self.assertEqual(event["status_detail"], event["api"]["response"]["error"])

    def test_what_the_log_tells_of_itself_and_of_hits(self):
        events = self.checked_records(
            [
                record(0, "opened", note="format=1 key=none"),
                record(1, "gap", count=7),
                record(2, "recovered", note="17 bytes of a record that was not finished were taken away"),
                record(
                    3,
                    "hits",
                    operation="get",
                    provider="main",
                    name="a",
                    outcome="ok",
                    source="cache",
                    count=500,
                    since="2025-12-31T23:59:59.100000Z",
                ),
            ]
        )
        self.assertEqual([event["activity_id"] for event in events], [99, 99, 99, 2])
        self.assertEqual((events[3]["count"], events[3]["time"] - events[3]["start_time"]), (500, 900))

    def test_whoever_it_was(self):
        hosts = ["r2-d2.example.com", "build_7", "-odd-", "шкаф", None]
        parts = [{}, {"user": "ann"}, {"uid": 0}, {"process": "p"}, {"pid": 7}, {"command": "secrets get"}]
        actors = [{**one, **other} for one, other in itertools.combinations(parts, 2)]
        actors += [{**WHOLE_ACTOR, "host": host} for host in hosts if host] + [{}]
        records = [record(0, "opened", note="format=1 key=none")]
        for number, actor in enumerate(actors, 1):
            records.append({**record(number, "read", operation="get", outcome="ok"), "actor": actor})
        self.checked_records(records)

    def test_the_schema_refuses_what_is_wrong(self):
        """Else all of the above would prove nothing."""
        event = self.checked_records([record(0, "opened"), record(1, "read", operation="get", outcome="ok")])[1]
        for change in [
            {"activity_id": 7},
            {"type_uid": 600_207},
            {"time": "2026-01-01"},
            {"actor": {}},
            {"actor": {"process": {"name": "p"}}},
            {"src_endpoint": {"hostname": "build_7"}},
            {"actor": None},
            {"secret": "unknown to the class"},
            {"activity_name": "Delete"},
        ]:
            changed = {key: value for key, value in {**event, **change}.items() if value is not None}
            with self.subTest(change), self.assertRaises(AssertionError):
                self.check(changed)
