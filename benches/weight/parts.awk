# What the bytes of a program are, from `size -A` of it as it is stripped and `nm` of it as it is not;
# -v file=BYTES is how long the stripped one is, which is what all lines come to.

# Whose code it is.
function part(name,    crate) {
    if (name ~ /^core::ptr::drop_in_place/)
        return name ~ /portcullis|rustls/ ? "code: drops types of ours, or rustls'" : "code: drops other types"
    if (name !~ /::/)
        return "code: AWS-LC, and what links C"
    if (name ~ /^[<&]*(gimli|addr2line|miniz_oxide|rustc_demangle|std::backtrace_rs)::/)
        return "code: prints a stack after a panic"
    crate = name
    gsub(/^[<&]+(mut |dyn |impl )?/, "", crate)
    sub(/[^a-z0-9_].*/, "", crate)
    if (crate ~ /^(portcullis_core|rustls)$/) return "code: the protocol"
    if (crate ~ /^(portcullis|tokio_rustls|rustls_native_certs)/) return "code: over Tokio"
    if (crate ~ /^(tokio|mio|socket2|bytes)$/) return "code: Tokio, mio, socket2, bytes"
    if (crate ~ /^(webpki|untrusted|rustls_pki_types|aws_lc_rs)$/) return "code: webpki, pki-types, aws-lc-rs"
    if (crate ~ /^(sha1|sha2|md5|digest|block_buffer)$/) return "code: hashes of RustCrypto"
    return "code: the standard library, all generics"
}

# Of `size`.
NF == 3 && $1 ~ /^\./ && $1 !~ /bss/ {
    if ($1 == ".text") text = $2
    else if ($1 == ".rodata") constants = $2
    else if ($1 ~ /^\.(eh_frame|eh_frame_hdr|gcc_except_table)$/) bytes["unwinding: " $1] = $2
    else if ($1 ~ /^\.(rela\.dyn|data\.rel\.ro)$/) bytes["relocation: " $1] = $2
    else next
    known += $2
    next
}

# Of `nm`: address, size, type, name.
NF > 3 && $3 ~ /^[tTwW]$/ {
    name = $0
    sub(/^[0-9]+ [0-9]+ . /, "", name)
    # What has two names has its bytes once.
    if (!seen[$1]++) { bytes[part(name)] += $2; code += $2 }
}
NF > 3 && $3 ~ /^[rR]$/ && $4 !~ /::/ && !seen[$1]++ { tables += $2 }

END {
    bytes["code: between functions"] = text - code
    bytes["constants: tables of AWS-LC"] = tables
    bytes["constants: all others"] = constants - tables
    bytes["all other sections, and headers"] = file - known
    for (name in bytes) print bytes[name], name
}
