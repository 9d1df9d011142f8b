//! portcullis against real peers, in both roles: what is negotiated, transferred, refused, and how
//! it ends, as both sides see it.
//!
//! A peer that is not installed is a failure that names its package. Every wait has a limit, and
//! nothing sleeps.

/// A test for each peer, `NAME: FUNCTION(PEER);`.
macro_rules! of_each_peer {
    ($($test:ident: $run:ident($peer:ident);)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                $run(Peer::$peer).await;
            }
        )+
    };
}

mod before_tls12;
mod ccm;
mod client_authentication;
mod closing;
mod compression;
mod curl;
mod delivery;
mod early_data;
mod early_data_taken;
mod external_psk;
mod key_update;
mod legacy_ciphers;
mod matrix;
mod named_groups;
mod nss;
mod ours;
mod raw_keys;
mod record_size;
mod refusals;
mod resumption;
mod retry;
mod rsa;
mod secrets;
mod signatures;
mod stacks;
mod tls12;
mod transfer;
mod wolfssl;
