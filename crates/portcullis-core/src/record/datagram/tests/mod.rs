//! Tests of records over datagrams.
