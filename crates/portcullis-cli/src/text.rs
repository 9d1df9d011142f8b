//! Text of a peer's, made safe to print.

/// Longest printed text, in characters; a peer chooses what is in it.
const MAX_PRINTED: usize = 256;

/// Escapes what would move the cursor or the direction of writing, and cuts what is long.
pub(crate) fn printable(text: &str) -> String {
    let mut printed = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == MAX_PRINTED {
            printed.push('…');
            break;
        }
        if character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            printed.extend(character.escape_unicode());
        } else {
            printed.push(character);
        }
    }
    printed
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
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 257);
    }
}
