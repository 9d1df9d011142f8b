//! Handshakes and connections over datagrams that are lost, come twice, or in another order.

mod after;
mod authentication;
mod connection_id_messages;
mod connection_ids;
mod early_answers;
mod early_data;
mod faults;
mod floods;
mod hostile;
mod loss;
pub(super) mod moved_secrets;
pub(super) mod network;
mod older;
mod pair;
mod renegotiation;
mod rest;
mod srtp;
mod timers;
mod violations;
