#!/usr/bin/env bash
# What portcullis weighs beside tokio-rustls with rustls-native-certs: a client that asks a server
# for `/` and trusts the roots of the system, over each, with the default features of both.
#
#   benches/weight.sh [FOLDER]
#
# Builds both from nothing in a new folder inside FOLDER (default: the folder for temporary
# files), which is removed at the end: about 2 GiB, and on two cores five minutes. Prints
#   crates    what is linked or runs while compiling, the client itself among them
#   rustc     processor time of all calls of rustc; the C code of AWS-LC comes on top, for both
#   stripped  size of the program
# and then the second of these by crate, where one takes a second or more, and the third by what the
# bytes are (`weight/parts.awk`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/weight"

CLIENTS=(portcullis tokio-rustls)
folder=$(mktemp -d --tmpdir="${1:-${TMPDIR:-/tmp}}" portcullis-weight.XXXXXX)
trap 'rm -rf "$folder"' EXIT
# Nothing of a user's own settings, nor of what an earlier build left.
unset RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export CARGO_INCREMENTAL=0

# Cargo calls it with rustc's path and arguments, and says of which crate. Processor time, and not
# how long it took, as `cargo build --timings` has it: that depends on what else the machine does.
wrapper=$folder/rustc
cat >"$wrapper" <<'WRAPPER'
#!/usr/bin/env bash
TIMEFORMAT="${CARGO_PKG_NAME:--} %U %S"
{ time "$@" 2>&3; } 3>&2 2>>"$RUSTC_TIMES"
WRAPPER
chmod +x "$wrapper"

declare -A crates rustc size
for client in "${CLIENTS[@]}"; do
    crates[$client]=$(cargo tree --quiet --locked -p "weight-$client" -e normal --prefix none --no-dedupe |
        sort -u | wc -l)
    export RUSTC_TIMES=$folder/$client.times
    RUSTC_WRAPPER=$wrapper cargo build --quiet --locked --release -p "weight-$client" \
        --target-dir "$folder/$client"
    rustc[$client]=$(awk '{ seconds += $2 + $3 } END { printf "%.1f", seconds }' "$RUSTC_TIMES")
    strip -o "$folder/$client.stripped" "$folder/$client/release/weight-$client"
    size[$client]=$(stat -c %s "$folder/$client.stripped")
    awk '{ seconds[$1] += $2 + $3 } END { for (crate in seconds) printf "%.1f %s\n", seconds[crate], crate }' \
        "$RUSTC_TIMES" >"$folder/$client.crates"
    {
        size --format=sysv --radix=10 "$folder/$client.stripped"
        nm --demangle --print-size --size-sort --radix=d "$folder/$client/release/weight-$client"
    } | awk -v "file=${size[$client]}" -f parts.awk >"$folder/$client.parts"
    # The next one is built from nothing anyway.
    rm -rf "${folder:?}/$client"
done

ratio() { # HERE THERE
    awk -v here="$1" -v there="$2" 'BEGIN { printf "%.2f", here / there }'
}
row() { # NAME HERE THERE
    printf '%-26s %12s %12s %7s\n' "$1" "$2" "$3" "$(ratio "$2" "$3")"
}

printf '%-26s %12s %12s %7s\n' '' "${CLIENTS[@]}" ratio
row 'crates' "${crates[portcullis]}" "${crates[tokio-rustls]}"
row 'rustc, seconds of CPU' "${rustc[portcullis]}" "${rustc[tokio-rustls]}"
row 'stripped, bytes' "${size[portcullis]}" "${size[tokio-rustls]}"

# Two files of "number name" as one table, the largest first; names with less than LEAST in both are one row.
table() { # LEAST HERE THERE
    awk -v "least=$1" '
        { number = $1; sub(/^[^ ]+ /, ""); names[$0]; in_file[FILENAME, $0] = number }
        END {
            for (name in names) {
                here = in_file[ARGV[1], name] + 0
                there = in_file[ARGV[2], name] + 0
                if (here >= least || there >= least) {
                    print (here > there ? here : there), here, there, name
                } else {
                    few_here += here
                    few_there += there
                }
            }
            if (few_here + few_there > 0) print 0, few_here, few_there, "all others"
        }' "$2" "$3" | sort -rn | while read -r _ here there name; do
        printf '%-42s %12s %12s\n' "$name" "$here" "$there"
    done
}

printf '\nrustc, seconds of CPU\n'
table 1 "$folder/${CLIENTS[0]}.crates" "$folder/${CLIENTS[1]}.crates"
printf '\nstripped, bytes\n'
table 0 "$folder/${CLIENTS[0]}.parts" "$folder/${CLIENTS[1]}.parts"
