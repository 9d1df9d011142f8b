//! PEM texts as anyone may write them.

use portcullis_core::Misuse;
use portcullis_core::x509::{Identity, Roots};

use crate::pki::pki;

/// Stands in the text wherever the input has the byte 1.
const SECRET: &str = "Zm9yIG5vYm9keSBl";

/// Takes a text.
pub fn run(data: &[u8]) {
    let mut text = Vec::new();
    for &byte in data {
        match byte {
            1 => text.extend_from_slice(SECRET.as_bytes()),
            _ => text.push(byte),
        }
    }
    // At most one certificate for each mark.
    let marks = text
        .windows(5)
        .filter(|five| five.eq_ignore_ascii_case(b"BEGIN"))
        .count();
    let count = |identity: Result<Identity, Misuse>| match identity {
        Ok(identity) => identity.chain().len(),
        Err(error) => silent(&error),
    };
    assert!(count(Identity::from_pem(&text, None)) <= marks);
    assert!(count(Identity::from_pem(&text, Some(pki().server.key))) <= marks);
    count(Identity::from_pem(pki().server.certificate, Some(&text)));
    match Roots::from_pem(&text) {
        Ok(roots) => {
            assert!((1..=marks).contains(&roots.len()));
            let marked = [b"\xef\xbb\xbf", text.as_slice()].concat();
            let again = Roots::from_pem(&marked).expect("a byte order mark changes nothing");
            assert_eq!(again.len(), roots.len());
        }
        Err(error) => {
            silent(&error);
        }
    }
}

/// No error has anything of the content, also not as numbers.
fn silent(error: &Misuse) -> usize {
    let said = format!("{error} {error:?}");
    let decimal = format!("{:?}", SECRET.as_bytes());
    for form in [
        SECRET,
        &decimal[1..decimal.len() - 1],
        "5a6d3979",
        "5A6D3979",
    ] {
        assert!(!said.contains(form), "{said}");
    }
    0
}
