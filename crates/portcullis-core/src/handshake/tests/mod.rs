//! Whole handshakes between our own two ends.

mod pair;
