//! Primes and secrets of OpenSSL, and shares that must be refused.

use super::super::hash::{HashAlgorithm, hash};
use super::super::hex;
use super::*;

const NAMED: [NamedGroup; 5] = [
    NamedGroup::FFDHE2048,
    NamedGroup::FFDHE3072,
    NamedGroup::FFDHE4096,
    NamedGroup::FFDHE6144,
    NamedGroup::FFDHE8192,
];

fn sha256(bytes: &[u8]) -> Vec<u8> {
    hash(HashAlgorithm::Sha256, bytes).as_slice().to_vec()
}

/// SHA-256 of the primes of OpenSSL 3.0, for GROUP from ffdhe2048 and from modp_1536 on:
/// `openssl genpkey -genparam -algorithm DH -pkeyopt group:GROUP | openssl asn1parse | awk -F: '/INTEGER/
/// {print $NF; exit}' | xxd -r -p | sha256sum`
#[test]
fn the_primes_are_those_of_openssl() {
    for (prime, digest) in [
        (
            Prime::RFC_7919[0],
            "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966",
        ),
        (
            Prime::RFC_7919[1],
            "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17",
        ),
        (
            Prime::RFC_7919[2],
            "4648414224ac881b3d0dc59b466f96d06a558278776807797ecf1f66ff397b3e",
        ),
        (
            Prime::RFC_7919[3],
            "227ac9066b3ddd9e193670cda2388fa884f65ba0cf98b742d1fe77a6687c79c7",
        ),
        (
            Prime::RFC_7919[4],
            "770b14efaf6f049929c523113b3fa99a8d11dab1b18af3609590122075d19833",
        ),
        (
            Prime::RFC_3526[0],
            "64fcc83ec403930bf18393dbc883ccaa1fbb08ac876f77f7aa99748ca945019b",
        ),
        (
            Prime::RFC_3526[1],
            "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e",
        ),
        (
            Prime::RFC_3526[2],
            "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c",
        ),
        (
            Prime::RFC_3526[3],
            "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33",
        ),
        (
            Prime::RFC_3526[4],
            "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd",
        ),
        (
            Prime::RFC_3526[5],
            "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf",
        ),
    ] {
        let bytes = prime.value().to_be_bytes_trimmed_vartime();
        assert_eq!(bytes.len(), prime.bits as usize / 8);
        assert_eq!(sha256(&bytes), hex(digest), "{}", prime.bits);
    }
}

/// Two private keys of OpenSSL 3.0, SHA-256 of the first one's share and of the secret. For GROUP:
/// `openssl genpkey -algorithm DH -pkeyopt group:GROUP -out a.pem`, the same for b.pem, `openssl pkey -in
/// b.pem -pubout -out b.pub`, `openssl pkey -in a.pem -noout -text`, `openssl pkeyutl -derive -inkey a.pem
/// -peerkey b.pub -pkeyopt pad:1 | sha256sum`. The first secret begins with a zero.
const SECRETS: [(&str, &str, &str, &str); 6] = [
    (
        "f373e7a040fe1d988198b851a862d04a16e8053932c5fc15dc2dbf01",
        "0116ca82a89cb9194cbc3032beb22ea8acd2064a119a0a88af99ef01be",
        "feff2b90a0c63d41e7918f3ac78678c01b15b4cbc0d890d9246d5d929c9f91da",
        "1e1bfda185700ab172aef6fe06b28f76de896aef00e1688389876cfde206926d",
    ),
    (
        "071cc6e2b2a63e985ec051c21e49cdaee7d1fdf526c644f095b7b22434b34bf3
         6d3233",
        "89aa2a62872bc97cef9652a8b3b84cfb20c8ab5c1bd8bc77d1f571d2ca581308
         a6c2",
        "9fee4ad36867fa0348f10372d887685d42bfb79e86c27448f237750cc6ade2f8",
        "19e969add49d46a5cfab989279ccb99e101dffaf95cb3a0e00920be1bd20c019",
    ),
    (
        "16fe1e33a77dd83a79a98644f7ae98f3a6a2cbf764e5b64431a60e768c094b65
         2ce30800c590b11e11",
        "1ce7405c481e0def777323f5c0db6cc81ec4c5258b576d49a0660e6f19897043
         bc9fa852eb3e557e80",
        "77fb6338953ab8ff06a21d9c935b42ea24f28ccc4e78844ae5b4aae49ebe1288",
        "295698d57580c8c5b6f20b359e9e78be1a047f05bb33911327ff6ee7b9ecc7ed",
    ),
    (
        "14dc7c93dbb399e4ed21c6ddbb1fd4e5e5d7b6c25129ad89001adc29c02d3ee4
         114a1fbf57b851a735893a803f4410",
        "030749a0b3df26de9861cc3675ba830bc08fec708321731144403ae4f53e318c
         0cafab4d4cff9a15942788e250e1c2",
        "5d9a584500fa7521c9e44ea6ab95fd68fdcf905c560df9560b80f6335ad9db08",
        "66bbc6a157e4198076a03c7469cc8e12f7f79db905d4108c5ccb7ec179dad71c",
    ),
    (
        "b778cdb9323c2ac9e9b9b5faf0633230a63b20f1d4ae6e1dc0bbb34f1768fe22
         64ee0f1f8b5bda1130aad1003a3a258b4686",
        "a31dc0e69ddecf44312adf49938da6c2920d0494d9f01ec5fb452a7e94d2fd3a
         bc8eb64f34b3ca9284ff0cad06168aa0715e",
        "39788e324b0afc0485ac6bfbc99656393501389862c1c0b06ecfc0e6ffea3093",
        "7c69cbd9860f7b18bbce3f1f9d6bcff6fa63659a9703e9d4f41bfc4175b2fa6a",
    ),
    (
        "9accc0b52ac148cbb139876004c1d399116ae17dae88908dc5e26f48",
        "c115b64e3f1d83145425a6b0f0de2b021d630388efa4a098a26e92bf",
        "b7a36e5a90903a1e871fff441380658e94746622e75bfdb79352512f41a429ae",
        "d13699dbbe4168b66ef859eaf73cb4c39eb03a867ed3baf4bd3a91363ae04164",
    ),
];

fn with_exponent(group: Group, exponent: &str) -> FieldKeyPair {
    let mut pair = group.generate(&mut Random::seeded(1)).unwrap();
    pair.exponent = Exponent::from_bytes(&group, &hex(exponent)).unwrap();
    let generator = group.generator.clone();
    pair.share = group.power(generator, &pair.exponent).to_vec();
    pair
}

#[test]
fn the_secrets_are_those_of_openssl() {
    let modp_2048 = Prime::RFC_3526[1].value().to_be_bytes();
    let modp_2048 = Group::from_bytes(&modp_2048, &[2], 2048).unwrap();
    assert_eq!(modp_2048.exponent_bits, 225);
    let named = NAMED.iter().map(|group| Group::named(*group).unwrap());
    for (group, (a, b, share, secret)) in named.chain([modp_2048]).zip(SECRETS) {
        let a = with_exponent(group.clone(), a);
        let b = with_exponent(group.clone(), b);
        assert_eq!(sha256(a.share()), hex(share), "{group:?}");
        let agreed = a.agree(b.share()).unwrap();
        assert_eq!(agreed, b.agree(a.share()).unwrap());
        assert_eq!(agreed.as_slice().len(), group.len());
        assert_eq!(sha256(agreed.as_slice()), hex(secret), "{group:?}");
        // What begins with a zero is shorter before TLS 1.3, and may be written so.
        let older = a.agree_before_tls13(trimmed(b.share())).unwrap();
        assert_eq!(older.as_slice(), trimmed(agreed.as_slice()));
        let padded = [&[0, 0], b.share()].concat();
        assert_eq!(a.agree_before_tls13(&padded).unwrap(), older);
        let is_short = group.generator_bytes() == [2] && agreed.as_slice()[0] == 0;
        assert_eq!(older.as_slice().len() < group.len(), is_short);
    }
}

#[test]
fn an_exponent_is_fresh_and_as_long_as_it_has_to_be() {
    for named in NAMED {
        let group = Group::named(named).unwrap();
        let one = Exponent::random(&group, &mut Random::system()).unwrap();
        let two = Exponent::random(&group, &mut Random::system()).unwrap();
        assert_ne!(one.0, two.0);
        assert_eq!(one.0.bit_width_vartime(), group.exponent_bits, "{named}");
    }
    let mut none = Random::script([1; 28]);
    let group = Group::named(NamedGroup::FFDHE2048).unwrap();
    assert_eq!(
        group.generate(&mut none).map(|_| ()),
        Err(CryptoFailure::RandomBytes)
    );
}

fn minus(prime: &[u8], less: u8) -> Vec<u8> {
    let mut bytes = prime.to_vec();
    *bytes.last_mut().unwrap() -= less;
    bytes
}

/// RFC 7919 §5.1, RFC 8446 §4.2.8.1.
#[test]
fn shares_out_of_range_are_refused() {
    let group = Group::named(NamedGroup::FFDHE2048).unwrap();
    let pair = group.generate(&mut Random::seeded(2)).unwrap();
    let prime = group.prime_bytes();
    let small = |last: u8| [&vec![0; 255][..], &[last]].concat();
    let more = [&prime[..255], &[0xff, 0]].concat();
    for share in [
        small(0),
        small(1),
        minus(&prime, 1),
        prime.clone(),
        vec![0xff; 256],
        more,
        vec![],
        vec![0xff; 2000],
    ] {
        assert_eq!(pair.agree(&share), Err(BadKeyShare));
        assert_eq!(pair.agree_before_tls13(&share), Err(BadKeyShare));
    }
    for share in [small(2), minus(&prime, 2)] {
        assert!(pair.agree(&share).is_ok());
        assert!(pair.agree_before_tls13(&share).is_ok());
    }
    // TLS 1.3 knows one length, but Erlang leaves out zeros in front.
    assert_eq!(pair.agree(&[2]), pair.agree(&small(2)));
    assert_eq!(pair.agree(&[2]).unwrap().as_slice().len(), 256);
    assert_eq!(
        pair.agree(&[&[0], &small(2)[..]].concat()),
        Err(BadKeyShare)
    );
}

#[test]
fn groups_of_a_peer_are_bounded() {
    let prime = Prime::RFC_7919[0].value().to_be_bytes();
    let group = |prime: &[u8], generator: &[u8], least| {
        Group::from_bytes(prime, generator, least).map(|group| group.exponent_bits)
    };
    assert_eq!(group(&prime, &[2], 2048), Ok(225));
    assert_eq!(group(&[&[0], &prime[..]].concat(), &[0, 2], 2048), Ok(225));
    assert_eq!(group(&prime, &minus(&prime, 2), 2048), Ok(225));
    // Of another prime nothing is known, so all of the exponent is needed.
    assert_eq!(group(&minus(&prime, 2), &[2], 2048), Ok(2047));
    assert_eq!(group(&prime, &[2], 2049), Err(WeakGroup));
    assert_eq!(group(&minus(&prime, 1), &[2], 2048), Err(WeakGroup), "even");
    for generator in [&[][..], &[0], &[1], &prime, &minus(&prime, 1), &[0xff; 257]] {
        assert_eq!(group(&prime, generator, 2048), Err(WeakGroup));
    }
    for (prime, least) in [
        (vec![], 0),
        (vec![0], 0),
        (vec![1], 0),
        (vec![3], 0),
        (vec![0xff; 127], 1024),
        (vec![0xff; 1025], 1024),
        (vec![0xff; 65_535], 1024),
    ] {
        assert_eq!(group(&prime, &[2], least), Err(WeakGroup));
    }
    // What nobody knows costs too much from some size on.
    assert_eq!(group(&[0xff; 512], &[2], 1024), Ok(4095));
    assert_eq!(group(&[0xff; 513], &[2], 1024), Err(WeakGroup));
    assert_eq!(group(&[0xff; 1024], &[2], 1024), Err(WeakGroup));
    let longest = Prime::of(NamedGroup::FFDHE8192).unwrap().value();
    assert_eq!(group(&longest.to_be_bytes(), &[2], 1024), Ok(400));
}

/// In a group that is none a secret can be 1 although the share is not.
#[test]
fn a_secret_that_anybody_knows_is_refused() {
    // Modulo 2^1024 - 1 the square of 2^512 is 1.
    let group = Group::from_bytes(&[0xff; 128], &[2], 1024).unwrap();
    let mut pair = group.generate(&mut Random::seeded(3)).unwrap();
    let half = [&[1][..], &[0; 64]].concat();
    pair.exponent = Exponent::from_bytes(&group, &[6]).unwrap();
    assert_eq!(pair.agree_before_tls13(&half), Err(BadKeyShare));
    pair.exponent = Exponent::from_bytes(&group, &[7]).unwrap();
    assert!(pair.agree_before_tls13(&half).is_ok());
}
