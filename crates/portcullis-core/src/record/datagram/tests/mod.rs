//! Records of DTLS 1.3 by themselves: those of others, those that are forged, and fragments.

mod fragments;
mod records;
mod vectors;
mod wolfssl;
