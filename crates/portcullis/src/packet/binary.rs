//! Packets that say their length.

use super::Packet;

/// What the start of a packet says.
pub(super) enum Measure {
    /// Its length is not known yet: so many bytes are needed.
    Unknown { at_least: usize },
    /// So many bytes of header, and so many that count for the limit.
    Known { header: usize, counted: u64 },
    /// No packet begins so.
    Invalid(&'static str),
}

use Measure::{Invalid, Known, Unknown};

/// Identifier octets of a BER tag, at most: 35 bits of number.
const MAX_TAG: usize = 6;

/// Only for modes that say their length.
pub(super) fn measure(packet: Packet, bytes: &[u8]) -> Measure {
    match packet {
        Packet::Length1 => length_field::<1>(bytes),
        Packet::Length2 => length_field::<2>(bytes),
        Packet::Length4 => length_field::<4>(bytes),
        Packet::SunRm => match bytes {
            // The top bit says whether this is the last fragment.
            [a, b, c, d, ..] => known(4, &[a & 0x7f, *b, *c, *d]),
            _ => Unknown { at_least: 4 },
        },
        Packet::Fcgi => match bytes {
            [1, _, _, _, c1, c0, padding, _, ..] => Known {
                header: 8,
                counted: u64::from(u16::from_be_bytes([*c1, *c0])) + u64::from(*padding),
            },
            [] | [1, ..] => Unknown { at_least: 8 },
            _ => Invalid("the version of FastCGI is 1"),
        },
        Packet::Tpkt => match bytes {
            [3, _, l1, l0, ..] => match u16::from_be_bytes([*l1, *l0]).checked_sub(4) {
                Some(content) => Known {
                    header: 4,
                    counted: content.into(),
                },
                None => Invalid("the length of a TPKT counts its header"),
            },
            [] | [3, ..] => Unknown { at_least: 4 },
            _ => Invalid("the version of a TPKT is 3"),
        },
        Packet::Cdr => cdr(bytes),
        _ => asn1(bytes),
    }
}

fn known(header: usize, length: &[u8]) -> Measure {
    let counted = length
        .iter()
        .fold(0, |length, byte| length << 8 | u64::from(*byte));
    Known { header, counted }
}

fn length_field<const N: usize>(bytes: &[u8]) -> Measure {
    match bytes.get(..N) {
        Some(length) => known(N, length),
        None => Unknown { at_least: N },
    }
}

fn cdr(bytes: &[u8]) -> Measure {
    const MAGIC: &[u8] = b"GIOP";
    if !bytes.iter().zip(MAGIC).all(|(byte, magic)| byte == magic) {
        return Invalid("a GIOP message begins with GIOP");
    }
    match bytes {
        [_, _, _, _, _, _, flags, _, a, b, c, d, ..] => match flags & 1 {
            0 => known(12, &[*a, *b, *c, *d]),
            _ => known(12, &[*d, *c, *b, *a]),
        },
        _ => Unknown { at_least: 12 },
    }
}

fn asn1(bytes: &[u8]) -> Measure {
    let Some(first) = bytes.first() else {
        return Unknown { at_least: 2 };
    };
    let mut tag = 1;
    if first & 0x1f == 0x1f {
        loop {
            match bytes.get(tag) {
                None => return Unknown { at_least: tag + 2 },
                Some(byte) if byte & 0x80 == 0 => break,
                Some(_) if tag + 1 == MAX_TAG => return Invalid("a tag of more than six bytes"),
                Some(_) => tag += 1,
            }
        }
        tag += 1;
    }
    match bytes.get(tag) {
        None => Unknown { at_least: tag + 1 },
        Some(short @ ..0x80) => Known {
            header: tag + 1,
            counted: (*short).into(),
        },
        // Where it ends, only its content says.
        Some(0x80) => Invalid("a value of indefinite length"),
        Some(long @ 0x81..=0x84) => {
            let header = tag + 1 + usize::from(long & 0x7f);
            match bytes.get(tag + 1..header) {
                Some(length) => known(header, length),
                None => Unknown { at_least: header },
            }
        }
        Some(_) => Invalid("a length of more than four bytes"),
    }
}
