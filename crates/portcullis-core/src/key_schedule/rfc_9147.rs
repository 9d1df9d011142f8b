//! Records of DTLS 1.3 that other implementations have sealed: BoringSSL as the server, dimpl as the
//! client. Their labels begin with "dtls13" (RFC 9147 §5.9), and their nonces are made of the number
//! alone, without the epoch (§4.2.1).

use super::{SuiteParameters, TrafficSecret};
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hex;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::Secret;

/// A traffic secret, the numbers and contents of its records, and the records themselves. Their
/// header has five bytes: flags, the number, which is encrypted, and the length.
type Direction = (
    AeadAlgorithm,
    &'static str,
    &'static [(u16, &'static str, &'static str)],
);

const DIRECTIONS: &[Direction] = &[
    (
        AeadAlgorithm::Aes128Gcm,
        "875bb983cba8561083646e4e09e36611bf6ef7218d837ff51b5d1175928a6059",
        &[(
            0,
            "140000200001000000000020ab08caf0b549518264512ffe1c7cd96b5f38a35c799753c7ce61cfcd300a\
             71dc16",
            "2ea0bc003dee369bcc56ff9f8884afe6def5abafe099e86eee58fdfac3c271a2fe27b95faccb5489f9e9\
             1a4d632f3e4e6916baf26da2d93068d233ae550829e03e4a",
        )],
    ),
    (
        AeadAlgorithm::Aes128Gcm,
        "01cd62a6c438fa33f5e131c67be2aeffc8b9d49be084a49ff86e2f54d8daaa48",
        &[
            (
                0,
                "0010000000000000000200000000000000001a",
                "2f669300234a203bc37c56b2cbbd390865062b8a04f3e8aa588f8ee11be8e5a090e7803021e1086b",
            ),
            (
                1,
                "68656c6c6f17",
                "2fe9690016a8e0572244d20b65f59fe4b09079a0b5e3a70fa492d6",
            ),
        ],
    ),
    (
        AeadAlgorithm::ChaCha20Poly1305,
        "1f6f6c856c524dd89c0ecf5e74c667990fc6e3c8bfe13bf0c7f267b5a51f2c80",
        &[
            (
                0,
                "0010000000000000000200000000000000001a",
                "2ff98b0023c8d17cd345870dbce72bd65d879ae53367dbb686851401f6efb6f667a35136bf299731",
            ),
            (
                1,
                "68656c6c6f17",
                "2f1f5c001656b1a18a9a3cd21d0af891fbfb23f8e0d9161c693a37",
            ),
        ],
    ),
];

#[test]
fn the_labels_of_dtls_have_a_prefix_of_their_own() {
    for (aead, secret, records) in DIRECTIONS {
        let suite = SuiteParameters {
            hash: HashAlgorithm::Sha256,
            aead: *aead,
        };
        let key = |prefix| {
            let secret = Secret::new(&hex(secret)).unwrap();
            TrafficSecret::new(suite, prefix, secret)
                .aead_key()
                .unwrap()
        };
        for (number, content, record) in *records {
            let record = hex(record);
            let (header, body) = record.split_at(5);
            let mut header = header.to_vec();
            header[1..3].copy_from_slice(&number.to_be_bytes());
            let open = |prefix| {
                let mut body = body.to_vec();
                let opened = key(prefix).open_in_place((*number).into(), &header, &mut body);
                opened.map(|inner| inner.to_vec()).ok()
            };
            assert_eq!(open(LabelPrefix::Dtls13), Some(hex(content)));
            assert_eq!(open(LabelPrefix::Tls13), None);
        }
    }
}
