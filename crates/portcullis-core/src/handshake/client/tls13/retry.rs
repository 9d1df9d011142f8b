//! HelloRetryRequest: the server wants another key share, or its cookie back.
//!
//! RFC 8446 §4.1.4.

use super::super::super::{Cx, find};
use super::super::Next;
use super::super::ech::Which;
use super::super::hello::{Hashing, Offered, Retry, Shares, WaitServerHello};
use super::super::resumption;
use crate::Violation;
use crate::crypto::key_exchange::ActiveKeyExchange;
use crate::error::Abort;
use crate::information::EarlyDataRejection;
use crate::key_schedule::{AddMessage, Transcript};
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::wire::ServerHello;
use crate::wire::extension::{Cookie, KeyShareHelloRetryRequest};

/// Says hello again, with what was asked for.
pub(super) fn on_hello_retry_request(
    mut offered: Box<Offered>,
    suite: CipherSuite,
    hello: &ServerHello<'_>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    // §5.1: the server waits for the second hello, so nothing may follow in this record.
    cx.incoming.end_of_flight()?;
    let cookie = find::<Cookie<'_>>(&hello.extensions)?.map(|cookie| cookie.cookie);
    let group = find::<KeyShareHelloRetryRequest>(&hello.extensions)?
        .map(|share| offered.client.offer.check_retry_group(share.selected_group))
        .transpose()?;
    match group {
        Some(group) if offered.shares.contains(&offered.client.config, group) => {
            return Err(Violation::RetryGroupAlreadyShared.into());
        }
        // The second hello would be the first one.
        None if cookie.is_none() => return Err(Violation::RetryWithoutChange.into()),
        // §4.1.2: only the share that was asked for.
        Some(group) => offered.shares = Shares::one(ActiveKeyExchange::start(group, cx.random)?),
        None => {}
    }
    let mut transcript = restarted(&offered, suite)?;
    transcript.add(message.hashed());

    // §4.2.10: early data is not accepted then, nor offered again.
    let sent_early_data = offered.client.sends_early_data();
    if sent_early_data {
        cx.outgoing.drop_keys()?;
        offered
            .client
            .early_data_rejected(EarlyDataRejection::Retried);
    }
    // A session of another hash cannot go with the suite that is chosen now.
    resumption::retain(&mut offered.sessions, suite.handshake_hash()?);
    let second = offered.second_hello(cookie, cx.now)?;
    let which = match group {
        Some(_) => Which::SecondWithShare,
        None => Which::Second,
    };
    let sessions = &offered.sessions;
    let bind = |out: &mut Vec<u8>| {
        resumption::bind(out, 0, sessions, Some(&transcript));
    };
    let second = offered.client.disguised(second, which, bind, cx)?;
    if !offered.client.legacy_session_id().is_empty() && !sent_early_data {
        cx.outgoing.change_cipher_spec()?;
    }
    second.send(&mut offered.client, &mut transcript, cx);
    offered.transcript = Hashing::Running(Box::new(transcript));
    offered.retry = Some(Retry { suite, group });
    Ok(WaitServerHello(offered).into())
}

/// §4.4.1: the first hello goes into the transcript as its hash.
fn restarted(offered: &Offered, suite: CipherSuite) -> Result<Transcript, Abort> {
    let Hashing::Buffered(buffered) = &offered.transcript else {
        return Err(Violation::SecondRetry.into());
    };
    let mut transcript = buffered.start(suite.handshake_hash()?);
    transcript.replace_with_message_hash();
    Ok(transcript)
}
