//! What other crates ask of ours, each behind a feature with the name of the crate.

#[cfg(feature = "axum")]
mod axum;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod connect_info;
#[cfg(feature = "hyper-util")]
mod hyper_util;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;
#[cfg(feature = "tonic")]
mod tonic;

#[cfg(any(feature = "axum", feature = "tonic"))]
pub use connect_info::TlsConnectInfo;
#[cfg(feature = "hyper-util")]
pub use hyper_util::{HttpsConnector, MaybeHttpsStream};
#[cfg(feature = "redis")]
pub use redis::{redis_over_tls, replay_guard_over_tls};
