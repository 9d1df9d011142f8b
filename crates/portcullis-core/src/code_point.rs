//! One way to write a table of code points: known values have names, unknown ones survive.

/// Defines a newtype over an integer with named constants, as the IANA registries list them.
///
/// Unknown values are kept, printed as hex and compared like any other: a peer may send code
/// points that did not exist when this was written.
macro_rules! code_points {
    ($(#[$meta:meta])* $vis:vis struct $name:ident($int:ty) { $($(#[$doc:meta])* $constant:ident = $value:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis struct $name(pub $int);

        impl $name {
            $($(#[$doc])* #[doc = concat!("`", $text, "`")] $vis const $constant: Self = Self($value);)+

            /// The name in the IANA registry, or `None` for a value this build does not know.
            $vis const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)+
                    _ => None,
                }
            }
        }

        impl $name {
            /// The value of this name, whatever its case, or `None` if this build does not know it.
            $vis fn from_name(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($text) {
                    return Some(Self($value));
                })+
                None
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:#06x}", self.0),
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use code_points;
