//! Counters of what went over the transport.

/// What went over the transport, ciphertext and handshake included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStatistics {
    /// What came from the peer.
    pub received: Flow,
    /// What went to the peer.
    pub sent: Flow,
    /// Bytes sealed that the transport has not yet accepted.
    pub send_pending: usize,
    /// Bytes received that nobody has read: ciphertext and plaintext.
    pub receive_pending: usize,
}

/// One direction: each read from or write to the transport counts as one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    bytes: u64,
    operations: u64,
    largest: u32,
    deviations: u64,
}

impl Flow {
    pub(crate) fn count(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes += bytes;
        self.operations += 1;
        self.largest = self.largest.max(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.deviations += bytes.abs_diff(self.bytes / self.operations);
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads or writes.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// The most bytes in one operation.
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// Bytes in an operation, on average.
    pub fn average(&self) -> u64 {
        self.bytes.checked_div(self.operations).unwrap_or(0)
    }

    /// How far operations were from the average of their time, on average.
    pub fn deviation(&self) -> u64 {
        self.deviations.checked_div(self.operations).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_counts() {
        let mut flow = Flow::default();
        assert_eq!((flow.average(), flow.deviation()), (0, 0));
        for bytes in [10, 20, 60] {
            flow.count(bytes);
        }
        assert_eq!(
            (
                flow.bytes(),
                flow.operations(),
                flow.largest(),
                flow.average()
            ),
            (90, 3, 60, 30)
        );
        assert_eq!(flow.deviation(), 35 / 3);
    }
}
