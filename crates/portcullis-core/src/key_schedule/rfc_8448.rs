//! The key schedule of a known handshake.
//!
//! RFC 8448 §3, "Simple 1-RTT Handshake".

use super::*;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::hash::Digest;
use crate::crypto::hex;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::SharedSecret;

pub(crate) const SHARED: &str = "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d";
pub(crate) const CLIENT_HELLO: &str = "
    010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000061301130313
    02010000910000000b0009000006736572766572ff01000100000a00140012001d00170018001901000101010201
    03010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e52
    9aaf2c002b0003020304000d0020001e040305030603020308040805080604010501060102010402050206020202
    002d00020101001c00024001";
pub(crate) const SERVER_HELLO: &str = "
    020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e0033
    0024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";
/// EncryptedExtensions, Certificate, CertificateVerify.
pub(crate) const SERVER_FLIGHT: &str = "
    080000240022000a00140012001d00170018001901000101010201030104001c00024001000000000b0001b90000
    01b50001b0308201ac30820115a003020102020102300d06092a864886f70d01010b0500300e310c300a06035504
    031303727361301e170d3136303733303031323335395a170d3236303733303031323335395a300e310c300a0603
    550403130372736130819f300d06092a864886f70d010101050003818d0030818902818100b4bb498f8279303d98
    0836399b36c6988c0c68de55e1bdb826d3901a2461eafd2de49a91d015abbc9a95137ace6c1af19eaa6af98c7ced
    43120998e187a80ee0ccb0524b1b018c3e0b63264d449a6d38e22a5fda430846748030530ef0461c8ca9d9efbfae
    8ea6d1d03e2bd193eff0ab9a8002c47428a6d35a8d88d79f7f1e3f0203010001a31a301830090603551d13040230
    00300b0603551d0f0404030205a0300d06092a864886f70d01010b05000381810085aad2a0e5b9276b908c65f73a
    7267170618a54c5f8a7b337d2df7a594365417f2eae8f8a58c8f8172f9319cf36b7fd6c55b80f21a030151567260
    96fd335e5e67f2dbf102702e608ccae6bec1fc63a42a99be5c3eb7107c3c54e9b9eb2bd5203b1c3b84e0a8b2f759
    409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4de100000f000084080400805a747c5d88fa9bd2e55ab085a6
    1015b7211f824cd484145ab3ff52f1fda8477b0b7abc90db78e2d33a5c141a078653fa6bef780c5ea248eeaaa785
    c4f394cab6d30bbe8d4859ee511f602957b15411ac027671459e46445c9ea58c181e818e95b8c3fb0bf3278409d3
    be152a3da5043e063dda65cdf5aea20d53dfacd42f74f3";
pub(crate) const SERVER_VERIFY_DATA: &str =
    "9b9b141d906337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718";
pub(crate) const CLIENT_VERIFY_DATA: &str =
    "a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61";

pub(crate) const SUITE: SuiteParameters = SuiteParameters {
    hash: HashAlgorithm::Sha256,
    aead: AeadAlgorithm::Aes128Gcm,
};

fn assert_hex(seen: &[u8], expected: &str) {
    assert_eq!(seen, hex(expected));
}

/// The key cannot be read back, so what it seals is compared with the RFC's key and IV.
fn assert_aead_key(secret: &TrafficSecret, key: &str, iv: &str) {
    use crate::crypto::aead::AeadKey;
    let iv = hex(iv).try_into().unwrap();
    let expected = AeadKey::new(SUITE.aead, &hex(key), &iv).unwrap();
    let seal = |mut key: AeadKey| {
        let mut tail = [0; 1 + TAG_LEN];
        key.seal_scatter(0, &[], &[], &[23], &mut tail).unwrap();
        tail
    };
    assert_eq!(seal(secret.aead_key().unwrap()), seal(expected));
}

#[test]
fn simple_1_rtt_handshake() {
    let mut buffer = TranscriptBuffer::new();
    buffer.add(Hashed::new(&hex(CLIENT_HELLO)));
    let mut transcript = buffer.start(SUITE.hash);
    transcript.add_bytes(&hex(SERVER_HELLO));
    let hellos = transcript.current();
    assert_hex(
        hellos.as_slice(),
        "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8",
    );

    let shared = SharedSecret::new(&hex(SHARED));
    let handshake = EarlySecret::without_psk(SUITE.hash, LabelPrefix::Tls13)
        .into_handshake(SUITE.aead, &shared);
    let client = handshake.client_handshake_traffic_secret(&hellos);
    let server = handshake.server_handshake_traffic_secret(&hellos);
    assert_hex(
        client.as_bytes(),
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
    );
    assert_hex(
        server.as_bytes(),
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
    );
    let (key, iv) = (
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    );
    assert_aead_key(&client, key, iv);
    let (key, iv) = (
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    );
    assert_aead_key(&server, key, iv);

    transcript.add_bytes(&hex(SERVER_FLIGHT));
    assert_finished(&server, &mut transcript, SERVER_VERIFY_DATA);
    let to_server_finished = transcript.current();
    assert_finished(&client, &mut transcript, CLIENT_VERIFY_DATA);

    let ApplicationSecrets {
        client,
        server,
        exporter,
        resumption,
    } = handshake
        .into_master()
        .into_application_secrets(&to_server_finished);
    assert_hex(
        client.as_bytes(),
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
    );
    assert_hex(
        server.as_bytes(),
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
    );
    let (key, iv) = (
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    );
    assert_aead_key(&client, key, iv);
    let (key, iv) = (
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
    );
    assert_aead_key(&server, key, iv);

    assert_hex(
        exporter.as_bytes(),
        "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50",
    );

    let psk = resumption
        .into_secret(&transcript.current())
        .psk(&[0, 0])
        .unwrap();
    assert_hex(
        psk.as_bytes(),
        "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3",
    );
    // §4 of RFC 8448 resumes with this key.
    let early = EarlySecret::with_psk(&psk, LabelPrefix::Tls13);
    let truncated = Digest::truncating(&hex(
        "63224b2e4573f2d3454ca84b9d009a04f6be9e05711a8396473aefa01e924a14",
    ));
    let binder = early.binder(&truncated).unwrap();
    assert_hex(
        binder.as_slice(),
        "3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d",
    );
    assert!(early.verify_binder(&truncated, binder.as_slice()));
    assert!(!early.verify_binder(&truncated, &binder.as_slice()[..31]));
    assert!(
        EarlySecret::without_psk(SUITE.hash, LabelPrefix::Tls13)
            .binder(&truncated)
            .is_none()
    );
}

fn assert_finished(writer: &TrafficSecret, transcript: &mut Transcript, verify_data: &str) {
    let before: Digest = transcript.current();
    let verify_data = hex(verify_data);
    let (_, key) = writer.handshake_keys().unwrap();
    assert_eq!(key.verify_data(&before).as_slice(), verify_data);
    assert!(key.verify(&before, &verify_data));
    assert!(!key.verify(&before, &verify_data[..31]));
    assert!(!key.verify(&before, &[]));
    let mut wrong = verify_data.clone();
    wrong[31] ^= 1;
    assert!(!key.verify(&before, &wrong));
    transcript.add_bytes(&[&[20, 0, 0, 32], verify_data.as_slice()].concat());
}

#[test]
fn exporter_is_two_expansions() {
    use crate::crypto::hash::hash;
    use aws_lc_rs::{hkdf, hmac};
    let master = EarlySecret::without_psk(SUITE.hash, LabelPrefix::Tls13)
        .into_handshake(SUITE.aead, &SharedSecret::new(&[1; 32]))
        .into_master();
    let transcript = hash(SUITE.hash, b"transcript");
    let exporter = master.into_application_secrets(&transcript).exporter;

    let expand = |secret: &[u8], info: &[u8]| {
        let mut out = [0; 32];
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret)
            .expand(&[info], hmac::HMAC_SHA256)
            .unwrap()
            .fill(&mut out)
            .unwrap();
        out
    };
    let nothing = hash(SUITE.hash, b"");
    let info = [b"\x00\x20\x0btls13 label\x20", nothing.as_slice()].concat();
    let derived = expand(exporter.as_bytes(), &info);
    let context = hash(SUITE.hash, b"context");
    let info = [b"\x00\x20\x0etls13 exporter\x20", context.as_slice()].concat();
    let expected = expand(&derived, &info);

    let mut out = [0; 32];
    exporter.export(b"label", b"context", &mut out).unwrap();
    assert_eq!(out, expected);

    let mut long = vec![0; 255 * 32 + 1];
    assert_eq!(exporter.export(b"label", b"", &mut long), Err(ExportError));
    assert!(exporter.export(b"label", b"", &mut long[1..]).is_ok());
    assert!(exporter.export(&[b'x'; 249], &[0; 9999], &mut out).is_ok());
    assert!(exporter.export(&[b'x'; 250], b"", &mut out).is_err());
    assert!(exporter.export(b"", b"", &mut out).is_ok());
}

/// §7.2 of RFC 8446: each secret gives the next, by a rule that needs nothing else.
#[test]
fn key_updates_form_a_chain() {
    use crate::crypto::hkdf::Prk;
    use crate::crypto::secret::Secret;
    for (hash, aead) in [
        (HashAlgorithm::Sha256, AeadAlgorithm::ChaCha20Poly1305),
        (HashAlgorithm::Sha384, AeadAlgorithm::Aes256Gcm),
    ] {
        let suite = SuiteParameters { hash, aead };
        let mut secret =
            TrafficSecret::new(suite, LabelPrefix::Tls13, Secret::zeros(hash.output_len()));
        for _ in 0..3 {
            let before = Secret::new(secret.as_bytes()).unwrap();
            let mut expected = vec![0; hash.output_len()];
            Prk::new(hash, LabelPrefix::Tls13, &before)
                .expand_any_label(b"traffic upd", b"", &mut expected)
                .unwrap();
            secret = secret.next();
            assert_eq!(secret.as_bytes(), expected);
            assert_eq!(secret.suite_parameters(), suite);
            assert!(secret.aead_key().is_ok());
        }
    }
}
