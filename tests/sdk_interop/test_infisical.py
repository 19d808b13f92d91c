"""Infisical's fake, driven by the vendor's SDK and by our command: what one writes, the other reads."""

import base64
import contextlib
import json
import threading

from common import Failed, Judge, binaries, fake, texts, unique
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError, InfisicalError

#: What the server, written in JavaScript, takes for white space.
WHITE = "\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"

#: The mark of values that our command stores encoded.
MARK = "polysecrets:base64:"


def kept(value):
    """What the server keeps of a value."""
    return value.strip(WHITE) + ("\n" if value.endswith("\n") else "")


class Infisical(Judge):
    """A folder of its own for each test."""

    @classmethod
    def setUpClass(cls):
        cls.fake = fake("infisical")
        facts = cls.fake.environment
        cls.project = facts["INFISICAL_PROJECT_ID"]
        cls.environment = facts["INFISICAL_ENVIRONMENT"]
        cls.login = {
            "client_id": facts["INFISICAL_UNIVERSAL_AUTH_CLIENT_ID"],
            "client_secret": facts["INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET"],
        }

    def setUp(self):
        self.addCleanup(self.fake.clear_faults)
        self.sdk = self.connect()
        self.sdk.auth.universal_auth.login(**self.login)
        self.folder = unique("judge")
        self.path = f"/{self.folder}"
        self.sdk.folders.create_folder(self.folder, self.environment, self.project)

    def connect(self, token=None):
        # The SDK's cache takes no notice of versions.
        client = InfisicalSDKClient(host=self.fake.url, token=token, cache_ttl=None)
        self.addCleanup(client.api.session.close)
        return client

    def create(self, name, value, path=None, **more):
        return self.sdk.secrets.create_secret_by_name(
            name, path or self.path, self.environment, project_id=self.project, secret_value=value, **more
        )

    def update(self, name, value=None, **more):
        return self.sdk.secrets.update_secret_by_name(
            name, self.path, self.environment, project_id=self.project, secret_value=value, **more
        )

    def read(self, name, path=None, **more):
        return self.sdk.secrets.get_secret_by_name(
            name, self.environment, path or self.path, project_id=self.project, **more
        )

    def delete(self, name):
        return self.sdk.secrets.delete_secret_by_name(name, self.path, self.environment, project_id=self.project)

    def list(self, path=None, **more):
        return self.sdk.secrets.list_secrets(self.environment, path or self.path, project_id=self.project, **more)

    def plain(self, method, path, body=None, token=None):
        """What the SDK has no method for. Gives the answer's JSON."""
        headers = {"Authorization": f"Bearer {token or self.sdk.get_token()}"}
        status, _, answer = self.fake.request(method, path, body, headers)
        self.assertEqual(status, 200, answer)
        return json.loads(answer)

    @contextlib.contextmanager
    def refuses(self, status, error, says=""):
        """What the SDK makes of an answer."""
        with self.assertRaises(APIError) as caught:
            yield caught
        response = caught.exception.response
        self.assertEqual((caught.exception.status_code, response["error"]), (status, error))
        self.assertEqual(response["statusCode"], status)
        self.assertIn(says, str(response["message"]))

    def configuration(self, more="", path=None):
        return f"""
default = "main"

[providers.main]
type = "infisical"
base_url = "{self.fake.url}"
project_id = "{self.project}"
environment = "{self.environment}"
path = "{path or self.path}"
{more}
"""

    def service_token(self, *paths, read_only=False):
        scopes = [{"environment": self.environment, "path": path} for path in paths]
        status, _, answer = self.fake.request(
            "POST", "/_fake/service-tokens", {"scopes": scopes, "read_only": read_only}
        )
        self.assertEqual(status, 200, answer)
        return json.loads(answer)["token"]

    def older(self, *words):
        """A server that is older, until the end of the test."""
        self.addCleanup(self.fake.request, "POST", "/_fake/older", [])
        status, _, answer = self.fake.request("POST", "/_fake/older", words)
        self.assertEqual(status, 204, answer)

    def ours_with(self, more="", environment=None):
        return self.our(self.configuration(more), self.fake.environment if environment is None else environment)


class Life(Infisical):
    """From the first write to the end, as the SDK sees it."""

    def test_whole_life(self):
        made = self.create("LIFE", "one", secret_comment="first", secret_metadata=[{"key": "team", "value": "core"}])
        self.assertEqual((made.secretKey, made.secretValue, made.version), ("LIFE", "one", 1))
        self.assertEqual((made.type, made.environment, made.workspace), ("shared", self.environment, self.project))
        read = self.read("LIFE")
        self.assertEqual((read.id, read.secretValue, read.secretPath), (made.id, "one", self.path))
        self.assertEqual((read.secretComment, read.secretValueHidden), ("first", False))
        self.assertEqual(read.secretMetadata, [{"key": "team", "value": "core", "isEncrypted": False}])

        changed = self.update("LIFE", "two")
        self.assertEqual((changed.id, changed.secretValue, changed.version), (made.id, "two", 2))
        kept = self.read("LIFE")
        self.assertEqual((kept.secretValue, kept.secretComment, kept.version), ("two", "first", 2))
        self.assertEqual(kept.createdAt, read.createdAt)
        self.assertGreaterEqual(kept.updatedAt, read.updatedAt)
        for version, value in ((1, "one"), (2, "two")):
            earlier = self.read("LIFE", version=version)
            self.assertEqual((earlier.version, earlier.secretValue), (version, value))
        with self.refuses(404, "NotFound", "LIFE"):
            self.read("LIFE", version=3)

        renamed = self.update("LIFE", new_secret_name="RENAMED")
        self.assertEqual((renamed.id, renamed.secretKey, renamed.version), (made.id, "RENAMED", 3))
        self.assertEqual(self.read("RENAMED").secretValue, "two")
        with self.refuses(404, "NotFound"):
            self.read("LIFE")
        gone = self.delete("RENAMED")
        self.assertEqual((gone.id, gone.secretValue), (made.id, "two"))
        for action in (lambda: self.read("RENAMED"), lambda: self.update("RENAMED", "x"), lambda: self.delete("RENAMED")):
            with self.refuses(404, "NotFound"):
                action()

    def test_both_names_of_a_project_find_it(self):
        slug = {"project_slug": "fake-project"}
        self.sdk.secrets.create_secret_by_name("SLUG", self.path, self.environment, secret_value="value", **slug)
        read = self.sdk.secrets.get_secret_by_name("SLUG", self.environment, self.path, **slug)
        self.assertEqual(read.secretValue, "value")
        listed = self.sdk.secrets.list_secrets(self.environment, self.path, **slug)
        self.assertEqual([one.secretKey for one in listed.secrets], ["SLUG"])
        with self.refuses(404, "NotFound", "no-such"):
            self.sdk.secrets.list_secrets(self.environment, self.path, project_slug="no-such")

    def test_lists(self):
        self.assertEqual(self.list().secrets, [])
        for name in ("B", "A"):
            self.create(name, name.lower())
        self.sdk.folders.create_folder("below", self.environment, self.project, self.path)
        self.create("C", "c", path=f"{self.path}/below")
        listed = self.list()
        self.assertEqual({one.secretKey: one.secretValue for one in listed.secrets}, {"A": "a", "B": "b"})
        deep = {one.secretKey: one.secretPath for one in self.list(recursive=True).secrets}
        self.assertEqual(deep, {"A": self.path, "B": self.path, "C": f"{self.path}/below"})
        hidden = self.list(view_secret_value=False).secrets
        self.assertTrue(all(one.secretValueHidden and one.secretValue == "<hidden-by-infisical>" for one in hidden))
        with self.refuses(404, "SecretPathNotFound"):
            self.list(f"{self.path}/nowhere")

    def test_tags(self):
        slug = unique("tag")
        tag = self.plain("POST", f"/api/v1/projects/{self.project}/tags", {"slug": slug, "color": "#0f0"})["tag"]
        self.create("TAGGED", "value", tags_ids=[tag["id"]])
        self.create("PLAIN", "value")
        listed = self.list(tag_filters=[slug]).secrets
        self.assertEqual([one.secretKey for one in listed], ["TAGGED"])
        self.assertEqual([one["slug"] for one in self.read("TAGGED").tags], [slug])
        self.update("TAGGED", tags_ids=[])
        self.assertEqual(self.list(tag_filters=[slug]).secrets, [])
        with self.refuses(404, "NotFound", "Tag"):
            self.create("OTHER", "value", tags_ids=["none"])

    def test_references_and_imports(self):
        self.sdk.folders.create_folder("common", self.environment, self.project, self.path)
        common = f"{self.path}/common"
        self.create("HOST", "db.example", path=common)
        inner = common.strip("/").replace("/", ".")
        self.create("USER", "app")
        self.create("URL", f"pg://${{USER}}@${{{self.environment}.{inner}.HOST}}/${{NOPE}}")
        self.assertEqual(self.read("URL").secretValue, "pg://app@db.example/${NOPE}")
        raw = self.read("URL", expand_secret_references=False).secretValue
        self.assertIn("${USER}", raw)
        where = {"projectId": self.project, "environment": self.environment, "path": self.path}
        what = {"environment": self.environment, "path": common}
        self.plain("POST", "/api/v2/secret-imports", {**where, "import": what})
        imported = self.list().imports
        self.assertEqual([one.secretPath for one in imported], [common])
        self.assertEqual([one["secretKey"] for one in imported[0].secrets], ["HOST"])
        self.assertEqual(self.list(include_imports=False).imports, [])
        self.assertEqual(self.read("HOST").secretPath, common)
        with self.refuses(404, "NotFound"):
            self.read("HOST", include_imports=False)

    def test_values_come_back_as_the_server_keeps_them(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("value")
                self.assertSameBytes(self.create(name, value).secretValue, kept(value), shape)
                read = self.read(name, expand_secret_references=False)
                self.assertSameBytes(read.secretValue, kept(value), shape)
                self.update(name, value + "!")
                self.assertSameBytes(self.read(name, expand_secret_references=False).secretValue, kept(value + "!"))

    def test_names(self):
        for name in ["lower", "with space", "dots.and-dashes_", "密码é", "plus+and&", "a=b", "~!*'()"]:
            with self.subTest(name):
                self.create(name, name)
                self.assertEqual(self.read(name).secretKey, name)
        with self.refuses(422, "ValidationFailure", "colon"):
            self.create("a:b", "value")

    def test_batches(self):
        where = {"workspaceId": self.project, "environment": self.environment, "secretPath": self.path}
        secrets = [{"secretKey": name, "secretValue": f" {name} "} for name in ("ONE", "TWO")]
        made = self.plain("POST", "/api/v3/secrets/batch/raw", {**where, "secrets": secrets})["secrets"]
        self.assertEqual([one["secretValue"] for one in made], ["ONE", "TWO"])
        self.assertEqual(self.read("TWO").secretValue, "TWO")
        newer = {"projectId": self.project, "environment": self.environment, "secretPath": self.path}
        changes = [{"secretKey": name, "secretValue": "new"} for name in ("TWO", "THREE")]
        self.plain("PATCH", "/api/v4/secrets/batch", {**newer, "mode": "upsert", "secrets": changes})
        self.assertEqual([self.read(name).version for name in ("ONE", "TWO", "THREE")], [1, 2, 1])
        names = [{"secretKey": name} for name in ("ONE", "TWO", "THREE")]
        self.plain("DELETE", "/api/v4/secrets/batch", {**newer, "secrets": names})
        self.assertEqual(self.list().secrets, [])

    def test_many_at_once(self):
        self.create("SHARED", "0")
        errors = []

        def write(number):
            try:
                client = self.connect(self.sdk.get_token())
                client.secrets.update_secret_by_name(
                    "SHARED", self.path, self.environment, project_id=self.project, secret_value=str(number)
                )
            except InfisicalError as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(self.read("SHARED").version, 17)
        values = {self.read("SHARED", version=version).secretValue for version in range(2, 18)}
        self.assertEqual(values, {str(number) for number in range(16)})


class Folders(Infisical):
    def test_whole_life(self):
        folders, where = self.sdk.folders, (self.environment, self.project)
        made = folders.create_folder("deep", *where, f"{self.path}/a/b", "described")
        self.assertEqual((made.name, made.path, made.description), ("deep", f"{self.path}/a/b/deep", "described"))
        self.assertEqual(folders.create_folder("deep", *where, f"{self.path}/a/b").id, made.id)
        self.assertEqual([one.name for one in folders.list_folders(self.project, self.environment, self.path).folders], ["a"])
        deep = folders.list_folders(self.project, self.environment, self.path, recursive=True).folders
        self.assertEqual({one.relativePath for one in deep}, {"/a", "/a/b", "/a/b/deep"})
        found = folders.get_folder_by_id(made.id)
        self.assertEqual((found.path, found.environment.envSlug, found.projectId), (made.path, *where))
        self.create("INSIDE", "value", path=made.path)
        renamed = folders.update_folder(made.id, "renamed", *where, f"{self.path}/a/b")
        self.assertEqual((renamed.id, renamed.path), (made.id, f"{self.path}/a/b/renamed"))
        self.assertEqual(self.read("INSIDE", path=renamed.path).secretValue, "value")
        folders.delete_folder("a", *where, self.path)
        with self.refuses(404, "NotFound"):
            folders.get_folder_by_id(made.id)
        with self.refuses(404, "GetSecretByName"):
            self.read("INSIDE", path=renamed.path)
        with self.refuses(422, "ValidationFailure", "folder name"):
            folders.create_folder("a.b", *where, self.path)


class Logins(Infisical):
    def test_a_login_tells_how_long_it_is_good_for(self):
        answer = self.connect().auth.universal_auth.login(**self.login)
        self.assertEqual(answer.tokenType, "Bearer")
        claims = answer.accessToken.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual(claims["exp"] - claims["iat"], answer.expiresIn)
        self.assertGreaterEqual(answer.accessTokenMaxTTL, answer.expiresIn)

    def test_three_wrong_secrets_lock_the_identity(self):
        client = self.connect()
        for _ in range(3):
            with self.refuses(401, "UnauthorizedError", "Invalid credentials"):
                client.auth.universal_auth.login(self.login["client_id"], "wrong")
        with self.refuses(401, "UnauthorizedError", "locked"):
            client.auth.universal_auth.login(**self.login)
        self.fake.advance(301)
        client.auth.universal_auth.login(**self.login)

    def test_tokens_that_are_no_good(self):
        self.create("A", "value")
        self.fake.fault("expire_tokens")
        with self.refuses(403, "TokenError", "expired"):
            self.read("A")
        with self.refuses(403, "TokenError"):
            # A stale token is looked at here too.
            self.sdk.auth.universal_auth.login(**self.login)
        self.sdk = self.connect("garbage")
        with self.refuses(403, "TokenError", "malformed"):
            self.read("A")
        self.sdk = self.connect()
        with self.refuses(401, "UnauthorizedError", "Token missing"):
            self.read("A")

    def test_a_token_is_revoked(self):
        token = self.sdk.get_token()
        self.plain("POST", "/api/v1/auth/token/revoke", {"accessToken": token})
        with self.refuses(401, "UnauthorizedError"):
            self.list()


    def test_service_tokens(self):
        self.create("A", "value")
        everything = self.connect(self.service_token(f"{self.path}/**"))
        self.sdk, owner = everything, self.sdk
        self.assertEqual(self.read("A").secretValue, "value")
        self.create("B", "theirs")
        with self.refuses(403, "PermissionDenied"):
            self.list("/")
        # With one scope, what is read is what is there, whatever was asked for.
        self.sdk = self.connect(self.service_token(self.path, read_only=True))
        self.assertEqual({one.secretKey for one in self.list("/").secrets}, {"A", "B"})
        with self.refuses(403, "PermissionDenied"):
            self.create("C", "value")
        token = self.sdk.get_token()
        self.sdk = self.connect(token[:-1] + ("x" if token[-1] != "x" else "y"))
        with self.refuses(401, "UnauthorizedError", "service token"):
            self.read("A")
        self.sdk = owner
        self.delete("B")


class Trouble(Infisical):
    def test_what_the_server_says(self):
        self.create("A", "value")
        with self.refuses(400, "BadRequest", "already exists"):
            self.create("A", "value")
        with self.refuses(404, "CreateSecret", "not found"):
            self.create("A", "value", path=f"{self.path}/nowhere")
        with self.refuses(400, "BadRequest", "alphanumeric"):
            self.create("A", "value", path="/a.b")
        with self.refuses(422, "ValidationFailure", "Required"):
            self.create("B", None)
        with self.refuses(404, "Not Found"):
            self.create("n" * 101, "value")
        with self.refuses(500, "InternalServerError"):
            self.create("B", "v" * 1024 * 1024)
        self.fake.fault("status", status=429, retry_after=42)
        with self.refuses(429, "RateLimitExceeded", "try again in 42 seconds"):
            self.read("A")
        self.fake.fault("denied")
        with self.refuses(403, "PermissionDenied"):
            self.read("A")
        self.fake.fault("hidden_values")
        with self.refuses(403, "ForbiddenReadSecretError"):
            self.read("A")

    def test_an_approval_is_no_success(self):
        self.create("A", "value")
        self.fake.fault("approval")
        # The SDK knows of no approvals.
        with self.assertRaises(KeyError):
            self.update("A", "other")
        self.assertEqual(self.read("A").secretValue, "value")

    def test_a_connection_that_breaks(self):
        self.create("A", "value")
        self.fake.fault("reset")
        # The SDK tries again.
        self.assertEqual(self.read("A").secretValue, "value")
        self.fake.fault("garbled")
        with self.assertRaises((InfisicalError, ValueError)):
            self.read("A")

    def test_the_status_needs_no_login(self):
        status, _, answer = self.fake.request("GET", "/api/status")
        self.assertEqual((status, json.loads(answer)["message"]), (200, "Ok"))


class Keys(Infisical):
    def key(self, kind):
        body = {"projectId": self.project, "name": unique("key"), "keyUsage": "sign-verify", "encryptionAlgorithm": kind}
        return self.plain("POST", "/api/v1/kms/keys", body)["key"]

    def sign(self, key, algorithm, data):
        body = {"signingAlgorithm": algorithm, "data": base64.b64encode(data).decode()}
        answer = self.plain("POST", f"/api/v1/kms/keys/{key['id']}/sign", body)
        body["signature"] = answer["signature"]
        self.assertTrue(self.plain("POST", f"/api/v1/kms/keys/{key['id']}/verify", body)["signatureValid"])
        return base64.b64decode(answer["signature"])

    def public(self, key):
        der = self.plain("GET", f"/api/v1/kms/keys/{key['id']}/public-key")["publicKey"]
        return serialization.load_der_public_key(base64.b64decode(der))

    def test_others_verify_what_is_signed(self):
        key = self.key("ECC_NIST_P256")
        signature = self.sign(key, "ECDSA_SHA_256", b"data")
        self.public(key).verify(signature, b"data", ec.ECDSA(hashes.SHA256()))
        with self.assertRaises(InvalidSignature):
            self.public(key).verify(signature, b"other", ec.ECDSA(hashes.SHA256()))
        key = self.key("RSA_4096")
        self.assertEqual(self.public(key).key_size, 4096)
        signature = self.sign(key, "RSASSA_PKCS1_V1_5_SHA_512", b"data")
        self.public(key).verify(signature, b"data", padding.PKCS1v15(), hashes.SHA512())
        signature = self.sign(key, "RSASSA_PSS_SHA_256", b"data")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        self.public(key).verify(signature, b"data", pss, hashes.SHA256())

    def test_the_life_of_a_key(self):
        kms, name = self.sdk.kms, unique("aes")
        made = kms.create_key(name, self.project, "aes-256-gcm", "described")
        self.assertEqual((made.name, made.description, made.isDisabled), (name, "described", False))
        self.assertEqual(kms.get_key_by_name(name, self.project).id, made.id)
        text = base64.b64encode(b"text").decode()
        sealed = kms.encrypt_data(made.id, text)
        self.assertNotEqual(sealed, kms.encrypt_data(made.id, text))
        self.assertEqual(kms.decrypt_data(made.id, sealed), text)
        self.assertIn(made.id, [key.id for key in kms.list_keys(self.project).keys])
        self.assertTrue(kms.update_key(made.id, is_disabled=True).isDisabled)
        with self.refuses(400, "BadRequest", "disabled"):
            kms.encrypt_data(made.id, text)
        kms.delete_key(made.id)
        with self.refuses(404, "NotFound"):
            kms.get_key_by_id(made.id)


class Leases(Infisical):
    def test_whole_life(self):
        dynamic, where = self.sdk.dynamic_secrets, ("fake-project", self.environment, self.path)
        dynamic.create("db", "sql-database", {}, "1h", "2h", *where)
        lease = dynamic.leases.create("db", *where, ttl="30m")
        self.assertTrue(lease.data["DB_PASSWORD"])
        renewed = dynamic.leases.renew(lease.lease.id, *where, ttl="10m")
        self.assertGreater(renewed.expireAt, lease.lease.expireAt)
        self.assertEqual(dynamic.leases.get(lease.lease.id, *where).dynamicSecret.name, "db")
        dynamic.leases.revoke(lease.lease.id, *where)
        with self.refuses(404, "NotFound"):
            dynamic.leases.get(lease.lease.id, *where)
        with self.refuses(422, "ValidationFailure", "1min"):
            dynamic.leases.create("db", *where, ttl="30s")
        dynamic.delete("db", *where)


class Both(Infisical):
    """Our command beside the SDK."""

    def setUp(self):
        super().setUp()
        self.ours = self.ours_with()

    def stored(self, name, **more):
        """What the SDK reads, undone as our command's documentation says."""
        stored = self.read(name, expand_secret_references=False, **more).secretValue
        if stored.startswith(MARK):
            return base64.b64decode(stored.removeprefix(MARK), validate=True)
        return stored.encode()

    def test_the_sdk_reads_text_that_we_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value.encode())
                self.assertSameBytes(self.stored(name), value, shape)
                # What the server keeps as it is, is stored as it is.
                if kept(value) == value and "${" not in value and value.isprintable():
                    self.assertSameBytes(self.read(name).secretValue, value, shape)

    def test_the_sdk_reads_bytes_that_we_wrote(self):
        for shape, value in binaries().items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value)
                self.assertTrue(self.read(name).secretValue.startswith(MARK))
                self.assertSameBytes(self.stored(name), value, shape)

    def test_we_read_text_that_the_sdk_wrote(self):
        keeping = self.ours_with('unresolved_references = "keep"')
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("theirs")
                self.create(name, value)
                ours = keeping if shape == "reference" else self.ours
                self.assertSameBytes(ours.get(name), kept(value), shape)

    def test_we_read_back_what_we_wrote(self):
        for shape, value in {**texts(), **binaries(), "empty": ""}.items():
            with self.subTest(shape):
                name = unique("both")
                value = value.encode() if isinstance(value, str) else value
                self.ours.set(name, value)
                self.assertSameBytes(self.ours.get(name), value, shape)

    def test_both_by_the_older_api(self):
        older = self.ours_with('api = "v3"')
        for shape, value in {**texts(), **binaries()}.items():
            with self.subTest(shape):
                name = unique("older")
                value = value.encode() if isinstance(value, str) else value
                older.set(name, value)
                self.assertSameBytes(self.stored(name), value, shape)
                self.assertSameBytes(self.ours.get(name), value, shape)
                self.assertSameBytes(older.get(name), value, shape)

    def test_both_name_the_same_secrets(self):
        self.ours.set("db/main/PASSWORD", b"deep")
        self.assertEqual(self.read("PASSWORD", path=f"{self.path}/db/main").secretValue, "deep")
        self.sdk.folders.create_folder("theirs", self.environment, self.project, self.path)
        for name in ["plain", "with space", "dots.and-dashes", "密码é", "plus+and&"]:
            with self.subTest(name):
                word = "".join(f"%{ord(letter):02X}" if letter in "?#%{} " else letter for letter in name)
                self.create(name, name, path=f"{self.path}/theirs")
                self.assertSameBytes(self.ours.get(f"theirs/{word}"), name)
        listed = set(self.ours.list())
        self.assertEqual(
            listed,
            {"db/main/PASSWORD"} | {f"theirs/{name}" for name in ["plain", "with space", "dots.and-dashes", "密码é", "plus+and&"]},
        )

    def test_versions(self):
        for value in ("one", "two"):
            (self.create if value == "one" else self.update)("V", value)
        self.ours.set("V", b"three")
        self.assertEqual([one["version"] for one in self.ours.versions("V")], ["3", "2", "1"])
        for number, value in enumerate((b"one", b"two", b"three"), 1):
            self.assertEqual(self.ours.get("V", str(number)), value)
        self.ours.rollback("V", "1")
        now = self.read("V")
        self.assertEqual((now.secretValue, now.version), ("one", 4))
        self.assertFails(3, self.ours.get, "V", "99")
        # A new secret of the same name has none of the old one's versions.
        self.delete("V")
        self.assertFails(3, self.ours.get, "V", "1")
        self.create("V", "again")
        self.assertEqual([one["version"] for one in self.ours.versions("V")], ["1"])
        self.assertEqual(self.ours.get("V", "1"), b"again")

    def test_create_only_and_delete(self):
        self.create("A", "theirs")
        self.assertIn("exists", self.assertFails(1, self.ours.set, "A", b"ours", "--create"))
        self.assertEqual(self.read("A").secretValue, "theirs")
        self.ours.delete("A")
        with self.refuses(404, "NotFound"):
            self.read("A")
        self.assertFails(3, self.ours.get, "A")

    def test_tags(self):
        self.ours.set("T", b"value", "--tag", "team=core", "--tag", "env=prod")
        metadata = {one["key"]: one["value"] for one in self.read("T").secretMetadata}
        self.assertEqual({name: metadata[name] for name in ("team", "env")}, {"team": "core", "env": "prod"})
        self.update("T", secret_metadata=[{"key": "team", "value": "other"}])
        self.assertEqual(json.loads(self.ours.run("get", "T", "--json"))["tags"], {"team": "other"})

    def test_references_and_imports(self):
        self.sdk.folders.create_folder("common", self.environment, self.project, self.path)
        common = f"{self.path}/common"
        self.create("HOST", "db.example", path=common)
        self.create("USER", "app")
        inner = common.strip("/").replace("/", ".")
        self.create("URL", f"pg://${{USER}}@${{{self.environment}.{inner}.HOST}}")
        self.assertEqual(self.ours.get("URL"), b"pg://app@db.example")
        self.create("BROKEN", "${NOPE}")
        self.assertIn("reference", self.assertFails(6, self.ours.get, "BROKEN"))
        # What we write is text, and no reference.
        self.ours.set("TEXT", b"${USER}")
        self.assertEqual(self.ours.get("TEXT"), b"${USER}")
        where = {"projectId": self.project, "environment": self.environment, "path": self.path}
        self.plain(
            "POST",
            "/api/v2/secret-imports",
            {**where, "import": {"environment": self.environment, "path": common}},
        )
        self.assertEqual(self.ours.get("HOST"), b"db.example")

    def test_tokens(self):
        self.create("A", "value")
        with_token = self.ours_with(environment={"INFISICAL_TOKEN": self.sdk.get_token()})
        self.assertEqual(with_token.get("A"), b"value")
        wrong = self.ours_with(
            environment={**self.fake.environment, "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET": "wrong-secret"}
        )
        self.assertNotIn("wrong-secret", self.assertFails(4, wrong.get, "A"))
        self.ours.get("A")

    def test_service_tokens(self):
        self.create("A", "value")
        ours = self.our(
            self.configuration('service_token = "${TOKEN}"'), {"TOKEN": self.service_token(f"{self.path}/**")}
        )
        self.assertEqual(ours.get("A"), b"value")
        ours.set("B", b" ours ")
        self.assertSameBytes(self.stored("B"), " ours ")
        self.assertEqual(set(ours.list()), {"A", "B"})
        reading = self.our(
            self.configuration('service_token = "${TOKEN}"'),
            {"TOKEN": self.service_token(self.path, read_only=True)},
        )
        self.assertEqual(reading.get("A"), b"value")
        self.assertFails(4, reading.set, "A", b"other")

    def test_older_servers(self):
        self.ours.set("A", b"one")
        self.older("no_v4")
        self.assertEqual(self.ours.get("A"), b"one")
        self.ours.set("A", b"two")
        self.assertEqual(self.read("A").secretValue, "two")
        self.assertEqual([one["version"] for one in self.ours.versions("A")], ["2", "1"])
        self.assertEqual(self.ours.get("A", "1"), b"one")
        self.older("no_v4", "ignores_version")
        self.assertEqual(self.read("A", version=1).secretValue, "two")
        # What comes back is looked at: no other version is taken for the one that was asked for.
        with self.assertRaises(Failed):
            self.ours.get("A", "1")
        self.older("refuses_missing_references")
        with self.refuses(400, "BadRequest", "Referenced"):
            self.create("R", "${NOPE}")
        self.ours.set("R", b"${NOPE}")
        self.assertEqual(self.ours.get("R"), b"${NOPE}")

    def test_we_send_nothing_that_the_server_ignores(self):
        before = json.loads(self.fake.request("GET", "/_fake/ignored")[2])
        self.ours.set("a/b/A", b" value ", "--tag", "team=core")
        self.ours.set("a/b/A", b"value")
        self.ours.run("get", "a/b/A", "--json")
        self.ours.get("a/b/A", "1")
        self.ours.list()
        self.ours.versions("a/b/A")
        self.ours.rollback("a/b/A", "1")
        self.ours.delete("a/b/A")
        after = json.loads(self.fake.request("GET", "/_fake/ignored")[2])
        self.assertEqual(after, before)

    def test_trouble(self):
        self.create("A", "value")
        self.fake.fault("approval", times="always")
        said = self.assertFails(4, self.ours.set, "A", b"other")
        self.assertIn("approv", said)
        self.fake.clear_faults()
        self.assertEqual(self.read("A").secretValue, "value")
        self.fake.fault("status", status=429, retry_after=1)
        self.assertEqual(self.ours.get("A"), b"value")
        self.fake.fault("denied", times="always")
        self.assertFails(4, self.ours.get, "A")
        self.fake.clear_faults()
        self.fake.fault("expire_tokens", method="GET", path="/api/v4/secrets")
        self.assertEqual(self.ours.get("A"), b"value")
