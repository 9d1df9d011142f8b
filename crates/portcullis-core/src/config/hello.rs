//! What a ClientHello has besides what is negotiated: its length, a name, and which share comes first.
//!
//! RFC 7685; RFC 8446 §4.2.7, §4.2.8, §9.2.

use std::sync::Arc;

use super::client::{ClientConfig, ClientConfigBuilder};
use super::policy::KeyShares;
use super::server::ServerConfigBuilder;
use crate::named_group::NamedGroup;

impl ClientConfig {
    /// The same with a key share of this group in the first hello, and no other: for a server that is known to take it
    /// ([`ConnectionInformation::preferred_share`](crate::ConnectionInformation::preferred_share)). What is offered
    /// stays, so a server that has changed its mind asks for another share.
    ///
    /// `None` where that changes nothing: the group is not [offered](ClientConfigBuilder::groups) or not one of TLS
    /// 1.3, its share is the first by itself, or the caller has chosen the
    /// [shares](ClientConfigBuilder::key_shares).
    #[must_use]
    pub fn with_first_share(&self, group: NamedGroup) -> Option<Self> {
        let is_preferred = self.0.key_shares == KeyShares::Preferred;
        let mut usable = self.0.shareable_groups();
        let is_offered = usable.next() != Some(group) && usable.any(|one| one == group);
        (is_preferred && is_offered).then(|| {
            let mut client = (*self.0).clone();
            client.key_shares = KeyShares::Groups(vec![group]);
            Self(Arc::new(client))
        })
    }
}

impl ClientConfigBuilder {
    /// Pads a ClientHello of 256 to 511 bytes to 512 (RFC 7685): there were load balancers that took such a one for a
    /// record of SSL 2.0 and never answered. With a post-quantum share the hello is longer anyway, and one that is
    /// [encrypted](Self::ech) is not padded so. Default: no.
    pub fn hello_padding(mut self, on: bool) -> Self {
        self.client.hello_padding = on;
        self
    }
}

impl ServerConfigBuilder {
    /// Whether a client that says no host name (RFC 6066 §3) is refused with `missing_extension` (RFC 8446 §9.2). Default:
    /// no, it gets the first identity. An address is no name. For names that nobody has there is
    /// [`refuse_unknown_names`](Self::refuse_unknown_names).
    pub fn require_server_name(mut self, on: bool) -> Self {
        self.server.require_server_name = on;
        self
    }

    /// Whether clients of TLS 1.3 are told of all groups that there are here, the best first (RFC 8446 §4.2.7), so that the
    /// next time they may come with another share: 6 bytes, and 2 for each group. Default: no.
    pub fn send_supported_groups(mut self, on: bool) -> Self {
        self.server.send_supported_groups = on;
        self
    }
}
