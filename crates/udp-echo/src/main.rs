//! One binary for the chapter: `udp-echo <lesson> …`. Each lesson owns its arguments.

fn main() {}
