//! The proxy, in this process, over loopback.

#![cfg(unix)]

mod configuration;
mod datagrams;
mod datagrams_hostile;
mod datagrams_passed;
mod early;
mod ends;
mod hostile;
mod keys;
mod life;
mod operation;
mod restart;
mod rules;
mod support;
mod take_over;
mod ways;
