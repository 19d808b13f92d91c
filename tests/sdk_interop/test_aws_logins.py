"""Logins to AWS, by boto3 and by our command in one environment, before one scripted server: STS, SSO, the service of a
container, the metadata service of a machine, and Secrets Manager. Whoever gets the value, gets it as the same identity.
"""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

from common import LIMIT, Failed, Judge

BOTO = """
import boto3
client = boto3.Session(profile_name={profile!r}).client("secretsmanager", region_name="eu-west-1")
print(client.get_secret_value(SecretId="a")["SecretString"], end="")
"""
ROLE = "role_arn = arn:aws:iam::123456789012:role/r\n"
START = "https://example.awsapps.com/start"
FAR = "2099-01-01T00:00:00Z"


def xml(status, code):
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
    return status, "text/xml", body


def plain(status):
    return status, "application/json", '{"message": "busy"}'


class Server:
    """Everything that is asked on the way to a value. `faults` are answers that come first, each once; Secrets Manager
    answers with the id of the access key that signed the request."""

    def __init__(self):
        self.faults = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                status, kind, text = outer.answer(self.command, self.path, self.headers, body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                if self.path.startswith("/latest/api/token"):
                    self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        if headers.get("X-Amz-Target", "").startswith("secretsmanager."):
            signer = headers["Authorization"].split("Credential=")[1].split("/")[0]
            secret = {"Name": "a", "ARN": "arn", "VersionId": "v" * 32, "SecretString": signer}
            return 200, "application/x-amz-json-1.1", json.dumps(secret)
        if self.faults:
            return self.faults.pop(0)
        if path.startswith("/federation/credentials"):
            keys = {"accessKeyId": "SSO", "secretAccessKey": "k", "sessionToken": "t", "expiration": 4070908800000}
            return 200, "application/json", json.dumps({"roleCredentials": keys})
        if path.startswith("/container"):
            return 200, "application/json", json.dumps(self.keys("CONTAINER"))
        if path.startswith("/latest/api/token"):
            return 200, "text/plain", "token"
        if path == "/latest/meta-data/iam/security-credentials/":
            return 200, "text/plain", "role"
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            return 200, "application/json", json.dumps({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": FAR, **self.keys("MACHINE")})
        action = urllib.parse.parse_qs(body).get("Action", [""])[0]
        if action.startswith("AssumeRole"):
            signature = headers.get("Authorization", "Credential=/").split("Credential=")[1].split("/")[0]
            key = f"ROLE-OF-{signature}" if signature else "WEB"
            return 200, "text/xml", (
                f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result>"
                "<AssumedRoleUser><AssumedRoleId>R:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>"
                f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>k</SecretAccessKey><SessionToken>t</SessionToken>"
                f"<Expiration>{FAR}</Expiration></Credentials></{action}Result></{action}Response>"
            )
        return 404, "text/plain", "no such route"

    @staticmethod
    def keys(name):
        return {"AccessKeyId": name, "SecretAccessKey": "k", "Token": "t", "Expiration": FAR}


class Logins(Judge):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        (self.home / ".aws" / "sso" / "cache").mkdir(parents=True)
        self.base = {
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.server.url,
            "AWS_ENDPOINT_URL_STS": self.server.url,
            "AWS_ENDPOINT_URL_SSO": self.server.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.server.url,
            "AWS_REGION": "eu-west-1",
        }

    def write(self, file, text):
        (self.home / ".aws" / file).write_text(text)

    def theirs(self, variables, profile):
        """The value that boto3 gets, or None."""
        environment = {"PATH": os.environ["PATH"], **self.base, **variables}
        words = [sys.executable, "-c", BOTO.format(profile=profile)]
        ran = subprocess.run(words, env=environment, capture_output=True, timeout=LIMIT)
        return ran.stdout.decode() if ran.returncode == 0 else None

    def ours(self, variables, profile):
        """The value that we get, or None; and what we say."""
        chosen = f'profile = "{profile}"\n' if profile else ""
        configuration = f'default = "main"\n[providers.main]\ntype = "aws-sm"\n{chosen}'
        command = self.our(configuration, {**self.base, **variables})
        try:
            return command.get("a").decode(), ""
        except Failed as failed:
            return None, failed.stderr

    def both(self, value, variables=None, profile=None, faults=()):
        """Both get this value, or, if it is None, both refuse. Gives what we said."""
        variables = variables or {}
        self.server.faults = list(faults)
        self.assertEqual(self.theirs(variables, profile), value, "boto3")
        self.server.faults = list(faults)
        got, said = self.ours(variables, profile)
        self.assertEqual(got, value, said)
        return said

    def web_identity(self):
        (self.home / "token").write_text("the.web.token")
        return {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.home / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
            "AWS_ROLE_SESSION_NAME": "judge",
        }

    def test_one_failure_of_sts_that_passes(self):
        variables = self.web_identity()
        for status, code in [(400, "Throttling"), (400, "IDPCommunicationError"), (503, "ServiceUnavailable")]:
            with self.subTest(code):
                self.both("WEB", variables, faults=[xml(status, code)])

    def test_one_failure_of_sso_that_passes(self):
        self.write(
            "config",
            f"[profile sso]\nsso_start_url = {START}\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = r\n",
        )
        token = {"accessToken": "t", "expiresAt": FAR, "region": "eu-west-1", "startUrl": START}
        name = hashlib.sha1(START.encode()).hexdigest()
        self.write(f"sso/cache/{name}.json", json.dumps(token))
        for status in (429, 500):
            with self.subTest(status):
                self.both("SSO", profile="sso", faults=[plain(status)])

    def test_one_failure_of_the_container_that_passes(self):
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.server.url}/container"}
        for status in (429, 500):
            with self.subTest(status):
                self.both("CONTAINER", variables, faults=[plain(status)])

    def test_a_source_profile_that_does_not_exist(self):
        self.write("config", f"[profile dev]\n{ROLE}source_profile = base\n")
        self.assertIn('`source_profile` "base"', self.both(None, {"AWS_PROFILE": "dev"}))
        self.assertIn('`source_profile` "base"', self.both(None, profile="dev"))

    def test_a_role_from_the_machine_or_the_environment(self):
        self.write("config", f"[profile dev]\n{ROLE}credential_source = Ec2InstanceMetadata\n")
        self.both("ROLE-OF-MACHINE", profile="dev")
        self.both("ROLE-OF-MACHINE", {"AWS_PROFILE": "dev"})
        self.write("config", f"[profile dev]\n{ROLE}credential_source = Environment\n")
        keys = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "k"}
        self.both("ROLE-OF-ENV", keys, profile="dev")

    def test_the_variables_of_a_profile(self):
        self.write(
            "credentials",
            "".join(f"[{name}]\naws_access_key_id = {name.upper()}\naws_secret_access_key = k\n" for name in ("default", "dev", "other")),
        )
        keys = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "k"}
        self.both("DEFAULT")
        self.both("DEV", {"AWS_DEFAULT_PROFILE": "dev"})
        self.both("DEV", {"AWS_DEFAULT_PROFILE": "dev", "AWS_PROFILE": "other"})
        self.both("ENV", {**keys, "AWS_PROFILE": "dev"})
        self.both(None, {"AWS_PROFILE": ""})
        self.both(None, {**keys, "AWS_PROFILE": ""})


if __name__ == "__main__":
    unittest.main()
