//! What the beginning of a datagram says of a hello, before anybody looks closer.

/// Whether it begins with a handshake message in the clear (RFC 9147 §4.1).
pub(super) const fn is_in_the_clear(datagram: &[u8]) -> bool {
    matches!(datagram, [22, _, _, 0, 0, ..])
}

/// Of a datagram that begins with a ClientHello in the clear its random; `Some(None)` where it is a later piece of one.
pub(super) fn client_hello(datagram: &[u8]) -> Option<Option<[u8; 32]>> {
    // RFC 9147 §4, §5.2: the header of the record has 13 bytes, that of the message 12.
    let message = datagram.get(13..)?;
    if !is_in_the_clear(datagram) || message.first() != Some(&1) {
        return None;
    }
    match message.get(6..9)? {
        // RFC 8446 §4.1.2: it stands behind the version.
        [0, 0, 0] => Some(
            message
                .get(14..46)
                .and_then(|random| random.try_into().ok()),
        ),
        _ => Some(None),
    }
}

/// Whether a client's datagram is one of early data (RFC 9147 §4, §6.1): in a handshake it has no other epoch whose last two
/// bits are those.
pub(super) fn is_early_data(datagram: &[u8]) -> bool {
    matches!(datagram, [first, ..] if first & 0b1110_0011 == 0b0010_0001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_data_is_told_by_its_epoch() {
        for (first, expected) in [(0x2d, true), (0x21, true), (0x2e, false), (22, false)] {
            assert_eq!(is_early_data(&[first, 7]), expected, "{first}");
        }
        assert!(!is_early_data(&[]));
    }

    #[test]
    fn hellos_are_told_by_their_random() {
        let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 60];
        hello.extend([1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48, 254, 253]);
        hello.extend([7; 46]);
        assert_eq!(client_hello(&hello), Some(Some([7; 32])));
        assert_eq!(client_hello(&hello[..58]), Some(None));
        assert_eq!(client_hello(&hello[..20]), None);
        for (at, value, expected) in [
            // A later piece, a ServerHello, a record under keys, another type.
            (21, 1, Some(None)),
            (13, 2, None),
            (4, 1, None),
            (0, 21, None),
        ] {
            let mut other = hello.clone();
            other[at] = value;
            assert_eq!(client_hello(&other), expected, "{at}");
        }
    }
}
