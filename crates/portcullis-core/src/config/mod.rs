//! What a connection may do: decided once, checked when it is built, cheap to share.

pub(crate) mod certificate_types;
mod client;
mod client_authentication;
mod datagrams;
mod early_data;
pub(crate) mod ech;
mod hello;
mod in_force;
mod instructions;
mod negotiable;
mod options;
mod policy;
mod post_handshake;
mod psk;
mod renegotiation;
mod revocation;
mod server;
mod srtp;
mod tickets;

pub use crate::psk::PreSharedKey;
pub use crate::srp::{SrpGroup, SrpUsers, SrpVerifier};
pub use client::{ClientConfig, ClientConfigBuilder, ServerNameIndication};
pub(crate) use client::{ClientOptions, Verification};
pub use client_authentication::ClientAuthentication;
pub use instructions::Instructions;
pub(crate) use policy::Policy;
pub use policy::{
    BeastMitigation, ExtendedMasterSecret, KeyShares, MaxFragmentLength, PaddingPolicy,
};
pub use renegotiation::{Renegotiation, SecureRenegotiation};
pub(crate) use server::ServerOptions;
pub use server::{AcknowledgeServerName, ServerConfig, ServerConfigBuilder};
