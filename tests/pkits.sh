#!/bin/sh
# Puts the certificates and CRLs of NIST's Public Key Interoperability Test Suite into the subfolders `certs`
# and `crls` of a folder, and the table of its tests into `table.h` there, unless they are there: the first are
# in PyPI's `cryptography_vectors`, the second in the crate `boring-sys`. Needs Python with pip, and cargo.
#
#     sh tests/pkits.sh target/pkits
set -eu
into=$1
[ -f "$into/table.h" ] && exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$into"

python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch" cryptography_vectors==50.0.2
python3 - "$scratch" "$into" <<'EOF'
import glob, os, sys, zipfile
scratch, into = sys.argv[1:]
[wheel] = glob.glob(os.path.join(scratch, "cryptography_vectors-*.whl"))
with zipfile.ZipFile(wheel) as vectors:
    for name in vectors.namelist():
        folder, file = os.path.split(name)
        if folder.endswith(("PKITS_data/certs", "PKITS_data/crls")) and file:
            kind = os.path.join(into, os.path.basename(folder))
            os.makedirs(kind, exist_ok=True)
            with open(os.path.join(kind, file), "wb") as out:
                out.write(vectors.read(name))
EOF

mkdir "$scratch/crate"
cat > "$scratch/crate/Cargo.toml" <<'EOF'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
boring-sys = "=5.4.0"
EOF
: > "$scratch/crate/lib.rs"
cargo metadata --quiet --format-version 1 --manifest-path "$scratch/crate/Cargo.toml" > "$scratch/metadata"
# Last, so that what was broken off is done again.
python3 - "$scratch/metadata" "$into" <<'EOF'
import json, os, shutil, sys
metadata, into = sys.argv[1:]
[crate] = [p for p in json.load(open(metadata))["packages"] if p["name"] == "boring-sys"]
table = "deps/boringssl/pki/testdata/nist-pkits/pkits_testcases-inl.h"
shutil.copy(os.path.join(os.path.dirname(crate["manifest_path"]), table), os.path.join(into, "table.h"))
EOF
