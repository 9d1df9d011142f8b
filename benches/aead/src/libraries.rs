//! The same by each library, in the form that its interface has for it.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead as aws_lc;
use graviola::aead::AesGcm;
use portcullis_benches::processor::Class;
use ring::aead as ring;

const KEY: [u8; 16] = [7; 16];
const HEADER: [u8; 5] = [23, 3, 3, 64, 17];
/// The content type behind the content of a record of TLS 1.3.
const TYPE: usize = 1;
const TAG: usize = 16;

/// What is measured, with AES-128.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Of a slice with so many bytes, into another.
    Seal(usize),
    /// From one buffer into another.
    Open(usize),
    /// Where it stands.
    OpenInPlace(usize),
    /// A key that is ready, and given up again.
    SetUp,
}

pub(crate) const OPERATIONS: [Operation; 16] = [
    Operation::Seal(16),
    Operation::Seal(64),
    Operation::Seal(128),
    Operation::Seal(256),
    Operation::Seal(512),
    Operation::Seal(1024),
    Operation::Seal(4096),
    Operation::Seal(16384),
    Operation::Open(64),
    Operation::Open(1024),
    Operation::Open(4096),
    Operation::Open(16384),
    Operation::OpenInPlace(64),
    Operation::OpenInPlace(1024),
    Operation::OpenInPlace(16384),
    Operation::SetUp,
];

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(length) => write!(f, "seal {length} B"),
            Self::Open(length) => write!(f, "open {length} B"),
            Self::OpenInPlace(length) => write!(f, "open {length} B in place"),
            Self::SetUp => f.write_str("key set-up"),
        }
    }
}

/// A library, or a way to call it.
pub(crate) struct Library {
    pub(crate) name: &'static str,
    /// How long it takes to do something so often.
    pub(crate) run: fn(Operation, u32) -> Duration,
    /// Whether what is measured on a machine of the first class is true for the second.
    pub(crate) stands_for: fn(Class, Class) -> bool,
}

/// The one that others are compared with.
pub(crate) const BASE: usize = 0;

pub(crate) fn libraries() -> [Library; 4] {
    [
        Library {
            name: "AWS-LC",
            run: aws_lc_scatter,
            stands_for: |_, _| true,
        },
        Library {
            name: "AWS-LC, copied and in place",
            run: aws_lc_in_place,
            stands_for: |_, _| true,
        },
        Library {
            name: "ring, copied and in place",
            run: ring_in_place,
            // It has code for registers of 256 bits and takes it on machines with 512 too.
            stands_for: |here, class| {
                let vaes = |class| matches!(class, Class::Avx512 | Class::Vaes);
                here == class || vaes(here) && vaes(class)
            },
        },
        Library {
            name: "graviola, copied and in place",
            run: graviola_in_place,
            stands_for: |here, class| here == class,
        },
    ]
}

fn nonce(number: u32) -> [u8; 12] {
    let mut nonce = [9; 12];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn timed(times: u32, mut once: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    for number in 0..times {
        once(number);
    }
    start.elapsed()
}

/// A record with the nonce 0: all that are opened are this one.
fn sealed(length: usize) -> Vec<u8> {
    let key = aws_lc_key();
    let mut record = vec![5; length + TYPE];
    let nonce = aws_lc::Nonce::assume_unique_for_key(nonce(0));
    key.seal_in_place_append_tag(nonce, aws_lc::Aad::from(HEADER), &mut record)
        .expect("a record");
    record
}

fn aws_lc_key() -> aws_lc::LessSafeKey {
    let key = aws_lc::UnboundKey::new(&aws_lc::AES_128_GCM, black_box(&KEY)).expect("a key");
    aws_lc::LessSafeKey::new(key)
}

fn aws_lc_scatter(operation: Operation, times: u32) -> Duration {
    let key = aws_lc_key();
    let unique = |number| aws_lc::Nonce::assume_unique_for_key(nonce(number));
    let aad = || aws_lc::Aad::from(HEADER);
    match operation {
        Operation::Seal(length) => {
            let (content, mut out) = (vec![5; length], vec![0; length + TYPE + TAG]);
            timed(times, |number| {
                let (ciphertext, tail) = out.split_at_mut(length);
                key.seal_out_of_place_scatter(
                    unique(number),
                    aad(),
                    black_box(&content),
                    ciphertext,
                    &[23],
                    tail,
                )
                .expect("sealed");
                black_box(&mut out);
            })
        }
        Operation::Open(length) => {
            let (record, mut out) = (sealed(length), vec![0; length + TYPE]);
            timed(times, |_| {
                let (ciphertext, tag) = record.split_at(length + TYPE);
                key.open_separate_gather(unique(0), aad(), black_box(ciphertext), tag, &mut out)
                    .expect("opened");
                black_box(&mut out);
            })
        }
        Operation::OpenInPlace(_) => aws_lc_in_place(operation, times),
        Operation::SetUp => timed(times, |_| drop(black_box(aws_lc_key()))),
    }
}

fn aws_lc_in_place(operation: Operation, times: u32) -> Duration {
    let key = aws_lc_key();
    in_place(
        operation,
        times,
        |number, content, tag| {
            let nonce = aws_lc::Nonce::assume_unique_for_key(nonce(number));
            key.seal_in_place_scatter(nonce, aws_lc::Aad::from(HEADER), content, &[], tag)
                .expect("sealed");
        },
        |content, tag| {
            let nonce = aws_lc::Nonce::assume_unique_for_key(nonce(0));
            let aad = aws_lc::Aad::from(HEADER);
            key.open_in_place_separate_tag(nonce, aad, tag, content)
                .expect("opened");
        },
        || drop(black_box(aws_lc_key())),
    )
}

fn ring_key() -> ring::LessSafeKey {
    let key = ring::UnboundKey::new(&ring::AES_128_GCM, black_box(&KEY)).expect("a key");
    ring::LessSafeKey::new(key)
}

fn ring_in_place(operation: Operation, times: u32) -> Duration {
    let key = Box::new(ring_key());
    in_place(
        operation,
        times,
        |number, content, tag| {
            let nonce = ring::Nonce::assume_unique_for_key(nonce(number));
            let made = key
                .seal_in_place_separate_tag(nonce, ring::Aad::from(HEADER), content)
                .expect("sealed");
            tag.copy_from_slice(made.as_ref());
        },
        |content, tag| {
            let nonce = ring::Nonce::assume_unique_for_key(nonce(0));
            let tag = ring::Tag::try_from(tag).expect("a tag");
            key.open_in_place_separate_tag(nonce, ring::Aad::from(HEADER), tag, content, 0..)
                .expect("opened");
        },
        || drop(black_box(Box::new(ring_key()))),
    )
}

fn graviola_in_place(operation: Operation, times: u32) -> Duration {
    let key = Box::new(AesGcm::new(&KEY));
    in_place(
        operation,
        times,
        |number, content, tag| {
            let tag = tag.try_into().expect("a tag");
            key.encrypt(&nonce(number), &HEADER, content, tag);
        },
        |content, tag| {
            key.decrypt(&nonce(0), &HEADER, content, tag)
                .expect("opened");
        },
        || drop(black_box(Box::new(AesGcm::new(black_box(&KEY))))),
    )
}

/// With a copy into the buffer where it is done, as a library has it that works only in place.
fn in_place(
    operation: Operation,
    times: u32,
    seal: impl Fn(u32, &mut [u8], &mut [u8]),
    open: impl Fn(&mut [u8], &[u8]),
    set_up: impl Fn(),
) -> Duration {
    match operation {
        Operation::Seal(length) => {
            let (content, mut out) = (vec![5; length], vec![0; length + TYPE + TAG]);
            timed(times, |number| {
                let (sealed, tag) = out.split_at_mut(length + TYPE);
                sealed[..length].copy_from_slice(black_box(&content));
                sealed[length] = 23;
                seal(number, sealed, tag);
                black_box(&mut out);
            })
        }
        Operation::Open(length) => {
            let (record, mut out) = (sealed(length), vec![0; length + TYPE]);
            timed(times, |_| {
                let (ciphertext, tag) = black_box(&record).split_at(length + TYPE);
                out.copy_from_slice(ciphertext);
                open(&mut out, tag);
                black_box(&mut out);
            })
        }
        Operation::OpenInPlace(length) => {
            // Each can be opened once: a lot of them is made ready, and the time is that of opening.
            let record = sealed(length);
            let mut lot = vec![record.clone(); 16];
            let mut spent = Duration::ZERO;
            for _ in 0..times.div_ceil(16) {
                lot.iter_mut()
                    .for_each(|out| out.copy_from_slice(black_box(&record)));
                let start = Instant::now();
                for out in &mut lot {
                    let (content, tag) = out.split_at_mut(length + TYPE);
                    open(content, tag);
                }
                spent += start.elapsed();
                black_box(&mut lot);
            }
            // For the call, so many were done.
            let done = times.div_ceil(16) * 16;
            spent = spent.mul_f64(f64::from(times) / f64::from(done));
            spent
        }
        Operation::SetUp => timed(times, |_| set_up()),
    }
}
