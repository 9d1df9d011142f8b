//! What the search for a path may cost, whatever a peer sends. None of these limits is ever a
//! reason to try the next path.

/// How many steps a search may take: to a certificate, or to an anchor. One takes ten
/// microseconds at most, without the signatures, which are counted by themselves.
pub(in crate::x509) const MAX_STEPS: usize = 1_000;

/// So many bytes of names that are compared, of extensions that are read, or of what is sorted take a step.
const BYTES_PER_STEP: usize = 2_048;

/// And the search for an anchor whose name is encoded differently one for this many anchors.
const ANCHORS_PER_STEP: usize = 1_000;

/// How many paths that lead to an anchor may be refused for a reason that lies in no single
/// certificate or signature: such a path removes nothing from the search.
pub(in crate::x509) const MAX_PATHS: usize = 16;

/// The steps that are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    steps: usize,
    /// For which no step was counted yet.
    bytes: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            steps: MAX_STEPS,
            bytes: 0,
        }
    }

    /// Whether so many steps are left.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => false,
        }
    }

    /// The same for bytes that were read, compared or sorted.
    pub(super) fn spend_on_bytes(&mut self, bytes: usize) -> bool {
        let bytes = self.bytes.saturating_add(bytes);
        self.bytes = bytes % BYTES_PER_STEP;
        self.spend(bytes / BYTES_PER_STEP)
    }

    /// The same for a look at all anchors.
    pub(super) fn spend_on_anchors(&mut self, anchors: usize, bytes: usize) -> bool {
        self.spend(anchors / ANCHORS_PER_STEP) && self.spend_on_bytes(bytes)
    }
}
