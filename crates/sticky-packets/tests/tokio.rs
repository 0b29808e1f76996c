//! The same bytes to us and to tokio-util's codecs, over random settings.
//!
//! Where they differ on purpose, or by a mistake of theirs, a test of its own says how:
//!
//! | what | ours | tokio-util 0.7 |
//! | --- | --- | --- |
//! | length: limit | is for the message | is for the number, before the adjustment (tokio#8469) |
//! | length: a frame shorter than its own header | broken | a frame; bytes of its header are read again as the next, for ever if it has none |
//! | length: more is skipped than the header | refused when the number has come | when all that is skipped has come |
//! | length: end of the stream behind a header | ended in mid-frame | a clean end |
//! | length: memory | for what came | for what is announced |
//! | line: a `\r` before the `\n` | does not count | counts towards the limit |
//! | line: a last line without `\n` | an error, or a line if asked for | a line; a lone `\r` is none |
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use proptest::prelude::*;
use sticky_packets::decoder::{Decode, Decoder, Framing, Policy};
use sticky_packets::delimiter::Delimiter;
use sticky_packets::frame::Why;
use sticky_packets::length::{Endian, Layout, Length};
use sticky_packets::line::Line;
use sticky_packets::words::Tokio;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{self, AnyDelimiterCodec, LengthDelimitedCodec, LinesCodec};

/// A message, or that there is none.
type Said = Result<Vec<u8>, ()>;

/// What we say to these reads, and at the end.
fn ours<F: Framing>(framing: F, limit: usize, reads: &[&[u8]]) -> (Vec<Said>, Said) {
    let mut decoder = Decoder::new(framing, limit).policy(Policy::Skip);
    let mut said = Vec::new();
    for mut input in reads.iter().copied() {
        loop {
            match decoder.next_in(&mut input) {
                Ok(Some(frame)) => said.push(Ok(frame.bytes().to_vec())),
                Ok(None) => break,
                Err(error) => {
                    said.push(Err(()));
                    if !error.goes_on {
                        return (said, Err(()));
                    }
                }
            }
        }
    }
    let last = decoder.finish();
    let last = last.map(|frame| frame.map_or_else(Vec::new, |frame| frame.bytes().to_vec()));
    (said, last.map_err(|_| ()))
}

/// What they say. A length that is wrong is the end: they know no other.
fn theirs<C: codec::Decoder>(mut codec: C, reads: &[&[u8]], goes_on: bool) -> (Vec<Said>, Said)
where
    C::Item: AsRef<[u8]>,
{
    let mut buffer = BytesMut::new();
    let mut said = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => said.push(Ok(frame.as_ref().to_vec())),
                Ok(None) => break,
                Err(_) => {
                    said.push(Err(()));
                    if !goes_on {
                        return (said, Err(()));
                    }
                }
            }
        }
    }
    let last = codec.decode_eof(&mut buffer);
    let last = last.map(|frame| frame.map_or_else(Vec::new, |frame| frame.as_ref().to_vec()));
    (said, last.map_err(|_| ()))
}

fn codec(words: &Tokio) -> LengthDelimitedCodec {
    let mut builder = LengthDelimitedCodec::builder();
    match words.byte_order {
        Endian::Big => builder.big_endian(),
        Endian::Little => builder.little_endian(),
    };
    builder
        .length_field_offset(words.length_field_offset)
        .length_field_length(words.length_field_length)
        .length_adjustment(words.length_adjustment.try_into().unwrap())
        .num_skip(words.num_skip)
        .max_frame_length(words.max_frame_length.try_into().unwrap())
        .new_codec()
}

fn cut<'a>(stream: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let (mut reads, mut rest) = (Vec::new(), stream);
    for len in lens {
        let (read, more) = rest.split_at((*len).min(rest.len()));
        reads.push(read);
        rest = more;
    }
    reads.push(rest);
    reads
}

/// Bytes among which there are many that mean something.
fn stream(bytes: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(bytes);
    prop::collection::vec(prop_oneof![3 => telling, 1 => any::<u8>()], 0..120)
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..20usize, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 1000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn lengths_are_read_as_tokio_reads_them(
        (offset, width, skip) in (0..4usize, 1..=8usize, 0..14usize),
        adjustment in -6..8i64,
        little: bool,
        limit in 0..40u64,
        stream in stream(&[0, 0, 0, 1, 2, 3, 4, 5, 8, 13]),
        lens in lens(),
    ) {
        let words = Tokio {
            byte_order: if little { Endian::Little } else { Endian::Big },
            max_frame_length: u64::MAX >> 16,
            length_field_offset: offset,
            length_field_length: width,
            length_adjustment: adjustment,
            num_skip: skip,
        };
        let Ok(layout) = words.layout() else { return Ok(()) };
        // Ours says what tokio's limit is to be. It cannot be less than no limit at all.
        let words = Tokio { max_frame_length: Tokio::new(&layout, limit).max_frame_length, ..words };
        prop_assume!(i128::from(words.max_frame_length) + i128::from(adjustment) == i128::from(limit));
        // Known: a frame that is shorter than its own header. If it has no bytes, theirs never ends.
        if shorter_than_header(&layout, &stream, limit) {
            return Ok(());
        }
        let reads = cut(&stream, &lens);
        let (got, end) = ours(Length::new(layout), limit.try_into().unwrap(), &reads);
        let (want, want_end) = theirs(codec(&words), &reads, false);
        // Up to the first error: theirs is the end, and ours may pass over a frame.
        let upto = |said: &[Said]| {
            let len = said.iter().position(Result::is_err).map_or(said.len(), |at| at + 1);
            said[..len].to_vec()
        };
        let (mut got, want) = (upto(&got), upto(&want));
        // Known: they wait for all that is skipped before they look at the number.
        let waits = layout.stripped() > layout.head() && got.len() == want.len() + 1;
        let refused_first = waits && got.last() == Some(&Err(()));
        if refused_first {
            got.pop();
        }
        prop_assert_eq!(got, &want[..], "{}", layout);
        // Known: an end behind a header, with nothing of what was announced, is clean to them.
        if !refused_first && want.iter().all(Result::is_ok) && want_end.is_err() {
            prop_assert!(end.is_err());
        }
    }

    #[test]
    fn lines_are_read_as_tokio_reads_them(
        limit in 0..30usize,
        stream in stream(b"\n\n\r\nab\xe4\xbd\xa0"),
        lens in lens(),
    ) {
        let reads = cut(&stream, &lens);
        // Known: to them the limit is for a carriage return too. With one more byte all that differs
        // is what is exactly that long.
        let differs = stream.split(|byte| *byte == b'\n').any(|line| line.contains(&b'\r') && line.len() > limit);
        prop_assume!(!differs);
        let (got, end) = ours(Line::new().or_the_end(), limit, &reads);
        let (want, want_end) = theirs(LinesCodec::new_with_max_length(limit), &reads, true);
        prop_assert_eq!(got, want);
        prop_assert_eq!(end, want_end);
    }

    #[test]
    fn delimiters_are_read_as_tokio_reads_them(
        limit in 0..30usize,
        marks in prop::collection::vec(prop::sample::select(&b";,\n\r:|"[..]), 1..6),
        stream in stream(b";,\n\r:|ab"),
        lens in lens(),
    ) {
        let reads = cut(&stream, &lens);
        let framing = Delimiter::any(&marks).unwrap().or_the_end();
        let codec = AnyDelimiterCodec::new_with_max_length(marks, b";".to_vec(), limit);
        let (got, end) = ours(framing, limit, &reads);
        let (want, want_end) = theirs(codec, &reads, true);
        prop_assert_eq!(got, want);
        prop_assert_eq!(end, want_end);
    }
}

/// Whether we would refuse a frame as shorter than its own header.
fn shorter_than_header(layout: &Layout, stream: &[u8], limit: u64) -> bool {
    let mut decoder = Decoder::new(Length::new(*layout), limit.try_into().unwrap());
    let mut input = stream;
    loop {
        match decoder.next_in(&mut input) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => return matches!(error.why, Why::Broken(_)),
        }
    }
}

#[test]
fn their_limit_is_for_the_number_and_ours_for_the_message() {
    // The number counts the header too: 4 bytes of message are a number of 6.
    let words = Tokio {
        byte_order: Endian::Big,
        max_frame_length: 5,
        length_field_offset: 0,
        length_field_length: 2,
        length_adjustment: -2,
        num_skip: 2,
    };
    let stream: &[u8] = b"\0\x06four";
    assert_eq!(theirs(codec(&words), &[stream], false).0, [Err(())]);
    let layout = words.layout().unwrap();
    assert_eq!(ours(Length::new(layout), 5, &[stream]).0, [Ok(b"four".to_vec())]);
    assert_eq!(Tokio::new(&layout, 5).max_frame_length, 7);
}

#[test]
fn a_frame_shorter_than_its_own_header_is_a_frame_to_them() {
    // Kept header of four bytes, and a number that says the frame has two: 00 00 is a frame, and
    // 00 02, its own number, is read again as the beginning of the next.
    let words = Tokio {
        byte_order: Endian::Big,
        max_frame_length: 99,
        length_field_offset: 0,
        length_field_length: 4,
        length_adjustment: 0,
        num_skip: 0,
    };
    let stream: &[u8] = b"\0\0\0\x02";
    assert_eq!(theirs(codec(&words), &[stream], false).0, [Ok(b"\0\0".to_vec())]);
    assert_eq!(ours(Length::new(words.layout().unwrap()), 99, &[stream]).0, [Err(())]);
    // A frame of no bytes takes none: four zeros are frames without end.
    let (mut endless, mut buffer) = (codec(&words), BytesMut::from(&[0; 4][..]));
    for _ in 0..1000 {
        let frame = codec::Decoder::decode(&mut endless, &mut buffer).unwrap().unwrap();
        assert_eq!((frame.len(), buffer.len()), (0, 4));
    }
    assert_eq!(ours(Length::new(words.layout().unwrap()), 99, &[&[0; 4]]).0, [Err(())]);
}

#[test]
fn an_end_behind_a_header_is_a_clean_end_to_them() {
    let stream: &[u8] = b"\0\0\0\x05";
    let (said, end) = theirs(LengthDelimitedCodec::new(), &[stream], false);
    assert_eq!((said, end), (vec![], Ok(vec![])));
    let (said, end) = ours(Length::new(Layout::default()), 99, &[stream]);
    assert_eq!((said, end), (vec![], Err(())));
}

#[test]
fn memory_is_theirs_for_what_is_announced_and_ours_for_what_came() {
    // Seven megabytes: within the limit that they have unless told otherwise.
    let stream: &[u8] = b"\0\x70\0\0";
    let mut buffer = BytesMut::from(stream);
    assert!(
        codec::Decoder::decode(&mut LengthDelimitedCodec::new(), &mut buffer).unwrap().is_none()
    );
    assert!(buffer.capacity() >= 7 << 20);
    let mut decoder = Decoder::new(Length::new(Layout::default()), 8 << 20);
    assert_eq!(decoder.next_in(&mut &stream[..]), Ok(None));
    assert!(decoder.status().held <= 16);
}

#[test]
fn a_carriage_return_before_the_line_feed_counts_for_them() {
    let stream: &[u8] = b"1234\r\n5\n";
    let (said, _) = theirs(LinesCodec::new_with_max_length(4), &[stream], true);
    assert_eq!(said, [Err(()), Ok(b"5".to_vec())]);
    let (said, _) = ours(Line::new(), 4, &[stream]);
    assert_eq!(said, [Ok(b"1234".to_vec()), Ok(b"5".to_vec())]);
}
