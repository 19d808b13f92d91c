"""AWS Secrets Manager, as two emulators have it, driven by boto3 and by our command: what one writes, the other reads.

ministack checks signatures and policies, but forgets versions without a label. moto remembers them, but checks nobody,
and answers a plain read with the wrong version once a label was moved.
"""

import json
import sys
import uuid

import boto3
import botocore.config
import botocore.exceptions
from common import Judge, binaries, texts, unique, variable

REGION = "us-east-1"


def client(service, url, key_id, key):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=key,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


class Aws:
    """The cases for both servers; each has its own `setUpClass`."""

    @classmethod
    def start(cls, url, key_id, key):
        cls.url, cls.key_id, cls.key = url, key_id, key
        cls.theirs = client("secretsmanager", url, key_id, key)

    @classmethod
    def tearDownClass(cls):
        cls.theirs.close()

    def setUp(self):
        self.ours = self.configured()

    def configured(self, more="", key_id=None, key=None):
        return self.our(
            f"""
default = "main"

[providers.main]
type = "aws-sm"
region = "{REGION}"
endpoint = "{self.url}"
access_key_id = "${{KEY_ID}}"
secret_access_key = "${{KEY}}"
{more}
""",
            {"KEY_ID": key_id or self.key_id, "KEY": key or self.key},
        )

    def refused(self, call, code, **arguments):
        """The SDK's call fails with this code."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)

    def current(self, name):
        """A read that names its stage: moto needs that once a stage was moved."""
        return self.theirs.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")

    # The server itself, by the SDK alone.

    def test_the_life_of_a_secret_in_the_sdk(self):
        name, value, other = unique("life"), unique("value"), unique("value")
        made = self.theirs.create_secret(Name=name, SecretString=value, Tags=[{"Key": "team", "Value": "core"}])
        self.assertTrue(made["ARN"].startswith(f"arn:aws:secretsmanager:{REGION}:"), made["ARN"])
        for identifier in (name, made["ARN"]):
            read = self.theirs.get_secret_value(SecretId=identifier)
            self.assertEqual((read["SecretString"], read["VersionStages"]), (value, ["AWSCURRENT"]))
        put = self.theirs.put_secret_value(SecretId=name, SecretString=other, ClientRequestToken=str(uuid.uuid4()))
        self.assertNotEqual(put["VersionId"], made["VersionId"])
        previous = self.theirs.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
        self.assertEqual((previous["SecretString"], previous["VersionId"]), (value, made["VersionId"]))
        described = self.theirs.describe_secret(SecretId=name)
        self.assertEqual(described["Tags"], [{"Key": "team", "Value": "core"}])
        self.refused(self.theirs.create_secret, "ResourceExistsException", Name=name, SecretString=value)
        self.theirs.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        self.refused(self.theirs.get_secret_value, "InvalidRequestException", SecretId=name)
        self.theirs.restore_secret(SecretId=name)
        self.assertEqual(self.theirs.get_secret_value(SecretId=name)["SecretString"], other)
        self.theirs.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        self.refused(self.theirs.get_secret_value, "ResourceNotFoundException", SecretId=name)

    # Both, on one store.

    def test_the_sdk_reads_text_that_we_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("ours")
                written = self.ours.set(name, value.encode())
                read = self.theirs.get_secret_value(SecretId=name)
                self.assertSameBytes(read["SecretString"], value, shape)
                self.assertEqual(read["VersionId"], written["version"])

    def test_the_sdk_reads_bytes_that_we_wrote(self):
        for shape, value in binaries().items():
            with self.subTest(shape):
                name = unique("ours")
                self.ours.set(name, value)
                self.assertSameBytes(self.theirs.get_secret_value(SecretId=name)["SecretBinary"], value, shape)

    def test_we_read_text_that_the_sdk_wrote(self):
        for shape, value in texts().items():
            with self.subTest(shape):
                name = unique("theirs")
                self.theirs.create_secret(Name=name, SecretString=value)
                self.assertSameBytes(self.ours.get(name), value, shape)

    def test_we_read_bytes_that_the_sdk_wrote(self):
        for shape, value in binaries().items():
            with self.subTest(shape):
                name = unique("theirs")
                self.theirs.create_secret(Name=name, SecretBinary=value)
                self.assertSameBytes(self.ours.get(name), value, shape)

    def test_both_write_one_secret_in_turn(self):
        name = unique("turn")
        values = {**texts(), **binaries()}
        self.theirs.create_secret(Name=name, SecretString="first")
        for shape, value in values.items():
            with self.subTest(shape):
                self.ours.set(name, value.encode() if isinstance(value, str) else value)
                read = self.current(name)
                self.assertSameBytes(read.get("SecretString", read.get("SecretBinary")), value, shape)
                self.assertEqual("SecretString" in read, isinstance(value, str))
                self.theirs.put_secret_value(SecretId=name, SecretString=f"between {shape}")
                self.assertSameBytes(self.ours.get(name), f"between {shape}", shape)

    def test_names_and_arns(self):
        prefix = unique("names")
        for tail in ("plain", "a/b/c", "dots.and-more_", "at@plus+equals=", "Upper", "1"):
            with self.subTest(tail):
                name, value = f"{prefix}/{tail}", unique("value")
                arn = self.theirs.create_secret(Name=name, SecretString=value)["ARN"]
                self.assertSameBytes(self.ours.get(name), value)
                self.assertSameBytes(self.ours.get(arn), value)
        listed = {one["Name"] for page in self.pages(prefix) for one in page["SecretList"]}
        self.assertEqual(set(self.ours.list(f"{prefix}/")), listed)
        self.assertEqual(len(listed), 6)

    def pages(self, prefix):
        filters = [{"Key": "name", "Values": [prefix]}]
        return self.theirs.get_paginator("list_secrets").paginate(Filters=filters, PaginationConfig={"PageSize": 2})

    def test_versions(self):
        name, values = unique("versions"), [unique("value") for _ in range(2)]
        first = self.theirs.create_secret(Name=name, SecretString=values[0])["VersionId"]
        second = self.theirs.put_secret_value(SecretId=name, SecretString=values[1])["VersionId"]
        self.assertEqual({one["version"] for one in self.ours.versions(name)}, {first, second})
        self.assertSameBytes(self.ours.get(name, first), values[0])
        self.assertSameBytes(self.ours.get(name, second), values[1])
        self.ours.rollback(name, first)
        now = self.current(name)
        self.assertEqual((now["SecretString"], now["VersionId"]), (values[0], first))
        self.assertFails(3, self.ours.get, name, str(uuid.uuid4()))

    def test_conditional_writes(self):
        name = unique("condition")
        first = self.ours.set(name, b"one", "--create")["version"]
        said = self.assertFails(1, self.ours.set, name, b"two", "--create")
        self.assertIn("exists", said)
        second = self.ours.set(name, b"two", "--if-version", first)["version"]
        self.assertEqual(self.current(name)["SecretString"], "two")
        self.assertEqual(self.current(name)["VersionId"], second)
        self.assertFails(1, self.ours.set, name, b"three", "--if-version", first)
        self.assertEqual(self.current(name)["SecretString"], "two")

    def test_delete_and_restore(self):
        name = unique("deleted")
        self.ours.set(name, b"value")
        self.ours.delete(name)
        self.refused(self.theirs.get_secret_value, "InvalidRequestException", SecretId=name)
        self.assertIn("deleted", self.assertFails(3, self.ours.get, name))
        self.theirs.restore_secret(SecretId=name)
        self.assertEqual(self.ours.get(name), b"value")
        self.theirs.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        self.ours.restore(name)
        self.assertEqual(self.theirs.get_secret_value(SecretId=name)["SecretString"], "value")
        self.ours.delete(name, "--purge")
        self.refused(self.theirs.get_secret_value, "ResourceNotFoundException", SecretId=name)
        self.assertFails(3, self.ours.get, name)

    def test_tags(self):
        name = unique("tags")
        self.ours.set(name, b"value", "--tag", "team=core", "--tag", "env=prod")
        tags = {one["Key"]: one["Value"] for one in self.theirs.describe_secret(SecretId=name)["Tags"]}
        self.assertEqual(tags, {"team": "core", "env": "prod"})
        self.theirs.untag_resource(SecretId=name, TagKeys=["env"])
        listed = json.loads(self.ours.run("list", "--json", "--prefix", name))["secrets"]
        self.assertEqual([one["tags"] for one in listed], [{"team": "core"}])

    def test_many_secrets_of_a_program(self):
        prefix = unique("many")
        values = {f"KEY_{number}": unique("value") for number in range(45)}
        for key, value in values.items():
            self.theirs.create_secret(Name=f"{prefix}/{key}", SecretString=value)
        declared = "".join(f'[secrets.{key}]\nreference = "{prefix}/{key}"\n' for key in values)
        ours = self.configured(declared)
        show = "import json, os; print(json.dumps(dict(os.environ)))"
        found = json.loads(ours.run("run", "--clean", "--", sys.executable, "-c", show))
        self.assertEqual({key: found.get(key) for key in values}, values)

    def test_one_secret_with_many_keys(self):
        name = unique("object")
        self.theirs.create_secret(Name=name, SecretString='{"user": "app", "pin": 1.50, "password": "old"}')
        ours = self.configured(f'secret_name = "{name}"')
        self.assertEqual(ours.get("user"), b"app")
        self.assertEqual(set(ours.list()), {"user", "pin", "password"})
        ours.set("password", "new 密码".encode())
        text = self.current(name)["SecretString"]
        self.assertIn("1.50", text, "the number keeps its text")
        self.assertEqual(json.loads(text), {"user": "app", "pin": 1.5, "password": "new 密码"})
        self.assertFails(3, ours.get, "missing")

    def test_a_prefix(self):
        prefix = unique("prefix")
        self.theirs.create_secret(Name=f"{prefix}/app/key", SecretString="theirs")
        ours = self.configured(f'secret_prefix = "{prefix}/"')
        self.assertEqual(ours.get("app/key"), b"theirs")
        ours.set("app/other", b"ours")
        self.assertEqual(self.theirs.get_secret_value(SecretId=f"{prefix}/app/other")["SecretString"], "ours")
        self.assertEqual(set(ours.list()), {"app/key", "app/other"})

    def test_the_environment_of_the_sdk(self):
        name = unique("environment")
        self.theirs.create_secret(Name=name, SecretString="value")
        ours = self.our(
            'default = "main"\n[providers.main]\ntype = "aws-sm"\n',
            {
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": self.url,
                "AWS_ACCESS_KEY_ID": self.key_id,
                "AWS_SECRET_ACCESS_KEY": self.key,
            },
        )
        self.assertEqual(ours.get(name), b"value")


class Ministack(Aws, Judge):
    @classmethod
    def setUpClass(cls):
        cls.start(
            variable("POLYSECRETS_TEST_MINISTACK_URL"),
            variable("POLYSECRETS_TEST_MINISTACK_ACCESS_KEY_ID"),
            variable("POLYSECRETS_TEST_MINISTACK_SECRET_ACCESS_KEY"),
        )

    def test_a_wrong_key_is_refused(self):
        wrong = self.configured(key="x" * 40)
        said = self.assertFails(4, wrong.get, "any")
        self.assertNotIn("x" * 40, said)
        theirs = client("secretsmanager", self.url, self.key_id, "x" * 40)
        self.addCleanup(theirs.close)
        self.refused(theirs.get_secret_value, "InvalidSignatureException", SecretId="any")

    def test_a_user_may_read_what_its_policy_says(self):
        allowed, other, user = unique("allowed"), unique("other"), unique("user")
        for name in (allowed, other):
            self.theirs.create_secret(Name=name, SecretString="value")
        # The server's own root.
        iam = client("iam", self.url, "test", "test")
        self.addCleanup(iam.close)
        iam.create_user(UserName=user)
        statement = {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:{REGION}:*:secret:{allowed}-*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        ours = self.configured(key_id=key["AccessKeyId"], key=key["SecretAccessKey"])
        self.assertEqual(ours.get(allowed), b"value")
        self.assertFails(4, ours.get, other)
        self.assertFails(4, ours.set, allowed, b"other")
        self.assertEqual(self.theirs.get_secret_value(SecretId=allowed)["SecretString"], "value")


class Moto(Aws, Judge):
    @classmethod
    def setUpClass(cls):
        cls.start(variable("POLYSECRETS_TEST_MOTO_URL"), "AKIAIOSFODNN7EXAMPLE", "any")

    def test_versions_without_a_label(self):
        name, values = unique("history"), [unique("value") for _ in range(4)]
        versions = [self.theirs.create_secret(Name=name, SecretString=values[0])["VersionId"]]
        for value in values[1:]:
            versions.append(self.theirs.put_secret_value(SecretId=name, SecretString=value)["VersionId"])
        for version, value in zip(versions, values):
            self.assertSameBytes(self.ours.get(name, version), value)
        listed = {one["version"] for one in self.ours.versions(name)}
        # Those without a label are deprecated, and may go any time.
        self.assertLessEqual(set(versions[-2:]), listed)
