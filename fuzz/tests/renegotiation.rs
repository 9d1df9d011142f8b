//! Who has all keys can do in a renegotiation what it claims, and no more.

use portcullis_fuzz::renegotiation::{Ending, ending};

/// Who begins: the client, the server, both.
const WHO: [u8; 3] = [0, 1, 2];

/// More records than an end writes in a round.
const UNITS: u8 = 10;

fn changed(who: u8, writer: u8, unit: u8, [what, position, value]: [u8; 3]) -> Ending {
    let input = [who, 0, 0, writer << 7 | unit, what, position, value];
    ending(&input).expect("the first handshake is left as it is")
}

#[test]
fn ends_that_are_let_alone_are_connected_anew() {
    for who in WHO {
        for (rounds, twice) in [(1, 0), (2, 0x40)] {
            let ending = ending(&[who | twice, 0, 0]).expect("both connect");
            assert_eq!(ending.again, [rounds; 2]);
            assert_eq!(ending.violations, [None; 2]);
            for got in &ending.got {
                let text = String::from_utf8_lossy(got);
                assert_eq!(text.matches("before").count(), rounds, "{text}");
                assert_eq!(text.matches("behind").count(), rounds, "{text}");
            }
        }
    }
}

/// Wherever data stands it arrives, but between change_cipher_spec and Finished, where it is refused.
#[test]
fn data_arrives_until_the_keys_change() {
    for who in WHO {
        for writer in [0, 1] {
            let reader = usize::from(1 - writer);
            let mut refused = 0;
            for unit in 0..UNITS {
                let ending = changed(who, writer, unit, [0, 40, 0xee]);
                match ending.violations[reader] {
                    Some(violation) => {
                        assert_eq!(violation, "DataBeforeFinished");
                        refused += 1;
                    }
                    None => {
                        assert_eq!(ending.again, [1; 2]);
                        let got = &ending.got[reader];
                        let inserted = got.iter().filter(|byte| **byte == 0xee).count();
                        assert!(
                            inserted == 40 || inserted == 0 && unit > 3,
                            "{unit}: {got:?}"
                        );
                    }
                }
            }
            assert_eq!(refused, 1, "{who}, {writer}");
        }
    }
}

#[test]
fn no_change_of_a_message_goes_unnoticed() {
    let mut violations = std::collections::BTreeSet::new();
    for writer in [0, 1] {
        for unit in 0..UNITS {
            for position in (0..=255).step_by(7) {
                // A flipped byte; the ends are compared by what was run.
                let ending = changed(0, writer, unit, [4, position, 1]);
                violations.extend(ending.violations.into_iter().flatten());
            }
        }
    }
    for seen in ["FinishedMismatch", "RenegotiationInfoMismatch"] {
        assert!(violations.contains(seen), "{violations:?}");
    }
}
