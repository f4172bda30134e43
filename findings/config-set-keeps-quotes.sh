#!/bin/sh
# `pulumi config set --path KEY true --type bool` writes a text where a quoted text stood before.
#
# Seen with the Pulumi command line 3.259.0 on 2026-11-30, built here from its public Go module. The type that is
# asked for is kept where nothing stood at the path, and where a plain scalar stood. Where a quoted scalar stood, the
# new value takes over its quotes: `true` becomes the text "true", `5` the text "5", with exit code 0 and no word.
# `config rm --path KEY` before it helps. Ends with 1 as soon as any of this changes.
set -eu

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
if [ -z "${PULUMI:-}" ]; then # a pulumi 3.259.0 that is there already saves the build of some minutes
    cat >go.mod <<'MOD'
module finding

go 1.25.11

require github.com/pulumi/pulumi/pkg/v3 v3.259.0

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e
MOD
    version=github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=3.259.0
    GOFLAGS='' GOWORK=off CGO_ENABLED=0 go build -mod=mod -buildvcs=false -trimpath \
        -ldflags "-s -w -X $version" -o pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
    PULUMI=$work/pulumi
fi

export PULUMI_HOME="$work/home" PULUMI_BACKEND_URL="file://$work?metadata=skip"
export PULUMI_CONFIG_PASSPHRASE=any PULUMI_SKIP_UPDATE_CHECK=true
[ "$("$PULUMI" version)" = v3.259.0 ] || [ "$("$PULUMI" version)" = 3.259.0 ]
printf 'name: demo\nruntime: yaml\n' >Pulumi.yaml
"$PULUMI" stack init dev --non-interactive >/dev/null 2>&1
printf 'config:\n  demo:map:\n    plain: word\n    quoted: "word"\n    number: "word"\n    removed: "word"\n' >Pulumi.dev.yaml

set_() { "$PULUMI" config set --path "map.$1" "$2" --type "$3" --stack dev --non-interactive; }
set_ new true bool
set_ plain true bool
set_ quoted true bool
set_ number 5 int
"$PULUMI" config rm --path map.removed --stack dev --non-interactive
set_ removed true bool

cat Pulumi.dev.yaml
seen() { grep -qxF "    $1" Pulumi.dev.yaml || { echo "not as it was: $1" >&2; exit 1; }; }
seen 'new: true'
seen 'plain: true'
seen 'quoted: "true"' # asked for: a bool
seen 'number: "5"'    # asked for: an int
seen 'removed: true'
"$PULUMI" config --json --stack dev --non-interactive | tr -d ' \n' | grep -qF '"quoted":"true"'
echo 'as it was: the quotes of what stood there decide the type'
