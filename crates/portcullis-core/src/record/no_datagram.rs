//! What stands for records over datagrams without the feature `dtls`: nothing has these types, so what is made
//! for them is not compiled.

use super::PaddingPolicy;
use super::keys::Keys;
use super::stream::Message;
use crate::alert::AlertDescription;
use crate::clock::Monotonic;
use crate::error::Abort;
use crate::key_schedule::Hashed;
use crate::version::ProtocolVersion;
use crate::violation::Violation;

#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionId {}

impl ConnectionId {
    pub(crate) const fn of(_: &[u8]) -> Option<Self> {
        None
    }

    pub(crate) const fn as_slice(&self) -> &[u8] {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Notes {}

#[derive(Debug)]
pub(crate) enum Incoming {}

impl Incoming {
    pub(crate) fn set_max_handshake_size(&mut self, _: usize) {
        match *self {}
    }

    pub(crate) fn set_strict_alert_levels(&mut self, _: bool) {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _: &[u8], _: Monotonic) -> Result<(), Abort> {
        match *self {}
    }

    pub(crate) fn take_notes(&mut self) -> Option<Notes> {
        match *self {}
    }

    pub(crate) fn next(&mut self, _: Monotonic) -> Result<Option<Message>, Abort> {
        match *self {}
    }

    pub(crate) fn install_read(&mut self, _: Keys) -> Result<(), Abort> {
        match *self {}
    }

    pub(crate) fn end_of_flight(&mut self) -> Result<(), Violation> {
        match *self {}
    }

    pub(crate) fn decided_before_tls13(&mut self) {
        match *self {}
    }

    pub(crate) fn is_before_tls13(&self) -> bool {
        match *self {}
    }

    pub(crate) fn connection_id(&self) -> Option<(ConnectionId, bool)> {
        match *self {}
    }

    pub(crate) fn agree_connection_ids(&mut self, _: ConnectionId, _: bool) {
        match *self {}
    }

    pub(crate) fn limit_inner(&mut self, _: usize) {
        match *self {}
    }

    pub(crate) fn decline_early_data(&mut self) {
        match *self {}
    }

    pub(crate) fn declines_early_data(&self) -> bool {
        match *self {}
    }

    pub(crate) fn takes_early_data(&self) -> bool {
        match *self {}
    }

    pub(crate) fn take_early_data(&mut self, _: Keys, _: u32) {
        match *self {}
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Outgoing {}

impl Outgoing {
    pub(crate) fn begin_with_hello(&mut self) {
        match *self {}
    }

    pub(crate) fn offered_before_tls12(&mut self, _: ProtocolVersion) {
        match *self {}
    }

    pub(crate) fn decided_before_tls13(&mut self, _: ProtocolVersion) {
        match *self {}
    }

    pub(crate) fn handshake(&mut self, _: impl FnOnce(&mut Vec<u8>)) -> Hashed<'_> {
        match *self {}
    }

    pub(crate) fn alert(&mut self, _: AlertDescription) {
        match *self {}
    }

    pub(crate) fn install_write(&mut self, _: Keys) {
        match *self {}
    }

    pub(crate) fn begin_early_data(&mut self, _: Keys, _: u64) {
        match *self {}
    }

    pub(crate) fn end_early_data(&mut self) {
        match *self {}
    }

    pub(crate) fn room(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn allow_data(&mut self) {
        match *self {}
    }

    pub(crate) fn data(&mut self, _: &[u8]) -> Result<usize, Abort> {
        match *self {}
    }

    pub(crate) fn switch_keys(&mut self, _: Keys) {
        match *self {}
    }

    pub(crate) fn set_connection_id(&mut self, _: ConnectionId) {
        match *self {}
    }

    pub(crate) fn set_record_size_limit(&mut self, _: u16) {
        match *self {}
    }

    pub(crate) fn set_max_fragment(&mut self, _: u16) {
        match *self {}
    }

    pub(crate) fn set_padding(&mut self, _: PaddingPolicy) {
        match *self {}
    }

    pub(crate) fn heed(&mut self, _: Notes, _: Monotonic) {
        match *self {}
    }

    pub(crate) fn end_of_flight(&mut self, _: bool, _: Monotonic) {
        match *self {}
    }

    pub(crate) fn pause(&mut self) {
        match *self {}
    }

    pub(crate) fn longest_whole_message(&self) -> usize {
        match *self {}
    }

    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        match *self {}
    }

    pub(crate) fn take(&mut self, _: Monotonic) -> Result<Vec<u8>, Abort> {
        match *self {}
    }
}
