//! The server resumes the session of before TLS 1.3 that was offered.
//!
//! RFC 5246 §7.3 (figure 2), RFC 5077 §3.4, RFC 7627 §5.3.

use super::super::super::Cx;
use super::super::super::peer::{Judge, Reverified};
use super::super::super::renegotiation::VerifyData;
use super::super::Next;
use super::super::resumption::{OlderPeer, OlderSession, Resumed};
use super::super::shown_identity::ShownIdentity;
use super::Negotiated;
use super::client_flight::ServerPeer;
use super::finished::{AwaitingFinished, WaitChangeCipherSpec, WaitNewSessionTicket};
use crate::error::Abort;
use crate::question::AnswerContent;
use crate::session::Peer;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::x509::Presented;
use crate::{SignatureScheme, Violation};

/// Goes on from the ServerHello with the keys of the session.
pub(super) fn resume(
    mut negotiated: Box<Negotiated>,
    session: OlderSession,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let had = Kind {
        version: session.version,
        suite: session.suite,
        extended: session.extended,
    };
    let has = Kind {
        version: negotiated.version,
        suite: negotiated.suite,
        extended: negotiated.extended,
    };
    check(had, has)?;
    negotiated.transcript.forget_messages();
    let OlderSession {
        master,
        group,
        peer,
        psk,
        ..
    } = session;
    let keys = master.key_block(
        negotiated.keys,
        &negotiated.client.client_random,
        &negotiated.server_random,
    )?;
    cx.secret_log(
        &negotiated.client.config.policy,
        &negotiated.client.client_random,
    )
    .of_session(&master);
    let resuming = |origin| {
        Resuming(Box::new(AwaitingFinished {
            negotiated,
            peer: None,
            group,
            psk,
            shown: ShownIdentity::default(),
            master,
            read: keys.server,
            write: keys.client,
            finished: VerifyData::default(),
            resumed: Some(origin),
        }))
    };
    let Resumed {
        peer,
        origin,
        verdict,
    } = match peer {
        OlderPeer::Known(resumed) => resumed,
        OlderPeer::Nobody(nobody, origin) => {
            return Ok(resuming(origin).go_on(ServerPeer::None(nobody)));
        }
    };
    let scheme = peer.signed_with();
    let Peer { shown, .. } = peer;
    let resuming = resuming(origin);
    let client = &resuming.0.negotiated.client;
    let judge = Judge::of_server(&client.config, &client.name).of_session();
    let (proof, known) = match verdict {
        Reverified::Proved(proof) => (Some(proof), None),
        Reverified::Known(known) => (None, Some(known)),
        Reverified::Asked => (judge.verify(&shown, cx.now)?, None),
    };
    let Some(proof) = proof else {
        let question = judge.ask_again(&shown, known, cx.now);
        let paused = ReverifyingChain {
            resuming,
            shown,
            scheme,
        };
        return Ok(Next::ask(question, paused));
    };
    let peer = ServerPeer::Proved { proof, scheme };
    Ok(resuming.go_on(peer))
}

/// What a session and the connection that resumes it have in common.
#[derive(Clone, Copy)]
struct Kind {
    version: Version,
    suite: CipherSuite,
    extended: bool,
}

/// §7.4.1.3, RFC 7627 §5.3: what the session `had`, the connection `has`.
fn check(had: Kind, has: Kind) -> Result<(), Violation> {
    if has.version != had.version {
        return Err(Violation::ResumedWithAnotherVersion);
    }
    if has.suite != had.suite {
        return Err(Violation::ResumedWithAnotherSuite);
    }
    match (had.extended, has.extended) {
        (true, false) => Err(Violation::ResumedWithoutExtendedMasterSecret),
        (false, true) => Err(Violation::ResumedWithExtendedMasterSecret),
        _ => Ok(()),
    }
}

/// The server has not proved anything yet: its Finished will.
struct Resuming(Box<AwaitingFinished>);

impl Resuming {
    /// Its chain is still to be trusted, or it has never had one.
    fn go_on(self, peer: ServerPeer) -> Next {
        let Self(mut flight) = self;
        flight.peer = Some(peer);
        match flight.negotiated.ticket {
            true => WaitNewSessionTicket(flight).into(),
            false => WaitChangeCipherSpec(flight).into(),
        }
    }
}

/// Paused: somebody judges the chain that the server had shown when the session began.
pub(crate) struct ReverifyingChain {
    resuming: Resuming,
    shown: Presented,
    /// How its key had signed, if it had to.
    scheme: Option<SignatureScheme>,
}

impl ReverifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let client = &self.resuming.0.negotiated.client;
        let judge = Judge::of_server(&client.config, &client.name);
        let peer = ServerPeer::Proved {
            proof: judge.on_answer(answer, &self.shown)?,
            scheme: self.scheme,
        };
        Ok(self.resuming.go_on(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other rules have cases of their own; a client offers no session of another version.
    #[test]
    fn another_version() {
        let had = Kind {
            version: Version::V1_2,
            suite: CipherSuite(0xc02b),
            extended: true,
        };
        assert_eq!(check(had, had), Ok(()));
        let has = Kind {
            version: Version::V1_1,
            ..had
        };
        let expected = Err(Violation::ResumedWithAnotherVersion);
        assert_eq!(check(had, has), expected);
        assert_eq!(check(has, had), expected);
    }
}
