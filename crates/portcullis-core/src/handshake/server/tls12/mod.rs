//! The server's handshake before TLS 1.3, once the version is decided.
//!
//! RFC 5246 §7.3; states named after what they wait for.

mod client_authentication;
pub(super) mod client_hello;
mod decryption;
mod finished;
mod flight;
mod groups;
mod identity;
mod key_exchange;
mod psk;
mod resumption;
mod tickets;
mod user;

use std::sync::Arc;

use super::super::renegotiation::Previous;
use super::super::table::states;
use super::Next;
use crate::config::ServerOptions;
use crate::record::HandshakeBytes;
use crate::version::Version;
use groups::Groups;

/// What the hello settled.
pub(super) struct Negotiated {
    pub(super) config: Arc<ServerOptions>,
    pub(super) version: Version,
    pub(super) hello: HandshakeBytes,
    groups: Groups,
    /// Whether the master secret depends on the whole handshake (RFC 7627).
    pub(super) extended: bool,
    /// Whether a block cipher encrypts before there is a MAC (RFC 7366), if one is chosen.
    pub(super) encrypt_then_mac: bool,
    /// Whether the client knows RFC 5746.
    pub(super) secure_renegotiation: bool,
    /// In a renegotiation.
    pub(super) previous: Option<Arc<Previous>>,
    /// Whether the client gets a ticket, if this handshake is a full one.
    pub(super) wants_ticket: bool,
    /// Whether the session gets an id, likewise.
    pub(super) wants_id: bool,
}

states! {
    Server of Tls12:
    // state              in file                  takes                                   => goes to
    OpeningTickets        in resumption            pauses   for OpenTickets                => ReverifyingChain | ReverifyingPsk | ReverifyingUser | LookingUpUser | ChoosingIdentity | Signing | WaitCertificate | WaitClientKeyExchange | WaitChangeCipherSpec;
    // The id of a session; not if there is a ticket, too.
    FindingSession        in resumption            pauses   for FindSession                => ReverifyingChain | ReverifyingPsk | ReverifyingUser | LookingUpUser | ChoosingIdentity | Signing | WaitCertificate | WaitClientKeyExchange | WaitChangeCipherSpec;
    // The user of a session, whose chain may have to be judged, too: without one there is a full handshake.
    ReverifyingUser       in user                  pauses   for LookUpUser                 => LookingUpUser | ReverifyingChain | ChoosingIdentity | WaitChangeCipherSpec;
    // The chain of a session, judged by somebody who was asked: after a refusal there is a full handshake.
    ReverifyingChain      in resumption            pauses   for VerifyChain | VerifyRawKey => LookingUpUser | ChoosingIdentity | Signing | WaitCertificate | WaitClientKeyExchange | WaitChangeCipherSpec;
    // The same of a pre-shared key: without it there is a full handshake.
    ReverifyingPsk        in psk                   pauses   for ChoosePsk                  => WaitClientKeyExchange | WaitChangeCipherSpec;
    ChoosingIdentity      in identity              pauses   for ChooseIdentity             => LookingUpUser | Signing | WaitCertificate | WaitClientKeyExchange | WaitChangeCipherSpec /* resumed */;
    LookingUpUser         in user                  pauses   for LookUpUser                 => Signing | WaitCertificate | WaitClientKeyExchange;
    Signing               in flight                pauses   for Sign                       => WaitCertificate | WaitClientKeyExchange;
    WaitCertificate       in client_authentication waits    for Certificate                => VerifyingChain | WaitClientKeyExchange;
    VerifyingChain        in client_authentication pauses   for VerifyChain | VerifyRawKey => WaitClientKeyExchange;
    WaitClientKeyExchange in key_exchange          waits    for ClientKeyExchange          => Decrypting | ChoosingPsk | WaitCertificateVerify | WaitChangeCipherSpec;
    // The key is elsewhere, or somebody wants to be asked.
    Decrypting            in decryption            pauses   for Decrypt                    => ChoosingPsk | WaitCertificateVerify | WaitChangeCipherSpec;
    ChoosingPsk           in psk                   pauses   for ChoosePsk                  => WaitChangeCipherSpec;
    WaitCertificateVerify in client_authentication waits    for CertificateVerify          => WaitChangeCipherSpec;
    WaitChangeCipherSpec  in finished              switches for ChangeCipherSpec           => WaitNextProtocol | WaitFinished;
    WaitNextProtocol      in finished              waits    for NextProtocol               => WaitFinished;
    WaitFinished          in finished              waits    for Finished                   => IssuingTickets | KeepingSession | Connected;
    IssuingTickets        in tickets               pauses   for IssueTickets               => Connected;
    KeepingSession        in finished              pauses   for KeepSession                => Connected;
}
