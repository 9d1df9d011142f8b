//! Bytes to values and back: no policy, no crypto, no panic.
//!
//! RFC 8446 §4 and Appendix B. Know one message file, know them all.

pub mod codec;
