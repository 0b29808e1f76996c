//! Fuzz target: datagrams and waits, for everything that reads what a peer sends.
//! `cargo +nightly fuzz run packets`, in `crates/tftp`.

#![no_main]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::feed(bytes));
