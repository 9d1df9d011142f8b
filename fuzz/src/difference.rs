//! Where one receiver refuses what another takes: our end and rustls' end before the same peer,
//! one of ours, whose bytes suffer the same.
//!
//! Every kind of difference is in [`EXPLAINED`]; `docs/fuzzing.md` has them as a table.

use crate::bridge::Bridge;
use crate::end::{End, Ours, Verdict};
use crate::plan::Plan;
use crate::rustls_end::Theirs;
use crate::settings::Settings;

/// A kind of difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// `client` or `server` of TLS 1.3, `client12` or `server12` of TLS 1.2.
    pub receiver: &'static str,
    /// Who refuses: `we` or `rustls`. The other is connected and content.
    pub refuses: &'static str,
    pub reason: String,
}

impl Difference {
    /// Why it is as it should be, or that this is open; `None` if nobody has looked.
    pub fn explanation(&self) -> Option<&'static Explained> {
        EXPLAINED.iter().find(|explained| {
            (explained.receiver, explained.refuses, explained.reason)
                == (self.receiver, self.refuses, &self.reason)
        })
    }
}

/// A kind of difference that somebody has looked at.
#[derive(Debug)]
pub struct Explained {
    pub receiver: &'static str,
    pub refuses: &'static str,
    pub reason: &'static str,
    pub why: &'static str,
}

impl Explained {
    /// The name of its case in `corpus/differential`.
    pub fn case(&self) -> String {
        let reason = self.reason.replace('(', "-").replace(')', "");
        format!("difference-{}-{}-{reason}", self.receiver, self.refuses)
    }
}

macro_rules! explained {
    ($($receiver:ident $refuses:ident $reason:literal: $why:expr;)+) => {
        /// Every kind that was seen. A section is of RFC 8446, unless another is named.
        pub const EXPLAINED: &[Explained] = &[$(Explained {
            receiver: stringify!($receiver),
            refuses: stringify!($refuses),
            reason: $reason,
            why: $why,
        },)+];
    };
}

const ADDITIONAL_DATA: &str = "§5.2: the header is part of the additional data, so that a changed \
    one must not open; rustls takes the header as it should be";
const EMPTY: &str = "§5.1: there are no empty handshake or alert records";
const CCS: &str = "§5: between the first hello and the peer's Finished it is dropped, whenever \
    it comes";
const CCS_COUNT: &str = "§5 has no limit; ours is 32, rustls' is lower";
const UNUSED: &str = "§4.1.2, §4.2, §4.3.2: an extension that we do not know or do not use is \
    ignored, whatever is in it; rustls decodes it";
const DECODES: &str = "§6.2: what cannot be decoded is refused; rustls does not look into it";
const TYPE: &str = "§4.6: the type is refused before the rest of the message comes; rustls waits";
const LENGTH: &str = "§5.1, §5.2, §5.4: refused on its header; rustls waits for the rest of what is \
    less than 2^14 + 2048";
const LONG: &str = "no such message is that long; rustls waits for the rest of up to 2^16 - 1";
const SHORT: &str = "§5.2: a record too short for its tag is refused on its header; rustls waits for \
    the rest";
const VERSION12: &str = "RFC 5246 §6.2.1: once a version is negotiated, records have it; rustls does \
    not look";
const PART: &str = "of a header the transport ended in: rustls judges each byte of it, we all five";

explained! {
    client rustls "InappropriateMessage(ChangeCipherSpec)": CCS;
    client rustls "InvalidMessage(InvalidContentType)": PART;
    client rustls "InvalidMessage(UnknownProtocolVersion)": PART;
    client rustls "PeerMisbehaved(IllegalMiddleboxChangeCipherSpec)": CCS_COUNT;
    client we "BadRecordMac": SHORT;
    client we "EmptyRecord": EMPTY;
    client we "ExtensionMisplaced": "§4.2: a known extension in the wrong message is refused";
    client we "ExtensionNotOffered": "§4.2: nothing is answered that was not offered";
    client we "HandshakeMessageTooLong": LONG;
    client we "LegacyVersionInServerHello": "§4.1.3: it is 0x0303; rustls does not look at that of a \
        HelloRetryRequest";
    client we "MalformedExtension": DECODES;
    client we "PlaintextTooLong": LENGTH;
    client we "RecordTooLong": LENGTH;
    client we "SessionIdNotEchoed": "§4.1.3: it has to be echoed";
    client we "UnexpectedPostHandshakeMessage": TYPE;
    client we "RecordVersionChanged": ADDITIONAL_DATA;
    client we "UnknownRecordType": ADDITIONAL_DATA;
    client we "UnprotectedRecord": ADDITIONAL_DATA;
    client12 we "RecordVersionChanged": VERSION12;
    server rustls "InvalidMessage(InvalidContentType)": PART;
    server rustls "InvalidMessage(MessageTooShort)": UNUSED;
    server rustls "InvalidMessage(MissingData)": UNUSED;
    server rustls "InvalidMessage(TrailingData)": UNUSED;
    server rustls "InvalidMessage(UnknownProtocolVersion)": PART;
    server rustls "PeerMisbehaved(EarlyDataAttemptedInSecondClientHello)": "§4.1.2, §4.2.10: a client \
        must not; no rule has the server refuse it. It is not accepted, what comes does not open, \
        and BoGo demands that";
    server rustls "PeerMisbehaved(IllegalMiddleboxChangeCipherSpec)": CCS_COUNT;
    server rustls "PeerMisbehaved(ServerNameMustContainOneHostName)": "RFC 6066 §3 has no rule for \
        labels; we let one end with a hyphen";
    server we "BadMaxFragmentLength": "RFC 6066 §4: rustls does not know the extension";
    server we "BadRecordMac": SHORT;
    server we "EmptyRecord": EMPTY;
    server we "HandshakeMessageTooLong": LONG;
    server we "KeyShareOutsideGroups": "§4.2.8: only listed groups have shares";
    server we "LegacyVersionInClientHello": "§4.1.2: it is 0x0303, and not even TLS 1.0 here";
    server we "MalformedAlert": ADDITIONAL_DATA;
    server we "MalformedExtension": DECODES;
    server we "PlaintextTooLong": LENGTH;
    server we "RecordTooLong": LENGTH;
    server we "UnexpectedChangeCipherSpec": "§5: after the client's Finished it is refused on its \
        header; rustls waits for the rest of what says that it is longer";
    server we "UnexpectedCookie": "§4.1.2, §4.2.2: a cookie is what a retry has given; rustls gives \
        none and does not look";
    server we "SecondHelloChanged": "§4.1.2: but for what was asked for it is the first again";
    server we "UnexpectedPostHandshakeMessage": TYPE;
    server we "RecordVersionChanged": ADDITIONAL_DATA;
    server we "UnknownRecordType": ADDITIONAL_DATA;
    server we "UnprotectedRecord": ADDITIONAL_DATA;
    server12 rustls "PeerIncompatible(NoKxGroupsInCommon)": "RFC 8422 §4: a client that does not say \
        which curves it has may have any; rustls takes it for one that has none";
    server12 rustls "PeerMisbehaved(ServerNameMustContainOneHostName)": "RFC 6066 §3 has no rule for \
        labels; we let one end with a hyphen";
    server12 we "EmptyRecord": "RFC 5246 §6.2.1: there are no empty handshake or alert records";
    server12 we "MalformedExtension": DECODES;
    server12 we "RecordVersionChanged": VERSION12;
}

/// Shares are new in every run, and a changed one is a valid key or not by chance.
const BY_CHANCE: [&str; 2] = ["BadKeyShare", "PeerMisbehaved(InvalidKeyShare)"];

/// Runs a plan in which only one side's bytes suffer before both receivers.
pub fn find(plan: &Plan) -> Option<Difference> {
    let writer = plan.operations.first()?.writer;
    if plan.operations.iter().any(|op| op.writer != writer) {
        return None;
    }
    let plan = Plan {
        settings: Settings::of_both(plan.settings),
        answers: 0,
        ..plan.clone()
    };
    let settings = Settings::new(plan.settings);
    let older = usize::from(settings.is_older());
    // The receivers ask for nothing themselves.
    let mut quiet = plan.clone();
    quiet.flags.key_updates = false;
    let ((receiver, ours), theirs) = if writer == 0 {
        let client = || Ours::client(&settings, &plan);
        let (ours, theirs) = (
            Ours::server(&settings, &quiet),
            Theirs::server(&settings, &quiet),
        );
        let ours = converse(client(), ours, writer, &plan, &settings);
        let theirs = converse(client(), theirs, writer, &plan, &settings);
        ((["server", "server12"][older], ours), theirs)
    } else {
        let server = || Ours::server(&settings, &plan);
        let (ours, theirs) = (
            Ours::client(&settings, &quiet),
            Theirs::client(&settings, &quiet),
        );
        let ours = converse(ours, server(), writer, &plan, &settings);
        let theirs = converse(theirs, server(), writer, &plan, &settings);
        ((["client", "client12"][older], ours), theirs)
    };
    // A peer that had to say something else, as after a HelloRetryRequest to one of the two,
    // suffered something else. So did one whose ECDSA signature is longer, which is another byte
    // at the same position, and one whose record gave way to an earlier one of the receiver.
    if !alike(&ours.said, &theirs.said) || !alike(&ours.given, &theirs.given) {
        return None;
    }
    let (refuses, reason) = match (ours.verdict, theirs.verdict) {
        (Verdict::Refuses(reason), Verdict::Accepts) => ("we", reason),
        (Verdict::Accepts, Verdict::Refuses(reason)) => ("rustls", reason),
        _ => return None,
    };
    if BY_CHANCE.contains(&reason.as_str()) {
        return None;
    }
    Some(Difference {
        receiver,
        refuses,
        reason,
    })
}

/// Whether they are the same as far as both go.
fn alike<T: PartialEq>(ours: &[T], theirs: &[T]) -> bool {
    ours.iter().zip(theirs).all(|(one, two)| one == two)
}

struct Outcome {
    /// The types and lengths of the messages of the peer.
    said: Vec<(u8, usize)>,
    /// The headers and lengths of the records that came of them.
    given: Vec<(Vec<u8>, usize)>,
    verdict: Verdict,
}

fn converse<C: End, S: End>(
    client: C,
    server: S,
    writer: usize,
    plan: &Plan,
    settings: &Settings,
) -> Outcome {
    let mut bridge = Bridge::new(client, server, plan, settings.fragment());
    bridge.run();
    let messages = bridge.sent(writer).messages.iter();
    Outcome {
        said: messages
            .map(|message| (message[0], message.len()))
            .collect(),
        given: bridge.shapes[writer].clone(),
        verdict: match writer {
            0 => bridge.server.verdict(),
            _ => bridge.client.verdict(),
        },
    }
}
