"""The fake of Google Secret Manager, driven by Google's own client and by our command: what one writes, the other reads.

Google's client reads answers leniently. Here it is made to read them strictly: a field that Google's protobuf definitions
do not have is an error.
"""

import base64
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys

import google_crc32c
from common import Failed, Judge, binaries, fake, own_fake, texts, unique
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request
from google.cloud import secretmanager_v1 as sm
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import rest
from google.iam.v1 import iam_policy_pb2
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account
from google.protobuf import field_mask_pb2, json_format
from google.rpc import error_details_pb2

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
REGION = "europe-west3"


class Strictly:
    """`json_format`, for which an unknown field is always an error."""

    MessageToDict = staticmethod(json_format.MessageToDict)
    MessageToJson = staticmethod(json_format.MessageToJson)

    #: Answers that were read so.
    read = 0

    @staticmethod
    def Parse(text, message, ignore_unknown_fields=False):
        Strictly.read += 1
        return json_format.Parse(text, message, ignore_unknown_fields=False)


rest.json_format = Strictly


def checksum(data):
    return google_crc32c.value(data)


class Gcp(Judge):
    find_fake = staticmethod(fake)

    @classmethod
    def setUpClass(cls):
        cls.fake = cls.find_fake("gcp")
        cls.project = cls.fake.environment["GOOGLE_CLOUD_PROJECT"]
        cls.key_file = pathlib.Path(cls.fake.environment["GOOGLE_APPLICATION_CREDENTIALS"])
        cls.client = cls.connect(service_account.Credentials.from_service_account_file(str(cls.key_file)))

    def tearDown(self):
        self.fake.clear_faults()

    @classmethod
    def connect(cls, credentials):
        return sm.SecretManagerServiceClient(
            credentials=credentials, transport="rest", client_options=ClientOptions(api_endpoint=cls.fake.url)
        )

    def person(self, **changes):
        """The login of a person. Google's own reader of the file does not look at its `token_uri`."""
        known = json.loads(self.key_file.with_name("authorized-user.json").read_text())
        wanted = ("refresh_token", "token_uri", "client_id", "client_secret")
        return user_credentials.Credentials(None, **{**{name: known[name] for name in wanted}, **changes})

    def parent(self, region=None):
        return f"projects/{self.project}" + (f"/locations/{region}" if region else "")

    def create(self, region=None, secret_id=None, **fields):
        if region is None:
            fields.setdefault("replication", {"automatic": {}})
        return self.client.create_secret(
            request={"parent": self.parent(region), "secret_id": secret_id or unique("judge"), "secret": fields}
        )

    def add(self, secret, data):
        payload = {"data": data, "data_crc32c": checksum(data)}
        return self.client.add_secret_version(request={"parent": secret.name, "payload": payload})

    def read(self, name):
        answer = self.client.access_secret_version(request={"name": name})
        self.assertEqual(answer.payload.data_crc32c, checksum(answer.payload.data), name)
        return answer.payload.data

    def update(self, secret, *paths, **fields):
        return self.client.update_secret(
            request={"secret": {"name": secret.name, **fields}, "update_mask": field_mask_pb2.FieldMask(paths=paths)}
        )

    @contextlib.contextmanager
    def refuses(self, kind, reason=None, says=""):
        """What Google's client makes of an answer; `reason` is that of its ErrorInfo."""
        with self.assertRaises(kind) as caught:
            yield caught
        self.assertIn(says, caught.exception.message)
        if reason is not None:
            self.assertEqual(caught.exception.reason, reason)


class Life(Gcp):
    """From the first write to the end."""

    region = None

    def test_whole_life(self):
        secret_id = unique("life")
        secret = self.create(self.region, secret_id, labels={"env": "judge"}, annotations={"logical.name": "db/Password ä"})
        # By number, whatever was asked.
        self.assertNotIn(self.project, secret.name)
        self.assertTrue(secret.name.endswith(f"/secrets/{secret_id}"))
        asked = f"{self.parent(self.region)}/secrets/{secret_id}"
        self.assertEqual(self.client.get_secret(name=asked), secret)
        self.assertEqual(self.client.get_secret(name=secret.name), secret)
        self.assertEqual(secret.annotations["logical.name"], "db/Password ä")
        age = datetime.datetime.now(datetime.timezone.utc) - secret.create_time
        self.assertLess(abs(age.total_seconds()), 60 + 86400)

        with self.refuses(exceptions.NotFound, says="has no versions"):
            self.read(f"{secret.name}/versions/latest")
        first = self.add(secret, b"first")
        self.assertEqual(first.name, f"{secret.name}/versions/1")
        self.assertEqual(first.state, sm.SecretVersion.State.ENABLED)
        self.assertTrue(first.client_specified_payload_checksum)
        second = self.add(secret, b"second")
        answer = self.client.access_secret_version(name=f"{asked}/versions/latest")
        self.assertEqual((answer.name, answer.payload.data), (second.name, b"second"))
        self.assertEqual(self.read(first.name), b"first")
        self.assertEqual(self.client.get_secret_version(name=f"{secret.name}/versions/latest"), second)
        listed = list(self.client.list_secret_versions(parent=secret.name))
        self.assertEqual(listed, [second, first])

        aliased = self.update(secret, "version_aliases", version_aliases={"stable": 1})
        self.assertEqual(dict(aliased.version_aliases), {"stable": 1})
        self.assertNotEqual(aliased.etag, secret.etag)
        self.assertEqual(self.read(f"{secret.name}/versions/stable"), b"first")

        disabled = self.client.disable_secret_version(name=second.name)
        self.assertEqual(disabled.state, sm.SecretVersion.State.DISABLED)
        # The newest stays the newest.
        with self.refuses(exceptions.BadRequest, says="is in DISABLED state") as caught:
            self.read(f"{secret.name}/versions/latest")
        self.assertIn("FAILED_PRECONDITION", caught.exception.response.text)
        self.assertEqual(self.read(first.name), b"first")
        enabled = self.client.enable_secret_version(name=second.name)
        self.assertEqual(enabled.state, sm.SecretVersion.State.ENABLED)
        self.assertEqual(self.read(second.name), b"second")
        destroyed = self.client.destroy_secret_version(name=second.name)
        self.assertEqual(destroyed.state, sm.SecretVersion.State.DESTROYED)
        self.assertTrue(destroyed.destroy_time)
        with self.refuses(exceptions.BadRequest, says="is in DESTROYED state"):
            self.read(f"{secret.name}/versions/latest")
        with self.refuses(exceptions.BadRequest, says="is in DESTROYED state"):
            self.client.enable_secret_version(name=second.name)
        # A version with a number of its own, though the one before has no data.
        self.assertEqual(self.add(secret, b"third").name, f"{secret.name}/versions/3")

        self.client.delete_secret(name=asked)
        with self.refuses(exceptions.NotFound, says="not found"):
            self.client.get_secret(name=asked)
        with self.refuses(exceptions.NotFound):
            self.read(first.name)
        # Its name is free, and nothing is left of it.
        again = self.create(self.region, secret_id)
        self.assertEqual(self.add(again, b"new").name, f"{again.name}/versions/1")

    def test_every_value(self):
        secret = self.create(self.region)
        for what, value in {**texts(), **binaries()}.items():
            value = value.encode() if isinstance(value, str) else value
            version = self.add(secret, value)
            self.assertSameBytes(self.read(version.name), value, what)
            self.assertSameBytes(self.read(f"{secret.name}/versions/latest"), value, what)

    def test_etags(self):
        secret = self.create(self.region)
        self.assertRegex(secret.etag, '^".+"$')
        stale = secret.etag
        secret = self.update(secret, "labels", labels={"a": "1"}, etag=stale)
        self.assertEqual(dict(secret.labels), {"a": "1"})
        with self.refuses(exceptions.BadRequest, says="etag"):
            self.update(secret, "labels", labels={}, etag=stale)
        with self.refuses(exceptions.BadRequest, says="etag"):
            self.client.delete_secret(request={"name": secret.name, "etag": stale})
        version = self.add(secret, b"x")
        # Even what changes nothing is a new intent; the secret's own etag is another.
        again = self.client.enable_secret_version(request={"name": version.name, "etag": version.etag})
        self.assertNotEqual(again.etag, version.etag)
        for change in ("disable", "enable", "destroy"):
            with self.refuses(exceptions.BadRequest, says="etag"):
                getattr(self.client, f"{change}_secret_version")(request={"name": version.name, "etag": version.etag})
        self.assertEqual(self.client.get_secret(name=secret.name).etag, secret.etag)
        self.client.delete_secret(request={"name": secret.name, "etag": secret.etag})

    def test_lists(self):
        tag = unique("list")
        made = [self.create(self.region, f"{tag}-{n}", labels={"part": tag, "odd": str(n % 2)}).name for n in range(5)]
        pages = self.client.list_secrets(request={"parent": self.parent(self.region), "page_size": 2, "filter": f"name:{tag}"})
        sizes, names = [], []
        for page in pages.pages:
            sizes.append(len(page.secrets))
            names += [secret.name for secret in page.secrets]
        self.assertEqual(sizes, [2, 2, 1])
        # Newest first.
        self.assertEqual(names, made[::-1])

        def found(text):
            return {s.name for s in self.client.list_secrets(request={"parent": self.parent(self.region), "filter": text})}

        self.assertEqual(found(f"labels.part={tag} AND labels.odd=1"), {made[1], made[3]})
        self.assertEqual(found(f"labels.part={tag} AND NOT labels.odd=1"), {made[0], made[2], made[4]})
        self.assertEqual(found(f"name:{tag}-1 OR name:{tag}-2"), {made[1], made[2]})
        self.assertEqual(found(f'name:{tag} AND create_time<"2020-01-01T00:00:00Z"'), set())
        every = self.client.list_secrets(request={"parent": self.parent(self.region)})
        self.assertGreaterEqual({s.name for s in every}, set(made))
        self.assertGreaterEqual(every.total_size, 5)
        secret = sm.Secret(name=made[0])
        for n in range(4):
            self.add(secret, b"%d" % n)
        self.client.disable_secret_version(name=f"{made[0]}/versions/2")
        versions = self.client.list_secret_versions(request={"parent": made[0], "page_size": 3})
        self.assertEqual([int(v.name.rsplit("/")[-1]) for v in versions], [4, 3, 2, 1])
        enabled = self.client.list_secret_versions(request={"parent": made[0], "filter": "state:ENABLED"})
        self.assertEqual([int(v.name.rsplit("/")[-1]) for v in enabled], [4, 3, 1])
        with self.refuses(exceptions.BadRequest):
            found("nothing:x")
        with self.refuses(exceptions.BadRequest):
            list(self.client.list_secrets(request={"parent": self.parent(self.region), "page_token": "made-up"}))

    def test_changes(self):
        secret = self.create(self.region, labels={"a": "1"}, annotations={"b": "2"})
        secret = self.update(secret, "annotations", annotations={"c": "3"}, labels={"ignored": "yes"})
        self.assertEqual((dict(secret.labels), dict(secret.annotations)), ({"a": "1"}, {"c": "3"}))
        secret = self.update(secret, "labels", "annotations")
        self.assertEqual((dict(secret.labels), dict(secret.annotations)), ({}, {}))
        secret = self.update(secret, "ttl", ttl={"seconds": 3600})
        left = secret.expire_time - secret.create_time
        self.assertLess(abs(left.total_seconds() - 3600), 60)
        secret = self.update(secret, "expire_time")
        self.assertFalse(secret.expire_time)
        with self.refuses(exceptions.BadRequest):
            self.update(secret, "replication", replication={"automatic": {}})
        with self.refuses(exceptions.BadRequest):
            self.update(secret, "version_aliases", version_aliases={"none": 7})
        with self.refuses(exceptions.BadRequest):
            self.update(secret)


class Regional(Life):
    """The same for secrets of one region."""

    region = REGION

    def test_has_no_replication(self):
        with self.refuses(exceptions.BadRequest):
            self.create(self.region, replication={"automatic": {}})

    def test_is_apart_from_the_global_ones(self):
        secret_id = unique("apart")
        regional, everywhere = self.create(self.region, secret_id), self.create(None, secret_id)
        self.add(regional, b"regional")
        self.add(everywhere, b"everywhere")
        self.assertEqual(self.read(f"{regional.name}/versions/latest"), b"regional")
        self.assertEqual(self.read(f"{everywhere.name}/versions/latest"), b"everywhere")
        here = {secret.name for secret in self.client.list_secrets(parent=self.parent(self.region))}
        self.assertIn(regional.name, here)
        self.assertNotIn(everywhere.name, here)


class Later(Gcp):
    """What time alone does, in a fake of its own."""

    find_fake = staticmethod(own_fake)

    def setUp(self):
        # What the client signs itself is not for tomorrow.
        self.client = self.connect(self.person())

    def test_expiry(self):
        for region in (None, REGION):
            secret = self.create(region, ttl={"seconds": 600})
            self.add(secret, b"x")
            self.fake.advance(601)
            with self.refuses(exceptions.NotFound):
                self.client.get_secret(name=secret.name)

    def test_destruction_put_off(self):
        secret = self.create(version_destroy_ttl={"seconds": 86400})
        first, second = self.add(secret, b"1"), self.add(secret, b"2")
        for version in (first, second):
            version = self.client.destroy_secret_version(name=version.name)
            self.assertEqual(version.state, sm.SecretVersion.State.DISABLED)
            self.assertTrue(version.scheduled_destroy_time)
        # Until then it can be saved.
        self.client.enable_secret_version(name=second.name)
        self.fake.advance(86401)
        version = self.client.get_secret_version(name=first.name)
        self.assertEqual(version.state, sm.SecretVersion.State.DESTROYED)
        self.assertEqual(self.read(second.name), b"2")

    def test_tokens(self):
        self.fake.clear_asked()
        for _ in range(2):
            list(self.client.list_secrets(parent=self.parent()))
            self.fake.advance(3601)
        list(self.client.list_secrets(parent=self.parent()))
        logins = [asked for asked in self.fake.asked() if asked["path"] == "/token"]
        self.assertEqual(len(logins), 3)

    def test_a_clock_that_is_wrong(self):
        self.fake.advance(6 * 60 + 3600)
        late = service_account.Credentials.from_service_account_file(str(self.key_file), scopes=[SCOPE])
        with self.assertRaisesRegex(Exception, "reasonable timeframe"):
            late.refresh(Request())


class Strictness(Gcp):
    """What the service refuses."""

    def test_replication(self):
        managed = {"user_managed": {"replicas": [{"location": "us-east1"}, {"location": "europe-west1"}]}}
        secret = self.create(replication=managed)
        self.assertEqual([r.location for r in secret.replication.user_managed.replicas], ["us-east1", "europe-west1"])
        status = self.add(secret, b"x").replication_status
        self.assertEqual([r.location for r in status.user_managed.replicas], ["us-east1", "europe-west1"])
        key = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
        encrypted = self.create(replication={"automatic": {"customer_managed_encryption": {"kms_key_name": key}}})
        status = self.add(encrypted, b"x").replication_status.automatic.customer_managed_encryption
        self.assertTrue(status.kms_key_version_name.startswith(key))
        for wrong in ({}, {"user_managed": {}}, {"user_managed": {"replicas": [{"location": "nowhere"}]}}):
            with self.refuses(exceptions.BadRequest):
                self.create(replication=wrong)

    def test_ids(self):
        self.create(secret_id=unique("Ab_9") + "x" * 200)
        for wrong in ("", "a/b", "a.b", "ä", "a b", "x" * 256):
            with self.refuses(exceptions.BadRequest):
                self.client.create_secret(
                    request={
                        "parent": self.parent(),
                        "secret_id": wrong,
                        "secret": {"replication": {"automatic": {}}},
                    }
                )
        taken = unique("taken")
        self.create(secret_id=taken)
        with self.refuses(exceptions.Conflict, says="already exists"):
            self.create(secret_id=taken)

    def test_labels_and_annotations(self):
        for labels in ({"A": "x"}, {"1a": "x"}, {"a": "X"}, {"a": "x" * 64}, {"a.b": "x"}, {f"k{n}": "" for n in range(65)}):
            with self.refuses(exceptions.BadRequest):
                self.create(labels=labels)
        self.create(labels={"ключ": "значение", "a-b_c1": ""})
        for annotations in ({"-a": "x"}, {"a/b": "x"}, {"a" * 64: "x"}, {"a": "x" * 16384}):
            with self.refuses(exceptions.BadRequest):
                self.create(annotations=annotations)
        self.create(annotations={"A.b-c_9": "any / text ✓\n"})

    def test_payloads(self):
        secret = self.create()
        largest = os.urandom(65536)
        self.assertSameBytes(self.read(self.add(secret, largest).name), largest)
        for wrong, says in ((largest + b"x", "65536"), (b"", "empty")):
            with self.refuses(exceptions.BadRequest, says=says):
                self.add(secret, wrong)
        with self.refuses(exceptions.BadRequest, says="data_crc32c"):
            self.client.add_secret_version(
                request={"parent": secret.name, "payload": {"data": b"x", "data_crc32c": checksum(b"y")}}
            )
        with self.refuses(exceptions.BadRequest, says="payload"):
            self.client.add_secret_version(request={"parent": secret.name})
        unchecked = self.client.add_secret_version(request={"parent": secret.name, "payload": {"data": b"unchecked"}})
        self.assertFalse(unchecked.client_specified_payload_checksum)
        self.assertEqual(self.read(unchecked.name), b"unchecked")

    def test_versions(self):
        secret = self.create()
        self.add(secret, b"x")
        for wrong in ("0", "2", "-1", "none", "18446744073709551616"):
            with self.refuses(exceptions.NotFound, says="not found"):
                self.read(f"{secret.name}/versions/{wrong}")
        self.update(secret, "version_aliases", version_aliases={"one": 1})
        for reading_only in ("one", "latest"):
            with self.refuses(exceptions.BadRequest):
                self.client.disable_secret_version(name=f"{secret.name}/versions/{reading_only}")
        for alias in ("latest", "NEW", "1a", "a.b", "a" * 64):
            with self.refuses(exceptions.BadRequest):
                self.update(secret, "version_aliases", version_aliases={alias: 1})

    def test_permissions(self):
        secret = self.create()
        wanted = ["secretmanager.versions.access", "secretmanager.versions.add"]
        answer = self.client.test_iam_permissions(
            request=iam_policy_pb2.TestIamPermissionsRequest(resource=secret.name, permissions=wanted)
        )
        self.assertEqual(list(answer.permissions), wanted)

    def test_another_project(self):
        with self.refuses(exceptions.Forbidden, "USER_PROJECT_DENIED"):
            counted = user_credentials.Credentials(token_of(self.key_file), quota_project_id="another-project")
            self.connect(counted).get_secret(name=f"{self.parent()}/secrets/x")
        for project in ("another-project", "999"):
            with self.refuses(exceptions.Forbidden, "IAM_PERMISSION_DENIED"):
                self.client.get_secret(name=f"projects/{project}/secrets/x")


class Schema(Gcp):
    """Fake and client read each other by Google's definitions."""

    def test_answers_are_read_strictly(self):
        before = Strictly.read
        self.create()
        self.assertEqual(Strictly.read, before + 1)
        with self.assertRaises(json_format.ParseError):
            rest.json_format.Parse('{"madeUp": 1}', sm.Secret.pb(sm.Secret()), ignore_unknown_fields=True)

    def ask(self, method, path, body):
        self.fake_token = getattr(self, "fake_token", None) or token_of(self.key_file)
        headers = {"Authorization": f"Bearer {self.fake_token}"}
        status, _, answer = self.fake.request(method, path, body, headers)
        return status, json.loads(answer)

    def assertKnows(self, message, method, path, around, at=()):
        """Each field of Google's definition, in both spellings; what is below it too. `around` puts a field in its place."""
        for field in message.fields:
            for name in (field.name, field.json_name):
                # A type that no field has: so nothing is written, and the complaint is about the value.
                status, answer = self.ask(method, path, around({name: [[[]]]}))
                self.assertEqual(status, 400, (at, name, answer))
                self.assertNotIn("Unknown name", answer["error"]["message"], (at, name))
            entry = field.message_type
            if entry is None or entry.GetOptions().map_entry or entry.full_name.startswith("google.protobuf."):
                continue
            if entry.full_name.startswith("google.rpc."):
                continue

            def inside(value, name=field.json_name, repeated=field.is_repeated):
                return around({name: [value] if repeated else value})

            self.assertKnows(entry, method, path, inside, (*at, field.name))
        status, answer = self.ask(method, path, around({"madeUp": 1}))
        self.assertEqual((status, answer["error"]["status"]), (400, "INVALID_ARGUMENT"))
        self.assertIn('Unknown name "madeUp"', answer["error"]["message"])
        kind = answer["error"]["details"][0]["@type"]
        self.assertEqual(kind, "type.googleapis.com/google.rpc.BadRequest")
        # Its details are Google's too.
        details = {k: v for k, v in answer["error"]["details"][0].items() if k != "@type"}
        json_format.ParseDict(details, error_details_pb2.BadRequest(), ignore_unknown_fields=False)

    def test_every_field_is_known_and_no_other(self):
        secret = self.create()
        version = self.add(secret, b"x")
        create = f"/v1/{self.parent()}/secrets?secretId={unique('schema')}"
        self.assertKnows(sm.Secret.pb().DESCRIPTOR, "POST", create, lambda fields: fields)
        self.assertKnows(
            sm.Secret.pb().DESCRIPTOR, "PATCH", f"/v1/{secret.name}?updateMask=labels", lambda fields: fields
        )
        self.assertKnows(
            sm.AddSecretVersionRequest.pb().DESCRIPTOR, "POST", f"/v1/{secret.name}:addVersion", lambda fields: fields
        )
        for change in ("enable", "disable", "destroy"):
            request = sm.EnableSecretVersionRequest.pb().DESCRIPTOR
            self.assertKnows(request, "POST", f"/v1/{version.name}:{change}", lambda fields: fields)

    def test_queries(self):
        secret = self.create()
        for method, path in (
            ("GET", f"/v1/{self.parent()}/secrets?pagesize=1"),
            ("GET", f"/v1/{self.parent()}/secrets?pageSize=ten"),
            ("GET", f"/v1/{self.parent()}/secrets?pageSize=-1"),
            ("GET", f"/v1/{self.parent()}/secrets?pageSize=1&page_size=2"),
            ("GET", f"/v1/{secret.name}?etag=x"),
            ("GET", f"/v1/{secret.name}/versions/latest:access?version=1"),
        ):
            status, answer = self.ask(method, path, None)
            self.assertEqual((status, answer["error"]["status"]), (400, "INVALID_ARGUMENT"), path)
        for spelling in ("pageSize", "page_size"):
            status, answer = self.ask("GET", f"/v1/{self.parent()}/secrets?{spelling}=1", None)
            self.assertEqual(status, 200)

    def test_values(self):
        secret = self.create()
        path = f"/v1/{secret.name}:addVersion"
        crc = str(checksum(b"ab?"))
        for data, number in (("YWI/", crc), ("YWI_", int(crc)), ("YWI/", None)):
            status, answer = self.ask("POST", path, {"payload": {"data": data, "data_crc32c": number}})
            self.assertEqual(status, 200, answer)
        for payload in ({"data": "!"}, {"data": 1}, {"data": "YQ==", "dataCrc32c": "x"}, {"data": "YQ==", "dataCrc32c": 1.5}):
            status, answer = self.ask("POST", path, {"payload": payload})
            self.assertEqual((status, answer["error"]["status"]), (400, "INVALID_ARGUMENT"), payload)
        # A number is text, as an int64 is in JSON.
        status, answer = self.ask("GET", f"/v1/{secret.name}/versions/1:access", None)
        self.assertEqual(answer["payload"], {"data": "YWI/", "dataCrc32c": crc})
        self.assertEqual(self.ask("GET", f"/v1/{secret.name}/versions/1", None)[1]["state"], "ENABLED")

    def test_no_such_path(self):
        for method, path in (
            ("GET", "/v1/"),
            ("GET", "/v2/projects/p/secrets"),
            ("PUT", f"/v1/{self.parent()}/secrets/x"),
            ("POST", f"/v1/{self.parent()}/secrets/x:burn"),
            ("GET", f"/v1/{self.parent()}/secrets/a/b"),
        ):
            status, headers, _ = self.fake.request(method, path)
            self.assertEqual((status, headers.get_content_type()), (404, "text/html"), path)


class Faults(Gcp):
    """What Google's client makes of the switches."""

    def setUp(self):
        self.secret = self.create()
        self.name = self.add(self.secret, b"value").name

    def test_denied(self):
        self.fake.fault("deny")
        with self.refuses(exceptions.Forbidden, "IAM_PERMISSION_DENIED", "secretmanager.versions.access") as caught:
            self.read(self.name)
        self.assertEqual(caught.exception.metadata["permission"], "secretmanager.versions.access")
        self.assertEqual(self.read(self.name), b"value")

    def retry_infos(self, exception):
        """As Google's class of it reads them."""
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        found = [detail for detail in exception.details if detail["@type"] == kind]
        bodies = [{name: value for name, value in detail.items() if name != "@type"} for detail in found]
        return [json_format.ParseDict(body, error_details_pb2.RetryInfo()).retry_delay.seconds for body in bodies]

    def access_once(self):
        return self.client.access_secret_version(request={"name": self.name}, retry=None)

    def test_throttled(self):
        self.fake.fault("status", status=429)
        with self.refuses(exceptions.TooManyRequests, "RATE_LIMIT_EXCEEDED") as caught:
            self.access_once()
        self.assertNotIn("retry-after", caught.exception.response.headers)
        self.fake.fault("status", status=429, retry_after=3)
        with self.refuses(exceptions.TooManyRequests) as caught:
            self.access_once()
        self.assertEqual(caught.exception.response.headers["retry-after"], "3")
        self.assertEqual(self.retry_infos(caught.exception), [3])
        self.fake.fault("throttle_header")
        with self.refuses(exceptions.TooManyRequests) as caught:
            self.access_once()
        self.assertEqual(caught.exception.response.headers["retry-after"], "1")
        self.assertEqual(self.retry_infos(caught.exception), [])
        self.fake.fault("throttle_body")
        with self.refuses(exceptions.TooManyRequests) as caught:
            self.access_once()
        self.assertNotIn("retry-after", caught.exception.response.headers)
        self.assertEqual(self.retry_infos(caught.exception), [1])

    def test_out(self):
        for status, kind in (
            (500, exceptions.InternalServerError),
            (503, exceptions.ServiceUnavailable),
            (504, exceptions.GatewayTimeout),
        ):
            self.fake.fault("status", status=status)
            with self.refuses(kind):
                self.access_once()
        # What the client itself tries again goes well in the end.
        self.fake.fault("status", status=503, times=2)
        self.assertEqual(self.read(self.name), b"value")
        self.assertEqual(self.fake.waiting_faults(), [])

    def test_corrupted(self):
        self.fake.fault("corrupt_crc")
        payload = self.access_once().payload
        self.assertEqual(payload.data, b"value")
        self.assertNotEqual(payload.data_crc32c, checksum(payload.data))
        self.fake.fault("corrupt_data")
        payload = self.access_once().payload
        self.assertNotEqual(payload.data, b"value")
        self.assertNotEqual(payload.data_crc32c, checksum(payload.data))
        self.fake.fault("no_crc")
        payload = self.access_once().payload
        self.assertNotIn("data_crc32c", payload)


def token_of(key_file):
    """By a signed assertion, at the token endpoint."""
    credentials = service_account.Credentials.from_service_account_file(str(key_file), scopes=[SCOPE])
    credentials.refresh(Request())
    return credentials.token


class Credentials(Gcp):
    """Every way in that Google's own library has."""

    def assertLetsIn(self, credentials):
        client = self.connect(credentials)
        list(client.list_secrets(request={"parent": self.parent(), "page_size": 1}))

    def tokens_asked(self):
        return [a["path"] for a in self.fake.asked() if not a["path"].startswith(f"/v1/{self.parent()}/secrets")]

    def setUp(self):
        self.fake.clear_asked()

    def test_none_and_wrong_ones(self):
        # Google's client hides the reason behind a refresh that cannot be; so these are asked by hand.
        for header, reason in (
            (None, "CREDENTIALS_MISSING"),
            ("Bearer made-up", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            ("Basic eDp5", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ):
            headers = {} if header is None else {"Authorization": header}
            status, answered, body = self.fake.request("GET", f"/v1/{self.parent()}/secrets", headers=headers)
            error = json.loads(body)["error"]
            self.assertEqual((status, error["status"], error["details"][0]["reason"]), (401, "UNAUTHENTICATED", reason))
            self.assertIn("Bearer", answered["WWW-Authenticate"])
        with self.assertRaises(Exception):
            self.assertLetsIn(AnonymousCredentials())

    def test_signed_by_the_client(self):
        self.assertLetsIn(service_account.Credentials.from_service_account_file(str(self.key_file)))
        self.assertEqual(self.tokens_asked(), [])

    def test_signed_with_another_key(self):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        info = {**json.loads(self.key_file.read_text()), "private_key": pem.decode()}
        with self.assertRaises(Exception):
            self.assertLetsIn(service_account.Credentials.from_service_account_info(info))
        credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
        with self.assertRaisesRegex(Exception, "invalid_grant"):
            credentials.refresh(Request())

    def test_assertion(self):
        credentials = service_account.Credentials.from_service_account_file(str(self.key_file), scopes=[SCOPE])
        credentials.refresh(Request())
        self.assertEqual(self.tokens_asked(), ["/token"])
        self.assertLetsIn(user_credentials.Credentials(credentials.token))
        other = service_account.Credentials.from_service_account_file(str(self.key_file), scopes=["email"])
        other.refresh(Request())
        with self.refuses(exceptions.Forbidden, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
            self.assertLetsIn(user_credentials.Credentials(other.token))

    def test_a_person(self):
        self.assertLetsIn(self.person())
        self.assertEqual(self.tokens_asked(), ["/token"])
        self.fake.fault("invalid_grant")
        with self.assertRaisesRegex(Exception, "invalid_grant"):
            self.assertLetsIn(self.person())
        with self.assertRaisesRegex(Exception, "invalid_client"):
            self.assertLetsIn(self.person(client_secret="wrong"))

    def test_expired(self):
        client = self.connect(self.person())
        list(client.list_secrets(parent=self.parent()))
        self.fake.fault("expire_tokens")
        # The client logs in again, once, and asks again.
        list(client.list_secrets(parent=self.parent()))
        self.assertEqual(self.tokens_asked(), ["/token", "/token"])

    def as_a_program(self, **environment):
        """What a program without settings sees: google.auth.default() in a process of its own."""
        script = f"""
import google.auth
from google.api_core.client_options import ClientOptions
from google.cloud import secretmanager_v1 as sm
credentials, project = google.auth.default(scopes=["{SCOPE}"])
client = sm.SecretManagerServiceClient(
    credentials=credentials, transport="rest", client_options=ClientOptions(api_endpoint="{self.fake.url}")
)
list(client.list_secrets(parent=f"projects/{{project}}"))
print(type(credentials).__module__, project)
"""
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
            capture_output=True,
            timeout=60,
        )
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())
        return ran.stdout.decode().split()

    def test_environment(self):
        self.assertEqual(
            self.as_a_program(**self.fake.environment), ["google.oauth2.service_account", self.project]
        )

    def test_metadata_server(self):
        host = self.fake.environment["GCE_METADATA_HOST"]
        found = self.as_a_program(GCE_METADATA_HOST=host, GCE_METADATA_IP=host)
        self.assertEqual(found, ["google.auth.compute_engine.credentials", self.project])
        paths = self.tokens_asked()
        self.assertIn("/computeMetadata/v1/project/project-id", paths)
        self.assertTrue([path for path in paths if path.endswith("/token")], paths)

    def test_external_account(self):
        file = self.key_file.with_name("external-account.json")
        found = self.as_a_program(GOOGLE_APPLICATION_CREDENTIALS=str(file), GOOGLE_CLOUD_PROJECT=self.project)
        self.assertEqual(found, ["google.auth.identity_pool", self.project])
        self.assertEqual(self.tokens_asked(), ["/v1/token"])

    def test_impersonation(self):
        file = self.key_file.with_name("impersonated.json")
        found = self.as_a_program(GOOGLE_APPLICATION_CREDENTIALS=str(file), GOOGLE_CLOUD_PROJECT=self.project)
        self.assertEqual(found, ["google.auth.identity_pool", self.project])
        first, second = self.tokens_asked()
        self.assertEqual(first, "/v1/token")
        self.assertTrue(second.endswith(":generateAccessToken"))

    def test_file_is_of_its_owner(self):
        for file in self.key_file.parent.iterdir():
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)


NEVER = "a value that nobody may see"


class Ours(Gcp):
    """Our command beside Google's client: what one writes, the other reads."""

    settings = ""

    def setUp(self):
        self.ours = self.command(self.settings)

    def command(self, settings="", environment=None):
        configuration = f'default = "main"\n\n[providers.main]\ntype = "gcp-sm"\n{settings}\n'
        return self.our(configuration, self.fake.environment if environment is None else environment)

    def theirs(self, value, region=None, **fields):
        """A secret that Google's client has made, by its id."""
        secret = self.create(region, **fields)
        self.add(secret, value)
        return secret.name.rsplit("/", 1)[-1]


class Values(Ours):
    def test_google_reads_what_we_wrote(self):
        for shape, value in {**texts(), **binaries()}.items():
            with self.subTest(shape):
                name = unique("ours")
                value = value.encode() if isinstance(value, str) else value
                self.ours.set(name, value)
                secret = f"{self.parent()}/secrets/{name}"
                self.assertSameBytes(self.read(f"{secret}/versions/latest"), value, shape)
                version = self.client.get_secret_version(name=f"{secret}/versions/1")
                self.assertTrue(version.client_specified_payload_checksum)

    def test_we_read_what_google_wrote(self):
        for shape, value in {**texts(), **binaries()}.items():
            with self.subTest(shape):
                value = value.encode() if isinstance(value, str) else value
                self.assertSameBytes(self.ours.get(self.theirs(value)), value, shape)

    def test_the_largest(self):
        value = os.urandom(65536)
        self.assertSameBytes(self.ours.get(self.theirs(value)), value)
        name = unique("large")
        self.ours.set(name, value)
        self.assertSameBytes(self.read(f"{self.parent()}/secrets/{name}/versions/latest"), value)
        self.fake.clear_asked()
        for wrong in (value + b"x", b""):
            self.assertFails(6, self.ours.set, name, wrong)
        self.assertEqual(self.fake.asked(), [])

    def test_a_corrupted_one(self):
        name = self.theirs(NEVER.encode())
        for fault in ("corrupt_crc", "corrupt_data"):
            self.fake.fault(fault, times="always")
            said = self.assertFails(7, self.ours.get, name)
            self.assertNotIn(NEVER, said)
            self.fake.clear_faults()
        self.assertSameBytes(self.ours.get(name), NEVER)


class Together(Ours):
    def test_names(self):
        for name in ("plain", "DB_PASSWORD", "a/b/c", "a.b", "a-b_c", "Ünï/密码", "a b"):
            with self.subTest(name):
                name = f"{unique('names')}/{name}" if "/" in name else f"{name}-{unique('names')}"
                self.ours.set(name.replace(" ", "%20"), b"one")
                found = self.client.list_secrets(request={"parent": self.parent(), "filter": "name:names"})
                last = next(iter(found))
                id_ = last.name.rsplit("/", 1)[-1]
                # Where the id does not tell the name, an annotation does.
                self.assertEqual(last.annotations.get("polysecrets-name", id_), name)
                self.add(last, b"two")
                self.assertSameBytes(self.ours.get(name.replace(" ", "%20")), b"two")
                self.assertIn(name, self.ours.list(name))

    def test_ids_that_google_made(self):
        for id_ in ("DB_PASSWORD", "db-password", "A", "x" * 255, "a_2f_b", "a-"):
            with self.subTest(id_):
                before = set(self.ours.list())
                secret = self.create(secret_id=id_)
                self.add(secret, id_.encode())
                (name,) = set(self.ours.list()) - before
                self.assertSameBytes(self.ours.get(name), id_)
                self.client.delete_secret(name=secret.name)

    def test_versions(self):
        values = [unique("value").encode() for _ in range(3)]
        name = self.theirs(values[0])
        secret = sm.Secret(name=f"{self.parent()}/secrets/{name}")
        for value in values[1:]:
            self.add(secret, value)
        self.assertEqual([one["version"] for one in self.ours.versions(name)], ["3", "2", "1"])
        for number, value in enumerate(values, 1):
            self.assertSameBytes(self.ours.get(name, str(number)), value)
        self.update(secret, "version_aliases", version_aliases={"stable": 2})
        self.assertSameBytes(self.ours.get(name, "stable"), values[1])
        self.assertSameBytes(self.ours.get(name, "latest"), values[2])
        # A rollback is a new version.
        self.ours.rollback(name, "1")
        newest = self.client.access_secret_version(name=f"{secret.name}/versions/latest")
        self.assertTrue(newest.name.endswith("/versions/4"))
        self.assertSameBytes(newest.payload.data, values[0])
        self.assertFails(3, self.ours.get, name, "99")

    def test_states(self):
        name = self.theirs(b"one")
        secret = sm.Secret(name=f"{self.parent()}/secrets/{name}")
        second = self.add(secret, b"two")
        self.client.disable_secret_version(name=second.name)
        with self.assertRaises(Failed) as caught:
            self.ours.get(name)
        self.assertIn("disabled", caught.exception.stderr)
        self.assertEqual(self.ours.get(name, "1"), b"one")
        self.client.enable_secret_version(name=second.name)
        self.assertEqual(self.ours.get(name), b"two")
        self.client.destroy_secret_version(name=second.name)
        with self.assertRaises(Failed) as caught:
            self.ours.get(name)
        self.assertIn("destroyed", caught.exception.stderr)

    def test_create_only(self):
        name = unique("create")
        self.ours.set(name, b"one", "--create")
        with self.refuses(exceptions.Conflict):
            self.create(secret_id=name)
        self.assertFails(1, self.ours.set, name, b"two", "--create")
        self.assertFails(1, self.ours.set, self.theirs(b"one"), b"two", "--create")
        self.assertEqual(self.ours.get(name), b"one")

    def test_deletion(self):
        name = unique("delete")
        self.ours.set(name, b"one")
        self.ours.delete(name)
        with self.refuses(exceptions.NotFound):
            self.client.get_secret(name=f"{self.parent()}/secrets/{name}")
        self.assertFails(3, self.ours.get, name)
        name = self.theirs(b"one")
        self.client.delete_secret(name=f"{self.parent()}/secrets/{name}")
        self.assertFails(3, self.ours.get, name)

    def test_tags(self):
        name = unique("tags")
        self.ours.set(name, b"value", "--tag", "team=core", "--tag", "Owner.Name=Jo Ä")
        secret = self.client.get_secret(name=f"{self.parent()}/secrets/{name}")
        # What cannot be a label is in one annotation; those of other programs stay.
        self.assertEqual(dict(secret.labels), {"team": "core"})
        self.assertEqual(json.loads(secret.annotations["polysecrets-tags"]), {"Owner.Name": "Jo Ä"})
        theirs = {**secret.annotations, "tool.state": "theirs"}
        self.update(secret, "annotations", annotations=theirs)
        self.ours.set(name, b"value", "--tag", "Owner.Name=Jo Ä")
        secret = self.client.get_secret(name=secret.name)
        self.assertEqual((dict(secret.labels), dict(secret.annotations)), ({}, theirs))
        self.update(secret, "labels", labels={"team": "other", "env": "prod"})
        (shown,) = json.loads(self.ours.run("list", "--json", "--prefix", name))["secrets"]
        self.assertEqual(shown["tags"], {"team": "other", "env": "prod", "Owner.Name": "Jo Ä"})

    def test_lists_of_many_pages(self):
        tag = unique("many")
        made = {self.create(secret_id=f"{tag}-{n}").name.rsplit("/", 1)[-1] for n in range(7)}
        self.assertEqual(set(self.ours.list(tag)), made)

    def test_refusals(self):
        name = self.theirs(NEVER.encode())
        self.fake.fault("deny", times="always")
        said = self.assertFails(4, self.ours.get, name)
        self.assertIn("roles/secretmanager.secretAccessor", said)
        self.fake.clear_faults()
        self.fake.fault("status", status=429, retry_after=1)
        self.assertSameBytes(self.ours.get(name), NEVER)
        self.fake.fault("status", status=503, times=2)
        self.assertSameBytes(self.ours.get(name), NEVER)
        self.assertEqual(self.fake.waiting_faults(), [])
        self.fake.fault("status", status=503, times="always")
        self.assertFails(5, self.ours.get, name)

    def test_regional_ones(self):
        ours = self.command(f'region = "{REGION}"\nendpoint = "{self.fake.url}"')
        name = unique("regional")
        ours.set(name, b"ours")
        self.assertEqual(self.read(f"{self.parent(REGION)}/secrets/{name}/versions/latest"), b"ours")
        self.assertFails(3, self.ours.get, name)
        self.assertEqual(ours.get(self.theirs(b"theirs", REGION)), b"theirs")
        self.assertFails(3, ours.get, self.theirs(b"everywhere"))

    def test_replication(self):
        ours = self.command('replicas = ["us-east1", "europe-west1"]')
        name = unique("replicas")
        ours.set(name, b"value")
        managed = self.client.get_secret(name=f"{self.parent()}/secrets/{name}").replication.user_managed
        self.assertEqual({replica.location for replica in managed.replicas}, {"us-east1", "europe-west1"})

    def test_the_number_of_a_project(self):
        name = self.theirs(b"value")
        number = self.client.get_secret(name=f"{self.parent()}/secrets/{name}").name.split("/")[1]
        self.assertEqual(self.command(f'project_id = "{number}"').get(name), b"value")


class Logins(Ours):
    """Each way in that our command has, beside those of Google's library."""

    def setUp(self):
        self.name = self.theirs(b"value")
        self.endpoint = f'endpoint = "{self.fake.url}"\nproject_id = "{self.project}"'
        self.fake.clear_asked()

    def logins(self):
        own = ("/token", "/v1/token", "/computeMetadata")
        paths = [asked["path"] for asked in self.fake.asked()]
        return [path for path in paths if path.startswith(own) or path.endswith(":generateAccessToken")]

    def test_files(self):
        for file, logins in (
            ("service-account.json", ["/token"]),
            ("authorized-user.json", ["/token"]),
            ("external-account.json", ["/v1/token"]),
            ("impersonated.json", ["/v1/token", "impersonated"]),
        ):
            with self.subTest(file):
                self.fake.clear_asked()
                ours = self.command(f'{self.endpoint}\ncredentials_file = "{self.key_file.with_name(file)}"', {})
                self.assertEqual(ours.get(self.name), b"value")
                # One login, or none where the client signs for itself; and nobody asks the metadata server.
                found = ["impersonated" if path.endswith("AccessToken") else path for path in self.logins()]
                self.assertIn(found, [logins, []] if file == "service-account.json" else [logins])

    def test_metadata_server(self):
        host = self.fake.environment["GCE_METADATA_HOST"]
        ours = self.command(f'endpoint = "{self.fake.url}"', {"GCE_METADATA_HOST": host})
        self.assertEqual(ours.get(self.name), b"value")
        self.assertTrue([path for path in self.logins() if path.endswith("/token")])

    def test_a_token(self):
        token = token_of(self.key_file)
        ours = self.command(f'{self.endpoint}\ntoken = "${{TOKEN}}"', {"TOKEN": token})
        self.assertEqual(ours.get(self.name), b"value")
        wrong = self.command(f'{self.endpoint}\ntoken = "${{TOKEN}}"', {"TOKEN": "ya29.wrong"})
        self.assertNotIn("ya29.wrong", self.assertFails(4, wrong.get, self.name))

    def test_an_expired_token(self):
        ours = self.command(f'{self.endpoint}\ncredentials_file = "{self.key_file.with_name("authorized-user.json")}"', {})
        self.fake.fault("expire_tokens")
        self.assertEqual(ours.get(self.name), b"value")
        self.assertEqual(self.logins(), ["/token", "/token"])

    def test_a_login_that_was_withdrawn(self):
        ours = self.command(f'{self.endpoint}\ncredentials_file = "{self.key_file.with_name("authorized-user.json")}"', {})
        self.fake.fault("invalid_grant", times="always")
        said = self.assertFails(4, ours.get, self.name)
        known = json.loads(self.key_file.with_name("authorized-user.json").read_text())
        for secret in ("client_secret", "refresh_token"):
            self.assertNotIn(known[secret], said)
