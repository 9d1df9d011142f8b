//! The gate: what it lets in, and that nothing else comes of anything.
