//! Text of a peer's, made safe to print.

use portcullis::x509::is_unseen;

/// Longest printed text, in characters; a peer chooses what is in it.
const MAX_PRINTED: usize = 256;
/// Longest printed sentence of the library's, which has such text in its midst and what is to be done at its end.
const MAX_SENTENCE: usize = 1_024;
/// How many bytes of a serial number (RFC 5280 §4.1.2.2: 20 at most) or of an identifier of a key are printed.
const MAX_IDENTIFIER: usize = 64;

/// Escapes what would move the cursor or the direction of writing, or is not seen, and cuts what is long.
pub(crate) fn printable(text: &str) -> String {
    cut(text, MAX_PRINTED)
}

/// The same of a sentence, of which more is printed.
pub(crate) fn printable_sentence(text: &str) -> String {
    cut(text, MAX_SENTENCE)
}

fn cut(text: &str, most: usize) -> String {
    let mut printed = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == most {
            printed.push('…');
            break;
        }
        if is_unseen(character) {
            printed.extend(character.escape_unicode());
        } else {
            printed.push(character);
        }
    }
    printed
}

/// A number or an identifier of a peer's in hexadecimal: all of it, if it is not longer than any should be.
pub(crate) fn identifier(bytes: &[u8]) -> String {
    match bytes.split_at_checked(MAX_IDENTIFIER) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{}… ({} bytes)", hex(first, ":"), bytes.len())
        }
        _ => hex(bytes, ":"),
    }
}

/// Those of the options that were given, at the beginning of a sentence: `--a has`, or `--a and --b have`.
pub(crate) fn given(options: &[(&str, bool)]) -> String {
    let given = options.iter().filter(|(_, is_given)| *is_given);
    let given: Vec<_> = given.map(|(option, _)| *option).collect();
    match given.split_last() {
        Some((last, [])) => format!("{last} has"),
        Some((last, rest)) => format!("{} and {last} have", rest.join(", ")),
        None => String::new(),
    }
}

/// Bytes in hexadecimal, with something between them.
pub(crate) fn hex(bytes: &[u8], between: &str) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_writes_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        for hidden in [
            '\u{2028}',
            '\u{61c}',
            '\u{200b}',
            '\u{feff}',
            '\u{e0041}',
            '\u{ad}',
        ] {
            let expected = format!("a{}b", hidden.escape_unicode());
            assert_eq!(printable(&format!("a{hidden}b")), expected);
        }
        // Marks belong to letters of many languages.
        assert_eq!(printable("e\u{301} का ж"), "e\u{301} का ж");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 257);
    }

    #[test]
    fn a_sentence_has_room_for_its_end() {
        let sentence = format!("{}: do this", "x".repeat(1_000));
        assert_eq!(printable_sentence(&sentence), sentence);
        assert_eq!(printable_sentence(&"\n".repeat(2_000)).len(), 1_024 * 5 + 3);
    }

    #[test]
    fn options_that_were_given_are_named_and_no_others() {
        let all = [("--a", true), ("--b", false), ("--c", true), ("--d", true)];
        assert_eq!(given(&all[..2]), "--a has");
        assert_eq!(given(&all), "--a, --c and --d have");
    }

    #[test]
    fn long_identifiers_are_cut() {
        assert_eq!(identifier(&[1, 0xff]), "01:ff");
        assert_eq!(identifier(&[0; 64]).len(), 64 * 3 - 1);
        let cut = identifier(&[0; 60_000]);
        assert!(cut.ends_with(":00… (60000 bytes)"), "{cut}");
        assert!(cut.len() < 300);
    }
}
