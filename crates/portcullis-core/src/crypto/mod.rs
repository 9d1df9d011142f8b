//! A thin face over aws-lc-rs.
