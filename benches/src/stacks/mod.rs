//! The stacks whose libraries get along in one process.

mod plain;
mod portcullis;
mod rustls;

pub use plain::Plain;
pub use portcullis::Portcullis;
pub use rustls::Rustls;
