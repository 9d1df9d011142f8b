//! The key schedule as a chain of types, after the figure of RFC 8446 §7.1.
