"""The fake of Azure Key Vault, driven by Microsoft's own clients, and by our command: what one writes, the other reads."""

import base64
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import tempfile
import threading
import unittest.mock

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import HttpChallengeCache
from common import Judge, binaries, fake, own_fake, texts, unique
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

SCOPE = "https://vault.azure.net/.default"

UTC = datetime.timezone.utc


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Azure(Judge):
    """Clients of one vault, logged in with the application's secret; new for each test, as each keeps its token."""

    find_fake = staticmethod(fake)

    @classmethod
    def setUpClass(cls):
        cls.fake = cls.find_fake("azure")
        cls.environments = json.loads(cls.fake.request("GET", "/_fake/environments")[2])
        cls.login = cls.environments["service_principal"]

    def setUp(self):
        self.addCleanup(self.fake.clear_faults)
        self.fake.clear_faults()
        self.secrets = self.secret_client(self.secret_credential())
        self.keys = KeyClient(
            self.fake.url,
            self.secret_credential(),
            verify_challenge_resource=False,
            connection_verify=self.fake.ca_file,
            retry_total=0,
        )
        self.addCleanup(self.secrets.close)
        self.addCleanup(self.keys.close)

    @classmethod
    def secret_credential(cls, **changes):
        login = {**cls.login, **changes}
        return ClientSecretCredential(
            login["AZURE_TENANT_ID"],
            login["AZURE_CLIENT_ID"],
            login["AZURE_CLIENT_SECRET"],
            authority=login["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
            connection_verify=cls.fake.ca_file,
            retry_total=0,
        )

    @classmethod
    def secret_client(cls, credential, **more):
        return SecretClient(
            cls.fake.url,
            credential,
            verify_challenge_resource=False,
            connection_verify=cls.fake.ca_file,
            **{"retry_total": 0, **more},
        )

    def assertRefused(self, status, code, inner, call, *arguments, **named):
        """The call fails with this answer of the service. Gives the message."""
        with self.assertRaises(HttpResponseError) as caught:
            call(*arguments, **named)
        error = caught.exception
        self.assertEqual(error.status_code, status, error.message)
        self.assertEqual(error.error.code, code)
        self.assertEqual((error.error.innererror or {}).get("code"), inner)
        return error.error.message

    def token(self):
        return self.secret_credential().get_token(SCOPE).token

    def raw(self, method, path, body=None, token=None, headers=None):
        """A request as no client sends it. Gives the status and the body."""
        headers = {"Authorization": f"Bearer {token or self.token()}", **(headers or {})}
        status, answered, answer = self.fake.request(method, path, body, headers)
        return status, answered, json.loads(answer) if answer else None

    def sent_by(self, call):
        """The requests that a call sends."""
        self.fake.clear_asked()
        call()
        return [(one["method"], one["path"]) for one in self.fake.asked()]


class Values(Azure):
    def test_every_text_comes_back(self):
        for shape, value in {**texts(), "empty": ""}.items():
            with self.subTest(shape):
                name = unique("value")
                written = self.secrets.set_secret(name, value)
                self.assertSameBytes(written.value, value, "answer to set")
                self.assertSameBytes(self.secrets.get_secret(name).value, value, "latest")
                self.assertSameBytes(
                    self.secrets.get_secret(name, written.properties.version).value, value, "by version"
                )

    def test_25_kb_fit_and_no_byte_more(self):
        name = unique("large")
        self.secrets.set_secret(name, "x" * 25_600)
        self.assertEqual(len(self.secrets.get_secret(name).value), 25_600)
        self.assertRefused(400, "BadParameter", None, self.secrets.set_secret, name, "x" * 25_601)
        # Bytes are counted, not letters.
        self.assertRefused(400, "BadParameter", None, self.secrets.set_secret, name, "é" * 12_801)

    def test_names_are_found_whatever_their_case(self):
        name = unique("Case")
        self.secrets.set_secret(name, "one")
        self.secrets.set_secret(name.lower(), "two")
        self.assertEqual(self.secrets.get_secret(name.upper()).value, "two")
        versions = list(self.secrets.list_properties_of_secret_versions(name))
        self.assertEqual(len(versions), 2)

    def test_names_that_a_vault_cannot_hold(self):
        for name in ["under_score", "dot.ted", "sp ace", "slash%2Fed", "a" * 128, "ümlaut"]:
            with self.subTest(name):
                message = self.assertRefused(400, "BadParameter", None, self.secrets.set_secret, name, "x")
                self.assertIn("invalid name", message)


class Life(Azure):
    def test_versions(self):
        name = unique("versions")
        written = [self.secrets.set_secret(name, f"value {n}") for n in range(3)]
        for n, version in enumerate(written):
            self.assertRegex(version.properties.version, "^[0-9a-f]{32}$")
            self.assertEqual(version.id, f"{self.fake.url}/secrets/{name}/{version.properties.version}")
            self.assertEqual(self.secrets.get_secret(name, version.properties.version).value, f"value {n}")
        self.assertEqual(self.secrets.get_secret(name).properties.version, written[-1].properties.version)
        listed = [one.version for one in self.secrets.list_properties_of_secret_versions(name)]
        self.assertEqual(listed, sorted(version.properties.version for version in written))
        message = self.assertRefused(404, "SecretNotFound", None, self.secrets.get_secret, name, "0" * 32)
        self.assertIn(name, message)

    def test_properties(self):
        name = unique("properties")
        begin = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
        end = datetime.datetime(2032, 1, 2, 3, 4, 5, tzinfo=UTC)
        before = datetime.datetime.now(UTC).replace(microsecond=0)
        written = self.secrets.set_secret(
            name,
            "value",
            content_type="text/plain",
            tags={"team": "green", "empty": ""},
            not_before=begin,
            expires_on=end,
        )
        for properties in [
            written.properties,
            self.secrets.get_secret(name).properties,
            next(one for one in self.secrets.list_properties_of_secrets() if one.name == name),
            next(iter(self.secrets.list_properties_of_secret_versions(name))),
        ]:
            self.assertEqual(properties.name, name)
            self.assertEqual(properties.content_type, "text/plain")
            self.assertEqual(properties.tags, {"team": "green", "empty": ""})
            self.assertEqual((properties.not_before, properties.expires_on), (begin, end))
            self.assertTrue(properties.enabled)
            self.assertEqual(properties.recovery_level, "Recoverable+Purgeable")
            self.assertEqual(properties.recoverable_days, 90)
            self.assertGreaterEqual(properties.created_on, before)
            self.assertEqual(properties.created_on, properties.updated_on)

    def test_update(self):
        name = unique("update")
        first = self.secrets.set_secret(name, "one", tags={"a": "1"}, content_type="old")
        second = self.secrets.set_secret(name, "two")
        end = datetime.datetime(2040, 1, 1, tzinfo=UTC)
        changed = self.secrets.update_secret_properties(
            name, first.properties.version, content_type="new", expires_on=end
        )
        self.assertEqual((changed.content_type, changed.expires_on, changed.tags), ("new", end, {"a": "1"}))
        replaced = self.secrets.update_secret_properties(name, first.properties.version, tags={"b": "2"})
        self.assertEqual((replaced.tags, replaced.content_type), ({"b": "2"}, "new"))
        # Without a version it is the latest.
        latest = self.secrets.update_secret_properties(name, tags={"c": "3"})
        self.assertEqual(latest.version, second.properties.version)
        self.assertEqual(self.secrets.get_secret(name, first.properties.version).value, "one")
        self.assertEqual(len(list(self.secrets.list_properties_of_secret_versions(name))), 2)

    def test_disabled_is_refused_and_expired_is_not(self):
        name = unique("disabled")
        self.secrets.set_secret(name, "value", enabled=False)
        self.assertRefused(403, "Forbidden", "SecretDisabled", self.secrets.get_secret, name)
        self.assertFalse(next(one for one in self.secrets.list_properties_of_secrets() if one.name == name).enabled)
        past = datetime.datetime(2001, 1, 1, tzinfo=UTC)
        self.secrets.update_secret_properties(name, enabled=True, expires_on=past)
        self.assertEqual(self.secrets.get_secret(name).value, "value")
        future = datetime.datetime(2090, 1, 1, tzinfo=UTC)
        self.secrets.set_secret(name, "not yet", not_before=future)
        self.assertEqual(self.secrets.get_secret(name).value, "not yet")

    def test_limits_of_tags_and_content_type(self):
        name = unique("limits")
        self.secrets.set_secret(name, "x", tags={f"t{n}": "v" * 512 for n in range(15)}, content_type="c" * 255)
        for more in [
            {"tags": {f"t{n}": "v" for n in range(16)}},
            {"tags": {"t": "v" * 513}},
            {"tags": {"t" * 513: "v"}},
            {"content_type": "c" * 256},
        ]:
            self.assertRefused(400, "BadParameter", None, self.secrets.set_secret, name, "x", **more)

    def test_delete_recover_purge(self):
        name = unique("deleted")
        self.secrets.set_secret(name, "one", tags={"a": "1"})
        self.secrets.set_secret(name, "two")
        deleted = self.secrets.begin_delete_secret(name, _polling_interval=0.05).result()
        self.assertEqual((deleted.name, deleted.recovery_id), (name, f"{self.fake.url}/deletedsecrets/{name}"))
        self.assertEqual(deleted.scheduled_purge_date - deleted.deleted_date, datetime.timedelta(days=90))
        self.assertRefused(404, "SecretNotFound", None, self.secrets.get_secret, name)
        self.assertNotIn(name, [one.name for one in self.secrets.list_properties_of_secrets()])
        self.assertIn(name, [one.name for one in self.secrets.list_deleted_secrets()])
        self.assertEqual(self.secrets.get_deleted_secret(name).deleted_date, deleted.deleted_date)
        with self.assertRaises(ResourceExistsError):
            self.secrets.set_secret(name, "three")
        self.assertRefused(409, "Conflict", "ObjectIsDeletedButRecoverable", self.secrets.set_secret, name, "three")

        back = self.secrets.begin_recover_deleted_secret(name, _polling_interval=0.05).result()
        self.assertEqual(back.name, name)
        self.assertEqual(self.secrets.get_secret(name).value, "two")
        self.assertEqual(len(list(self.secrets.list_properties_of_secret_versions(name))), 2)

        self.secrets.begin_delete_secret(name, _polling_interval=0.05).wait()
        self.secrets.purge_deleted_secret(name)
        self.assertRefused(404, "SecretNotFound", None, self.secrets.get_deleted_secret, name)
        self.assertRefused(404, "SecretNotFound", None, self.secrets.purge_deleted_secret, name)
        self.secrets.set_secret(name, "new life")
        self.assertEqual(len(list(self.secrets.list_properties_of_secret_versions(name))), 1)

    def test_what_is_not_there(self):
        name = unique("missing")
        for call in [
            self.secrets.get_secret,
            self.secrets.get_deleted_secret,
            self.secrets.purge_deleted_secret,
            self.secrets.begin_delete_secret,
            self.secrets.begin_recover_deleted_secret,
            self.secrets.backup_secret,
            self.secrets.update_secret_properties,
        ]:
            with self.subTest(call.__name__), self.assertRaises(ResourceNotFoundError) as caught:
                call(name)
            self.assertEqual(caught.exception.error.code, "SecretNotFound")
        self.assertRefused(
            404, "SecretNotFound", None, lambda: list(self.secrets.list_properties_of_secret_versions(name))
        )

    def test_backup_and_restore(self):
        name = unique("backup")
        first = self.secrets.set_secret(name, "one", tags={"a": "1"}, content_type="text")
        self.secrets.set_secret(name, "two", enabled=False)
        blob = self.secrets.backup_secret(name)
        self.assertNotIn(b"one", blob)
        self.assertRefused(409, "Conflict", None, self.secrets.restore_secret_backup, blob)
        self.secrets.begin_delete_secret(name, _polling_interval=0.05).wait()
        self.assertRefused(
            409, "Conflict", "ObjectIsDeletedButRecoverable", self.secrets.restore_secret_backup, blob
        )
        self.secrets.purge_deleted_secret(name)
        restored = self.secrets.restore_secret_backup(blob)
        self.assertEqual((restored.name, restored.enabled), (name, False))
        old = self.secrets.get_secret(name, first.properties.version)
        self.assertEqual((old.value, old.properties.tags, old.properties.content_type), ("one", {"a": "1"}, "text"))
        self.assertRefused(403, "Forbidden", "SecretDisabled", self.secrets.get_secret, name)
        bent = bytes([blob[0] ^ 1]) + blob[1:]
        self.assertRefused(400, "BadParameter", None, self.secrets.restore_secret_backup, bent)


class Lists(Azure):
    def test_pages(self):
        prefix = unique("page")
        names = {f"{prefix}-{n:02}" for n in range(60)}
        for name in names:
            self.secrets.set_secret(name, "x")
        pages = [list(page) for page in self.secrets.list_properties_of_secrets().by_page()]
        self.assertTrue(all(len(page) == 25 for page in pages[:-1]))
        self.assertTrue(1 <= len(pages[-1]) <= 25)
        listed = [one.name for page in pages for one in page]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual({name for name in listed if name.startswith(prefix)}, names)
        small = [list(page) for page in self.secrets.list_properties_of_secrets(max_page_size=7).by_page()]
        self.assertTrue(all(len(page) == 7 for page in small[:-1]))
        self.assertEqual([one.name for page in small for one in page], listed)
        # A list that is gone on with later.
        pager = self.secrets.list_properties_of_secrets().by_page()
        next(pager)
        rest = self.secrets.list_properties_of_secrets().by_page(continuation_token=pager.continuation_token)
        self.assertEqual([one.name for page in rest for one in page], listed[25:])
        for name in names:
            self.secrets.begin_delete_secret(name, _polling_interval=0.05)
        deleted = [one.name for one in self.secrets.list_deleted_secrets(max_page_size=9)]
        self.assertTrue(names <= set(deleted))

    def test_pages_of_versions(self):
        name = unique("many")
        written = {self.secrets.set_secret(name, str(n)).properties.version for n in range(30)}
        pages = [list(page) for page in self.secrets.list_properties_of_secret_versions(name).by_page()]
        self.assertEqual([len(page) for page in pages], [25, 5])
        self.assertEqual({one.version for page in pages for one in page}, written)

    def test_an_empty_page_is_not_the_end(self):
        name = unique("after")
        self.secrets.set_secret(name, "x")
        self.fake.fault("empty_page")
        self.assertIn(name, [one.name for one in self.secrets.list_properties_of_secrets()])
        self.assertEqual(self.fake.waiting_faults(), [])

    def test_more_than_25_are_refused(self):
        for size in ["0", "26", "-1", "many"]:
            status, _, body = self.raw("GET", f"/secrets?api-version=7.6&maxresults={size}")
            self.assertEqual((status, body["error"]["code"]), (400, "BadParameter"), size)


class Keys(Azure):
    def test_life(self):
        name = unique("key")
        first = self.keys.create_ec_key(name, curve="P-256", tags={"a": "1"})
        second = self.keys.create_ec_key(name, curve="P-384")
        self.assertEqual(self.keys.get_key(name).properties.version, second.properties.version)
        self.assertEqual(self.keys.get_key(name, first.properties.version).key.crv, "P-256")
        versions = {one.version for one in self.keys.list_properties_of_key_versions(name)}
        self.assertEqual(versions, {first.properties.version, second.properties.version})
        self.assertIn(name, [one.name for one in self.keys.list_properties_of_keys()])
        changed = self.keys.update_key_properties(name, tags={"b": "2"}, enabled=False)
        self.assertEqual((changed.properties.tags, changed.properties.enabled), ({"b": "2"}, False))
        self.assertRefused(403, "Forbidden", "KeyDisabled", self.keys.get_key, name)
        deleted = self.keys.begin_delete_key(name, _polling_interval=0.05).result()
        self.assertEqual(deleted.name, name)
        self.assertRefused(404, "KeyNotFound", None, self.keys.get_key, name)
        self.assertRefused(409, "Conflict", "ObjectIsDeletedButRecoverable", self.keys.create_ec_key, name)
        self.assertIn(name, [one.name for one in self.keys.list_deleted_keys()])
        # The client polls with a get, which the service refuses for a disabled key.
        self.raw("POST", f"/deletedkeys/{name}/recover?api-version=7.6")
        self.keys.update_key_properties(name, enabled=True)
        self.assertEqual(self.keys.get_key(name).properties.version, second.properties.version)
        self.keys.begin_delete_key(name, _polling_interval=0.05).wait()
        self.keys.purge_deleted_key(name)
        self.assertRefused(404, "KeyNotFound", None, self.keys.get_deleted_key, name)

    def signed(self, key, algorithm, message=b"message"):
        """The signature of the service over a message, and its digest."""
        kind = {"256": "sha256", "384": "sha384", "512": "sha512"}[algorithm.value.rstrip("K")[2:]]
        digest = hashlib.new(kind, message).digest()
        client = CryptographyClient(
            key,
            self.secret_credential(),
            verify_challenge_resource=False,
            connection_verify=self.fake.ca_file,
            retry_total=0,
        )
        self.addCleanup(client.close)
        sent = self.sent_by(lambda: setattr(self, "_signed", client.sign(algorithm, digest)))
        path = f"/keys/{key.name}/{key.properties.version}/sign"
        self.assertIn(("POST", path), sent)
        # The client's own verification, with the public key alone.
        self.assertTrue(client.verify(algorithm, digest, self._signed.signature).is_valid)
        return self._signed.signature, digest

    def remote(self, key, algorithm, digest, signature):
        """What the service's own verification says."""
        body = {"alg": algorithm, "digest": unpadded(digest), "value": unpadded(signature)}
        path = f"/keys/{key.name}/{key.properties.version}/verify?api-version=7.6"
        status, _, answer = self.raw("POST", path, body)
        self.assertEqual(status, 200, answer)
        return answer["value"]

    def test_elliptic_curves(self):
        for curve, name, algorithm, size in [
            (ec.SECP256R1(), "P-256", SignatureAlgorithm.es256, 64),
            (ec.SECP256K1(), "P-256K", SignatureAlgorithm.es256_k, 64),
            (ec.SECP384R1(), "P-384", SignatureAlgorithm.es384, 96),
            (ec.SECP521R1(), "P-521", SignatureAlgorithm.es512, 132),
        ]:
            with self.subTest(name):
                key = self.keys.create_ec_key(unique("ec"), curve=name)
                self.assertEqual(set(key.key_operations), {"sign", "verify"})
                signature, digest = self.signed(key, algorithm)
                self.assertEqual(len(signature), size, "r and s side by side")
                public = ec.EllipticCurvePublicNumbers(
                    int.from_bytes(key.key.x), int.from_bytes(key.key.y), curve
                ).public_key()
                r, s = (int.from_bytes(half) for half in (signature[: size // 2], signature[size // 2 :]))
                hashed = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}[len(digest)]
                der = utils.encode_dss_signature(r, s)
                public.verify(der, digest, ec.ECDSA(utils.Prehashed(hashed)))
                with self.assertRaises(InvalidSignature):
                    public.verify(der, bytes(len(digest)), ec.ECDSA(utils.Prehashed(hashed)))
                self.assertTrue(self.remote(key, algorithm.value, digest, signature))
                self.assertFalse(self.remote(key, algorithm.value, digest, signature[::-1]))
                self.assertFalse(self.remote(key, algorithm.value, bytes(len(digest)), signature))

    def test_rsa(self):
        key = self.keys.create_rsa_key(unique("rsa"), size=2048)
        self.assertEqual(len(key.key.n), 256)
        for algorithm in [
            SignatureAlgorithm.rs256,
            SignatureAlgorithm.rs384,
            SignatureAlgorithm.rs512,
            SignatureAlgorithm.ps256,
            SignatureAlgorithm.ps384,
            SignatureAlgorithm.ps512,
        ]:
            with self.subTest(algorithm):
                signature, digest = self.signed(key, algorithm)
                self.assertEqual(len(signature), 256)
                self.assertTrue(self.remote(key, algorithm.value, digest, signature))
                self.assertFalse(self.remote(key, algorithm.value, bytes(len(digest)), signature))
        larger = self.keys.create_rsa_key(unique("rsa"), size=3072)
        self.assertEqual(len(larger.key.n), 384)

    def test_what_a_key_may_not_do(self):
        digest = unpadded(bytes(32))
        made = self.keys.create_ec_key(unique("only"), curve="P-256", key_operations=["verify"])
        sign = f"/keys/{made.name}/{made.properties.version}/sign?api-version=7.6"
        good = {"alg": "ES256", "value": digest}
        status, _, body = self.raw("POST", sign, good)
        self.assertEqual((status, body["error"]["code"]), (403, "Forbidden"))
        self.keys.update_key_properties(made.name, key_operations=["sign"])
        self.assertEqual(self.raw("POST", sign, good)[0], 200)
        for wrong in [
            {"alg": "ES384", "value": unpadded(bytes(48))},
            {"alg": "RS256", "value": digest},
            {"alg": "ES256", "value": unpadded(bytes(31))},
            {"alg": "HS256", "value": digest},
            {"alg": "ES256", "value": "not base64!"},
            {"alg": "ES256"},
            {"alg": "ES256", "value": digest, "more": 1},
        ]:
            status, _, body = self.raw("POST", sign, wrong)
            self.assertEqual((status, body["error"]["code"]), (400, "BadParameter"), wrong)
        for changes, inner in [
            ({"enabled": False}, "KeyDisabled"),
            ({"enabled": True, "expires_on": datetime.datetime(2001, 1, 1, tzinfo=UTC)}, "KeyExpired"),
            (
                {
                    "expires_on": datetime.datetime(2099, 1, 1, tzinfo=UTC),
                    "not_before": datetime.datetime(2098, 1, 1, tzinfo=UTC),
                },
                "KeyNotYetValid",
            ),
        ]:
            self.keys.update_key_properties(made.name, **changes)
            status, _, body = self.raw("POST", sign, good)
            self.assertEqual((status, body["error"]["innererror"]["code"]), (403, inner))


class Credentials(Azure):
    def test_the_variables_that_are_told(self):
        self.assertEqual(self.login, self.fake.environment)

    def get_with(self, credential):
        name = unique("login")
        self.secrets.set_secret(name, "value")
        client = self.secret_client(credential)
        self.addCleanup(client.close)
        # Kept for the whole process, by the vault's address.
        HttpChallengeCache.clear()
        sent = self.sent_by(lambda: self.assertEqual(client.get_secret(name).value, "value"))
        # Once without a token, to learn where to get one; then again.
        path = f"/secrets/{name}/"
        self.assertEqual(sent[0], ("GET", path))
        self.assertEqual(sent[-1], ("GET", path))
        return [one for one in sent if one != ("GET", path)]

    def test_client_secret(self):
        tenant = self.login["AZURE_TENANT_ID"]
        self.assertEqual(
            self.get_with(self.secret_credential()),
            [
                ("GET", f"/{tenant}/v2.0/.well-known/openid-configuration"),
                ("POST", f"/{tenant}/oauth2/v2.0/token"),
            ],
        )

    @contextlib.contextmanager
    def variables(self, which):
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_"))}
        with unittest.mock.patch.dict(os.environ, {**ours, **self.environments[which]}, clear=True):
            yield self.environments[which]

    def assertion(self, seconds):
        status, _, body = self.fake.request("POST", "/_fake/assertion", {"seconds": seconds})
        self.assertEqual(status, 200)
        return json.loads(body)["assertion"]

    def workload(self, assertion):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = pathlib.Path(folder.name) / "token"
        file.write_text(assertion)
        login = self.environments["workload"]
        return WorkloadIdentityCredential(
            tenant_id=login["AZURE_TENANT_ID"],
            client_id=login["AZURE_CLIENT_ID"],
            token_file_path=str(file),
            authority=login["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
            connection_verify=self.fake.ca_file,
            retry_total=0,
        )

    def test_workload_identity(self):
        credential = self.workload(self.assertion(3600))
        tenant = self.login["AZURE_TENANT_ID"]
        self.assertIn(("POST", f"/{tenant}/oauth2/v2.0/token"), self.get_with(credential))

    def test_assertions_that_are_not_taken(self):
        good = self.assertion(3600)
        head, claims, signature = good.split(".")
        claimed = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))

        def claiming(**changes):
            return ".".join([head, unpadded(json.dumps({**claimed, **changes}).encode()), signature])

        for what, assertion, code in [
            ("malformed", "no jwt", 50027),
            ("expired", self.assertion(0), 700024),
            ("of another issuer", claiming(iss="https://else.example/"), 700211),
            ("changed", claiming(sub="somebody"), 700027),
        ]:
            with self.subTest(what), self.assertRaises(ClientAuthenticationError) as caught:
                self.workload(assertion).get_token(SCOPE)
            self.assertIn(f"AADSTS{code}", caught.exception.message)

    def test_app_service(self):
        with self.variables("app_service"):
            self.assertEqual(self.get_with(ManagedIdentityCredential()), [("GET", "/msi/token")])

    def test_app_service_by_client_id(self):
        with self.variables("app_service"):
            with self.assertRaises(ClientAuthenticationError):
                ManagedIdentityCredential(client_id="11111111-0000-0000-0000-000000000000").get_token(SCOPE)
        with self.variables("app_service") as answer, unittest.mock.patch.dict(os.environ, {"IDENTITY_HEADER": "no"}):
            self.assertIn("IDENTITY_ENDPOINT", answer)
            with self.assertRaises(ClientAuthenticationError):
                ManagedIdentityCredential().get_token(SCOPE)

    def test_metadata_service(self):
        with self.variables("metadata"):
            self.assertEqual(
                self.get_with(ManagedIdentityCredential()), [("GET", "/metadata/identity/oauth2/token")]
            )

    def test_what_entra_refuses(self):
        for what, changes, code in [
            ("secret", {"AZURE_CLIENT_SECRET": "wrong"}, 7000215),
            ("application", {"AZURE_CLIENT_ID": "11111111-0000-0000-0000-000000000000"}, 700016),
        ]:
            with self.subTest(what), self.assertRaises(ClientAuthenticationError) as caught:
                self.secret_credential(**changes).get_token(SCOPE)
            self.assertIn(f"AADSTS{code}", caught.exception.message)
        with self.subTest("tenant"), self.assertRaises(ClientAuthenticationError):
            self.secret_credential(AZURE_TENANT_ID="11111111-0000-0000-0000-000000000000").get_token(SCOPE)
        with self.subTest("scope"), self.assertRaises(ClientAuthenticationError) as caught:
            self.secret_credential().get_token("https://nowhere.example/.default")
        self.assertIn("AADSTS500011", caught.exception.message)
        self.fake.fault("expired_client_secret")
        with self.subTest("expired"), self.assertRaises(ClientAuthenticationError) as caught:
            self.secret_credential().get_token(SCOPE)
        self.assertIn("AADSTS7000222", caught.exception.message)

    def test_a_token_for_something_else_is_refused(self):
        token = self.secret_credential().get_token("https://management.azure.com/.default").token
        status, headers, body = self.raw("GET", "/secrets?api-version=7.6", token=token)
        self.assertEqual(status, 401)
        self.assertIn("AKV10022", body["error"]["message"])
        self.assertIn('resource="https://vault.azure.net"', headers["WWW-Authenticate"])

class Time(Azure):
    """What others would notice, at a vault of its own."""

    find_fake = staticmethod(own_fake)

    def test_a_deletion_takes_its_time(self):
        name = unique("slow")
        self.secrets.set_secret(name, "one")
        self.fake.fault("slow_transition")
        poller = self.secrets.begin_delete_secret(name, _polling_interval=0.05)
        self.assertRefused(404, "SecretNotFound", None, self.secrets.get_deleted_secret, name)
        self.assertRefused(404, "SecretNotFound", None, self.secrets.get_secret, name)
        self.assertRefused(409, "Conflict", "ObjectIsBeingDeleted", self.secrets.set_secret, name, "two")
        self.assertRefused(409, "Conflict", "ObjectIsBeingDeleted", self.secrets.purge_deleted_secret, name)
        sent = self.sent_by(lambda: self.settles(poller))
        self.assertGreaterEqual(sent.count(("GET", f"/deletedsecrets/{name}")), 2)
        self.assertEqual(poller.result().name, name)

        self.fake.fault("slow_transition")
        poller = self.secrets.begin_recover_deleted_secret(name, _polling_interval=0.05)
        self.assertRefused(409, "Conflict", "ObjectIsBeingRecovered", self.secrets.set_secret, name, "two")
        sent = self.sent_by(lambda: self.settles(poller))
        self.assertGreaterEqual(sent.count(("GET", f"/secrets/{name}/")), 2)
        self.secrets.set_secret(name, "two")

    def settles(self, poller):
        """The client asks until the fake's time has gone on far enough."""
        timer = threading.Timer(0.4, self.fake.advance, [30])
        timer.start()
        poller.wait()
        timer.join()

    def test_what_is_deleted_is_purged_in_the_end(self):
        name = unique("kept")
        self.secrets.set_secret(name, "one")
        self.secrets.begin_delete_secret(name, _polling_interval=0.05).wait()
        self.fake.advance(89 * 86_400)
        client = self.secret_client(self.secret_credential())
        self.addCleanup(client.close)
        client.get_deleted_secret(name)
        self.fake.advance(86_400)
        client = self.secret_client(self.secret_credential())
        self.addCleanup(client.close)
        self.assertRefused(404, "SecretNotFound", None, client.get_deleted_secret, name)

    def test_tokens_end(self):
        name = unique("ends")
        client = self.secret_client(self.secret_credential())
        self.addCleanup(client.close)
        client.set_secret(name, "value")
        # The client gets the refusal, and does not ask for a new one by itself: it considers its own valid.
        self.fake.fault("expire_tokens")
        with self.assertRaises(ClientAuthenticationError) as caught:
            client.get_secret(name)
        self.assertIn("TokenExpired", caught.exception.message)
        token = self.token()
        self.assertEqual(self.raw("GET", f"/secrets/{name}?api-version=7.6", token=token)[0], 200)
        self.fake.advance(3600)
        self.assertEqual(self.raw("GET", f"/secrets/{name}?api-version=7.6", token=token)[0], 401)


class Faults(Azure):
    def setUp(self):
        super().setUp()
        self.name = unique("fault")
        self.secrets.set_secret(self.name, "value")
        self.path = f"/secrets/{self.name}"

    def test_throttling_with_the_wait_that_it_asks_for(self):
        self.fake.fault("status", status=429, retry_after=1, times=2, path=self.path)
        patient = self.secret_client(self.secret_credential(), retry_total=3)
        self.addCleanup(patient.close)
        begin = datetime.datetime.now()
        self.assertEqual(patient.get_secret(self.name).value, "value")
        self.assertGreaterEqual(datetime.datetime.now() - begin, datetime.timedelta(seconds=2))
        self.fake.fault("status", status=429, path=self.path)
        self.assertRefused(429, "Throttled", None, self.secrets.get_secret, self.name)

    def test_refusals(self):
        for code, inner in [(None, "ForbiddenByRbac"), ("ForbiddenByFirewall", "ForbiddenByFirewall")]:
            details = {"code": code} if code else {}
            self.fake.fault("status", status=403, path=self.path, **details)
            self.assertRefused(403, "Forbidden", inner, self.secrets.get_secret, self.name)
        self.fake.fault("status", status=503, path=self.path)
        self.assertRefused(503, "ServiceUnavailable", None, self.secrets.get_secret, self.name)

    def test_broken_answers(self):
        for kind, wanted in [
            ("reset", (ServiceRequestError, ServiceResponseError)),
            ("truncated", (IncompleteReadError, ServiceResponseError)),
            ("garbled", HttpResponseError),
        ]:
            with self.subTest(kind):
                self.fake.fault(kind, path=self.path, **({"bytes": 5} if kind == "truncated" else {}))
                with self.assertRaises(wanted):
                    self.secrets.get_secret(self.name)
                self.assertEqual(self.secrets.get_secret(self.name).value, "value")

    def test_a_lost_answer_was_carried_out(self):
        self.fake.fault("lost", method="PUT", path=self.path)
        with self.assertRaises((ServiceRequestError, ServiceResponseError)):
            self.secrets.set_secret(self.name, "second")
        self.assertEqual(self.secrets.get_secret(self.name).value, "second")

    def test_slow(self):
        self.fake.fault("slow", milliseconds=400, path=self.path)
        begin = datetime.datetime.now()
        self.secrets.get_secret(self.name)
        self.assertGreaterEqual(datetime.datetime.now() - begin, datetime.timedelta(milliseconds=400))

    def test_entra_and_identity_fail_in_their_own_way(self):
        self.fake.fault("status", status=503, path=f"/{self.login['AZURE_TENANT_ID']}/oauth2")
        with self.assertRaises(ClientAuthenticationError) as caught:
            self.secret_credential().get_token(SCOPE)
        self.assertIn("503", caught.exception.message)
        self.fake.fault("status", status=429, retry_after=3, path=f"/{self.login['AZURE_TENANT_ID']}/oauth2")
        status, headers, body = self.fake.request("POST", f"/{self.login['AZURE_TENANT_ID']}/oauth2/v2.0/token", b"")
        self.assertEqual((status, headers["Retry-After"]), (429, "3"))
        self.assertEqual(json.loads(body)["error_codes"], [90055])

    def test_faults_that_do_not_exist(self):
        for body in [
            {"fault": "no-such"},
            {"fault": "status"},
            {"fault": "status", "status": 200},
            {"fault": "reset", "status": 500},
            {"fault": "reset", "more": 1},
            {"fault": "reset", "times": "often"},
        ]:
            status, _, _ = self.fake.request("POST", "/_fake/faults", body)
            self.assertEqual(status, 400, body)
        self.assertEqual(self.fake.waiting_faults(), [])


class Strictness(Azure):
    """What no client of Microsoft's sends, and the service refuses."""

    def test_requests(self):
        name = unique("strict")
        put, version = f"/secrets/{name}?api-version=7.6", "api-version=7.6"
        for method, path, body in [
            ("PUT", put, {"value": "x", "unknown": 1}),
            ("PUT", put, {"value": 1}),
            ("PUT", put, {}),
            ("PUT", put, {"value": None}),
            ("PUT", put, {"value": "x", "attributes": {"enabled": "yes"}}),
            ("PUT", put, {"value": "x", "attributes": {"exp": "2030-01-01"}}),
            ("PUT", put, {"value": "x", "attributes": {"exportable": True}}),
            ("PUT", put, {"value": "x", "tags": ["a"]}),
            ("PUT", put, {"value": "x", "tags": {"a": 1}}),
            ("PUT", put, b"value"),
            ("PUT", put, b""),
            ("PUT", f"/secrets/{name}", {"value": "x"}),
            ("PUT", f"/secrets/{name}?api-version=7.9", {"value": "x"}),
            ("PUT", f"{put}&more=1", {"value": "x"}),
            ("PUT", f"/secrets/{name}/{'0' * 32}?{version}", {"value": "x"}),
            ("PUT", f"/secrets/a%2Fb?{version}", {"value": "x"}),
            ("PUT", f"/secrets/..?{version}", {"value": "x"}),
            ("DELETE", f"/secrets/{name}/{'0' * 32}?{version}", None),
            ("GET", f"/secrets?{version}&$skiptoken=nothing", None),
            ("POST", f"/secrets/{name}?{version}", {}),
            ("POST", f"/keys/{name}/create?{version}", {"kty": "oct"}),
            ("POST", f"/keys/{name}/create?{version}", {"kty": "RSA", "key_size": 1024}),
            ("POST", f"/keys/{name}/create?{version}", {"kty": "EC", "crv": "P-1"}),
            ("POST", f"/keys/{name}/create?{version}", {"kty": "EC", "key_ops": ["dance"]}),
        ]:
            with self.subTest(f"{method} {path} {body}"):
                status, _, answer = self.raw(method, path, body)
                self.assertEqual((status, answer["error"]["code"]), (400, "BadParameter"))
        self.assertRefused(404, "SecretNotFound", None, self.secrets.get_secret, name)

    def test_a_body_that_is_not_told_to_be_json(self):
        headers = {"Content-Type": "text/plain"}
        status, _, _ = self.raw("PUT", "/secrets/a?api-version=7.6", {"value": "x"}, headers=headers)
        self.assertEqual(status, 415)

    def test_no_token_and_a_wrong_one(self):
        tenant = self.login["AZURE_TENANT_ID"]
        challenge = f'Bearer authorization="{self.fake.url}/{tenant}", resource="https://vault.azure.net"'
        for headers in [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}]:
            status, answered, body = self.fake.request("GET", "/secrets?api-version=7.6", None, headers)
            self.assertEqual(status, 401)
            self.assertEqual(answered["WWW-Authenticate"], challenge)
            self.assertEqual(json.loads(body)["error"]["code"], "Unauthorized")

    def test_every_version_of_the_interface(self):
        name = unique("api")
        for version in ["2016-10-01", *(f"7.{n}" for n in range(7)), "2025-07-01", "2026-04-01"]:
            client = self.secret_client(self.secret_credential(), api_version=version)
            self.addCleanup(client.close)
            self.assertEqual(client.set_secret(name, version).value, version)

    def test_headers(self):
        headers = {"x-ms-client-request-id": "mine"}
        _, answered, _ = self.raw("GET", "/secrets?api-version=7.6", headers=headers)
        self.assertEqual(answered["x-ms-client-request-id"], "mine")
        self.assertRegex(answered["x-ms-request-id"], "^[0-9a-f-]{36}$")
        self.assertEqual(answered["Content-Type"], "application/json; charset=utf-8")
        self.assertEqual(answered["Cache-Control"], "no-cache")


class Shapes(Azure):
    """The members of every answer are those of Microsoft's OpenAPI document (`Microsoft.KeyVault/stable/7.5`)."""

    ATTRIBUTES = {"enabled", "nbf", "exp", "created", "updated", "recoverableDays", "recoveryLevel"}
    ITEM = {"id", "attributes", "tags", "contentType", "managed"}
    BUNDLE = {"value", "id", "contentType", "attributes", "tags", "kid", "managed"}
    DELETION = {"recoveryId", "scheduledPurgeDate", "deletedDate"}
    KEY_BUNDLE = {"key", "attributes", "tags", "managed", "release_policy"}
    KEY_ITEM = {"kid", "attributes", "tags", "managed"}
    JWK = {"kid", "kty", "key_ops", "n", "e", "crv", "x", "y"}

    def assertShape(self, body, members, needed):
        self.assertLessEqual(set(body), members)
        self.assertLessEqual(needed, set(body))

    def assertAttributes(self, attributes, more=frozenset()):
        needed = {"enabled", "created", "updated", "recoverableDays", "recoveryLevel"}
        self.assertShape(attributes, self.ATTRIBUTES | more, needed)
        for name in ("created", "updated", "recoverableDays"):
            self.assertIs(type(attributes[name]), int)

    def answer(self, method, path, body=None):
        status, _, answered = self.raw(method, f"{path}?api-version=7.5", body)
        self.assertEqual(status, 200, answered)
        return answered

    def test_secrets(self):
        name = unique("shape")
        full = {"value": "x", "contentType": "text", "tags": {"a": "b"}, "attributes": {"nbf": 1, "exp": 2}}
        secret = f"/secrets/{name}"
        for answered, value in [
            (self.answer("PUT", secret, full), True),
            (self.answer("GET", secret), True),
            (self.answer("PATCH", f"{secret}/", {"tags": {}}), False),
        ]:
            self.assertShape(answered, self.BUNDLE, {"id", "contentType", "attributes", "tags"})
            self.assertEqual("value" in answered, value)
            self.assertAttributes(answered["attributes"])
            self.assertEqual((answered["attributes"]["nbf"], answered["attributes"]["exp"]), (1, 2))
        self.assertRegex(self.answer("POST", f"{secret}/backup", {})["value"], "^[A-Za-z0-9_-]+$")
        for path in ("/secrets", f"{secret}/versions"):
            listed = self.answer("GET", path)
            self.assertEqual(set(listed), {"value", "nextLink"})
            for item in listed["value"]:
                self.assertShape(item, self.ITEM, {"id", "attributes"})
                self.assertAttributes(item["attributes"])
        self.assertShape(self.answer("DELETE", secret), self.BUNDLE | self.DELETION, {"id"} | self.DELETION)
        deleted = self.answer("GET", f"/deleted{secret[1:]}")
        self.assertShape(deleted, self.BUNDLE | self.DELETION, {"id"} | self.DELETION)
        self.assertNotIn("value", deleted)
        for item in self.answer("GET", "/deletedsecrets")["value"]:
            self.assertShape(item, self.ITEM | self.DELETION, {"id", "attributes"} | self.DELETION)
        recovered = self.answer("POST", f"/deleted{secret[1:]}/recover")
        self.assertShape(recovered, self.BUNDLE, {"id", "attributes"})
        self.assertNotIn("value", recovered)

    def test_keys(self):
        name = unique("shape")
        made = self.answer("POST", f"/keys/{name}/create", {"kty": "EC", "crv": "P-256"})
        for answered in (made, self.answer("GET", f"/keys/{name}"), self.answer("PATCH", f"/keys/{name}/", {})):
            self.assertShape(answered, self.KEY_BUNDLE, {"key", "attributes"})
            self.assertShape(answered["key"], self.JWK, {"kid", "kty", "key_ops", "crv", "x", "y"})
            self.assertAttributes(answered["attributes"], {"exportable", "hsmPlatform"})
        for path in ("/keys", f"/keys/{name}/versions"):
            for item in self.answer("GET", path)["value"]:
                self.assertShape(item, self.KEY_ITEM, {"kid", "attributes"})
        self.assertShape(
            self.answer("DELETE", f"/keys/{name}"), self.KEY_BUNDLE | self.DELETION, {"key"} | self.DELETION
        )


class Ours(Azure):
    """Our command beside Microsoft's client: what one writes, the other reads."""

    BINARY = "application/octet-stream; polysecrets-encoding=base64"

    def setUp(self):
        super().setUp()
        self.ours = self.command(self.fake.environment)

    def command(self, environment, more=""):
        return self.our(
            f"""
default = "main"

[providers.main]
type = "azure-kv"
vault_url = "{self.fake.url}"
resource = "https://vault.azure.net"
authority_host = "{self.fake.url}"
ca_cert = "{self.fake.ca_file}"
{more}
""",
            environment,
        )

    def test_their_client_reads_text_that_we_wrote(self):
        for shape, value in {**texts(), "empty": ""}.items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value.encode())
                read = self.secrets.get_secret(name)
                # Kept in base64, as bytes are: not every program that reads text bears a NUL.
                encoded = shape == "nul"
                self.assertEqual(read.properties.content_type, self.BINARY if encoded else None)
                self.assertSameBytes(base64.b64decode(read.value) if encoded else read.value, value, shape)

    def test_we_read_text_that_their_client_wrote(self):
        for shape, value in {**texts(), "empty": ""}.items():
            with self.subTest(shape):
                name = unique("theirs")
                self.secrets.set_secret(name, value)
                self.assertSameBytes(self.ours.get(name), value, shape)

    def test_bytes(self):
        for shape, value in binaries().items():
            with self.subTest(shape):
                ours, theirs = unique("ours"), unique("theirs")
                self.ours.set(ours, value)
                read = self.secrets.get_secret(ours)
                self.assertEqual(read.properties.content_type, self.BINARY)
                self.assertSameBytes(base64.b64decode(read.value, validate=True), value, shape)
                self.assertSameBytes(self.ours.get(ours), value, shape)
                self.secrets.set_secret(theirs, base64.b64encode(value).decode(), content_type=self.BINARY)
                self.assertSameBytes(self.ours.get(theirs), value, shape)

    def test_versions(self):
        name = unique("versions")
        ours = [self.ours.set(name, f"ours {n}".encode())["version"] for n in range(3)]
        theirs = self.secrets.set_secret(name, "theirs").properties.version
        for n, version in enumerate(ours):
            self.assertEqual(self.secrets.get_secret(name, version).value, f"ours {n}")
        self.assertEqual(self.ours.get(name, theirs), b"theirs")
        self.assertEqual(self.ours.get(name), b"theirs")
        answer = {one["version"] for one in self.ours.versions(name)}
        self.assertEqual(answer, {*ours, theirs})
        self.assertEqual({one.version for one in self.secrets.list_properties_of_secret_versions(name)}, answer)
        self.ours.rollback(name, ours[1])
        self.assertEqual(self.secrets.get_secret(name).value, "ours 1")
        self.assertEqual(len(list(self.secrets.list_properties_of_secret_versions(name))), 5)

    def test_names(self):
        tail = unique("x").replace("-", "/")
        name = f"db/Pass_word.{tail}"
        self.ours.set(name, b"value")
        found = [one for one in self.secrets.list_properties_of_secrets() if one.tags and name in one.tags.values()]
        self.assertEqual(len(found), 1)
        self.assertEqual(self.secrets.get_secret(found[0].name).value, "value")
        plain = unique("plain")
        self.secrets.set_secret(plain, "value")
        listed = self.ours.list()
        self.assertIn(name, listed)
        self.assertIn(plain, listed)
        self.assertEqual(self.ours.get(name), b"value")

    def test_delete_and_restore(self):
        name = unique("delete")
        self.ours.set(name, b"value")
        self.ours.delete(name)
        self.assertEqual(self.secrets.get_deleted_secret(name).name, name)
        self.assertFails(3, self.ours.get, name)
        self.ours.restore(name)
        self.assertEqual(self.secrets.get_secret(name).value, "value")
        self.secrets.begin_delete_secret(name, _polling_interval=0.05).wait()
        self.assertIn("deleted", self.assertFails(3, self.ours.get, name))
        self.secrets.begin_recover_deleted_secret(name, _polling_interval=0.05).wait()
        self.assertEqual(self.ours.get(name), b"value")
        self.ours.delete(name, "--purge")
        with self.assertRaises(ResourceNotFoundError):
            self.secrets.get_deleted_secret(name)

    def test_disabled_and_expired(self):
        name = unique("disabled")
        self.secrets.set_secret(name, "value", enabled=False)
        self.assertIn("disabled", self.assertFails(3, self.ours.get, name))
        past = datetime.datetime(2001, 1, 1, tzinfo=UTC)
        self.secrets.update_secret_properties(name, enabled=True, expires_on=past)
        self.assertFails(3, self.ours.get, name)
        lenient = self.command(self.fake.environment, 'outside_validity = "allow"')
        self.assertEqual(lenient.get(name), b"value")

    def test_more_than_one_page(self):
        prefix = unique("many")
        names = [f"{prefix}-{n:02}" for n in range(55)]
        for name in names:
            self.secrets.set_secret(name, "x")
        self.fake.fault("empty_page")
        self.assertEqual(sorted(self.ours.list(prefix)), names)
        self.assertEqual(self.fake.waiting_faults(), [])

    def test_every_login(self):
        name = unique("login")
        self.secrets.set_secret(name, "value")
        _, _, answer = self.fake.request("POST", "/_fake/assertion", {"seconds": 600})
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = pathlib.Path(folder.name) / "token"
        file.write_text(json.loads(answer)["assertion"])
        for which, more in [
            ("service_principal", {}),
            ("workload", {"AZURE_FEDERATED_TOKEN_FILE": str(file)}),
            ("app_service", {}),
            ("metadata", {}),
        ]:
            with self.subTest(which):
                command = self.command({**self.environments[which], **more})
                sent = self.sent_by(lambda: self.assertEqual(command.get(name), b"value"))
                metadata = [path for _, path in sent if path.startswith(("/msi/", "/metadata/"))]
                wanted = {"app_service": ["/msi/token"], "metadata": ["/metadata/identity/oauth2/token"]}
                self.assertEqual(sorted(set(metadata)), wanted.get(which, []))

    def test_a_wrong_secret(self):
        command = self.command({**self.fake.environment, "AZURE_CLIENT_SECRET": "c4n4ry"})
        said = self.assertFails(4, command.get, "any")
        self.assertIn("the login is refused", said)
        self.assertIn("the client secret is wrong", said)
        self.assertNotIn("c4n4ry", said)
