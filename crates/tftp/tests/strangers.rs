//! A million arbitrary datagrams, and what the fuzzer has found: nothing breaks the parser, the
//! negotiation or a machine.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::fs;
use std::path::Path;
use std::time::Duration;

mod hostile;

use hostile::Ends;

#[test]
fn a_million_datagrams_break_nothing() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut ends = Ends::new(1, false);
    let mut datagram = Vec::new();
    for _ in 0..1_000_000 {
        dice.datagram(&mut datagram);
        ends.feed(Duration::from_millis(dice.below(300)), &datagram);
        if ends.are_over() {
            ends = Ends::new(u8::try_from(dice.below(16)).unwrap() + 1, dice.below(2) == 1);
        }
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/packets");
    let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 8, "the corpus is gone");
    for file in files {
        hostile::feed(&fs::read(file).unwrap());
    }
}

/// xorshift64: enough to be arbitrary, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Of four, one is any bytes at all, one a request with words in it that mean something, and
    /// the others have an opcode and a small number, as what moves a machine has.
    fn datagram(&mut self, datagram: &mut Vec<u8>) {
        const WORDS: [&[u8]; 12] = [
            b"a",
            b"octet",
            b"netascii",
            b"blksize",
            b"windowsize",
            b"tsize",
            b"timeout",
            b"1428",
            b"65464",
            b"0",
            b"",
            b"\x1b[2J",
        ];
        datagram.clear();
        match self.below(4) {
            0 => {
                let len = self.below(40);
                datagram.extend((0..len).map(|_| self.byte()));
            }
            1 => {
                datagram.extend([0, [1, 2, 6][usize::try_from(self.below(3)).unwrap()]]);
                for _ in 0..self.below(8) {
                    datagram.extend(WORDS[usize::try_from(self.below(12)).unwrap()]);
                    datagram.push(0);
                }
            }
            _ => {
                // ERRORs end everything, so they are rare.
                let opcode = if self.below(50) == 0 { 5 } else { 3 + self.below(2) };
                datagram.extend([0, u8::try_from(opcode).unwrap(), 0]);
                datagram.push(u8::try_from(self.below(20)).unwrap());
                let len = if self.below(4) == 0 { self.below(11) } else { 8 };
                datagram.extend((0..len).map(|_| self.byte()));
            }
        }
    }
}
