"""OpenBao, driven by hvac and by our command: what one writes, the other reads."""

import base64
import json
import time

import hvac
import hvac.exceptions
from common import Judge, binaries, texts, unique, variable


def is_object(value):
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


class Vault(Judge):
    """A mount of its own for each class, version 2 of the engine."""

    engine = "2"

    @classmethod
    def setUpClass(cls):
        cls.address = variable("POLYSECRETS_TEST_BAO_ADDR")
        cls.token = variable("POLYSECRETS_TEST_BAO_TOKEN")
        cls.hvac = hvac.Client(url=cls.address, token=cls.token)
        cls.mount = unique("judge")
        cls.hvac.sys.enable_secrets_engine("kv", path=cls.mount, options={"version": cls.engine})
        cls.kv = cls.hvac.secrets.kv.v2 if cls.engine == "2" else cls.hvac.secrets.kv.v1
        # Version 2 is being set up for a moment.
        for _ in range(100):
            try:
                cls.kv.list_secrets("", mount_point=cls.mount)
            except hvac.exceptions.InvalidPath:
                break
            except hvac.exceptions.InvalidRequest:
                time.sleep(0.05)

    @classmethod
    def tearDownClass(cls):
        cls.hvac.sys.disable_secrets_engine(cls.mount)
        cls.hvac.adapter.close()

    def setUp(self):
        self.ours = self.our(
            f"""
default = "main"

[providers.main]
type = "vault"
address = "{self.address}"
mount = "{self.mount}"
""",
            {"VAULT_TOKEN": self.token},
        )

    def read(self, path, version=None):
        answer = self.kv.read_secret_version(
            path, version=version, mount_point=self.mount, raise_on_deleted_version=True
        )
        return answer["data"]

    def write(self, path, data, **more):
        answer = self.kv.create_or_update_secret(path, data, mount_point=self.mount, **more)
        return answer["data"]["version"] if self.engine == "2" else None

    def is_map(self, text):
        """Whether our command stores this text under keys of its own: a JSON object that the server does not change.
        Version 2 would make 2.5 of 2.50."""
        return is_object(text) and (self.engine == "1" or "2.50" not in text)

    def data(self, path):
        if self.engine == "2":
            return self.read(path)["data"]
        return self.kv.read_secret(path, mount_point=self.mount)["data"]


class Values(Vault):
    def test_hvac_reads_text_that_we_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value.encode())
                data = self.data(name)
                if self.is_map(value):
                    self.assertEqual(data, json.loads(value))
                else:
                    self.assertEqual(list(data), ["value"])
                    self.assertSameBytes(data["value"], value, shape)

    def test_hvac_reads_bytes_that_we_wrote(self):
        for shape, value in binaries().items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value)
                data = self.data(name)
                self.assertEqual(data["polysecrets-encoding"], "base64")
                self.assertSameBytes(base64.b64decode(data["value"], validate=True), value, shape)

    def test_we_read_text_that_hvac_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("theirs")
                self.write(name, {"value": value})
                self.assertSameBytes(self.ours.get(name), value, shape)

    def test_we_read_maps_that_hvac_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("map")
                map_ = {"user": "app", "pass word": value, "nested": {"deep": [1, None, True]}, "ü": ""}
                self.write(name, map_)
                self.assertEqual(json.loads(self.ours.get(name)), map_)
                self.assertSameBytes(self.ours.run("get", name, "--field", "pass word"), value, shape)

    def test_we_read_back_what_we_wrote(self):
        for shape, value in {**texts(), **binaries()}.items():
            with self.subTest(shape):
                name = unique("both")
                value = value.encode() if isinstance(value, str) else value
                self.ours.set(name, value)
                if is_object(value):
                    self.assertSameJson(self.ours.get(name), value)
                else:
                    self.assertSameBytes(self.ours.get(name), value, shape)

    def test_an_empty_value_is_a_value(self):
        name = unique("empty")
        self.ours.set(name, b"")
        self.assertEqual(self.data(name), {"value": ""})
        self.assertEqual(self.ours.get(name), b"")


class ValuesOfVersion1(Values):
    engine = "1"


class Life(Vault):
    def test_both_name_the_same_paths(self):
        names = ["top", "a/b/c", "with space", "hash#and?query", "100%", "密码/é", "plus+and&", "%2F", "a.b_c-d~"]
        for name in names:
            with self.subTest(name):
                ours, theirs = f"ours/{name}", f"theirs/{name}"
                value = unique("value")
                # In a reference `? # % { }` and space have a meaning of their own.
                word = "".join(f"%{ord(letter):02X}" if letter in "?#%{} " else letter for letter in name)
                self.ours.set(f"ours/{word}", value.encode())
                self.assertEqual(self.read(ours)["data"], {"value": value})
                self.write(theirs, {"value": value})
                self.assertSameBytes(self.ours.get(f"theirs/{word}"), value, name)
        listed = set(self.ours.list("theirs/"))
        self.assertEqual(listed, {f"theirs/{name}" for name in names})
        ours = self.ours.list("ours/")
        self.assertEqual(set(ours), {f"ours/{name}" for name in names})
        self.assertEqual(len(ours), len(names))

    def test_versions(self):
        name = unique("versions")
        values = [unique("value") for _ in range(3)]
        for number, value in enumerate(values, 1):
            self.assertEqual(self.write(name, {"value": value}), number)
        self.assertEqual([one["version"] for one in self.ours.versions(name)], ["3", "2", "1"])
        for number, value in enumerate(values, 1):
            self.assertSameBytes(self.ours.get(name, str(number)), value)
        self.ours.rollback(name, "1")
        now = self.read(name)
        self.assertEqual(now["metadata"]["version"], 4)
        self.assertEqual(now["data"], {"value": values[0]})
        self.assertFails(3, self.ours.get, name, "99")

    def test_conditional_writes(self):
        name = unique("cas")
        first = self.ours.set(name, b"one", "--create")
        self.assertEqual(first["version"], "1")
        with self.assertRaises(hvac.exceptions.InvalidRequest):
            self.write(name, {"value": "two"}, cas=0)
        self.assertEqual(self.write(name, {"value": "two"}, cas=1), 2)
        self.ours.set(name, b"three", "--if-version", "2")
        self.assertEqual(self.read(name)["data"], {"value": "three"})
        said = self.assertFails(1, self.ours.set, name, b"four", "--if-version", "2")
        self.assertIn("changed", said)
        self.assertEqual(self.read(name)["metadata"]["version"], 3)

    def test_delete_and_restore(self):
        name = unique("deleted")
        self.ours.set(name, b"value")
        self.ours.delete(name)
        with self.assertRaises(hvac.exceptions.InvalidPath):
            self.read(name)
        self.ours.restore(name)
        self.assertEqual(self.read(name)["data"], {"value": "value"})
        self.kv.delete_latest_version_of_secret(name, mount_point=self.mount)
        self.assertIn("deleted", self.assertFails(3, self.ours.get, name))
        self.kv.undelete_secret_versions(name, [1], mount_point=self.mount)
        self.assertEqual(self.ours.get(name), b"value")
        self.kv.destroy_secret_versions(name, [1], mount_point=self.mount)
        self.assertIn("destroyed", self.assertFails(3, self.ours.get, name))

    def test_purge(self):
        name = unique("purged")
        self.ours.set(name, b"value")
        self.ours.delete(name, "--purge")
        with self.assertRaises(hvac.exceptions.InvalidPath):
            self.kv.read_secret_metadata(name, mount_point=self.mount)
        self.write(name, {"value": "again"})
        self.kv.delete_metadata_and_all_versions(name, mount_point=self.mount)
        self.assertFails(3, self.ours.get, name)

    def test_tags(self):
        name = unique("tags")
        self.ours.set(name, b"value", "--tag", "team=core", "--tag", "env=prod")
        metadata = self.kv.read_secret_metadata(name, mount_point=self.mount)["data"]
        self.assertEqual(metadata["custom_metadata"], {"team": "core", "env": "prod"})
        self.kv.update_metadata(name, mount_point=self.mount, custom_metadata={"team": "other"})
        shown = json.loads(self.ours.run("get", name, "--json"))
        self.assertEqual(shown["tags"], {"team": "other"})


class Logins(Vault):
    def test_a_wrong_token(self):
        wrong = self.our(self.ours.configuration.read_text(), {"VAULT_TOKEN": "s.wrong"})
        said = self.assertFails(4, wrong.get, "any")
        self.assertNotIn("s.wrong", said)
        with self.assertRaises(hvac.exceptions.Forbidden):
            with_wrong = hvac.Client(url=self.address, token="s.wrong")
            self.addCleanup(with_wrong.adapter.close)
            with_wrong.secrets.kv.v2.read_secret_version("any", mount_point=self.mount)

    def test_an_approle_that_hvac_made(self):
        name, role, method = unique("approle"), unique("role"), unique("approle")
        self.write(name, {"value": "for the role"})
        self.write("other", {"value": "not for the role"})
        self.hvac.sys.create_or_update_policy(
            role, f'path "{self.mount}/data/{name}" {{ capabilities = ["read"] }}'
        )
        self.hvac.sys.enable_auth_method("approle", path=method)
        self.addCleanup(self.hvac.sys.disable_auth_method, method)
        approle = self.hvac.auth.approle
        approle.create_or_update_approle(role, token_policies=[role], mount_point=method)
        role_id = approle.read_role_id(role, mount_point=method)["data"]["role_id"]
        secret_id = approle.generate_secret_id(role, mount_point=method)["data"]["secret_id"]
        ours = self.our(
            f"""
default = "main"

[providers.main]
type = "vault"
address = "{self.address}"
mount = "{self.mount}"

[providers.main.approle]
role_id = "${{ROLE_ID}}"
secret_id = "${{SECRET_ID}}"
mount = "{method}"
""",
            {"ROLE_ID": role_id, "SECRET_ID": secret_id},
        )
        self.assertEqual(ours.get(name), b"for the role")
        self.assertNotIn(secret_id, self.assertFails(4, ours.get, "other"))

    def test_over_tls(self):
        address, ca = variable("POLYSECRETS_TEST_BAO_TLS_ADDR"), variable("POLYSECRETS_TEST_BAO_TLS_CA")
        token = variable("POLYSECRETS_TEST_BAO_TLS_TOKEN")
        theirs = hvac.Client(url=address, token=token, verify=ca)
        self.addCleanup(theirs.adapter.close)
        configuration = f'default = "main"\n[providers.main]\ntype = "vault"\naddress = "{address}"\n'
        ours = self.our(configuration + f'ca_cert = "{ca}"\n', {"VAULT_TOKEN": token})
        name, value = unique("tls"), unique("value")
        ours.set(name, value.encode())
        read = theirs.secrets.kv.v2.read_secret_version(name, raise_on_deleted_version=True)
        self.assertEqual(read["data"]["data"], {"value": value})
        untrusting = self.our(configuration, {"VAULT_TOKEN": token})
        self.assertIn("ca_cert", self.assertFails(6, untrusting.get, name))
