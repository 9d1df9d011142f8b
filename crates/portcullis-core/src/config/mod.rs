//! What a connection may do: decided once, checked when it is built, cheap to share.

mod client;
mod policy;
mod server;

pub(crate) use client::Verification;
pub use client::{ClientConfig, ClientConfigBuilder, ServerNameIndication};
pub use policy::{KeyShares, MaxFragmentLength, PaddingPolicy};
pub use server::{ClientAuthentication, ServerConfig, ServerConfigBuilder};

pub(crate) use policy::{Asked, Policy};
