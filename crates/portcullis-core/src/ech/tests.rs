use super::*;
use crate::wire::codec::put_vec16;
use crate::wire::extension::{EncryptedClientHello, ServerName, SupportedGroups, put_extension};
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage as _};
use crate::{NamedGroup, ProtocolVersion};

fn list_of(entries: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    put_vec16(&mut list, |out| out.extend_from_slice(&entries.concat()));
    list
}

fn entry(key: &EchKey) -> Vec<u8> {
    key.config_list().as_bytes()[2..].to_vec()
}

#[test]
fn lists_are_read_to_their_end() {
    let (key, _) = EchKey::builder("public.example").generate().unwrap();
    let good = key.config_list();
    assert_eq!(EchConfigList::from_bytes(good.as_bytes()), Ok(good.clone()));
    for length in 0..good.as_bytes().len() {
        assert!(EchConfigList::from_bytes(&good.as_bytes()[..length]).is_err());
    }
    let longer = [good.as_bytes(), &[0]].concat();
    assert!(EchConfigList::from_bytes(&longer).is_err());
    assert!(EchConfigList::from_bytes(&[0, 0]).is_err());
    // One that is not understood is passed by, one that is broken is not.
    let unknown: &[u8] = &[0xba, 0xdd, 0, 1, 7];
    let both = list_of(&[unknown, &entry(&key)]);
    let both = EchConfigList::from_bytes(&both).unwrap();
    assert!(both.is_usable() && both.has_known_version());
    let neither = EchConfigList::from_bytes(&list_of(&[unknown])).unwrap();
    assert!(!neither.is_usable() && !neither.has_known_version());
    let broken: &[u8] = &[0xfe, 0x0d, 0, 1, 7];
    assert!(EchConfigList::from_bytes(&list_of(&[&entry(&key), broken])).is_err());
    let printed = format!("{both}");
    assert!(
        printed.contains("0xbadd") && printed.contains("public.example"),
        "{printed}"
    );
}

/// §4, §6.1: each of these is changed in a configuration that is good.
#[test]
fn the_first_that_can_be_used_is_taken() {
    let (key, _) = EchKey::builder("public.example")
        .config_id(9)
        .generate()
        .unwrap();
    let good = entry(&key);
    let is_usable = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = good.clone();
        change(&mut changed);
        let list = EchConfigList::from_bytes(&list_of(&[&changed])).unwrap();
        let both = EchConfigList::from_bytes(&list_of(&[&changed, &good])).unwrap();
        assert!(both.is_usable());
        list.is_usable()
    };
    assert!(is_usable(&|_| {}));
    // KEM, the length of its key, the KDFs.
    assert!(!is_usable(&|entry| entry[6] = 0x21));
    assert!(!is_usable(&|entry| entry[6] = 0x10));
    assert!(!is_usable(&|entry| {
        entry[44] = 7;
        entry[48] = 7;
    }));
    assert!(is_usable(&|entry| entry[44] = 7));
    let selected = key.config_list().select().unwrap();
    assert_eq!((selected.config_id, selected.suite.ids()), (9, (1, 1)));
    // Behind the name stands the length of the extensions.
    let with_extension = |typ: u16| {
        is_usable(&move |entry: &mut Vec<u8>| {
            let at = entry.len() - 1;
            entry[at] = 4;
            entry.extend(typ.to_be_bytes());
            entry.extend([0, 0]);
            entry[3] += 4;
        })
    };
    assert!(with_extension(0x7a7a));
    assert!(!with_extension(0xfafa));
}

#[test]
fn a_public_name_is_the_name_of_a_host() {
    let long = format!("{}.example", "a".repeat(64));
    for bad in [
        "",
        "under_score.example",
        "-a.example",
        "a-.example",
        "a..example",
        "example.",
        ".example",
        "192.0.2.1",
        "a.0x7f",
        "a.123",
        &long,
        "ä.example",
    ] {
        assert!(EchKey::builder(bad).generate().is_err(), "{bad}");
    }
    for good in ["a", "xn--4ca.example", "a-b.example", "a.0x7g", "1.example"] {
        assert!(EchKey::builder(good).generate().is_ok(), "{good}");
    }
}

#[test]
fn keys_belong_to_their_configuration() {
    for kem in [EchKem::X25519, EchKem::P256] {
        let made = || {
            EchKey::builder("public.example")
                .kem(kem)
                .grease(true)
                .generate()
        };
        let ((key, pkcs8), (other, _)) = (made().unwrap(), made().unwrap());
        let list = key.config_list();
        let again = EchKey::from_pkcs8(list.as_bytes(), &pkcs8).unwrap();
        assert_eq!(again.config_list(), list);
        assert!(list.is_usable());
        assert!(EchKey::from_pkcs8(other.config_list().as_bytes(), &pkcs8).is_err());
        // Others are passed by, of other keys and of other versions.
        let version: &[u8] = &[0xba, 0xdd, 0, 1, 7];
        let three = list_of(&[version, &entry(&other), &entry(&key)]);
        let again = EchKey::from_pkcs8(&three, &pkcs8).unwrap();
        assert_eq!(again.config_list(), list);
        assert!(EchKey::from_pkcs8(&list_of(&[version]), &pkcs8).is_err());
        assert!(EchKey::from_pkcs8(list.as_bytes(), &[1, 2]).is_err());
        // So is an AEAD that nobody here has, but not if there is no other.
        let mut unknown = entry(&key);
        for (suite, is_ok) in [([0, 1, 0, 3], true), ([0, 1, 0, 1], false)] {
            let at = unknown.windows(4).position(|four| four == suite).unwrap();
            unknown[at + 3] = 9;
            let key = EchKey::from_pkcs8(&list_of(&[&unknown]), &pkcs8);
            assert_eq!(key.is_ok(), is_ok);
        }
        let printed = format!("{key:?} {:?}", EchKeys::new([key.clone()]).unwrap());
        assert!(
            printed.contains("public.example") && printed.len() < 300,
            "{printed}"
        );
    }
    let (key, _) = EchKey::builder("public.example").generate().unwrap();
    assert!(EchKeys::new([]).is_err());
    assert!(EchKeys::new([key.clone().send_as_retry(false)]).is_err());
    assert!(EchKeys::new((0..17).map(|_| key.clone())).is_err());
    let keys = EchKeys::new([key.clone()]).unwrap();
    assert!(keys.replace([]).is_err());
    assert_eq!(keys.config_list(), key.config_list());
}

fn hello(extensions: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    let suites = [crate::suite::CipherSuite::TLS_AES_128_GCM_SHA256];
    let version = ProtocolVersion::TLS_1_2;
    ClientHello::put(&mut out, version, &[7; 32], &[1, 2, 3], suites, extensions);
    out
}

#[test]
fn what_is_left_out_of_an_inner_hello_is_put_back() {
    let unknown = ExtensionType(0x1234);
    let outer = hello(|out| {
        ServerName::put(out, "public.example");
        SupportedGroups::put(out, [NamedGroup::X25519]);
        put_extension(out, unknown, |out| out.push(7));
    });
    let inner = hello(|out| {
        ServerName::put(out, "secret.example");
        EncryptedClientHello::Inner.put(out);
        SupportedGroups::put(out, [NamedGroup::X25519]);
        put_extension(out, unknown, |out| out.push(7));
    });
    let parsed = ClientHello::decode(&inner[4..]).unwrap();
    let shared = [ExtensionType::SUPPORTED_GROUPS, unknown];
    let mut encoded = encoded_inner::encode(&parsed, |one| shared.contains(&one.extension_type));
    encoded_inner::pad(&mut encoded, 64, Some(b"secret.example"));
    assert_eq!(encoded.len() % 32, 0);
    assert_eq!(reconstruct(&outer[4..], &encoded), Ok(Ok(inner.clone())));
    assert!(reconstruct(&outer[5..], &encoded).is_err());
    for length in 0..encoded.len() {
        if let Ok(Ok(shorter)) = reconstruct(&outer[4..], &encoded[..length]) {
            // Only padding was cut off.
            assert_eq!(shorter, inner);
        }
    }
}
