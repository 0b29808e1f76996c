//! What every framing owes, judged by the same tests: the messages do not depend on the cuts.
//!
//! ```text
//!  messages ──encode──▶ stream ──cut──▶ reads ──decode──▶ the same messages
//! ```
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use proptest::prelude::*;
use sticky_packets::cobs;
use sticky_packets::decoder::{Decode, Decoder, Framing, Policy};
use sticky_packets::delimiter::Delimiter;
use sticky_packets::encode::{Encode, to_vec};
use sticky_packets::frame::{Flaw, FrameError, Why};
use sticky_packets::framings::Name;
use sticky_packets::length::{Counts, Endian, Layout, Length};
use sticky_packets::line::Line;

/// A framing, and what writes for it.
struct Case {
    name: String,
    decoder: Box<dyn Fn(usize, Policy) -> Box<dyn Decode>>,
    encoder: Box<dyn Fn(usize) -> Box<dyn Encode>>,
    /// How many bytes it may look at again with each read.
    again: u64,
}

/// All that keep the contract: all but `naive`.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Name::ALL.into_iter().skip(1).map(named).collect();
    cases.push(of("delimiter, any of four", || Delimiter::any(b";,\r\n").unwrap()));
    cases.push(of("delimiter, escaped", || Delimiter::escaped(b"l,;", b'o').unwrap()));
    let several = of("delimiter, several", || Delimiter::several(b"--\n").unwrap());
    cases.push(Case { again: 2, ..several });
    let alike = of("delimiter, several alike", || Delimiter::several(b"llo;l").unwrap());
    cases.push(Case { again: 4, ..alike });
    let two = || Layout::new(2).unwrap();
    let layouts = [
        Layout::new(1).unwrap(),
        two().endian(Endian::Little),
        Layout::new(8).unwrap().counts(Counts::Frame).unwrap(),
        Layout::new(3).unwrap().offset(2).unwrap(),
        two().offset(1).unwrap().strip(4).unwrap().counts(Counts::From(4)).unwrap(),
        two().offset(3).unwrap().counts(Counts::From(1)).unwrap().endian(Endian::Little),
    ];
    for layout in layouts {
        cases.push(of(&format!("length, {layout}"), move || Length::new(layout)));
    }
    cases
}

fn named(name: Name) -> Case {
    Case {
        name: name.to_string(),
        decoder: Box::new(move |limit, policy| name.decoder(limit, policy)),
        encoder: Box::new(move |limit| name.encoder(limit)),
        again: 0,
    }
}

fn of<F: Framing + Encode + 'static>(name: &str, make: impl Fn() -> F + Copy + 'static) -> Case {
    Case {
        name: name.to_owned(),
        decoder: Box::new(move |limit, policy| {
            Box::new(Decoder::new(make(), limit).policy(policy))
        }),
        encoder: Box::new(move |_| Box::new(make())),
        again: 0,
    }
}

/// A message, or why there is none and where.
type Said = Result<Vec<u8>, (u64, Why)>;

fn said(error: &FrameError) -> Said {
    Err((error.offset, error.why))
}

/// What a decoder says to these reads, up to an error after which it does not go on. What is not fed
/// is lent to it, or read into its own buffer where it spares room.
fn decode(decoder: &mut dyn Decode, reads: &[&[u8]], fed: bool) -> Vec<Said> {
    let mut all = Vec::new();
    for read in reads {
        let mut input = *read;
        if fed {
            decoder.feed(input);
            input = &[];
        } else if let Some(room) = decoder.spare(input.len()) {
            room.copy_from_slice(input);
            decoder.filled(input.len());
            input = &[];
        }
        loop {
            match decoder.next_in(&mut input) {
                Ok(Some(frame)) => all.push(Ok(frame.bytes().to_vec())),
                Ok(None) => break,
                Err(error) => {
                    all.push(said(&error));
                    if !error.goes_on {
                        return all;
                    }
                }
            }
        }
    }
    all
}

/// `stream` in pieces that end at these places.
fn cut<'a>(stream: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let ends = places.iter().copied().chain([stream.len()]);
    let mut begin = 0;
    ends.map(|end| &stream[std::mem::replace(&mut begin, end)..end]).collect()
}

/// Cuts where a bit is set.
fn places(bits: usize, len: usize) -> Vec<usize> {
    (1..len).filter(|place| bits >> (place - 1) & 1 == 1).collect()
}

const LIMIT: usize = 20;

/// Messages of all kinds that are short; which of them a framing carries it says itself.
const MESSAGES: [&[u8]; 8] = [
    b"hello",
    b"",
    "\u{4f60}\u{597d}".as_bytes(),
    b"l;o,l-",
    b"--\n",
    b"a\0b",
    b"\\;",
    b"\xff\x00\x01",
];

impl Case {
    fn frames(&self, messages: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, Vec<Said>) {
        let encoder = (self.encoder)(limit);
        let pairs = messages
            .iter()
            .filter_map(|message| Some((to_vec(&encoder, message).ok()?, Ok(message.to_vec()))));
        pairs.unzip()
    }

    fn run(&self, reads: &[&[u8]], fed: bool) -> Vec<Said> {
        decode(&mut *(self.decoder)(LIMIT, Policy::Skip), reads, fed)
    }
}

#[test]
fn one_cut_or_two_anywhere_change_nothing() {
    for case in cases() {
        let (frames, want) = case.frames(&MESSAGES, LIMIT);
        assert!(want.len() >= 3, "{} carries hardly anything", case.name);
        let stream = frames.concat();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let reads = cut(&stream, &[first, second]);
                assert_eq!(case.run(&reads, false), want, "{}: {first}, {second}", case.name);
            }
            let reads = cut(&stream, &[first]);
            assert_eq!(case.run(&reads, true), want, "{}: fed, {first}", case.name);
        }
    }
}

#[test]
fn all_the_ways_to_cut_a_short_stream_change_nothing() {
    for case in cases() {
        for messages in [&[b"hi".as_slice(), b"", b"you"][..], &[b"a", b"b"], &[b";\0l"]] {
            let (frames, want) = case.frames(messages, 3);
            let stream = frames.concat();
            let len = stream.len().min(13);
            if stream.len() > len {
                continue;
            }
            for bits in 0..1usize << len.saturating_sub(1) {
                let reads = cut(&stream, &places(bits, len));
                let got = decode(&mut *(case.decoder)(3, Policy::Close), &reads, false);
                assert_eq!(got, want, "{}: {reads:?}", case.name);
            }
        }
    }
}

#[test]
fn naive_is_right_for_one_way_to_cut_of_all() {
    let (naive, messages) = (named(Name::Naive), [b"hi".as_slice(), b"there", b"you", b"two"]);
    let (frames, want) = naive.frames(&messages, LIMIT);
    let stream = frames.concat();
    let right = (0..1usize << (stream.len() - 1))
        .filter(|bits| naive.run(&cut(&stream, &places(*bits, stream.len())), false) == want);
    assert_eq!(right.count(), 1);
}

#[test]
fn byte_by_byte_and_all_at_once_are_the_same() {
    for case in cases() {
        let (frames, want) = case.frames(&MESSAGES, LIMIT);
        let stream = frames.concat();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        for fed in [false, true] {
            assert_eq!(case.run(&[&stream], fed), want, "{}", case.name);
            assert_eq!(case.run(&bytes, fed), want, "{}", case.name);
        }
    }
}

#[test]
fn an_end_is_clean_between_two_frames_and_an_error_inside_one() {
    for case in cases() {
        let (frames, want) = case.frames(&MESSAGES, LIMIT);
        let stream = frames.concat();
        let mut ends = vec![0];
        ends.extend(frames.iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        }));
        for len in 0..=stream.len() {
            let mut decoder = (case.decoder)(LIMIT, Policy::Skip);
            let got = decode(&mut *decoder, &[&stream[..len]], false);
            let whole = ends.iter().filter(|end| **end <= len).count() - 1;
            assert_eq!(got, want[..whole], "{}", case.name);
            let (begin, have) = (ends[whole], len - ends[whole]);
            assert_eq!(decoder.status().pending, have, "{}", case.name);
            match decoder.finish() {
                Ok(None) => assert_eq!(have, 0, "{}", case.name),
                Ok(Some(frame)) => panic!("{}: {frame:?}", case.name),
                Err(FrameError { offset, why: Why::Ended { have: came, want }, .. }) => {
                    assert_eq!((offset, came), (begin as u64, have as u64), "{}", case.name);
                    let frame = frames[whole].len() as u64;
                    assert!(have > 0 && want.is_none_or(|want| want == frame), "{}", case.name);
                }
                Err(error) => panic!("{}: {error}", case.name),
            }
        }
    }
}

#[test]
fn the_limit_passes_and_one_byte_more_is_one_error() {
    for case in cases() {
        for fill in [b'x', b';', 0] {
            let most = vec![fill; LIMIT];
            let more = vec![fill; LIMIT + 1];
            let (frames, want) = case.frames(&[&most, b"a"], LIMIT);
            assert_eq!(case.run(&[&frames.concat()], false), want, "{}", case.name);
            // A block cannot hold more, and a delimiter that cannot be escaped cannot be said.
            let (frames, _) = case.frames(&[&more, b"a"], LIMIT);
            let [long, short] = &frames[..] else { continue };
            let stream = [long.clone(), short.clone(), short.clone()].concat();
            for place in 0..=stream.len() {
                let reads = cut(&stream, &[place]);
                let got = case.run(&reads, false);
                let [Err((0, Why::TooLong { declared, limit })), rest @ ..] = &got[..] else {
                    panic!("{}: {got:?}", case.name)
                };
                assert_eq!(*limit, LIMIT);
                let header = Why::TooLong { declared: *declared, limit: LIMIT };
                assert!(header.to_string().contains("longer than the limit of 20"));
                assert_eq!(rest, [Ok(b"a".to_vec()), Ok(b"a".to_vec())], "{}", case.name);

                let mut closing = (case.decoder)(LIMIT, Policy::Close);
                let got = decode(&mut *closing, &reads, false);
                assert_eq!(got.len(), 1, "{}", case.name);
                let error = closing.next_in(&mut &stream[..]).unwrap_err();
                assert_eq!(vec![said(&error)], got, "{}: the same for ever", case.name);
            }
        }
    }
}

#[test]
fn what_never_ends_or_is_only_announced_takes_no_memory() {
    let megabyte = vec![b'l'; 1 << 20];
    for case in cases() {
        for policy in [Policy::Skip, Policy::Close] {
            let mut decoder = (case.decoder)(LIMIT, policy);
            for read in megabyte.chunks(1460) {
                decode(&mut *decoder, &[read], false);
                let held = decoder.status().held;
                assert!(held <= 4 * (LIMIT + 8), "{}: {held} bytes", case.name);
            }
        }
        // A limit that is no limit: memory grows with what comes, still not with what is announced.
        let mut decoder = (case.decoder)(usize::MAX >> 1, Policy::Close);
        let mut stream = vec![0x7f; 100];
        stream[..9].fill(if case.name == "varint" { 0xff } else { 0x01 });
        decode(&mut *decoder, &[&stream], false);
        assert!(decoder.status().held <= 256, "{}: {:?}", case.name, decoder.status());
    }
}

#[test]
fn room_is_spared_for_a_read_in_a_frame_that_is_longer_and_never_for_what_is_announced() {
    for case in cases() {
        let message = [b'x'; LIMIT];
        let (frames, want) = case.frames(&[&message], LIMIT);
        let frame = frames.concat();
        let (begin, rest) = frame.split_at(8);
        let mut decoder = (case.decoder)(LIMIT, Policy::Close);
        assert!(decoder.spare(1).is_none(), "{}: nothing is begun", case.name);
        assert_eq!(decode(&mut *decoder, &[begin], false), []);
        assert!(decoder.spare(9).is_none(), "{}: a read is longer", case.name);
        let pending = decoder.status().pending;
        assert_eq!(pending, 8, "{}", case.name);
        assert_eq!(decoder.spare(8).map(|room| room.len()), Some(8), "{}", case.name);
        // Nothing came, less came than there is room for, and then the rest.
        decoder.filled(0);
        assert_eq!(decoder.next_in(&mut &[][..]), Ok(None), "{}", case.name);
        let mut said = Vec::new();
        for byte in rest {
            decoder.spare(8).unwrap()[0] = *byte;
            decoder.filled(1);
            said.extend(decoder.next().unwrap().map(|frame| Ok(frame.bytes().to_vec())));
        }
        assert_eq!(said, want, "{}", case.name);
        assert_eq!(decoder.status().taken, frame.len() as u64);
        assert!(decoder.status().held <= 4 * (LIMIT + 8), "{}", case.name);
    }
}

#[test]
fn between_two_frames_nothing_is_held() {
    for case in cases() {
        let (frames, want) = case.frames(&MESSAGES, LIMIT);
        let stream = frames.concat();
        let mut decoder = (case.decoder)(LIMIT, Policy::Close);
        for fed in [false, true] {
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(decode(&mut *decoder, &bytes, fed), want);
            decoder.release();
            assert_eq!(decoder.status().held, 0, "{}", case.name);
        }
        // Whole frames that lie in what was read are not copied at all, unless they are stuffed.
        let plain = MESSAGES[..1].iter().copied().cycle().take(100).collect::<Vec<_>>();
        let (frames, _) = case.frames(&plain, LIMIT);
        decode(&mut *decoder, &[&frames.concat()], false);
        let stuffed = case.name == "cobs" || case.name == "delimiter, escaped";
        assert_eq!(decoder.status().held > 0, stuffed, "{}", case.name);
    }
}

#[test]
fn every_byte_is_looked_at_once_or_twice() {
    for case in cases() {
        let (frames, _) = case.frames(&[&[b'x'; LIMIT], b"a"], LIMIT);
        let stream = frames.concat().repeat(500);
        for read_len in [1, 7, 100, stream.len()] {
            let mut decoder = (case.decoder)(LIMIT, Policy::Close);
            let reads: Vec<&[u8]> = stream.chunks(read_len).collect();
            assert_eq!(decode(&mut *decoder, &reads, false).len(), 1000, "{}", case.name);
            let status = decoder.status();
            assert_eq!(status.taken, stream.len() as u64);
            // Twice: once for the end of the frame, once for what is in it.
            let most = 2 * status.taken + case.again * reads.len() as u64;
            assert!(status.examined <= most, "{}: {status:?}", case.name);
        }
    }
}

#[test]
fn a_broken_frame_is_not_one_that_has_not_come() {
    type Broken = (Box<dyn Decode>, &'static [u8], usize, Flaw, bool);
    let shorter = Layout::new(2).unwrap().counts(Counts::Frame).unwrap();
    let cases: [Broken; 4] = [
        (Box::new(Decoder::new(Line::new(), 9)), b"a\xff\n", 2, Flaw::NotUtf8 { valid: 1 }, true),
        (
            Box::new(Decoder::new(Length::new(shorter), 9)),
            b"\0\x01",
            1,
            Flaw::ShorterThanHeader { declared: 1, header: 2 },
            false,
        ),
        (Name::Varint.decoder(9, Policy::Skip), &[0xff; 10], 9, Flaw::VarintTooLong, false),
        (
            Box::new(Decoder::new(cobs::Cobs::new(), 9)),
            b"\x05a\0",
            2,
            Flaw::CobsBeyond { code: 5, left: 1 },
            true,
        ),
    ];
    for (mut decoder, stream, not_yet, flaw, goes_on) in cases {
        let (before, mut after) = stream.split_at(not_yet);
        assert_eq!(decoder.next_in(&mut &before[..]), Ok(None));
        let error = decoder.next_in(&mut after).unwrap_err();
        assert_eq!((error.why, error.goes_on), (Why::Broken(flaw), goes_on));
        assert_eq!(error.excerpt.bytes(), stream);
    }
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![any::<u8>(), Just(0), Just(b';'), Just(b'\n'), Just(b'-'), Just(b'l')];
    prop::collection::vec(bytes, 0..=LIMIT)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_messages_come_back_through_random_cuts(
        messages in prop::collection::vec(message(), 0..20),
        mut places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        fed: bool,
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for case in cases() {
            let (frames, want) = case.frames(&messages, LIMIT);
            let stream = frames.concat();
            places.sort_by_key(|place| place.index(stream.len() + 1));
            let places: Vec<usize> =
                places.iter().map(|place| place.index(stream.len() + 1)).collect();
            let reads = cut(&stream, &places);
            prop_assert_eq!(case.run(&reads, fed), want, "{}", case.name);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_mean_the_same_through_any_cuts(
        stream in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0), Just(1), Just(b';'), Just(b'\n'), Just(b'\\')],
            0..200,
        ),
        mut places in prop::collection::vec(0..200usize, 0..20),
        fed: bool,
    ) {
        places.retain(|place| *place <= stream.len());
        places.sort_unstable();
        for case in cases() {
            let mut whole = (case.decoder)(LIMIT, Policy::Skip);
            let mut cuts = (case.decoder)(LIMIT, Policy::Skip);
            let want = decode(&mut *whole, &[&stream], false);
            let reads = cut(&stream, &places);
            prop_assert_eq!(decode(&mut *cuts, &reads, fed), want, "{}", case.name);
            let ends = [&mut cuts, &mut whole].map(|decoder| {
                let error = decoder.finish().err();
                (error.map(|error| said(&error)), decoder.status().pending > 0)
            });
            prop_assert_eq!(&ends[0].0, &ends[1].0, "{}", case.name);
            // What a closed decoder was fed, or has read itself, stays with it.
            if !fed && matches!(ends[1].0, None | Some(Err((_, Why::Ended { .. })))) {
                prop_assert_eq!(ends[0].1, ends[1].1, "{}", case.name);
            }
            let most = 2 * stream.len() as u64 + case.again * reads.len() as u64;
            prop_assert!(cuts.status().examined <= most);
        }
    }
}
