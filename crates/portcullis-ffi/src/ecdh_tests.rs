use super::*;
use crate::hex;

const CURVES: [Curve; 3] = [
    Curve::BrainpoolP256r1,
    Curve::BrainpoolP384r1,
    Curve::BrainpoolP512r1,
];

/// RFC 7027 appendix A: dA, x and y of qA, dB, x and y of qB, and x of the secret point.
const VECTORS: [(Curve, [&str; 7]); 3] = [
    (
        Curve::BrainpoolP256r1,
        [
            "81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D",
            "44106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5",
            "8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC",
            "55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3",
            "8D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B",
            "990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A",
            "89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B",
        ],
    ),
    (
        Curve::BrainpoolP384r1,
        [
            "1E20F5E048A5886F1F157C74E91BDE2B98C8B52D58E5003D57053FC4B0BD65D6
             F15EB5D1EE1610DF870795143627D042",
            "68B665DD91C195800650CDD363C625F4E742E8134667B767B1B476793588F885
             AB698C852D4A6E77A252D6380FCAF068",
            "55BC91A39C9EC01DEE36017B7D673A931236D2F1F5C83942D049E3FA20607493
             E0D038FF2FD30C2AB67D15C85F7FAA59",
            "032640BC6003C59260F7250C3DB58CE647F98E1260ACCE4ACDA3DD869F74E01F
             8BA5E0324309DB6A9831497ABAC96670",
            "4D44326F269A597A5B58BBA565DA5556ED7FD9A8A9EB76C25F46DB69D19DC8CE
             6AD18E404B15738B2086DF37E71D1EB4",
            "62D692136DE56CBE93BF5FA3188EF58BC8A3A0EC6C1E151A21038A42E9185329
             B5B275903D192F8D4E1F32FE9CC78C48",
            "0BD9D3A7EA0B3D519D09D8E48D0785FB744A6B355E6304BC51C229FBBCE239BB
             ADF6403715C35D4FB2A5444F575D4F42",
        ],
    ),
    (
        Curve::BrainpoolP512r1,
        [
            "16302FF0DBBB5A8D733DAB7141C1B45ACBC8715939677F6A56850A38BD87BD59
             B09E80279609FF333EB9D4C061231FB26F92EEB04982A5F1D1764CAD57665422",
            "0A420517E406AAC0ACDCE90FCD71487718D3B953EFD7FBEC5F7F27E28C614999
             9397E91E029E06457DB2D3E640668B392C2A7E737A7F0BF04436D11640FD09FD",
            "72E6882E8DB28AAD36237CD25D580DB23783961C8DC52DFA2EC138AD472A0FCE
             F3887CF62B623B2A87DE5C588301EA3E5FC269B373B60724F5E82A6AD147FDE7",
            "230E18E1BCC88A362FA54E4EA3902009292F7F8033624FD471B5D8ACE49D12CF
             ABBC19963DAB8E2F1EBA00BFFB29E4D72D13F2224562F405CB80503666B25429",
            "9D45F66DE5D67E2E6DB6E93A59CE0BB48106097FF78A081DE781CDB31FCE8CCB
             AAEA8DD4320C4119F1E9CD437A2EAB3731FA9668AB268D871DEDA55A5473199F",
            "2FDC313095BCDD5FB3A91636F07A959C8E86B5636A1E930E8396049CB481961D
             365CC11453A06C719835475B12CB52FC3C383BCE35E27EF194512B71876285FA",
            "A7927098655F1F9976FA50A9D566865DC530331846381C87256BAF3226244B76
             D36403C024D7BBF0AA0803EAFF405D3D24F11A9B5C0BEF679FE1454B21C4CD1F",
        ],
    ),
];

fn point(x: &str, y: &str) -> Vec<u8> {
    [&[UNCOMPRESSED][..], &hex(x), &hex(y)].concat()
}

fn secret(key: &EcdhPrivateKey, point: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut secret = vec![0; key.curve.field_len()];
    key.agree(point, &mut secret).map(|()| secret)
}

#[test]
fn rfc_7027_appendix_a() {
    for (curve, [d_a, x_a, y_a, d_b, x_b, y_b, z]) in VECTORS {
        let (a, b) = (point(x_a, y_a), point(x_b, y_b));
        for (scalar, ours, theirs) in [(d_a, &a, &b), (d_b, &b, &a)] {
            let key = EcdhPrivateKey::from_scalar(curve, &hex(scalar)).unwrap();
            assert_eq!(&key.public_key().unwrap(), ours, "{curve:?}");
            assert_eq!(secret(&key, theirs), Ok(hex(z)), "{curve:?}");
        }
    }
}

#[test]
fn fresh_keys_agree_and_are_fresh() {
    for curve in CURVES {
        let [one, two] = [(); 2].map(|()| EcdhPrivateKey::generate(curve).unwrap());
        let (first, second) = (one.public_key().unwrap(), two.public_key().unwrap());
        assert_ne!(first, second);
        assert_eq!(
            secret(&one, &second).unwrap(),
            secret(&two, &first).unwrap()
        );
    }
}

#[test]
fn what_is_no_point_is_refused() {
    for (curve, [_, x, y, ..]) in VECTORS {
        let key = EcdhPrivateKey::generate(curve).unwrap();
        let good = point(x, y);
        assert!(secret(&key, &good).is_ok());
        for at in 0..good.len() {
            let mut off = good.clone();
            off[at] ^= 1;
            assert_eq!(secret(&key, &off), Err(Failed), "{curve:?} {at}");
        }
        // Compressed and hybrid forms, the point at infinity, coordinates beyond the field, other lengths.
        let parity = good[good.len() - 1] & 1;
        let compressed = [&[2 | parity][..], &hex(x)].concat();
        let hybrid = [&[6 | parity][..], &good[1..]].concat();
        let too_large = [&[UNCOMPRESSED][..], &vec![0xff; good.len() - 1]].concat();
        let zero = [&[UNCOMPRESSED][..], &vec![0; good.len() - 1]].concat();
        let longer = [&good[..], &[0]].concat();
        for wrong in [
            compressed,
            hybrid,
            too_large,
            zero,
            longer,
            vec![0],
            vec![],
            good[1..].to_vec(),
        ] {
            assert_eq!(secret(&key, &wrong), Err(Failed), "{curve:?} {wrong:02x?}");
        }
        for (other, [_, x, y, ..]) in VECTORS {
            assert_eq!(secret(&key, &point(x, y)).is_ok(), other == curve);
        }
    }
}

#[test]
fn room_and_scalars_are_as_long_as_the_field() {
    for (curve, [scalar, x, y, ..]) in VECTORS {
        let key = EcdhPrivateKey::generate(curve).unwrap();
        let len = curve.field_len();
        for wrong in [0, len - 1, len + 1] {
            assert_eq!(key.agree(&point(x, y), &mut vec![0; wrong]), Err(Failed));
            let scalar = vec![1; wrong];
            assert!(EcdhPrivateKey::from_scalar(curve, &scalar).is_err());
        }
        for wrong in [vec![0; len], vec![0xff; len]] {
            assert!(EcdhPrivateKey::from_scalar(curve, &wrong).is_err());
        }
        assert!(EcdhPrivateKey::from_scalar(curve, &hex(scalar)).is_ok());
    }
}

#[test]
fn a_key_shows_its_curve_and_nothing_else() {
    let key = EcdhPrivateKey::generate(CURVES[0]).unwrap();
    assert_eq!(format!("{key:?}"), "EcdhPrivateKey(BrainpoolP256r1)");
}
