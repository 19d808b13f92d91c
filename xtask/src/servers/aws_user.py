"""Creates a user with all permissions for secrets and no others, and prints the ID and secret of its access key."""

import json
import sys

import boto3

# The server's root user, whose signature is not checked.
iam = boto3.client(
    "iam",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
NAME = "polysecrets-test"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}],
}
iam.create_user(UserName=NAME)
iam.put_user_policy(UserName=NAME, PolicyName="secrets", PolicyDocument=json.dumps(POLICY))
key = iam.create_access_key(UserName=NAME)["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
