"""What all judges share.

A judge is a file `test_*.py` of `unittest` cases. It drives a vendor's own SDK, and the `secrets` command, against one
store: a real server, or a fake of `secrets-testkit`. What one of them writes, the other reads, byte for byte.

`cargo xtask test` builds both programs, starts the servers and runs every judge in a process of its own; `cargo xtask
test -p sdk_interop` runs the judges alone. By hand, in this folder, once both programs are built:

    eval "$(cargo xtask servers env)"
    ../../target/sdk_interop/venv/bin/python -m unittest -v test_vault

What is missing fails; nothing is skipped.
"""

import atexit
import json
import os
import pathlib
import secrets
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")

#: Seconds that a program of ours gets, on a loaded machine.
LIMIT = 60

# A private CA is handed to each client; what the machine trusts, and its proxies, must not come between.
for _name in list(os.environ):
    if _name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE") or _name.lower().endswith(
        "_proxy"
    ):
        del os.environ[_name]


def variable(name):
    """A variable that tells where a test server is."""
    try:
        return os.environ[name]
    except KeyError:
        raise AssertionError(
            f"{name} is not set; `cargo xtask test` starts the servers and sets it, `cargo xtask servers env` prints it"
        ) from None


def program(name, override):
    """The path of a program of ours: what the variable `override` says, else cargo's debug build."""
    path = pathlib.Path(os.environ.get(override) or TARGET / "debug" / name)
    if not path.is_file():
        raise AssertionError(f"{path} is not there; `cargo xtask test -p sdk_interop` builds it")
    return path


def unique(label):
    """A name that no other test uses: letters, digits and hyphens."""
    return f"{label}-{secrets.token_hex(4)}"


# --- the fakes


class Fake:
    """One running fake.

    url          where it listens
    environment  the variables with which the vendor's SDK and our command find it and log in
    ca_file      the PEM file of the CA to trust, or None where it is plain HTTP
    """

    def __init__(self, name, facts):
        self.name = name
        self.url = facts["url"]
        self.environment = facts["environment"]
        self.ca_file = facts.get("ca_file")

    def request(self, method, path, body=None, headers=None):
        """A plain request, for what no SDK sends. Gives the status, the headers and the body as bytes."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if data is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        try:
            with urllib.request.urlopen(request, timeout=LIMIT, context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    def fault(self, kind, **details):
        """Makes the next requests meet a fault: `fault("status", status=429, retry_after=1, times=2)`. The kinds are in
        the documentation of `secrets_testkit::fakes::Fault`."""
        self._console("POST", "/_fake/faults", {"fault": kind, **details})

    def clear_faults(self):
        self._console("DELETE", "/_fake/faults")

    def waiting_faults(self):
        """The faults that no request has met yet."""
        return json.loads(self._console("GET", "/_fake/faults"))

    def asked(self):
        """The requests so far, each with `method`, `path` and `query`."""
        return json.loads(self._console("GET", "/_fake/asked"))

    def clear_asked(self):
        self._console("DELETE", "/_fake/asked")

    def advance(self, seconds):
        """Moves the fake's time on."""
        self._console("POST", "/_fake/clock", {"seconds": seconds})

    def _console(self, method, path, body=None):
        status, _, answer = self.request(method, path, body)
        if status >= 300:
            raise AssertionError(f"{self.name} refuses {method} {path} {body}: {status} {answer!r}")
        return answer


_fakes = None
_fakes_lock = threading.Lock()


def fake(name):
    """The fake of this name: `azure`, `gcp` or `infisical`. They are started at the first call, once a process, and end
    with it."""
    global _fakes
    with _fakes_lock:
        if _fakes is None:
            _fakes = _start_fakes()
    try:
        return Fake(name, _fakes[name])
    except KeyError:
        raise AssertionError(f"polysecrets-fakes tells of {sorted(_fakes)}, not of {name}") from None


def own_fake(name):
    """Another one, of the caller's own: for tests that move time on, which all others would notice."""
    return Fake(name, _start_fakes()[name])


def _start_fakes():
    # They end when their standard input does, so also when this process is killed.
    process = subprocess.Popen(
        [program("polysecrets-fakes", "POLYSECRETS_TEST_FAKES")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def stop():
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    atexit.register(stop)
    line = process.stdout.readline()
    if not line:
        raise AssertionError("polysecrets-fakes ended at once")
    return json.loads(line)


# --- our command


class Failed(Exception):
    """Our command ended with another code than 0."""

    def __init__(self, words, code, stderr):
        super().__init__(f"secrets {' '.join(words)} ended with {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


class Secrets:
    """The `secrets` command with a configuration, a home folder and an environment of its own.

    configuration  the text of `secrets.toml`
    environment    variables beside PATH and the folders; nothing of this process is inherited

    Values never become arguments: they go in and out through pipes.
    """

    def __init__(self, configuration, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="polysecrets-judge-"))
        for name in ("home", "work", "config", "state", "tmp"):
            (self.folder / name).mkdir()
        self.configuration = self.folder / "work" / "secrets.toml"
        self.configuration.write_text(configuration)
        self.configuration.chmod(0o600)
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            **(environment or {}),
        }

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, *words, stdin=b""):
        """Runs it. Gives standard output as bytes; raises `Failed`."""
        # The file is named, so that it may use the environment's credentials.
        ran = subprocess.run(
            [program("secrets", "POLYSECRETS_TEST_BIN"), "--config", self.configuration, *words],
            input=stdin,
            capture_output=True,
            timeout=LIMIT,
            cwd=self.folder / "work",
            env=self.environment,
        )
        if ran.returncode != 0:
            raise Failed(words, ran.returncode, ran.stderr.decode(errors="replace"))
        return ran.stdout

    def get(self, name, version=None):
        return self.run("get", name, *(["--version", version] if version else []))

    def set(self, name, value, *flags):
        """Writes, and gives the metadata of the new version."""
        return json.loads(self.run("set", name, "--stdin", "--json", *flags, stdin=value))

    def delete(self, name, *flags):
        self.run("delete", name, "--yes", *flags)

    def restore(self, name):
        self.run("restore", name)

    def rollback(self, name, version):
        self.run("rollback", name, version)

    def list(self, prefix=""):
        """The names, as we show them."""
        answer = json.loads(self.run("list", "--json", "--prefix", prefix))
        return [entry["name"] for entry in answer["secrets"]]

    def versions(self, name):
        """What is known of each version, newest first."""
        return json.loads(self.run("versions", name, "--json"))["versions"]


# --- values


def _canary():
    """So random that a value which comes back is the one that was written."""
    return secrets.token_hex(6)


def texts():
    """Values that are text, by name: new ones at each call, of shapes that something on the way may bend."""
    c = _canary()
    return {
        "plain": f"plain-{c}",
        "one letter": secrets.choice("abcdefghijklmnopqrstuvwxyz"),
        "spaces around": f"  {c}\t ",
        "newline at the end": f"{c}\n",
        "two newlines at the end": f"{c}\n\n",
        "newline at the start": f"\n{c}",
        "windows lines": f"{c}\r\nsecond\r\n",
        "lone carriage return": f"{c}\rsecond",
        "pem": f"-----BEGIN PRIVATE KEY-----\n{c * 5}\n{c * 3}==\n-----END PRIVATE KEY-----\n",
        "quotes and backslashes": f"{c}\"'`\\n\\u0041\\",
        "html and url": f"<a href='?x=1&y=%41+%20'>{c}</a>",
        "reference": f"${{secret:{c}}} ${{{c}}} {{{{ secrets.{c} }}}} $({c})",
        "other scripts": f"{c} 密码 пароль كلمة \U0001f511 e\u0301",
        "byte order mark": f"\ufeff{c}",
        "controls": f"{c}\x01\x02\x1b[31m\x7f",
        "nul": f"\x00{c}\x00",
        "json object": f'{{"user": "{c}", "password": "p", "n": 1}}',
        "json object in another order": f'{{ "z":"{c}",\n "a" : [1, 2.50, 1e3] }}',
        "json number": f"0{int(c, 16)}.10",
        "json list": f'["{c}", null, true]',
        "true": f"true{c}"[:4],
        "null": "null",
        "base64": "cG9seXNlY3JldHM=",
        "long": c * 1024,
    }


def binaries():
    """Values that are no UTF-8, by name."""
    c = _canary().encode()
    return {
        "nul": b"\x00" + c + b"\xff\x00",
        "every byte": bytes(range(256)) + c,
        "half a letter": c + b"\xe5\xaf",
        "latin 1": c + b" stra\xdfe",
        "utf-16": c.decode().encode("utf-16"),
        "random": secrets.token_bytes(4096),
    }


class Judge(unittest.TestCase):
    """A test case whose failures show no more of a value than a length and a place."""

    def assertSameBytes(self, got, wanted, what=""):
        got, wanted = (one.encode() if isinstance(one, str) else one for one in (got, wanted))
        if got == wanted:
            return
        shorter = min(len(got), len(wanted))
        place = next((at for at in range(shorter) if got[at] != wanted[at]), shorter)
        near = slice(place, place + 12)
        self.fail(
            f"{what}: {len(got)} bytes came back for {len(wanted)}; from byte {place} on {got[near]!r} instead of "
            f"{wanted[near]!r}"
        )

    def assertSameJson(self, got, wanted, what=""):
        """The same JSON value: for stores that keep objects as maps."""
        self.assertEqual(json.loads(got), json.loads(wanted), what)

    def our(self, configuration, environment=None):
        """Our command, gone at the end of the test."""
        command = Secrets(configuration, environment)
        self.addCleanup(command.close)
        return command

    def assertFails(self, code, call, *arguments):
        """Our command ends with this exit code. Gives what it said."""
        with self.assertRaises(Failed) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.code, code, caught.exception.stderr)
        return caught.exception.stderr
