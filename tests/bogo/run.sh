#!/usr/bin/env bash
# Runs BoringSSL's conformance suite (BoGo) against portcullis-core, and prints what passes by
# theme and version. Builds the runner (see fetch-runner.sh) and the shim first.
#
#   tests/bogo/run.sh [--check | --update] [--workers N] [--verbose] [--sample TURN/N] [FILTER]
#
# FILTER     names with *, separated by semicolons, as the runner takes them
# --check    fail when something that passed does not, or fails without being a known failure
# --update   write baseline.tsv from this run
# --verbose  print the runner's own output too: what was sent and expected
# --sample   of the tests over DTLS only each Nth, beginning with number TURN; all others as ever
#
# BOGO_RUNNER_DIR is where the runner is kept (default: target/bogo). BOGO_SHIM_REASONS names a
# file that gets a line for each test the shim does not implement, with the reason. With BOGO_COOKIES
# servers over DTLS ask for cookies, which BoringSSL's do not: not all tests expect a second hello.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
workers=$(nproc)
filter=
verbose=
sample=
report=()
while (($#)); do
    case $1 in
        --check | --update) report+=("$1") ;;
        --verbose) verbose=1 ;;
        --workers) workers=$2; shift ;;
        --sample) sample=$2; shift ;;
        -*) sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
        *) filter=$1 ;;
    esac
    shift
done

runner=$("$root/tests/bogo/fetch-runner.sh" ${BOGO_RUNNER_DIR:+"$BOGO_RUNNER_DIR"})
cd "$root"
shim=$(cargo build --quiet --package portcullis-bogo --message-format json |
    python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"):
        print(message["executable"])
')

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
skipped=
if [[ -n $sample ]]; then
    awk -F '\t' -v turn="${sample%/*}" -v n="${sample#*/}" '
        !/^#/ && $2 == "d" && count++ % n != turn % n { print $1 }' "$root/tests/bogo/themes.tsv" >"$out/skipped"
    # One argument of a program has 128 KiB at most.
    skipped=$(paste -sd ';' "$out/skipped")
    report+=(--skipped "$out/skipped")
fi
# A test that fails is for report.py to judge; only a runner that does not get to the end is not.
(cd "$out" && "$runner" -shim-path "$shim" -shim-config "$root/tests/bogo/config.json" \
    -allow-unimplemented -num-workers "$workers" -json-output "$out/results.json" -pipe \
    ${filter:+-test "$filter"} ${skipped:+-skip "$skipped"} >"$out/log" 2>&1) || true
if [[ ! -s $out/results.json ]]; then
    cat "$out/log"
    exit 1
fi
if [[ -n $verbose ]]; then grep -v '^UNIMPLEMENTED' "$out/log" || true; fi
python3 "$root/tests/bogo/report.py" "$out/results.json" "${report[@]+"${report[@]}"}"
