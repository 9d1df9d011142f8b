//! Peers that Debian 12 does not have: `tests/peers/fetch.sh` makes them, once, outside of the checkout.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// `openssl` of OpenSSL 4. The first time this takes some minutes.
///
/// # Panics
/// If it cannot be made.
pub fn openssl4() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("openssl4"))
}

/// `tests/peers/go-ech`, built by a Go that has ECH.
///
/// # Panics
/// If it cannot be made.
pub fn go_ech() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("go-ech"))
}

/// `tests/peers/dtls/wolfssl.c`, with a wolfSSL that has DTLS 1.3 and connection ids.
///
/// # Panics
/// If it cannot be made.
pub fn wolfssl() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("wolfssl"))
}

/// `tests/peers/dtls/mbedtls.c`, with an Mbed TLS that has connection ids.
///
/// # Panics
/// If it cannot be made.
pub fn mbedtls() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("mbedtls"))
}

/// `tests/peers/dtls/boringssl.c`, with BoringSSL. The first time this takes some minutes.
///
/// # Panics
/// If it cannot be made.
pub fn boringssl() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("boringssl"))
}

/// `tests/peers/tls/wolfssl.c`, with the same wolfSSL.
///
/// # Panics
/// If it cannot be made.
pub fn wolfssl_tls() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("wolfssl-tls"))
}

/// `tests/peers/tls/boringssl.c`, with the same BoringSSL.
///
/// # Panics
/// If it cannot be made.
pub fn boringssl_tls() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("boringssl-tls"))
}

/// `tests/peers/tls/mbedtls.c`, with the same Mbed TLS.
///
/// # Panics
/// If it cannot be made.
pub fn mbedtls_tls() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| fetch("mbedtls-tls"))
}

fn fetch(peer: &str) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/fetch.sh");
    let output = Command::new(&script)
        .arg(peer)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} {peer}: {said}",
        script.display()
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
