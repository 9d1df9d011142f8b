//! Whether a path is good for a policy that is asked for.
//!
//! RFC 5280 §6.1 as RFC 9618 has it: what was a tree there, which a few certificates make grow without bound
//! (CVE-2023-0464), is a graph with one node for each policy and depth. A bare § means RFC 5280.
//!
//! ```text
//! depth 0        anyPolicy
//!                 |     \
//! depth 1         A     anyPolicy      expected: A -> {A, B}
//!                /  \     |
//! depth 2       A    B    C
//! ```
//!
//! A node knows its parents. One that has no child is of no use, which matters only at the end, where the way is
//! gone from the last depth up.

use super::steps::MAX_NAME;
use crate::sort::sort;
use crate::x509::certificate::Certificate;
use crate::x509::certificate_policies::CertificatePolicies;
use crate::x509::extension::Known;
use crate::x509::extension::policies::{
    ANY_POLICY, PolicyConstraints, certificate_policies, inhibit_any_policy, policy_mappings,
};
use crate::x509::name;
use crate::x509::path::{Path, Wanted};

/// How many nodes there may be, as many policies in one certificate, and as many mappings.
pub(super) const MAX_NODES: usize = 1_000;

/// How many policies may be compared with others.
const MAX_COMPARISONS: usize = 250_000;

/// Why a path is not good for any policy that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x509) enum Unfit {
    /// From this certificate down, so many above the leaf, no policy holds.
    NoPolicy(usize),
    /// Policies hold, and none of those that are asked for.
    NotAccepted,
    /// An extension of that certificate cannot be read.
    Malformed(usize),
    /// A CA maps to or from anyPolicy (§6.1.4 (a)).
    MapsAnyPolicy(usize),
    TooMany,
}

/// A policy at some depth.
struct Node<'a> {
    policy: &'a [u8],
    /// Which policies of the next certificate are this one.
    expected: Vec<&'a [u8]>,
    /// At the depth above.
    parents: Vec<usize>,
}

impl<'a> Node<'a> {
    fn new(policy: &'a [u8], parents: Vec<usize>) -> Self {
        Self {
            policy,
            expected: vec![policy],
            parents,
        }
    }

    fn is_any(&self) -> bool {
        self.policy == ANY_POLICY
    }
}

/// RFC 9618 §5: the graph, and how many more certificates may come before something counts.
struct Walk<'a> {
    depths: Vec<Vec<Node<'a>>>,
    explicit_policy: usize,
    policy_mapping: usize,
    inhibit_any_policy: usize,
    nodes: usize,
    comparisons: usize,
}

/// Walks down the path.
pub(in crate::x509) fn check(
    wanted: Wanted<'_>,
    path: &Path,
    policies: &CertificatePolicies,
) -> Result<(), Unfit> {
    let count = path.len();
    // §6.1.2 (d) to (f).
    let unless = |now: bool| if now { 0 } else { count + 1 };
    let mut walk = Walk {
        depths: vec![vec![Node::new(ANY_POLICY, Vec::new())]],
        explicit_policy: unless(policies.explicit),
        policy_mapping: unless(policies.inhibit_mapping),
        inhibit_any_policy: unless(policies.inhibit_any),
        nodes: 1,
        comparisons: 0,
    };
    for above in (0..count).rev() {
        let malformed = Unfit::Malformed(above);
        let certificate = path
            .place(above)
            .and_then(|place| wanted.certificate(place));
        let certificate = certificate.ok_or(malformed)?;
        let known = Known::read(&certificate).map_err(|_| malformed)?;
        let is_self_issued = is_self_issued(&certificate);
        walk.depth(above, &known, is_self_issued)?;
        if walk.explicit_policy == 0 && walk.is_empty() {
            return Err(Unfit::NoPolicy(above));
        }
        match above {
            0 => walk.wrap_up(&known)?,
            _ => walk.prepare(above, &known, is_self_issued)?,
        }
    }
    if walk.explicit_policy > 0 {
        return Ok(());
    }
    match (walk.is_empty(), walk.holds(policies)) {
        (true, _) => Err(Unfit::NoPolicy(0)),
        (false, false) => Err(Unfit::NotAccepted),
        (false, true) => Ok(()),
    }
}

fn is_self_issued(certificate: &Certificate<'_>) -> bool {
    // Longer names were refused before.
    certificate.subject.len() <= MAX_NAME
        && name::is_same(certificate.subject, certificate.issuer, &mut 0)
}

impl<'a> Walk<'a> {
    /// The last depth, which the graph has nodes at unless it is NULL.
    fn last(&self) -> &[Node<'a>] {
        self.depths.last().map(Vec::as_slice).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.last().is_empty()
    }

    fn compare(&mut self, count: usize) -> Result<(), Unfit> {
        self.comparisons += count;
        match self.comparisons <= MAX_COMPARISONS {
            true => Ok(()),
            false => Err(Unfit::TooMany),
        }
    }

    fn grow(&mut self, nodes: &mut Vec<Node<'a>>, node: Node<'a>) -> Result<(), Unfit> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Unfit::TooMany);
        }
        nodes.push(node);
        Ok(())
    }

    /// RFC 9618 §5.3 (d), (e): the policies of a certificate that go on from the depth above.
    fn depth(
        &mut self,
        above: usize,
        known: &Known<'a>,
        is_self_issued: bool,
    ) -> Result<(), Unfit> {
        let mut nodes = Vec::new();
        let Some(value) = known.policies else {
            self.depths.push(nodes);
            return Ok(());
        };
        let mut own = certificate_policies(value).ok_or(Unfit::Malformed(above))?;
        if own.len() > MAX_NODES {
            return Err(Unfit::TooMany);
        }
        sort(&mut own);
        // §4.2.1.4: "A certificate policy OID MUST NOT appear more than once".
        if own.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Unfit::Malformed(above));
        }
        // All that is expected, sorted, each with the place of the one that expects it.
        let mut expected: Vec<(&[u8], usize)> = self
            .last()
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.is_any())
            .flat_map(|(at, node)| node.expected.iter().map(move |policy| (*policy, at)))
            .collect();
        sort(&mut expected);
        let any = self.last().iter().position(Node::is_any);
        self.compare(own.len() + expected.len())?;
        let parents_of = |policy: &[u8]| -> Vec<usize> {
            let from = expected.partition_point(|(own, _)| *own < policy);
            let these = expected.get(from..).unwrap_or_default();
            let these = these.iter().take_while(|(own, _)| *own == policy);
            these.map(|(_, at)| *at).collect()
        };
        for policy in own.iter().filter(|policy| **policy != ANY_POLICY) {
            let mut parents = parents_of(policy);
            if parents.is_empty() {
                parents.extend(any);
            }
            if !parents.is_empty() {
                self.compare(parents.len())?;
                self.grow(&mut nodes, Node::new(policy, parents))?;
            }
        }
        let counts = self.inhibit_any_policy > 0 || (above > 0 && is_self_issued);
        if counts && own.binary_search(&ANY_POLICY).is_ok() {
            let mut left = expected.as_slice();
            while let Some((policy, _)) = left.first() {
                let parents = parents_of(policy);
                left = left.get(parents.len()..).unwrap_or_default();
                if own.binary_search(policy).is_err() {
                    self.compare(parents.len())?;
                    self.grow(&mut nodes, Node::new(policy, parents))?;
                }
            }
            if let Some(any) = any {
                self.grow(&mut nodes, Node::new(ANY_POLICY, vec![any]))?;
            }
        }
        self.depths.push(nodes);
        Ok(())
    }

    /// §6.1.4 (a), (b), (h) to (j), RFC 9618 §5.4: what a CA says of what is below.
    fn prepare(
        &mut self,
        above: usize,
        known: &Known<'a>,
        is_self_issued: bool,
    ) -> Result<(), Unfit> {
        if let Some(value) = known.policy_mappings {
            let mut mappings = policy_mappings(value).ok_or(Unfit::Malformed(above))?;
            let is_any = |policy: &[u8]| policy == ANY_POLICY;
            if mappings.iter().any(|(from, to)| is_any(from) || is_any(to)) {
                return Err(Unfit::MapsAnyPolicy(above));
            }
            if mappings.len() > MAX_NODES {
                return Err(Unfit::TooMany);
            }
            sort(&mut mappings);
            mappings.dedup();
            self.map(&mappings)?;
        }
        if !is_self_issued {
            self.explicit_policy = self.explicit_policy.saturating_sub(1);
            self.policy_mapping = self.policy_mapping.saturating_sub(1);
            self.inhibit_any_policy = self.inhibit_any_policy.saturating_sub(1);
        }
        if let Some(value) = known.policy_constraints {
            let own = PolicyConstraints::read(value).ok_or(Unfit::Malformed(above))?;
            let least =
                |counter: usize, own: Option<usize>| own.map_or(counter, |own| counter.min(own));
            self.explicit_policy = least(self.explicit_policy, own.require_explicit_policy);
            self.policy_mapping = least(self.policy_mapping, own.inhibit_policy_mapping);
        }
        if let Some(value) = known.inhibit_any_policy {
            let own = inhibit_any_policy(value).ok_or(Unfit::Malformed(above))?;
            self.inhibit_any_policy = self.inhibit_any_policy.min(own);
        }
        Ok(())
    }

    /// §6.1.4 (b). The mappings are sorted.
    fn map(&mut self, mappings: &[(&'a [u8], &'a [u8])]) -> Result<(), Unfit> {
        let mut nodes = self.depths.pop().unwrap_or_default();
        self.compare(mappings.len() + nodes.len())?;
        let is_mapped = |policy: &[u8]| {
            mappings
                .binary_search_by(|(from, _)| from.cmp(&policy))
                .is_ok()
        };
        if self.policy_mapping == 0 {
            nodes.retain(|node| !is_mapped(node.policy));
            self.depths.push(nodes);
            return Ok(());
        }
        let any = nodes.iter().find(|node| node.is_any());
        // Whose child anyPolicy is, is anyPolicy, too.
        let above_any = any.map(|any| any.parents.clone());
        let mut left = mappings;
        while let Some((from, _)) = left.first() {
            let end = left.partition_point(|(own, _)| own == from);
            let (these, rest) = left.split_at_checked(end).unwrap_or((left, &[]));
            left = rest;
            let to: Vec<&[u8]> = these.iter().map(|(_, to)| *to).collect();
            self.compare(nodes.len() + to.len())?;
            if let Some(node) = nodes.iter_mut().find(|node| node.policy == *from) {
                node.expected = to;
            } else if let Some(parents) = &above_any {
                let mut node = Node::new(from, parents.clone());
                node.expected = to;
                self.grow(&mut nodes, node)?;
            }
        }
        self.depths.push(nodes);
        Ok(())
    }

    /// §6.1.5 (a), (b).
    fn wrap_up(&mut self, known: &Known<'a>) -> Result<(), Unfit> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if let Some(value) = known.policy_constraints {
            let own = PolicyConstraints::read(value).ok_or(Unfit::Malformed(0))?;
            if own.require_explicit_policy == Some(0) {
                self.explicit_policy = 0;
            }
        }
        Ok(())
    }

    /// §6.1.5 (g), RFC 9618 §5.5: whether a policy that is asked for holds along the path. It is the one as which the
    /// highest CA that names one knows it: a child of anyPolicy.
    fn holds(&self, policies: &CertificatePolicies) -> bool {
        let mut reached: Vec<bool> = vec![true; self.last().len()];
        if self.last().iter().any(Node::is_any) {
            return true;
        }
        for depth in (1..self.depths.len()).rev() {
            let nodes = self
                .depths
                .get(depth)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let parents = depth
                .checked_sub(1)
                .and_then(|above| self.depths.get(above));
            let parents = parents.map(Vec::as_slice).unwrap_or_default();
            let mut next = vec![false; parents.len()];
            let reached_ones = nodes.iter().zip(&reached).filter(|(_, reached)| **reached);
            for (node, _) in reached_ones {
                for parent in &node.parents {
                    let is_any = parents.get(*parent).is_some_and(Node::is_any);
                    if is_any && !node.is_any() && policies.accepts(node.policy) {
                        return true;
                    }
                    if let Some(next) = next.get_mut(*parent) {
                        *next = true;
                    }
                }
            }
            reached = next;
        }
        false
    }
}
