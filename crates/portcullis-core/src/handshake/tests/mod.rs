//! Whole handshakes between our own two ends: what must work, and what a peer that breaks the
//! rules is told.

mod advisories;
mod attack;
mod before_tls12;
mod bounded;
mod brainpool;
mod choices;
mod compression;
#[cfg(feature = "dtls")]
mod datagrams;
mod early_data;
mod ech;
mod ed448;
mod external_psk;
mod flips;
mod fragmentation;
mod hello_options;
mod hostile;
mod late_answers;
mod lists;
mod messages;
#[cfg(all(target_os = "linux", not(miri)))]
mod moved_secrets;
mod named_groups;
mod older;
mod page;
mod pair;
mod parts;
mod post_handshake_auth;
mod proofs;
mod questions;
mod raw_keys;
mod renegotiation;
mod rfc_8448;
mod scripts;
mod shortfalls;
mod signatures;
mod stapling;
mod states;
mod tamper;
mod tickets;
mod tls12;
mod tolerance;
mod transitions;
mod violations;

pub(crate) use tamper::{Put, Tamper, put, tampered};
