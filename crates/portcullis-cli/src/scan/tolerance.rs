//! Whether a server bears hellos that look otherwise than those it sees every day: in pieces, long, with values and
//! versions to come. One that does not stands in the way of all that comes.
//!
//! RFC 8446 §4.1.2, §4.2.1, §5.1; RFC 8701; RFC 5246 E.1.

use super::checks::{CHUNK, Offered, Seen};
use super::codes::{Over, VERSIONS};
use super::hello::{Cut, Hello, Shape, TLS_1_0, TLS_1_2};
use super::prober::{Outcome, Prober, alert};
use super::reply::Needs;

/// A version that nobody speaks yet, and the same in the form of before TLS 1.3.
const TO_COME: u16 = 0x0305;
const OLD_TO_COME: u16 = 0x0304;

/// Longer than all that clients say today, and in one record.
const LONG: usize = 4 << 10;
/// Longer than a record.
const VERY_LONG: usize = 20_000;

/// A form of hello.
#[derive(Debug)]
pub(super) struct Form {
    /// For programs.
    pub(super) name: &'static str,
    /// For people.
    pub(super) words: &'static str,
    /// The finding that it is when it is not borne, and why: nobody has to bear everything.
    pub(super) finding: Option<(&'static str, &'static str)>,
}

const fn form(
    name: &'static str,
    words: &'static str,
    finding: Option<(&'static str, &'static str)>,
) -> Form {
    Form {
        name,
        words,
        finding,
    }
}

pub(super) const RECORDS: &Form = &form(
    "records",
    "hello in two records",
    Some((
        "hello.records",
        "a hello in two records is not answered (RFC 8446 §5.1)",
    )),
);
pub(super) const SEGMENTS: &Form = &form(
    "segments",
    "hello in two segments",
    Some((
        "hello.segments",
        "a hello whose second half comes a moment after the first is not answered, as many with keys of hybrids do",
    )),
);
pub(super) const AT_LENGTH: &Form = &form(
    "long",
    "hello of 4 KiB",
    Some((
        "hello.long",
        "a hello of 4 KiB is not answered, and those with keys of hybrids grow",
    )),
);
pub(super) const AT_GREAT_LENGTH: &Form = &form("very_long", "hello of 20,000 bytes", None);
pub(super) const UNKNOWN_VALUES: &Form = &form(
    "unknown_values",
    "hello with unknown values",
    Some((
        "hello.unknown-values",
        "a hello with suites, groups, schemes and extensions that nobody knows is not answered (RFC 8701)",
    )),
);
pub(super) const VERSION: &Form = &form(
    "version",
    "hello of a version to come",
    Some((
        "hello.version",
        "a hello that offers a version to come besides is not answered as it should be (RFC 8446 §4.2.1)",
    )),
);
pub(super) const OLD_VERSION: &Form = &form(
    "old_version",
    "old hello of one to come",
    Some((
        "hello.version",
        "a hello of a version to come, in the form of before TLSv1.3, is not answered as it should be (RFC 5246 E.1)",
    )),
);

/// Asks in all forms, each of which differs from what was answered in one thing. Nothing is asked over datagrams, nor where
/// no version is spoken that has extensions.
pub(super) async fn all(prober: &mut Prober, seen: &Seen) -> Vec<(&'static Form, Offered)> {
    let mut borne = Vec::new();
    let versions = VERSIONS.iter().map(|(code, _)| *code);
    let spoken = versions.filter(|code| *code >= TLS_1_0 && seen.offers(*code));
    let newest = spoken.max();
    let (Over::Stream, Some(version)) = (prober.over, newest) else {
        return borne;
    };
    let usual = usual(prober, seen, version);
    let shapes = [
        (
            RECORDS,
            Shape {
                cut: Cut::Records,
                ..Shape::default()
            },
        ),
        (
            SEGMENTS,
            Shape {
                cut: Cut::Segments,
                ..Shape::default()
            },
        ),
        (
            AT_LENGTH,
            Shape {
                least: LONG,
                ..Shape::default()
            },
        ),
        (
            AT_GREAT_LENGTH,
            Shape {
                least: VERY_LONG,
                ..Shape::default()
            },
        ),
        (
            UNKNOWN_VALUES,
            Shape {
                has_unknown: true,
                ..Shape::default()
            },
        ),
        (
            VERSION,
            Shape {
                old_version: Some(TLS_1_2),
                versions: vec![TO_COME, version],
                ..Shape::default()
            },
        ),
    ];
    for (form, shape) in shapes {
        borne.push((form, bears(prober, &usual, shape).await));
    }
    if let Some(older) = seen.newest_older().filter(|older| *older >= TLS_1_0) {
        let usual = self::usual(prober, seen, older);
        let shape = Shape {
            old_version: Some(OLD_TO_COME),
            ..Shape::default()
        };
        borne.push((OLD_VERSION, bears(prober, &usual, shape).await));
    }
    borne
}

/// What was answered, or would have been.
fn usual(prober: &Prober, seen: &Seen, version: u16) -> Hello {
    let suites = seen.suites_of(version);
    prober.hello(version, suites.get(..CHUNK).unwrap_or(suites))
}

/// Whether the hello is answered in this shape as it is in its own. A server that says nothing, closes or resets does not bear it if
/// what is usual is still answered then.
async fn bears(prober: &mut Prober, usual: &Hello, shape: Shape) -> Offered {
    let is_right = |outcome: &Outcome| match outcome {
        Outcome::Hello(answer) => {
            answer.version == usual.version && usual.suites.contains(&answer.suite)
        }
        _ => false,
    };
    let hello = Hello {
        shape,
        ..usual.clone()
    };
    if is_right(&prober.ask(&hello, Needs::Hello).await) {
        return Offered::Yes;
    }
    match prober.ask(usual, Needs::Hello).await {
        outcome if is_right(&outcome) => Offered::No,
        Outcome::Hello(_) => Offered::Unknown("what is usual is answered otherwise now".to_owned()),
        Outcome::Alert(code) => Offered::Unknown(alert(code)),
        Outcome::Unknown(why) => Offered::Unknown(why),
    }
}

#[cfg(test)]
mod tests;
