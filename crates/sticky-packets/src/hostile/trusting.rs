//! The old way of `hostile`: `vec![0; len]`, with a `len` that a stranger sent.
//!
//! ```text
//!   vec![0; 4 GiB] ──▶ calloc(3) ──▶ mmap(2): 4 GiB of addresses, and no memory
//!   the first byte is written ──▶ a page of memory; and so on, page by page
//! ```
//!
//! So on Linux it "works", as long as nobody sends the bytes too: what is promised is more than there
//! is (vm.overcommit_memory in proc_sys_vm(5)). Where it is not promised, because of a limit
//! (RLIMIT_AS in setrlimit(2), a 32-bit machine, a container), Rust's Vec ends the *process*.

use std::hint::black_box;
use std::io::{self, Read};

use anyhow::Context;
use cli::say;

/// What the stranger sends of the body.
const BODY_LEN: u64 = 8 << 20;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The length that the stranger announces
    #[arg(long, value_name = "BYTES", default_value_t = u32::MAX)]
    length: u32,
    /// Let this process have no more addresses than so many MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    address_space: Option<u64>,
}

// ANCHOR: trusting
pub(super) fn run(Args { length, address_space }: Args) -> anyhow::Result<()> {
    if let Some(mib) = address_space {
        limit(mib)?;
    }
    let announced = length.to_be_bytes();
    let mut stranger = announced.as_slice().chain(io::repeat(b'a').take(BODY_LEN));

    let mut header = [0; 4];
    stranger.read_exact(&mut header)?;
    let len = usize::try_from(u32::from_be_bytes(header))?;
    say!("4 bytes came: a length of {len}")?;

    let before = Memory::now();
    // This is the mistake: a buffer of any length, for whoever asks.
    let mut body = black_box(vec![0; len]);
    say!("vec![0; {len}]: {}", before.compared_with(Memory::now()))?;

    let came = read_what_comes(&mut stranger, &mut body)?;
    say!("{came} bytes came: {}", before.compared_with(Memory::now()))?;
    black_box(&body);
    Ok(())
}
// ANCHOR_END: trusting

fn read_what_comes(stranger: &mut impl Read, body: &mut [u8]) -> anyhow::Result<usize> {
    let mut came = 0;
    loop {
        match stranger.read(&mut body[came..]).context("cannot read")? {
            0 => return Ok(came),
            len => came += len,
        }
    }
}

/// RLIMIT_AS.
#[cfg(target_os = "linux")]
fn limit(mib: u64) -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    let bytes = mib << 20;
    setrlimit(Resource::RLIMIT_AS, bytes, bytes).context("cannot limit the address space")?;
    // What ends here is no accident: nobody wants its core.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot do without a core file")
}

/// Others have no such limit, or do not keep it.
#[cfg(not(target_os = "linux"))]
fn limit(_: u64) -> anyhow::Result<()> {
    anyhow::bail!("a process's addresses are limited on Linux only")
}

/// What the process has, in KiB: addresses (VmSize), and memory behind them (VmRSS). See
/// proc_pid_status(5).
#[derive(Clone, Copy, Debug)]
struct Memory(Option<(u64, u64)>);

impl Memory {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Self(field("VmSize:").zip(field("VmRSS:")))
    }

    fn compared_with(self, later: Self) -> String {
        let (Some(before), Some(later)) = (self.0, later.0) else {
            return "this system does not say what it took".to_owned();
        };
        let mib = |before: u64, later: u64| (later.saturating_sub(before) + 512) / 1024;
        let (addresses, memory) = (mib(before.0, later.0), mib(before.1, later.1));
        format!("{addresses} MiB of addresses, {memory} MiB of memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_in_mebibytes() {
        let [small, large] = [Memory(Some((1000, 100))), Memory(Some((3048, 612)))];
        assert_eq!(small.compared_with(large), "2 MiB of addresses, 1 MiB of memory");
        assert_eq!(large.compared_with(small), "0 MiB of addresses, 0 MiB of memory");
        assert!(Memory(None).compared_with(large).starts_with("this system does not say"));
    }

    #[test]
    fn what_comes_is_read_up_to_the_end_or_the_room() {
        let mut body = [0; 4];
        assert_eq!(read_what_comes(&mut b"ab".as_slice(), &mut body).unwrap(), 2);
        assert_eq!(read_what_comes(&mut b"abcdef".as_slice(), &mut body).unwrap(), 4);
        assert_eq!(&body, b"abcd");
    }
}
