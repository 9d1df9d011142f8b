//! Code that few programs need, and that the others are linked without.

/// A pointer to a function that a rare option needs. The option's setter is the only place that names the function, and it is
/// called through here alone: so the linker leaves it out of a program that never sets the option.
///
/// Two of a type are equal: each type of pointer has one function. [`Option`] tells whether it is there.
#[derive(Clone, Copy)]
pub(super) struct Through<F>(pub(super) F);

impl<F> PartialEq for Through<F> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<F> Eq for Through<F> {}

/// Without the address of the function, which says nothing.
impl<F> core::fmt::Debug for Through<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Through")
    }
}
