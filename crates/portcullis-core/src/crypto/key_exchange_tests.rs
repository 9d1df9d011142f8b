//! Vectors, round trips and shares that must be refused.

use super::super::hex;
use super::*;

const SIZES: &[(NamedGroup, usize, usize, usize)] = &[
    (NamedGroup::MLKEM768, 1184, 1088, 32),
    (NamedGroup::MLKEM1024, 1568, 1568, 32),
    (NamedGroup::X25519_MLKEM768, 1184 + 32, 1088 + 32, 64),
    (NamedGroup::SECP256R1_MLKEM768, 65 + 1184, 65 + 1088, 64),
    (NamedGroup::SECP384R1_MLKEM1024, 97 + 1568, 97 + 1568, 80),
    (NamedGroup::X25519, 32, 32, 32),
    (NamedGroup::SECP256R1, 65, 65, 32),
    (NamedGroup::SECP384R1, 97, 97, 48),
    (NamedGroup::SECP521R1, 133, 133, 66),
    #[cfg(feature = "curve448")]
    (NamedGroup::X448, 56, 56, 56),
    #[cfg(feature = "finite-field")]
    (NamedGroup::FFDHE2048, 256, 256, 256),
    #[cfg(feature = "finite-field")]
    (NamedGroup::FFDHE3072, 384, 384, 384),
    #[cfg(feature = "finite-field")]
    (NamedGroup::FFDHE4096, 512, 512, 512),
    #[cfg(feature = "finite-field")]
    (NamedGroup::FFDHE6144, 768, 768, 768),
    #[cfg(feature = "finite-field")]
    (NamedGroup::FFDHE8192, 1024, 1024, 1024),
    #[cfg(feature = "ffi")]
    (NamedGroup::BRAINPOOLP256R1, 65, 65, 32),
    #[cfg(feature = "ffi")]
    (NamedGroup::BRAINPOOLP384R1, 97, 97, 48),
    #[cfg(feature = "ffi")]
    (NamedGroup::BRAINPOOLP512R1, 129, 129, 64),
];

fn curve_of(group: NamedGroup) -> Option<Curve> {
    match Method::of(group).unwrap() {
        Method::Curve(curve) | Method::Hybrid(curve, _) => Some(curve),
        Method::MlKem(_) | Method::Other => None,
    }
}

fn start(group: NamedGroup) -> ActiveKeyExchange {
    ActiveKeyExchange::start(group, &mut Random::system()).unwrap()
}

fn answer(group: NamedGroup, share: &[u8]) -> Result<(Vec<u8>, SharedSecret), RespondError> {
    let (share, secret) = respond(group, share, &mut Random::system())?;
    Ok((share.to_vec(), secret))
}

/// RFC 7748 §6.1.
#[test]
fn rfc_7748_x25519() {
    let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let mut random = Random::script(alice);
    let client = ActiveKeyExchange::start(NamedGroup::X25519, &mut random).unwrap();
    assert_eq!(
        client.public_key(),
        hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    );
    let mut random = Random::script(bob);
    let (share, secret) = respond(NamedGroup::X25519, client.public_key(), &mut random).unwrap();
    assert_eq!(
        *share,
        hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    );
    let expected = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(secret.as_slice(), expected);
    assert_eq!(client.finish(&share).unwrap().as_slice(), expected);
}

/// RFC 8448 §3: the two key pairs of the handshake.
#[test]
fn rfc_8448_x25519() {
    let client = hex("49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005");
    let client = ActiveKeyExchange::start(NamedGroup::X25519, &mut Random::script(client)).unwrap();
    let share = hex("c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f");
    assert_eq!(
        client.finish(&share).unwrap().as_slice(),
        hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
    );
}

/// A scalar of zero is passed over; one gives the base point (SEC 2 §2.4.2).
#[test]
fn scalars_of_the_nist_curves_come_from_the_script() {
    let mut script = vec![0; 32 + 31];
    script.push(1);
    let mut random = Random::script(script);
    let one = ActiveKeyExchange::start(NamedGroup::SECP256R1, &mut random).unwrap();
    assert_eq!(
        one.public_key()[1..33],
        hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    );
    for group in [
        NamedGroup::SECP256R1,
        NamedGroup::SECP384R1,
        NamedGroup::SECP521R1,
    ] {
        let seeded = || ActiveKeyExchange::start(group, &mut Random::seeded(5)).unwrap();
        assert_eq!(seeded().public_key(), seeded().public_key());
    }
    assert!(ActiveKeyExchange::start(NamedGroup::X25519, &mut Random::script([0; 31])).is_err());
}

/// RFC 7027 §A.1. A scalar that is not below the order is passed over.
#[cfg(feature = "ffi")]
#[test]
fn scalars_of_brainpool_come_from_the_script() {
    let scalar = hex("81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d");
    let script = [vec![0xff; 32], scalar].concat();
    let group = NamedGroup::BRAINPOOLP256R1;
    let one = ActiveKeyExchange::start(group, &mut Random::script(script)).unwrap();
    assert_eq!(
        one.public_key(),
        hex(
            "0444106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be5
             8ab4846f11caccb73ce49cbdd120f5a900a69fd32c272223f789ef10eb089bdc"
        )
    );
}

#[test]
fn both_sides_get_the_same_secret() {
    for &(group, client_len, server_len, secret_len) in SIZES {
        let client = start(group);
        assert_eq!(client.group(), group);
        assert_eq!(client.public_key().len(), client_len);
        let (share, secret) = answer(group, client.public_key()).unwrap();
        assert_eq!(share.len(), server_len);
        assert_eq!(secret.as_slice().len(), secret_len);
        assert_eq!(client.finish(&share).unwrap(), secret);
    }
    let mut tested = SIZES.iter();
    assert!(tested.all(|(group, ..)| NamedGroup::SUPPORTED.contains(group)));
    assert_eq!(SIZES.len(), NamedGroup::SUPPORTED.len());
    let unknown = NamedGroup(0x0105);
    assert!(ActiveKeyExchange::start(unknown, &mut Random::system()).is_err());
    assert!(matches!(
        answer(unknown, &[0; 56]),
        Err(RespondError::Crypto(_))
    ));
}

#[test]
fn the_curve_of_a_hybrid_can_be_chosen_alone() {
    for (hybrid, curve) in [
        (NamedGroup::X25519_MLKEM768, NamedGroup::X25519),
        (NamedGroup::SECP256R1_MLKEM768, NamedGroup::SECP256R1),
        (NamedGroup::SECP384R1_MLKEM1024, NamedGroup::SECP384R1),
    ] {
        let client = start(hybrid);
        let (group, point) = client.classical_share().unwrap();
        assert_eq!(group, curve);
        let (share, secret) = answer(curve, point).unwrap();
        assert_eq!(client.finish_classical(&share).unwrap(), secret);
        assert!(start(curve).classical_share().is_none());
    }
}

/// The order of the parts: both halves are computed apart and put together by hand.
#[test]
fn the_parts_stand_in_the_order_of_the_draft() {
    for (group, ml_kem, point_len, ml_kem_first) in [
        (NamedGroup::X25519_MLKEM768, &kem::ML_KEM_768, 32, true),
        (NamedGroup::SECP256R1_MLKEM768, &kem::ML_KEM_768, 65, false),
        (
            NamedGroup::SECP384R1_MLKEM1024,
            &kem::ML_KEM_1024,
            97,
            false,
        ),
    ] {
        let curve = curve_of(group).unwrap();
        let private = curve.generate(&mut Random::system()).unwrap();
        let point = public_key(&private).unwrap();
        let key = DecapsulationKey::generate(ml_kem).unwrap();
        let public = key.encapsulation_key().unwrap().key_bytes().unwrap();
        let join = |point: &[u8], other: &[u8]| {
            if ml_kem_first {
                [other, point].concat()
            } else {
                [point, other].concat()
            }
        };
        let (share, secret) = answer(group, &join(point.as_ref(), public.as_ref())).unwrap();
        let (point, ciphertext) = if ml_kem_first {
            let (ciphertext, point) = share.split_at(share.len() - point_len);
            (point, ciphertext)
        } else {
            share.split_at(point_len)
        };
        let curve_secret = curve.agree(&private, point).unwrap();
        let ml_kem_secret = key.decapsulate(Ciphertext::from(ciphertext)).unwrap();
        assert_eq!(
            secret.as_slice(),
            join(curve_secret.as_slice(), ml_kem_secret.as_ref())
        );
    }
}

#[track_caller]
fn assert_refused(group: NamedGroup, client_share: &[u8], server_share: &[u8]) {
    assert_eq!(
        answer(group, client_share).map(|_| ()),
        Err(RespondError::BadKeyShare)
    );
    assert_eq!(start(group).finish(server_share), Err(BadKeyShare));
}

#[test]
fn wrong_lengths_are_refused() {
    for &(group, ..) in SIZES {
        let client = start(group).public_key().to_vec();
        let (server, _) = answer(group, &client).unwrap();
        assert_refused(group, &[], &[]);
        for cut in [1, 31, 32] {
            // A number may lack zeros in front: a part of one is another.
            if NamedGroup::FINITE_FIELDS.contains(&group) {
                continue;
            }
            assert_refused(group, &client[cut..], &server[cut..]);
            assert_refused(
                group,
                &client[..client.len() - cut],
                &server[..server.len() - cut],
            );
        }
        assert_refused(
            group,
            &[&client[..], &[0]].concat(),
            &[&server[..], &[0]].concat(),
        );
        assert_refused(
            group,
            &[&[4], &client[..]].concat(),
            &[&[4], &server[..]].concat(),
        );
    }
}

/// §7.4.2: the points of small order, for which X25519 gives zero whatever the key.
#[test]
fn small_order_points_are_refused() {
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let point = hex(point);
        assert_refused(NamedGroup::X25519, &point, &point);
        assert_eq!(
            start(NamedGroup::X25519_MLKEM768).finish_classical(&point),
            Err(BadKeyShare)
        );
        let mut client = start(NamedGroup::X25519_MLKEM768).public_key().to_vec();
        let (mut server, _) = answer(NamedGroup::X25519_MLKEM768, &client).unwrap();
        client[1184..].copy_from_slice(&point);
        server[1088..].copy_from_slice(&point);
        assert_refused(NamedGroup::X25519_MLKEM768, &client, &server);
    }
}

#[test]
fn points_off_the_curve_or_in_another_form_are_refused() {
    for &(group, ..) in SIZES {
        let Some(curve) = curve_of(group).filter(|curve| *curve != Curve::X25519) else {
            continue;
        };
        let field = curve.field_len();
        let client = start(group).public_key().to_vec();
        let (server, _) = answer(group, &client).unwrap();

        let (mut off_client, mut off_server) = (client.clone(), server.clone());
        off_client[2 * field] ^= 1;
        off_server[2 * field] ^= 1;
        assert_refused(group, &off_client, &off_server);

        let all_ones = |share: &[u8]| {
            let mut share = share.to_vec();
            share[1..=field].fill(0xff);
            share
        };
        assert_refused(group, &all_ones(&client), &all_ones(&server));

        // The hybrid form (SEC 1 of old) has the same length; the compressed one is shorter.
        for form in [0, 2, 3, 5, 6, 7] {
            let (mut client, mut server) = (client.clone(), server.clone());
            client[0] = form;
            server[0] = form;
            assert_refused(group, &client, &server);
        }
        let compressed = |share: &[u8]| {
            let sign = 2 + (share[2 * field] & 1);
            [&[sign], &share[1..=field], &share[1 + 2 * field..]].concat()
        };
        assert_refused(group, &compressed(&client), &compressed(&server));
        let infinity = |share: &[u8]| [&[0], &share[1 + 2 * field..]].concat();
        assert_refused(group, &infinity(&client), &infinity(&server));
    }
}

/// FIPS 203 §7.2: a coefficient that is not below 3329 is not an encoding of a key.
#[test]
fn ml_kem_keys_above_the_modulus_are_refused() {
    for (group, at) in [
        (NamedGroup::X25519_MLKEM768, 0),
        (NamedGroup::SECP256R1_MLKEM768, 65),
        (NamedGroup::SECP384R1_MLKEM1024, 97),
    ] {
        let mut share = start(group).public_key().to_vec();
        share[at] = 0xff;
        share[at + 1] |= 0x0f;
        assert_eq!(
            answer(group, &share).map(|_| ()),
            Err(RespondError::BadKeyShare)
        );
    }
}

/// A ciphertext of the right length always decapsulates (implicit rejection); to another secret.
#[test]
fn a_changed_ciphertext_gives_another_secret() {
    let group = NamedGroup::X25519_MLKEM768;
    let client = start(group);
    let (mut share, secret) = answer(group, client.public_key()).unwrap();
    share[0] ^= 1;
    assert_ne!(client.finish(&share).unwrap(), secret);
}
