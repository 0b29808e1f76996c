//! What a transfer costs for each block, counted: no allocation, and a tenth of a system call.
//!
//! The allocating one is a test of its own file, as its counter counts for the whole process. A
//! global allocator is unsafe by nature.
#![expect(unsafe_code, reason = "an allocator that counts is a global one")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]
#![expect(clippy::cast_possible_truncation, reason = "test data")]

mod rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rig::{Folder, bytes};
use tftp::drive::{OwnPort, ReceiveEvents, Sink, Source, Store, receive_file, send_file};
use tftp::io::{Port, SLOT_LEN, Slots};
use tftp::options::Agreed;
use tftp::receiver::{self, Receiver};
use tftp::sender::{self, Sender};
use tftp::transfer::{Dally, Patience, Terms};
use tftp::wire::Mode;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is left to the system's allocator; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as the trait has it; the caller promises what the system's allocator wants.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as the trait has it; the caller promises what the system's allocator wants.
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    // SAFETY: as the trait has it; the caller promises what the system's allocator wants.
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_block_costs_no_allocation_and_a_tenth_of_a_call() {
    for mode in [Mode::Octet, Mode::Netascii] {
        for (blksize, windowsize) in [(1428, 64), (512, 1), (65_464, 3)] {
            let agreed = Agreed { blksize, windowsize, ..Agreed::default() };
            // What is allocated once; a first round fills what the libraries keep.
            allocations(100_000, mode, agreed);
            let few = allocations(400_000, mode, agreed);
            let many = allocations(2_400_000, mode, agreed);
            assert_eq!(few, many, "{mode:?}, {blksize} × {windowsize}");
        }
    }
    #[cfg(target_os = "linux")]
    calls_are_few();
}

/// With GSO and GRO: a window of 64 is two sends, a wait and a receive at its sender; a wait, two
/// receives and a send at its receiver.
#[cfg(target_os = "linux")]
fn calls_are_few() {
    let (there, here) = (Folder::new(), Folder::new());
    there.write("big", &bytes(8 << 20));
    let (mut server, address) = rig::Program::server(&there, &["--json"]);
    let address = address.to_string();
    let args = ["get", &address, "big", "--json", "--blksize", "1428", "--windowsize", "64"];
    let mut client = rig::Program::start(&here, &args);
    for line in [String::from_utf8(client.rest()).unwrap(), server.line()] {
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let (calls, data) = (object["socket_calls"].as_u64(), object["data"].as_u64());
        assert!(calls.unwrap() * 10 <= data.unwrap(), "{line}");
    }
}

/// Sends a file of `len` bytes through two sockets.
fn allocations(len: usize, mode: Mode, agreed: Agreed) -> u64 {
    let folder = Folder::new();
    folder.write("file", &bytes(len));
    let file = File::open(folder.path().join("file")).unwrap();
    let ports = [(); 2].map(|()| Arc::new(Port::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap()));
    let [sending, receiving] = ports.each_ref().map(|port| port.local_addr().unwrap());
    let [from, to] = ports;
    let dally = Dally::AfterLosses { most: Duration::ZERO };
    let patience = Patience { dally, ..Patience::default() };
    let terms = Terms { agreed, patience, ..Terms::default() };
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let receiver = thread::spawn(move || {
        let mut channel = OwnPort::new(to, sending, Slots::new(4, SLOT_LEN));
        let mut machine = Receiver::new(Instant::now(), &terms, receiver::Start::Ack);
        let mut sink = Sink::new(Store::Stream(Box::new(std::io::sink())), mode, 256 << 10);
        let mut events = Leaves;
        receive_file(&mut channel, &mut machine, &mut sink, None, None, &mut events).unwrap();
        sink.len()
    });
    let mut channel = OwnPort::new(from, receiving, Slots::new(1, 2048));
    let mut machine = Sender::new(Instant::now(), &terms, sender::Start::Data);
    let mut source = Source::new(file, len as u64, mode, agreed);
    send_file(&mut channel, &mut machine, &mut source, None, true, &mut |_| ()).unwrap();
    assert_eq!(receiver.join().unwrap(), len as u64);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

struct Leaves;

impl ReceiveEvents for Leaves {
    fn kept(&mut self, _: &Receiver, _: u64, _: u64) {}
}
