//! Private keys with a password, as anyone may write them.

use portcullis_core::x509::{PemIdentity, PrivateKey};

use crate::pki::pki;

/// What is in no error.
const PASSWORD: &[u8] = b"Zebra-Quarz 19";

/// Takes what to do, and a key.
pub fn run(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    // Costs have bounds, but seconds for each input are too long here: no iterations of three bytes and more.
    if data.windows(2).any(|two| matches!(two, [2, 3..=8])) {
        return;
    }
    let key = match what % 2 {
        0 => PrivateKey::from_encrypted_der(data, PASSWORD),
        _ => {
            let marked = data.windows(5).any(|five| five.eq_ignore_ascii_case(b"BEGIN"));
            match PemIdentity::read(pki().server.certificate, Some(data)) {
                // Decoded, a number may be long again.
                Ok(read) if marked && !read.needs_password() => read.identity(None).map(drop),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
            .and_then(|()| PrivateKey::from_pem(data, None))
        }
    };
    match key {
        Ok(key) => {
            let _ = key.schemes();
        }
        Err(error) => {
            let said = format!("{error} {error:?}");
            assert!(!said.contains("Zebra"), "{said}");
        }
    }
}
