//! The one table of cipher suites.
