//! What is lost is sent again.
