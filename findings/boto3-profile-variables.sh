#!/bin/sh
# Package: boto3 1.43.106 with botocore 1.43.106 (PyPI). Seen: 2026-12-01.
#
# Guess: `AWS_PROFILE` names the profile; an empty variable is as good as none.
#
# Behaviour: `AWS_DEFAULT_PROFILE` wins over `AWS_PROFILE`, although AWS's guide for the command line and the SDKs names only
# the latter. A variable that is set and empty does not count as absent: boto3 looks for a profile with an empty name,
# and fails even where access keys are in the environment. Access keys in the environment win over either variable.
#
# Output seen:
#   both: DEV
#   empty: ProfileNotFound
#   empty, with keys: ProfileNotFound
#   dev, with keys: ENV
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet boto3==1.43.106 botocore==1.43.106

mkdir "$folder/.aws"
cat > "$folder/.aws/credentials" <<'FILE'
[dev]
aws_access_key_id = DEV
aws_secret_access_key = key
[other]
aws_access_key_id = OTHER
aws_secret_access_key = key
FILE
cat > "$folder/signer.py" <<'FILE'
import boto3
import botocore.exceptions

try:
    print(boto3.Session().get_credentials().access_key)
except botocore.exceptions.ProfileNotFound as failure:
    print(type(failure).__name__)
FILE

signer() {
    env -i HOME="$folder" PATH="$PATH" "$@" "$folder/venv/bin/python" "$folder/signer.py"
}
keys="AWS_ACCESS_KEY_ID=ENV AWS_SECRET_ACCESS_KEY=key"

# shellcheck disable=SC2086 # the words of `keys` are separate
seen=$(
    echo "both: $(signer AWS_DEFAULT_PROFILE=dev AWS_PROFILE=other)"
    echo "empty: $(signer AWS_PROFILE=)"
    echo "empty, with keys: $(signer AWS_PROFILE= $keys)"
    echo "dev, with keys: $(signer AWS_PROFILE=dev $keys)"
)
echo "$seen"
[ "$seen" = "both: DEV
empty: ProfileNotFound
empty, with keys: ProfileNotFound
dev, with keys: ENV" ]
