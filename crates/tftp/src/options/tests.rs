//! What is asked for, agreed on and refused, as tables.

use proptest::prelude::*;

use super::*;
use crate::wire::Packet;

#[test]
fn what_is_unknown_is_left_out_and_what_is_known_is_answered_in_its_own_words() {
    // S-48, S-49, S-50, S-69.
    check("foo 1", "");
    check("multicast ", "");
    check("foo 1 blksize 1428 bar 2", "blksize 1428");
    check("BlkSize 1428", "BlkSize 1428");
    check("WINDOWSIZE 4 TSize 0 blksize 8", "WINDOWSIZE 4 TSize 1000 blksize 8");
    check("", "");
}

#[test]
fn the_first_of_two_counts() {
    // S-51.
    check("blksize 1024 blksize 2048", "blksize 1024");
    check("blksize 1024 BLKSIZE 2048", "blksize 1024");
    check("blksize 7 blksize 2048", "");
}

#[test]
fn a_block_size_is_answered_with_itself_or_less() {
    // S-58, S-59.
    for size in ["8", "9", "512", "1428", "65464"] {
        check(&format!("blksize {size}"), &format!("blksize {size}"));
    }
    for large in ["65465", "65535", "65536", "65544", "4294967304", "99999999999"] {
        check(&format!("blksize {large}"), "blksize 65464");
    }
    for odd in ["0", "7", "-1", "abc", "0x200", "+512", "5.12", "99999999999999999999999"] {
        check(&format!("blksize {odd}"), "");
    }
    // Empty, and with a blank before it.
    check_bytes(b"blksize\0\0", b"");
    check_bytes(b"blksize\0 512\0", b"");
    let limits = Limits { blksize_max: 1468, ..Limits::default() };
    let got = answer(&request(b"blksize\x008192\0"), false, None, &limits).unwrap();
    assert_eq!(got.agreed.blksize, 1468);
}

#[test]
fn a_timeout_is_answered_with_itself_or_not_at_all() {
    // S-63, S-64.
    for (value, want) in [
        ("1", Some(1)),
        ("255", Some(255)),
        ("0", None),
        ("256", None),
        ("abc", None),
        ("257", None),
        ("-1", None),
    ] {
        let asked = bytes(&format!("timeout {value}"));
        let got = answer(&request(&asked), true, None, &Limits::default()).unwrap();
        assert_eq!((got.agreed.timeout, got.oack.is_some()), (want, want.is_some()), "{value}");
        // In a download it is this end that would have to wait.
        check(&format!("timeout {value}"), "");
        check(&format!("timeout {value} blksize 600"), "blksize 600");
    }
}

#[test]
fn a_window_is_within_the_range_the_limit_and_the_memory() {
    // S-65, S-66, S-67, W-10.
    check("windowsize 1", "windowsize 1");
    check("windowsize 64", "windowsize 64");
    for odd in ["0", "65536", "abc", "-1"] {
        check(&format!("windowsize {odd}"), "");
    }
    check("windowsize 65535", "windowsize 256");
    // 4 MiB are 64 blocks of 65464 bytes, in whichever order the two are asked for.
    check("windowsize 65535 blksize 65464", "windowsize 64 blksize 65464");
    check("blksize 65464 windowsize 65535", "blksize 65464 windowsize 64");
    let none = Limits { window_bytes_max: 0, ..Limits::default() };
    let got = answer(&request(b"windowsize\x004\0"), false, None, &none).unwrap();
    assert_eq!(got.agreed.windowsize, 1);
    let all = Limits { windowsize_max: u16::MAX, window_bytes_max: u32::MAX, ..none };
    let got = answer(&request(b"windowsize\x0065535\0"), false, None, &all).unwrap();
    assert_eq!(got.agreed.windowsize, WINDOW_MAX);
}

#[test]
fn a_download_is_told_its_size_where_that_is_known_and_does_no_harm() {
    // S-60, S-61, C-18.
    check("tsize 0", "tsize 1000");
    check("tsize abc", "");
    let octet = request(b"tsize\x000\0");
    let netascii = Request { mode: Mode::Netascii, ..octet };
    let told = |request, size| {
        let answer = answer(&request, false, size, &Limits::default()).unwrap();
        answer.agreed.tsize
    };
    assert_eq!(told(octet, Some((4 << 30) + 1)), Some(4_294_967_297));
    assert_eq!(told(octet, Some(u64::MAX)), Some(u64::MAX));
    assert_eq!(told(octet, Some(0)), None);
    assert_eq!(told(octet, None), None);
    assert_eq!(told(netascii, Some(1000)), None);
}

#[test]
fn an_upload_says_its_size_and_is_refused_when_that_is_too_much() {
    // S-62.
    let limits = Limits { file_max: 1000, ..Limits::default() };
    let upload = |options: &[u8]| answer(&request(options), true, None, &limits);
    assert_eq!(upload(b"tsize\x001000\0").unwrap().agreed.tsize, Some(1000));
    let refusal = upload(b"tsize\x001001\0").unwrap_err();
    assert_eq!(refusal, Refusal::TooLarge { tsize: 1001, limit: 1000 });
    assert_eq!(refusal.code(), ErrorCode::DISK_FULL);
    assert_eq!(upload(b"tsize\x00abc\0").unwrap().agreed.tsize, None);
}

#[test]
fn a_client_takes_what_it_offered_or_less() {
    let wanted = Wanted {
        blksize: Some(1428),
        windowsize: Some(16),
        timeout: Some(2),
        tsize: Some(0),
        rollover: Rollover::Zero,
    };
    let got =
        wanted.check(Options::from_bytes(&bytes("BLKSIZE 1024 windowsize 16 timeout 2 tsize 77")));
    let want = Agreed {
        blksize: 1024,
        windowsize: 16,
        timeout: Some(2),
        tsize: Some(77),
        rollover: Rollover::Zero,
    };
    assert_eq!(got, Ok(want));
    // What the server left out is as if it had not been asked for.
    assert_eq!(wanted.check(Options::default()), Ok(Agreed::default()));
    // C-04.
    for (oack, name) in [
        ("blksize 1429", BLKSIZE),
        ("blksize 7", BLKSIZE),
        ("blksize abc", BLKSIZE),
        ("blksize 66964", BLKSIZE),
        ("windowsize 17", WINDOWSIZE),
        ("windowsize 0", WINDOWSIZE),
        ("timeout 1", TIMEOUT),
        ("timeout 3", TIMEOUT),
        ("timeout 258", TIMEOUT),
        ("tsize -1", TSIZE),
    ] {
        let refusal = wanted.check(Options::from_bytes(&bytes(oack))).unwrap_err();
        assert_eq!(refusal, Refusal::NotOffered { name }, "{oack}");
        assert_eq!(refusal.code(), ErrorCode::OPTIONS);
    }
}

#[test]
fn a_client_refuses_what_it_did_not_ask_for() {
    // C-03.
    let wanted = Wanted { blksize: Some(1428), ..Wanted::default() };
    for (oack, name) in [
        ("windowsize 4", &b"windowsize"[..]),
        ("blksize 1428 foo 1", b"foo"),
        ("blksize 1428 blksize 1428", b"blksize"),
        ("tsize 5", b"tsize"),
    ] {
        let refusal = wanted.check(Options::from_bytes(&bytes(oack))).unwrap_err();
        assert_eq!(refusal, Refusal::NotAsked { name: name.into() }, "{oack}");
        assert_eq!(refusal.code(), ErrorCode::OPTIONS);
    }
    let long = [&[b'x'; 5000][..], b"\x001\0"].concat();
    let Err(Refusal::NotAsked { name }) = wanted.check(Options::from_bytes(&long)) else {
        panic!()
    };
    assert_eq!(name.len(), OPTIONS_LEN_MAX);
}

#[test]
fn an_error_about_the_file_is_not_about_the_options() {
    // C-06.
    let asked_again: Vec<u16> =
        (0..12).filter(|code| may_be_the_options(ErrorCode(*code))).collect();
    assert_eq!(asked_again, [0, 4, 5, 7, 8, 9, 10, 11]);
}

#[test]
fn all_options_with_their_longest_values_fit() {
    let wanted = Wanted {
        blksize: Some(u16::MAX),
        windowsize: Some(u16::MAX),
        timeout: Some(u8::MAX),
        tsize: Some(u64::MAX),
        rollover: Rollover::Zero,
    };
    let encoded = wanted.encode();
    assert_eq!(encoded.as_options().iter().count(), 4);
    assert!(!wanted.is_nothing() && Wanted::default().is_nothing());
}

proptest! {
    /// What a server agrees to, a client that asked for it accepts, and both act on the same.
    #[test]
    fn both_ends_agree_on_the_same(
        blksize in prop::option::of(8..=65_464_u16),
        windowsize in prop::option::of(1..=WINDOW_MAX),
        timeout in prop::option::of(1..=255_u8),
        tsize in prop::option::of(any::<u64>()),
        size in any::<u64>(),
        upload in any::<bool>(),
        blksize_max in any::<u16>(),
        windowsize_max in any::<u16>(),
        window_bytes_max in any::<u32>(),
    ) {
        let wanted = Wanted { blksize, windowsize, timeout, tsize, rollover: Rollover::Zero };
        let limits = Limits { blksize_max, windowsize_max, window_bytes_max, ..Limits::default() };
        let asked = wanted.encode();
        let request = Request { filename: b"f", mode: Mode::Octet, options: asked.as_options() };
        let answer = answer(&request, upload, Some(size), &limits).unwrap();
        let oack = answer.oack.unwrap_or_default();
        prop_assert_eq!(wanted.check(oack.as_options()), Ok(answer.agreed));
    }

    #[test]
    fn no_options_break_either_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = answer(&request(&bytes), true, None, &Limits::default());
        let _ = answer(&request(&bytes), false, Some(5), &Limits::default());
        let wanted = Wanted { blksize: Some(1428), tsize: Some(0), ..Wanted::default() };
        let _ = wanted.check(Options::from_bytes(&bytes));
    }
}

/// What a download of 1000 bytes with these options is answered: names and values, in words.
#[track_caller]
fn check(asked: &str, want: &str) {
    check_bytes(&bytes(asked), &bytes(want));
}

#[track_caller]
fn check_bytes(asked: &[u8], want: &[u8]) {
    let answer = answer(&request(asked), false, Some(1000), &Limits::default()).unwrap();
    let mut got = [0; 200];
    let oack = answer.oack.unwrap_or_default();
    let len = Packet::Oack(oack.as_options()).encode(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got[2..len]), String::from_utf8_lossy(want));
    // No known option, no OACK.
    assert_eq!(answer.oack.is_none(), want.is_empty());
}

fn request(options: &[u8]) -> Request<'_> {
    Request { filename: b"f", mode: Mode::Octet, options: Options::from_bytes(options) }
}

/// `blksize 8` as it lies in a packet.
fn bytes(words: &str) -> Vec<u8> {
    if words.is_empty() { Vec::new() } else { [&words.replace(' ', "\0"), "\0"].concat().into() }
}
