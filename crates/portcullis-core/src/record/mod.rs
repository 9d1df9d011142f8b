//! The record protocol (RFC 8446 §5).
