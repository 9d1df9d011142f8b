//! Files of PKCS#12, as anyone may write them, read by what `portcullis cert p12` reads them with.

/// The reader itself: it is a part of the command.
#[path = "../../crates/portcullis-cli/src/cert/p12/ber.rs"]
mod ber;
#[path = "../../crates/portcullis-cli/src/cert/p12/der.rs"]
mod der;
#[path = "../../crates/portcullis-cli/src/cert/p12/mac.rs"]
#[allow(dead_code, reason = "a part of it is taken")]
mod mac;
#[path = "../../crates/portcullis-cli/src/cert/p12/oids.rs"]
#[allow(dead_code, reason = "a part of it is taken")]
mod oids;
#[path = "../../crates/portcullis-cli/src/cert/p12/pbmac1.rs"]
mod pbmac1;
#[path = "../../crates/portcullis-cli/src/cert/p12/read.rs"]
#[allow(dead_code, reason = "a part of it is taken")]
mod read;

/// What is in no error.
const PASSWORD: &[u8] = b"Zebra-Quarz 19";

/// Takes whether there is a password, and a file.
pub fn run(data: &[u8]) {
    let Some((&what, file)) = data.split_first() else {
        return;
    };
    let _ = reads(file, what % 2 == 1);
}

/// How many keys and certificates come out.
pub fn reads(file: &[u8], has_password: bool) -> Option<(usize, usize)> {
    let der = ber::to_der(file);
    if let Some((der, rest)) = &der {
        // DER of DER is the same, and nothing is taken of what is behind.
        let (again, none) = ber::to_der(der).expect("it is DER");
        assert_eq!((&*again, none), (&**der, &[][..]));
        assert!(file.ends_with(rest));
        assert!(der.len() <= file.len() + file.len() / 1_024 + 64);
    }
    // Costs have bounds, but seconds for each input are too long here: no iterations of three bytes and more.
    let is_long = |bytes: &[u8]| {
        let mut three = bytes.windows(3);
        three.any(|three| matches!(three, [2, 3..=8, _] | [2, 0x81, 3..=8]))
    };
    if is_long(file) || der.is_some_and(|(der, _)| is_long(&der)) {
        return None;
    }
    let password = if has_password { PASSWORD } else { b"" };
    match read::read(file, password) {
        Ok(contents) => {
            for key in &contents.keys {
                let _ = key.as_der();
            }
            Some((contents.keys.len(), contents.certificates.len()))
        }
        Err(fault) => {
            let said = format!("{fault:?}");
            assert!(!said.contains("Zebra"), "{said}");
            None
        }
    }
}
