//! The report of a run in a browser: a pointer, keys, a small screen, no scripts.
//!
//! Needs chromium, so it runs only when asked for: `cargo test -p xtask --features browser`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

#[path = "browser/chromium.rs"]
mod chromium;
#[path = "common/recordings.rs"]
mod recordings;

use faults::{Deed, Direction};
use roxmltree::{Document, ParsingOptions};
use serde_json::json;
use xtask::recording::report::write;

use Direction::{ToClient, ToServer};
use chromium::Page;
use recordings::{NASTY, datagram, recording};

/// The ids of the packets that can be seen.
const SHOWN: &str = "[...document.querySelectorAll('article')]\
    .filter((node) => node.checkVisibility()).map((node) => node.id).join()";

const FOCUS: &str = "document.activeElement.id";

#[test]
fn a_report_opens_without_a_complaint_and_nothing_from_the_wire_is_obeyed() {
    let mut page = Page::open(&report());
    assert_eq!(page.complaints(), Vec::<serde_json::Value>::new());
    assert_eq!(page.value("document.images.length + document.scripts.length"), json!(1));
    assert_eq!(page.value(SHOWN), "p1");
    let all = page.value("document.querySelectorAll('article').length");
    assert_eq!(all, json!(5));
}

#[test]
fn the_browser_sees_the_elements_that_were_written() {
    let html = String::from_utf8(write(&recording(&[datagram(ToServer, "x", b"x", &[])]))).unwrap();
    let mut page = Page::open(html.as_bytes());
    let seen = page.value(
        "(function walk(node) { return [node.localName, ...[...node.children].flatMap(walk), '/']; })\
         (document.documentElement).join(' ')",
    );
    let script = include_str!("../src/recording/report.js");
    let html = html.replace(script, "");
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let tree = Document::parse_with_options(&html, options).unwrap();
    let mut written = Vec::new();
    walk(tree.root_element(), &mut written);
    assert_eq!(seen, written.join(" "));
}

#[test]
fn pointing_at_a_packet_shows_its_bytes_and_a_click_keeps_them() {
    let mut page = Page::open(&report());
    page.point("#r3", false);
    assert_eq!(page.value(SHOWN), "p3");
    let dump = page.value("document.querySelector('#p3 .hex').innerText");
    assert!(dump.as_str().unwrap().contains("74 68 72 65 65"), "{dump}");
    page.point("#r4", true);
    page.point("#r5", false);
    assert_eq!(page.value(SHOWN), "p5");
    page.point("h1", false);
    assert_eq!(page.value(SHOWN), "p4");
}

#[test]
fn the_keyboard_reaches_every_packet_and_its_bytes() {
    let mut page = Page::open(&report());
    // What can have the focus before the ladder.
    page.press("Tab");
    assert_eq!(page.value("document.activeElement.localName"), "summary");
    page.press("Tab");
    assert_eq!(page.value("document.activeElement.className"), "session");
    for (key, focus, shown) in [
        ("Tab", "r1", "p1"),
        ("Tab", "r2", "p2"),
        ("ArrowDown", "r3", "p3"),
        ("End", "r5", "p5"),
        ("ArrowDown", "r5", "p5"),
        ("ArrowUp", "r4", "p4"),
        ("Enter", "p4", "p4"),
        ("Escape", "r4", "p4"),
        ("Home", "r1", "p1"),
        ("ArrowUp", "r1", "p1"),
    ] {
        page.press(key);
        assert_eq!((page.value(FOCUS), page.value(SHOWN)), (json!(focus), json!(shown)), "{key}");
        // Of a packet the panel around it is marked.
        let marked = if focus.starts_with('p') { ".panel" } else { ":focus" };
        let outline =
            page.value(&format!("getComputedStyle(document.querySelector('{marked}')).outline"));
        assert!(outline.as_str().unwrap().contains("solid 3px"), "{key}: {outline}");
    }
}

#[test]
fn on_a_small_screen_nothing_is_cut_and_the_bytes_can_be_seen() {
    let mut page = Page::open(&report());
    page.resize(360);
    page.go("#p5");
    assert_eq!(page.value(SHOWN), "p5");
    let too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(page.value(too_wide), json!(0));
    let too_wide = "(() => { const sums = document.querySelector('.sums'); \
        return sums.scrollWidth - sums.clientWidth; })()";
    assert_eq!(page.value(too_wide), json!(0));
    page.point("#r2", true);
    assert_eq!(page.value(SHOWN), "p2");
    let inside = "(() => { const box = document.querySelector('#p2 .hex').getBoundingClientRect(); \
        return box.top > 0 && box.top < innerHeight && box.right <= 360; })()";
    assert_eq!(page.value(inside), json!(true));
}

#[test]
fn without_scripts_a_click_shows_the_bytes() {
    let mut page = Page::open(&report());
    page.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    for width in [360, 1280] {
        page.resize(width);
        page.go("");
        assert_eq!(page.value(SHOWN), "");
        page.point("#r3", true);
        assert_eq!(page.value(SHOWN), "p3");
        page.point("#p3 .back", true);
        assert_eq!(page.value(SHOWN), "");
    }
}

#[test]
fn light_or_dark_is_what_the_reader_has_and_every_text_can_be_read() {
    let mut page = Page::open(&report());
    for (scheme, ground) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        page.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
        assert_eq!(page.value("getComputedStyle(document.body).backgroundColor"), ground);
        assert_eq!(page.value(FAINT), json!([]), "{scheme}");
    }
}

/// Texts whose contrast with what is behind them is less than 4.5 (WCAG 2.2, 1.4.3).
const FAINT: &str = "(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const parts = numbers(color).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const behind = (node) => {
        const color = getComputedStyle(node).backgroundColor;
        return numbers(color)[3] === 0 ? behind(node.parentElement) : color;
    };
    const contrast = (node) => {
        const [low, high] = [getComputedStyle(node).color, behind(node)].map(light)
            .sort((one, other) => one - other);
        return (high + 0.05) / (low + 0.05);
    };
    return [...document.querySelectorAll('body *:not(script):not(svg *)')]
        .filter((node) => node.innerText && contrast(node) < 4.5)
        .map((node) => node.outerHTML);
})()";

fn walk(node: roxmltree::Node<'_, '_>, names: &mut Vec<String>) {
    names.push(node.tag_name().name().to_owned());
    for child in node.children().filter(roxmltree::Node::is_element) {
        walk(child, names);
    }
    names.push("/".to_owned());
}

fn report() -> Vec<u8> {
    let mut recording = recording(&[
        datagram(ToServer, "one", b"one", &[]),
        datagram(ToClient, NASTY, NASTY.as_bytes(), &[]),
        datagram(ToServer, "three", b"three", &[Deed::Lost]),
        datagram(ToServer, "four", b"four", &[Deed::Held(1)]),
        datagram(ToServer, "five", &[5; 600], &[]),
    ]);
    recording.session = format!("# {NASTY}\nann    < {NASTY}\n");
    write(&recording)
}
