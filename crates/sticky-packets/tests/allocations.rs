//! Once it is warm, a decoder allocates nothing, however many frames come; nor does a writer.
//!
//! The only test of its file: the counting allocator counts for the whole process. It has `unsafe`,
//! as every allocator must.
#![expect(unsafe_code, reason = "an allocator that counts is a global one")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use sticky_packets::decoder::{Decode, Decoder, Policy};
use sticky_packets::delimiter::Delimiter;
use sticky_packets::encode::{Encode, Room, write_frame};
use sticky_packets::framings::Name;

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

const LIMIT: usize = 300;

#[test]
fn warm_decoders_and_writers_allocate_nothing() {
    for name in Name::ALL {
        check(&name.to_string(), &mut *name.decoder(LIMIT, Policy::Close), &name.encoder(LIMIT));
    }
    let several = Delimiter::several(b"--\n").unwrap();
    check("several", &mut Decoder::new(several.clone(), LIMIT), &several);
}

fn check(name: &str, decoder: &mut dyn Decode, encoder: &dyn Encode) {
    let mut stream = Vec::new();
    let mut room = Room::default();
    // Some have something to escape in them, all lengths occur, and reads cut most of them.
    let messages: Vec<Vec<u8>> =
        (0..LIMIT).map(|len| b"h;e\\llo".iter().copied().cycle().take(len).collect()).collect();
    for message in &messages {
        write_frame(&mut stream, encoder, message, &mut room).unwrap();
    }
    let mut decode = |read_len, fed: bool| {
        let mut frames = 0;
        for mut input in stream.chunks(read_len) {
            if fed {
                decoder.feed(input);
                input = &[];
            } else if let Some(room) = decoder.spare(input.len()) {
                room.copy_from_slice(input);
                decoder.filled(input.len());
                input = &[];
            }
            while decoder.next_in(&mut input).unwrap().is_some() {
                frames += 1;
            }
        }
        frames
    };
    let lens = [1, 100, 1460, 1 << 16];
    let warm: Vec<i32> =
        lens.iter().flat_map(|len| [decode(*len, true), decode(*len, false)]).collect();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut frames = 0;
    for len in lens {
        frames += decode(len, true) + decode(len, false);
    }
    for message in &messages {
        write_frame(&mut io::sink(), encoder, message, &mut room).unwrap();
    }
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!(made, 0, "{name}: allocations for {frames} frames");
    assert_eq!(frames, warm.iter().sum::<i32>());
    assert!(name == "naive" || frames == 8 * 300, "{name}: {frames}");
}
