//! Private keys with a password, as anyone may write them.

use portcullis_core::x509::PrivateKey;

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
    let key = match what % 3 {
        0 => PrivateKey::from_encrypted_der(data, PASSWORD),
        1 => PrivateKey::from_pem(data, None),
        // What follows DEK-Info, and what is encrypted so: that costs one round whatever it says.
        _ => {
            let at = data
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(data.len());
            let (info, body) = data.split_at(at);
            let text = [
                &b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "[..],
                info,
                b"\n",
                body,
                b"\n-----END RSA PRIVATE KEY-----\n",
            ]
            .concat();
            // A second section may be of another format, which may cost more.
            match body.contains(&b'-') {
                true => return,
                false => PrivateKey::from_pem(text, Some(PASSWORD)),
            }
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
