//! The client's handshake before TLS 1.3, from the ServerHello on.
//!
//! RFC 5246 §7.3; states named after what they wait for. The session is proved at ServerHelloDone,
//! when all facts are there and nothing has been sent since the hello.

mod certificate;
mod client_flight;
mod finished;
mod key_exchange;
mod psk;
mod resumption;
pub(super) mod server_hello;

use super::super::table::states;
use super::Next;
use super::hello::Client;
use super::parameters::Parameters;
use crate::key_schedule::tls12::{OlderParameters, Transcript};
use crate::suite::{CipherSuite, Exchange};
use crate::version::Version;
use finished::Ticket;

/// What is known from the ServerHello on.
struct Negotiated {
    pub(super) client: Client,
    pub(super) version: Version,
    pub(super) suite: CipherSuite,
    /// The row of its key exchange.
    pub(super) exchange: Exchange,
    pub(super) keys: OlderParameters,
    pub(super) server_random: [u8; 32],
    pub(super) transcript: Transcript,
    pub(super) parameters: Parameters,
    /// Whether the master secret depends on the whole handshake (RFC 7627).
    pub(super) extended: bool,
    /// Whether the server knows RFC 5746.
    pub(super) secure_renegotiation: bool,
    /// Whether the server may send a CertificateStatus (RFC 6066 §8).
    pub(super) staples: bool,
    /// Timestamps of logs about the server's certificate.
    pub(super) scts: Option<Box<[u8]>>,
    /// What this side says by NPN, if the server wants to hear it.
    pub(super) next_protocol: Option<Box<[u8]>>,
    /// Whether the server sends a NewSessionTicket (RFC 5077 §3.2).
    pub(super) ticket: bool,
    /// What came in it.
    pub(super) new_ticket: Option<Ticket>,
    /// Under what the server keeps the session; empty if it does not.
    pub(super) session_id: Box<[u8]>,
}

states! {
    Client of Tls12:
    // state               in file          takes                                             => goes to
    ReviewingServerHello   in server_hello  pauses   for ReviewServerHello                    => WaitCertificate | WaitServerKeyExchange | ReverifyingChain | WaitNewSessionTicket | WaitChangeCipherSpec;
    WaitCertificate        in certificate   waits    for Certificate                          => WaitCertificateStatus | WaitServerKeyExchange | WaitCertificateRequest;
    // The server may leave it out (RFC 6066 §8). With RSA key exchange there is no ServerKeyExchange.
    WaitCertificateStatus  in certificate   waits    for CertificateStatus | ServerKeyExchange | CertificateRequest | ServerHelloDone => WaitServerKeyExchange | WaitCertificateRequest | WaitServerHelloDone | VerifyingChain | ChoosingPsk | WaitNewSessionTicket | WaitChangeCipherSpec;
    WaitServerKeyExchange  in key_exchange  waits    for ServerKeyExchange | ServerHelloDone  => WaitCertificateRequest | WaitServerHelloDone | VerifyingChain | ChoosingPsk | WaitNewSessionTicket | WaitChangeCipherSpec;
    WaitCertificateRequest in key_exchange  waits    for CertificateRequest | ServerHelloDone => WaitServerHelloDone | VerifyingChain | WaitNewSessionTicket | WaitChangeCipherSpec;
    WaitServerHelloDone    in key_exchange  waits    for ServerHelloDone                      => VerifyingChain | ChoosingPsk | ChoosingIdentity | Signing | WaitNewSessionTicket | WaitChangeCipherSpec;
    VerifyingChain         in key_exchange  pauses   for VerifyChain | VerifyRawKey           => ChoosingPsk | ChoosingIdentity | Signing | WaitNewSessionTicket | WaitChangeCipherSpec;
    ChoosingPsk            in psk           pauses   for ChoosePsk                            => WaitNewSessionTicket | WaitChangeCipherSpec;
    ChoosingIdentity       in client_flight pauses   for ChooseIdentity                       => Signing | WaitNewSessionTicket | WaitChangeCipherSpec;
    Signing                in client_flight pauses   for Sign                                 => WaitNewSessionTicket | WaitChangeCipherSpec;
    // The session that is resumed begins here.
    ReverifyingChain       in resumption    pauses   for VerifyChain | VerifyRawKey           => WaitNewSessionTicket | WaitChangeCipherSpec;
    WaitNewSessionTicket   in finished      waits    for NewSessionTicket                     => WaitChangeCipherSpec;
    WaitChangeCipherSpec   in finished      switches for ChangeCipherSpec                     => WaitFinished;
    WaitFinished           in finished      waits    for Finished                             => Connected;
}
