//! The proxy, in this process, over loopback.

#![cfg(unix)]

mod configuration;
mod hostile;
mod keys;
mod life;
mod rules;
mod support;
mod ways;
