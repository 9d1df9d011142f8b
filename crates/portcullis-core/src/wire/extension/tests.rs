//! What is written is read, and what is malformed is refused.

use super::*;
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::version::ProtocolVersion;

/// The extensions `write` wrote.
fn block(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn accepts<'a, E: Extension<'a>>(body: &'a [u8]) -> bool {
    E::decode_body(body).is_ok()
}

#[test]
fn lists_round_trip() {
    let groups = [NamedGroup::X25519, NamedGroup::SECP256R1];
    let schemes = [SignatureScheme::ED25519];
    let bytes = block(|out| {
        SupportedGroups::put(out, groups);
        SignatureAlgorithms::put(out, schemes);
        SignatureAlgorithmsCert::put(out, SignatureScheme::CERTIFICATE_ONLY);
        SupportedVersions::put(out, [ProtocolVersion::TLS_1_3]);
        Alpn::put(out, ["h2", "http/1.1"]);
        PskKeyExchangeModes::put(out, [PskKeyExchangeMode::PSK_DHE_KE]);
        CertificateAuthorities::put(out, [b"name"]);
        EcPointFormats::put(out, [EcPointFormat::UNCOMPRESSED]);
        let share = KeyShareEntry {
            group: NamedGroup::X25519,
            key_exchange: &[1; 32],
        };
        KeyShareClientHello::put(out, [share]);
    });
    let extensions = Extensions::decode(&bytes).unwrap();
    assert_eq!(extensions.iter().count(), 9);
    assert_eq!(extensions.duplicate(), None);
    let found: SupportedGroups<'_> = extensions.find().unwrap().unwrap();
    assert!(found.groups.iter().eq(groups));
    let found: SignatureAlgorithms<'_> = extensions.find().unwrap().unwrap();
    assert!(found.schemes.iter().eq(schemes));
    let found: Alpn<'_> = extensions.find().unwrap().unwrap();
    assert!(
        found
            .protocols
            .iter()
            .map(|name| name.0)
            .eq([&b"h2"[..], b"http/1.1"])
    );
    let found: KeyShareClientHello<'_> = extensions.find().unwrap().unwrap();
    assert_eq!(found.client_shares.first().unwrap().key_exchange, [1; 32]);
    assert!(extensions.find::<Cookie<'_>>().is_none());
    assert_eq!(
        extensions.last().unwrap().extension_type,
        ExtensionType::KEY_SHARE
    );
}

#[test]
fn binders_are_put_last() {
    let identities = [PskIdentity {
        identity: b"ticket",
        obfuscated_ticket_age: 5,
    }];
    let mut bytes = block(|out| OfferedPsks::put(out, identities, [32]));
    let zeros: OfferedPsks<'_> = Extensions::decode(&bytes).unwrap().find().unwrap().unwrap();
    assert_eq!(zeros.binders.first(), Some(PskBinder(&[0; 32])));
    let size = OfferedPsks::size_of_binders([32]);
    assert_eq!(size, zeros.binders_size());
    bytes.truncate(bytes.len() - size);
    OfferedPsks::put_binders(&mut bytes, [[9; 32]]);
    let signed: OfferedPsks<'_> = Extensions::decode(&bytes).unwrap().find().unwrap().unwrap();
    assert_eq!(signed.binders.first(), Some(PskBinder(&[9; 32])));
    assert!(signed.identities.iter().eq(identities));
}

#[test]
fn duplicates_are_found_wherever_they_are() {
    // An interpreter is slow.
    let count = if cfg!(miri) { 100 } else { 16000 };
    let mut bytes = Vec::new();
    for value in 0..count {
        put_extension(&mut bytes, ExtensionType(value), |_| {});
    }
    assert_eq!(Extensions::decode(&bytes).unwrap().duplicate(), None);
    put_extension(&mut bytes, ExtensionType(count - 1), |_| {});
    put_extension(&mut bytes, ExtensionType(3), |_| {});
    let duplicate = Extensions::decode(&bytes).unwrap().duplicate();
    assert_eq!(duplicate, Some(ExtensionType(count - 1)));
    // Few large ones, as most hellos have, and more than that.
    for count in 1..20 {
        let types = (0xff00..0xff00 + count).map(ExtensionType);
        let mut bytes = Vec::new();
        for typ in types.clone() {
            put_extension(&mut bytes, typ, |_| {});
        }
        assert_eq!(Extensions::decode(&bytes).unwrap().duplicate(), None);
        for typ in types {
            let mut bytes = bytes.clone();
            put_extension(&mut bytes, typ, |_| {});
            let duplicate = Extensions::decode(&bytes).unwrap().duplicate();
            assert_eq!(duplicate, Some(typ), "of {count}");
        }
    }
}

#[test]
fn malformed_bodies() {
    assert!(accepts::<ServerName<'_>>(&[0, 4, 0, 0, 1, b'a']));
    assert!(!accepts::<ServerName<'_>>(&[0, 3, 0, 0, 0]));
    assert!(!accepts::<ServerName<'_>>(&[0, 4, 1, 0, 1, b'a']));
    assert!(!accepts::<ServerName<'_>>(&[0, 4, 0, 0, 1, 0]));
    assert!(!accepts::<ServerName<'_>>(&[
        0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'
    ]));
    assert!(!accepts::<ServerNameAcknowledgement>(&[0]));
    assert!(!accepts::<SupportedGroups<'_>>(&[0, 0]));
    assert!(!accepts::<SupportedGroups<'_>>(&[0, 3, 0, 1, 2]));
    assert!(!accepts::<SupportedGroups<'_>>(&[0, 2, 0, 1, 2]));
    assert!(!accepts::<Alpn<'_>>(&[0, 0]));
    assert!(!accepts::<Alpn<'_>>(&[0, 3, 1, b'a', 0]));
    assert!(accepts::<AlpnSelected<'_>>(&[0, 2, 1, b'a']));
    assert!(!accepts::<AlpnSelected<'_>>(&[0, 4, 1, b'a', 1, b'b']));
    assert!(accepts::<KeyShareClientHello<'_>>(&[0, 0]));
    assert!(!accepts::<KeyShareClientHello<'_>>(&[0, 4, 0, 29, 0, 0]));
    assert!(!accepts::<KeyShareServerHello<'_>>(&[0, 29, 0, 1, 7, 0]));
    assert!(!accepts::<SupportedVersions<'_>>(&[0]));
    assert!(!accepts::<SupportedVersions<'_>>(&[3, 3, 4, 3]));
    assert!(!accepts::<Cookie<'_>>(&[0, 0]));
    assert!(!accepts::<PskKeyExchangeModes<'_>>(&[0]));
    assert!(!accepts::<OfferedPsks<'_>>(&[
        0, 7, 0, 1, 9, 0, 0, 0, 0, 0, 0
    ]));
    assert!(!accepts::<OfferedPsks<'_>>(&[0, 0, 0, 2, 1, 9]));
    assert!(!accepts::<OfferedPsks<'_>>(&[
        0, 6, 0, 0, 0, 0, 0, 0, 0, 2, 1, 9
    ]));
    assert!(!accepts::<EarlyData>(&[0]));
    assert!(!accepts::<MaxEarlyDataSize>(&[0, 0, 0]));
    assert!(!accepts::<CertificateAuthorities<'_>>(&[0, 0]));
    assert!(accepts::<OidFilters<'_>>(&[0, 0]));
    assert!(!accepts::<OidFilters<'_>>(&[0, 3, 0, 0, 0]));
    assert!(accepts::<StatusRequest<'_>>(&[1, 0, 0, 0, 0]));
    assert!(!accepts::<StatusRequest<'_>>(&[1, 0, 0, 0, 0, 0]));
    assert!(!accepts::<CertificateStatus<'_>>(&[1, 0, 0, 0]));
    assert!(Extensions::decode(&[0, 1, 0, 1]).is_err());
}
