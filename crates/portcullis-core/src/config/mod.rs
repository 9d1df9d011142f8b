//! What a connection may do: decided once, checked when it is built, cheap to share.

mod client;
mod negotiable;
mod policy;
mod renegotiation;
mod server;

pub use client::{ClientConfig, ClientConfigBuilder, ServerNameIndication};
pub(crate) use client::{ClientOptions, Verification};
pub(crate) use policy::Policy;
pub use policy::{ExtendedMasterSecret, KeyShares, MaxFragmentLength, PaddingPolicy};
pub use renegotiation::Renegotiation;
pub(crate) use server::ServerOptions;
pub use server::{AcknowledgeServerName, ClientAuthentication, ServerConfig, ServerConfigBuilder};
