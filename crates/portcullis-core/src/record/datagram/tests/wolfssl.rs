//! Records with a connection id that wolfSSL 5.9 has sealed, as a client with AES-128-GCM whose server wants an id of
//! eight bytes. With DTLS 1.2 it has chosen the part of the nonce that is sent.

use super::super::connection_id::OwnIds;
use super::super::epochs::{OlderRecord, ReadEpochs};
use super::super::header::{self, Header};
use super::super::{ConnectionId, Discarded};
use crate::clock::Monotonic;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hex;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::{Inline, Secret};
use crate::key_schedule::tls12::{DirectionKeys, OlderCipher, OlderParameters};
use crate::key_schedule::{SuiteParameters, TrafficSecret};
use crate::record::MAX_INNER_PLAINTEXT;
use crate::record::keys::Keys;
use crate::version::ProtocolVersion;
use crate::wire::{ContentType, MAX_PLAINTEXT};

const AEAD: AeadAlgorithm = AeadAlgorithm::Aes128Gcm;
const DATA: (ContentType, &[u8]) = (ContentType::APPLICATION_DATA, b"message 0 try 0");
const CLOSE: (ContentType, &[u8]) = (ContentType::ALERT, &[1, 0]);

fn own(id: &str) -> OwnIds {
    OwnIds::offer(ConnectionId::of(&hex(id)))
}

#[test]
fn records_of_dtls_1_3_with_an_id_open() {
    let secret = Secret::new(&hex(
        "eb0dd781f2ed42902468929aa71f74cd549747fb6259a82f93a998794b8f3aed",
    ));
    let suite = SuiteParameters {
        hash: HashAlgorithm::Sha256,
        aead: AEAD,
    };
    let secret = TrafficSecret::for_tests(suite, LabelPrefix::Dtls13, secret.unwrap());
    let mut epochs = ReadEpochs::default();
    epochs.install(3, secret.into());
    let own = own("dcc7b512de073bb1");
    for (record, (typ, content)) in [
        (
            "3fdcc7b512de073bb1fb7500200eea902f89df4bda891fdac3143e401086ce3756f5c39a8e018016cdd4e3\
             1014",
            DATA,
        ),
        (
            "3fdcc7b512de073bb1285e001309495a6ca17a77ec091cfa0e9dfba68911e75c",
            CLOSE,
        ),
    ] {
        let mut record = hex(record);
        let none = header::split(&record, &OwnIds::default());
        assert_eq!(none, Err(Discarded::UnknownConnectionId));
        let (header, length) = header::split(&record, &own).unwrap();
        assert_eq!(length, record.len());
        let Header::Unified(unified) = header else {
            panic!("{header:?}");
        };
        let now = Monotonic::default();
        let opened = epochs.open(unified, &mut record, MAX_INNER_PLAINTEXT, now);
        let opened = opened.unwrap();
        assert_eq!((opened.typ, &record[opened.content]), (typ, content));
    }
}

#[test]
fn records_of_dtls_1_2_with_an_id_open() {
    let mut epochs = ReadEpochs::default();
    epochs.install(
        1,
        Keys::older(DirectionKeys {
            suite: OlderParameters {
                version: ProtocolVersion::DTLS_1_2,
                hash: HashAlgorithm::Sha256.into(),
                cipher: OlderCipher::Aead(AEAD),
            },
            mac_key: Inline::empty(),
            key: Inline::new(&hex("257e82edc0d33910220f1752d252228a")).unwrap(),
            iv: Inline::new(&hex("8dd87b410000000000000000")).unwrap(),
        }),
    );
    let own = own("b675e4e93e7c8fed");
    for (record, (typ, content)) in [
        (
            "19fefd0001000000000001b675e4e93e7c8fed00288c1157ff573b0b77f498fc7f51449a059fe149ee819f\
             ee5cb946031488ea67e588fd671f00efe751",
            DATA,
        ),
        (
            "19fefd0001000000000002b675e4e93e7c8fed001b8c1157ff573b0b788acc79af55ab88398c740b345f70\
             2e39d0ba99",
            CLOSE,
        ),
    ] {
        let mut record = hex(record);
        let (header, total) = header::split(&record, &own).unwrap();
        assert_eq!(total, record.len());
        let Header::Plain {
            typ: ContentType::TLS12_CID,
            epoch,
            sequence,
            length,
        } = header
        else {
            panic!("{header:?}");
        };
        let header = OlderRecord {
            epoch,
            sequence,
            head: length,
            has_id: true,
            takes_data: true,
        };
        let opened = epochs.open_older(header, &mut record, MAX_PLAINTEXT, Monotonic::default());
        let opened = opened.unwrap();
        assert_eq!((opened.typ, &record[opened.content]), (typ, content));
    }
}
