//! Once it is warm, the server allocates nothing, however much comes.
//!
//! The only test of its file: the counting allocator counts for the whole process. It has `unsafe`,
//! as every allocator must.
#![expect(unsafe_code, reason = "an allocator that counts is a global one")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{MODES, Server, client};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is left to the system's allocator; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of `GlobalAlloc`, here and below.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as for `alloc`.
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    // SAFETY: as for `alloc`.
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_server_allocates_nothing() {
    let mut buffer = vec![0; 65_536];
    for mode in MODES {
        let server = Server::start(mode, "127.0.0.1:0");
        let client = client(&server);
        let mut exchange = |times: usize| {
            for number in 0..times {
                let question = [7; 1200];
                client.send(&question[..number % 1200]).unwrap();
                assert_eq!(client.recv(&mut buffer).unwrap(), number % 1200);
            }
        };
        exchange(200);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        exchange(5000);
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(made, 0, "{mode:?}: allocations for 5000 datagrams");
        assert_eq!(server.stop().answered, 5200);
    }
}
