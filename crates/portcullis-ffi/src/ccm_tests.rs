use ccm::aead::AeadInOut as _;
use ccm::aead::KeyInit as _;
use ccm::consts::{U8, U12, U16};

use super::*;
use crate::hex;

const NONCE: [u8; 12] = *b"twelve bytes";
const BOTH: [TagLen; 2] = [TagLen::Eight, TagLen::Sixteen];

fn numbers(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// Ciphertext and tag.
fn sealed(ccm: &mut Ccm, nonce: &[u8; 12], data: &[u8], content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut text, mut tag) = (content.to_vec(), vec![0; ccm.tag_len().bytes()]);
    ccm.seal(nonce, data, &mut text, &mut tag).unwrap();
    (text, tag)
}

/// SP 800-38C, Example 3: a nonce of 12 bytes, a tag of 8.
#[test]
fn nist_example_3() {
    let key = hex("404142434445464748494a4b4c4d4e4f");
    let nonce = hex("101112131415161718191a1b").try_into().unwrap();
    let data = hex("000102030405060708090a0b0c0d0e0f10111213");
    let content = hex("202122232425262728292a2b2c2d2e2f3031323334353637");
    let mut ccm = Ccm::new(&key, TagLen::Eight).unwrap();
    let (text, tag) = sealed(&mut ccm, &nonce, &data, &content);
    assert_eq!(
        text,
        hex("e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5")
    );
    assert_eq!(tag, hex("484392fbc1b09951"));
}

macro_rules! other {
    ($cipher:ty, $tag:ty, $key:expr, $data:expr, $content:expr) => {{
        let other = ccm::Ccm::<$cipher, $tag, U12>::new_from_slice($key).unwrap();
        let mut text = $content.to_vec();
        let tag = other
            .encrypt_inout_detached(&NONCE.into(), $data, text.as_mut_slice().into())
            .unwrap();
        (text, tag.to_vec())
    }};
}

#[test]
fn an_implementation_in_rust_makes_the_same() {
    for len in (0..70).chain([255, 256, 16_384, 16_385, 66_000]) {
        for data_len in [0, 5, 13, 14, 300] {
            let (content, data) = (numbers(len), numbers(data_len));
            let (short, long) = (numbers(16), numbers(32));
            for (key, tag_len, expected) in [
                (
                    &short,
                    TagLen::Sixteen,
                    other!(aes::Aes128, U16, &short, &data, content),
                ),
                (
                    &short,
                    TagLen::Eight,
                    other!(aes::Aes128, U8, &short, &data, content),
                ),
                (
                    &long,
                    TagLen::Sixteen,
                    other!(aes::Aes256, U16, &long, &data, content),
                ),
                (
                    &long,
                    TagLen::Eight,
                    other!(aes::Aes256, U8, &long, &data, content),
                ),
            ] {
                let mut ccm = Ccm::new(key, tag_len).unwrap();
                let (mut text, tag) = sealed(&mut ccm, &NONCE, &data, &content);
                assert_eq!(
                    (&text, &tag),
                    (&expected.0, &expected.1),
                    "{len} {data_len}"
                );
                let mut out = vec![0xaa; len];
                ccm.open_into(&NONCE, &data, &text, &tag, &mut out).unwrap();
                assert_eq!(out, content);
                ccm.open(&NONCE, &data, &mut text, &tag).unwrap();
                assert_eq!(text, content);
            }
        }
    }
}

/// Whatever of nonce, data, text and tag is another; and nothing of the content is left.
#[test]
fn a_forgery_is_refused_and_wiped() {
    for tag_len in BOTH {
        for content in [&[][..], b"c", b"sixteen bytes ..", &numbers(1_000)] {
            let mut ccm = Ccm::new(&[7; 16], tag_len).unwrap();
            let (text, tag) = sealed(&mut ccm, &NONCE, b"data", content);
            let mut other_nonce = NONCE;
            other_nonce[11] ^= 1;
            let mut forgeries = vec![
                (other_nonce, b"data".to_vec(), text.clone(), tag.clone()),
                (NONCE, b"dat".to_vec(), text.clone(), tag.clone()),
                (NONCE, Vec::new(), text.clone(), tag.clone()),
            ];
            for at in 0..tag.len() {
                let mut changed = tag.clone();
                changed[at] ^= 0x80;
                forgeries.push((NONCE, b"data".to_vec(), text.clone(), changed));
            }
            for at in [0, content.len() / 2, content.len().saturating_sub(1)] {
                let mut changed = text.clone();
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1;
                    forgeries.push((NONCE, b"data".to_vec(), changed, tag.clone()));
                }
            }
            for (nonce, data, mut forged, tag) in forgeries {
                let mut out = vec![0xaa; forged.len()];
                let opened = ccm.open_into(&nonce, &data, &forged, &tag, &mut out);
                assert_eq!(opened, Err(Failed));
                assert!(out.iter().all(|&byte| byte == 0));
                assert_eq!(ccm.open(&nonce, &data, &mut forged, &tag), Err(Failed));
                assert!(forged.iter().all(|&byte| byte == 0));
            }
        }
    }
}

/// What an operation leaves in the context has no effect on the next, also where that has no data
/// to authenticate.
#[test]
fn goes_on_after_a_failure() {
    for tag_len in BOTH {
        for data in [&b""[..], b"data"] {
            let fresh = || Ccm::new(&[7; 32], tag_len).unwrap();
            let expected = sealed(&mut fresh(), &NONCE, data, b"content");
            let mut ccm = fresh();
            for _ in 0..3 {
                assert_eq!(sealed(&mut ccm, &NONCE, data, b"content"), expected);
                let (mut text, tag) = expected.clone();
                let mut wrong = tag.clone();
                wrong[0] ^= 1;
                let opened = ccm.open(&[1; 12], b"other data", &mut text.clone(), &wrong);
                assert_eq!(opened, Err(Failed));
                ccm.open(&NONCE, data, &mut text, &tag).unwrap();
                assert_eq!(text, b"content");
                assert_eq!(ccm.open(&NONCE, data, &mut text, &tag[1..]), Err(Failed));
                assert_eq!(text, b"content");
                assert_eq!(sealed(&mut ccm, &NONCE, data, b"content"), expected);
            }
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for len in (0..16).chain(17..32).chain([33, 64]) {
        assert!(Ccm::new(&vec![0; len], TagLen::Eight).is_err());
    }
    for tag_len in BOTH {
        let mut ccm = Ccm::new(&[0; 16], tag_len).unwrap();
        for len in (0..=17).filter(|len| *len != tag_len.bytes()) {
            let mut text = *b"text";
            assert!(ccm.seal(&NONCE, b"", &mut text, &mut vec![0; len]).is_err());
            assert!(ccm.open(&NONCE, b"", &mut text, &vec![0; len]).is_err());
            assert_eq!(text, *b"text");
        }
        let (text, tag) = sealed(&mut ccm, &NONCE, b"", b"text");
        for len in [0, 3, 5] {
            let opened = ccm.open_into(&NONCE, b"", &text, &tag, &mut vec![0; len]);
            assert!(opened.is_err());
        }
    }
}

/// A key is used by one thread after another.
#[test]
fn moves_between_threads() {
    let mut ccm = Ccm::new(&[7; 16], TagLen::Sixteen).unwrap();
    let expected = sealed(&mut ccm, &NONCE, b"data", b"content");
    let there = std::thread::spawn(move || sealed(&mut ccm, &NONCE, b"data", b"content"));
    assert_eq!(there.join().unwrap(), expected);
    assert_eq!(
        format!("{:?}", Ccm::new(&[7; 16], TagLen::Eight).unwrap()),
        "Ccm(..)"
    );
}
