//! Against the HMAC of the library, and that nothing but the length of a record decides what is done.

use core::cell::Cell;
use core::marker::PhantomData;

use aws_lc_rs::hmac;

use super::*;

const FRONT: Front = [0, 0, 0, 0, 0, 0, 1, 2, 23, 3, 3];

const ALGORITHMS: [(MacAlgorithm, hmac::Algorithm); 3] = [
    (MacAlgorithm::Sha1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    (MacAlgorithm::Sha256, hmac::HMAC_SHA256),
    (MacAlgorithm::Sha384, hmac::HMAC_SHA384),
];

fn key(algorithm: MacAlgorithm) -> Vec<u8> {
    (1..=algorithm.len()).collect()
}

fn library_mac(algorithm: hmac::Algorithm, key: &[u8], content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    let message = [&FRONT[..], &length, content].concat();
    let key = hmac::Key::new(algorithm, key);
    hmac::sign(&key, &message).as_ref().to_vec()
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// `padding` bytes and their length.
fn padded(content: &[u8], mac: &[u8], padding: u8) -> Vec<u8> {
    let padding = vec![padding; usize::from(padding) + 1];
    [content, mac, &padding].concat()
}

#[test]
fn the_library_makes_the_same() {
    for (algorithm, library) in ALGORITHMS {
        let key = key(algorithm);
        let mac = RecordMac::new(algorithm, &key);
        for length in (0..=300).chain([16_383, 16_384]) {
            let content = content(length);
            let expected = library_mac(library, &key, &content);
            assert_eq!(mac.mac(&FRONT, &content).as_slice(), expected);
            assert_eq!(expected.len(), algorithm.len().into());
        }
    }
}

/// RFC 2104 over the `md-5` crate; and RFC 2202, test case 1, which has the key that a record has.
#[cfg(feature = "legacy-ciphers")]
#[test]
fn with_md5_as_the_rfc_says() {
    use md5::Digest as _;
    let by_hand = |key: &[u8], message: &[u8]| {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(key).for_each(|(to, byte)| *to ^= byte);
            block
        };
        let inner = md5::Md5::digest([&pad(0x36)[..], message].concat());
        md5::Md5::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
    };
    assert_eq!(
        by_hand(&[0x0b; 16], b"Hi There"),
        super::super::hex("9294727a3638bb1c13f48ef8158bfc9d")
    );
    let key = key(MacAlgorithm::Md5);
    assert_eq!(key.len(), 16);
    let mac = RecordMac::new(MacAlgorithm::Md5, &key);
    for length in (0..=300).chain([16_383, 16_384]) {
        let content = content(length);
        let size = (length as u16).to_be_bytes();
        let expected = by_hand(&key, &[&FRONT[..], &size, &content].concat());
        assert_eq!(mac.mac(&FRONT, &content).as_slice(), expected, "{length}");
        let plaintext = padded(&content, &expected, 7);
        assert_eq!(mac.check_padded(&FRONT, &plaintext, true), Some(length));
    }
}

#[test]
fn every_padding_is_taken_off() {
    for (algorithm, library) in ALGORITHMS {
        let key = key(algorithm);
        let mac = RecordMac::new(algorithm, &key);
        for length in (0..=65).chain([255, 256, 257, 1_000]) {
            let content = content(length);
            let expected = library_mac(library, &key, &content);
            for padding in 0..=255 {
                let plaintext = padded(&content, &expected, padding);
                assert_eq!(mac.check_padded(&FRONT, &plaintext, true), Some(length));
            }
        }
    }
}

/// Every byte counts: of the content, of the MAC, and of the padding, whatever its length says.
#[test]
fn no_byte_may_be_another() {
    for (algorithm, library) in ALGORITHMS {
        let key = key(algorithm);
        let mac = RecordMac::new(algorithm, &key);
        for (length, padding) in [(0, 0), (0, 255), (5, 3), (100, 17), (300, 255), (700, 0)] {
            let content = content(length);
            let expected = library_mac(library, &key, &content);
            let plaintext = padded(&content, &expected, padding);
            for at in 0..plaintext.len() {
                for bit in [1, 0x80] {
                    let mut other = plaintext.clone();
                    other[at] ^= bit;
                    assert_eq!(mac.check_padded(&FRONT, &other, true), None, "byte {at}");
                }
            }
            let mut front = FRONT;
            for at in 0..front.len() {
                front[at] ^= 1;
                assert_eq!(mac.check_padded(&front, &plaintext, true), None);
                front[at] ^= 1;
            }
        }
    }
}

/// The padding says that there is more of it than there is room for: CVE-2016-2107.
#[test]
fn what_is_too_short_for_a_mac() {
    for (algorithm, _) in ALGORITHMS {
        let mac = RecordMac::new(algorithm, &key(algorithm));
        for length in 0..=usize::from(algorithm.len()) + 40 {
            for byte in [0, 1, length.saturating_sub(1) as u8, length as u8, 255] {
                let plaintext = vec![byte; length];
                assert_eq!(mac.check_padded(&FRONT, &plaintext, true), None);
            }
        }
    }
}

thread_local! {
    static BLOCKS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what is compressed.
struct Counted<H>(PhantomData<H>);

impl<H: BlockHash> BlockHash for Counted<H> {
    type Block = H::Block;
    type Words = H::Words;

    const EMPTY: H::Block = H::EMPTY;
    const START: H::Words = H::START;
    const OUTPUT_LEN: usize = H::OUTPUT_LEN;

    fn compress(state: &mut H::Words, block: &H::Block) {
        BLOCKS.set(BLOCKS.get() + 1);
        H::compress(state, block);
    }

    fn compress_front<'a>(state: &mut H::Words, data: &'a [u8]) -> &'a [u8] {
        let rest = H::compress_front(state, data);
        let size = H::EMPTY.as_ref().len();
        BLOCKS.set(BLOCKS.get() + (data.len() - rest.len()) / size);
        rest
    }

    fn put(state: &H::Words, out: &mut [u8]) {
        H::put(state, out);
    }

    fn length(bits: u64) -> [u8; 8] {
        H::length(bits)
    }
}

fn counted<H: BlockHash>(plaintext: &[u8]) -> (Option<usize>, usize) {
    let states = States::<Counted<H>>::new(&(1..=H::OUTPUT_LEN as u8).collect::<Vec<_>>());
    BLOCKS.set(0);
    let checked = check_padded(&states, &FRONT, plaintext, true);
    (checked, BLOCKS.get())
}

fn same_work<H: BlockHash>((algorithm, library): (MacAlgorithm, hmac::Algorithm)) {
    let key = key(algorithm);
    let shortest = usize::from(algorithm.len()) + 1;
    for length in [shortest, 64, 80, 320, 336, 1_024, 16_464] {
        let (mut seen, mut good) = (Vec::new(), 0);
        for padding in 0..=255 {
            let mut plaintext = vec![padding; length];
            let before = length.checked_sub(shortest + usize::from(padding));
            if let Some(before) = before {
                let content = content(before);
                let mac = library_mac(library, &key, &content);
                plaintext = padded(&content, &mac, padding);
            }
            // Right, then with a wrong MAC, then with a wrong byte of padding.
            let (checked, blocks) = counted::<H>(&plaintext);
            assert_eq!(checked, before);
            good += usize::from(checked.is_some());
            seen.push(blocks);
            for at in [0, length - 1, length.saturating_sub(2)] {
                let mut forged = plaintext.clone();
                forged[at] ^= 0x40;
                let (checked, blocks) = counted::<H>(&forged);
                assert_eq!(checked, None);
                seen.push(blocks);
            }
        }
        assert!(good > 0);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{algorithm:?}, {length} bytes: {seen:?}");
    }
}

/// Lucky Thirteen: the time that a refusal takes says nothing of the padding.
#[test]
fn as_many_blocks_for_every_padding() {
    same_work::<Sha1>(ALGORITHMS[0]);
    same_work::<Sha256>(ALGORITHMS[1]);
    same_work::<Sha384>(ALGORITHMS[2]);
}
