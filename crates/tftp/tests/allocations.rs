//! No allocation per block: counted while both machines move a thousand windows. The counting needs
//! a global allocator, which is unsafe to write; so this test has a program of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use tftp::options::Agreed;
use tftp::receiver::{self, Receiver};
use tftp::sender::{self, Sender};
use tftp::transfer::Terms;
use tftp::wire::{DATA_HEADER_LEN, Packet, data_header};

#[test]
fn no_block_and_no_ack_allocates() {
    let now = Instant::now();
    let terms = Terms {
        agreed: Agreed { blksize: 1428, windowsize: 64, ..Agreed::default() },
        ..Terms::default()
    };
    let mut sender = Sender::new(now, &terms, sender::Start::Data);
    let mut receiver = Receiver::new(now, &terms, receiver::Start::Silence);
    let mut datagram = [7; DATA_HEADER_LEN + 1428];
    let before = count();
    let mut received = 0_u64;
    for _ in 0..1000 {
        while let Some(sender::Transmit::Data(blocks)) = sender.poll_transmit(now, 64) {
            for block in blocks {
                let header = data_header(terms.agreed.rollover.number(block));
                datagram[..DATA_HEADER_LEN].copy_from_slice(&header);
                if let Ok(Some(block)) = receiver.handle_datagram(now, &datagram) {
                    received += u64::from(block.number == received + 1);
                    assert!(receiver.kept(now).is_none());
                }
            }
        }
        while let Some(receiver::Transmit::Ack(block)) = receiver.poll_transmit(now) {
            let mut ack = [0; 4];
            assert_eq!(Packet::Ack { block }.encode(&mut ack), Ok(4));
            assert_eq!(sender.handle_datagram(now, &ack), Ok(()));
        }
        assert_eq!(sender.handle_timeout(now), Ok(()));
        assert_eq!(receiver.handle_timeout(now), Ok(()));
    }
    assert_eq!(received, 64_000);
    assert_eq!(count() - before, 0);
    // The counter counts.
    let before = count();
    drop(vec![1_u8]);
    assert_eq!(count() - before, 1);
}

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// How often this thread has allocated.
fn count() -> usize {
    COUNT.get()
}

/// The system's allocator, counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
#[expect(unsafe_code, reason = "allocations cannot be counted otherwise")]
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller hands back what `alloc` gave, which is what `System` gave.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
