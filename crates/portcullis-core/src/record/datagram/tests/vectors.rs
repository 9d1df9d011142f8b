//! Records that BoringSSL (as the server) and dimpl (as the client) have sealed, with their numbers hidden.

use super::super::connection_id::OwnIds;
use super::super::epochs::{ReadEpochs, WriteEpoch};
use super::super::header::{self, Header};
use crate::clock::Monotonic;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hex;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::Secret;
use crate::key_schedule::{SuiteParameters, TrafficSecret};
use crate::record::MAX_INNER_PLAINTEXT;

/// The cipher, the epoch, the secret; and of each record the number, the inner plaintext, and itself.
type Direction = (
    AeadAlgorithm,
    u16,
    &'static str,
    &'static [(u64, &'static str, &'static str)],
);

const FINISHED: &str = "140000200001000000000020";

const DIRECTIONS: &[Direction] = &[
    (
        AeadAlgorithm::Aes128Gcm,
        2,
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
        3,
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
        AeadAlgorithm::Aes128Gcm,
        3,
        "f20c9938d12078b6a23b83181ced411b7de2184fa6fc31fcf088379673dca642",
        &[(
            0,
            "68656c6c6f17",
            "2ff962001642f47c65ede68edb7a333128d0b450380cced7452b2f",
        )],
    ),
    (
        AeadAlgorithm::ChaCha20Poly1305,
        2,
        "94c9339f22c6b808640df4375f4db74074385841c038cd1c6b051b1d93673d22",
        &[(
            0,
            "140000200001000000000020f5d55890501d3adb289ea1623fd7d66b8de465a5d240ac970db41e3a6019\
             c90316",
            "2e0af3003d5b9cbcec3116f55e7ccb2dcd59d59ed831988c6c78ff15a3a721bef9de9c48f54206cd2412\
             fa6f88e9f355d8bbca624fcf87b4c6facc61c54e463755c4",
        )],
    ),
    (
        AeadAlgorithm::ChaCha20Poly1305,
        3,
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

fn secret(aead: AeadAlgorithm, bytes: &str) -> TrafficSecret {
    let suite = SuiteParameters {
        hash: HashAlgorithm::Sha256,
        aead,
    };
    let secret = Secret::new(&hex(bytes)).unwrap();
    TrafficSecret::for_tests(suite, LabelPrefix::Dtls13, secret)
}

#[test]
fn records_of_others_open() {
    for (aead, epoch, traffic, records) in DIRECTIONS {
        let mut epochs = ReadEpochs::default();
        epochs.install(*epoch, secret(*aead, traffic).into());
        for (number, inner, record) in *records {
            let mut record = hex(record);
            let (header, length) = header::split(&record, &OwnIds::default()).unwrap();
            assert_eq!(length, record.len());
            let Header::Unified(unified) = header else {
                panic!("{header:?}");
            };
            let now = Monotonic::default();
            let opened = epochs
                .open(unified, &mut record, MAX_INNER_PLAINTEXT, now)
                .unwrap();
            assert_eq!(opened.number.sequence_number, *number);
            assert_eq!(opened.number.epoch, u64::from(*epoch));
            let inner = hex(inner);
            let (typ, content) = inner.split_last().unwrap();
            assert_eq!(opened.typ.0, *typ);
            assert_eq!(&record[opened.content], content);
        }
    }
}

#[test]
fn the_same_is_sealed_here() {
    for (aead, epoch, traffic, records) in DIRECTIONS {
        let mut keys = WriteEpoch::new(*epoch, secret(*aead, traffic).into());
        for (_, inner, record) in *records {
            let inner = hex(inner);
            let (typ, content) = inner.split_last().unwrap();
            let typ = crate::wire::ContentType(*typ);
            let mut out = vec![0; keys.record_len(content.len())];
            keys.seal_from(typ, content, &mut out).unwrap();
            assert_eq!(out, hex(record));
        }
        let is_finished = |(_, inner, _): &(_, &str, _)| inner.starts_with(FINISHED);
        assert_eq!(*epoch == 2, records.iter().all(is_finished));
    }
}
