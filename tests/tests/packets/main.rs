//! Packets beside Erlang's: its parser on the same bytes, and a live peer in each mode.

#[path = "../interop_matrix/ours.rs"]
#[allow(dead_code, reason = "the matrix uses the rest")]
mod ours;

mod live;
mod oracle;
#[path = "../../../crates/portcullis/tests/packet_text/mod.rs"]
mod packet_text;
