//! What all drawn pictures share: head, style, escaping. The pictures are SVG: text that can be
//! selected and searched, light or dark as the reader's system is, no script.
//!
//! A card of its own lies behind each picture: a book page may be dark where the system is light,
//! and an image cannot know it.

use std::fmt::Write as _;

use crate::demo::{report::xml_text, width};

/// How many colours there are: classes `c0` to `c5`.
pub const COLORS: usize = 6;

/// How wide a column of text is, at most: 中文 takes two.
pub const COLUMN: f64 = 7.4;

/// Every pair of colours has a contrast of 4.5 and more with the card that is behind it.
const STYLE: &str = "\
.card{fill:#fff;stroke:#d8dee4}
.lane{stroke:#8c959f;stroke-width:2}
.grid{stroke:#d8dee4}
.thin{stroke-width:2}path.thin{fill:none}
.far{stroke-dasharray:2 5}
.bad{stroke:#cf222e;stroke-width:2.5;fill:none}
text{fill:#1f2328;stroke:#fff;stroke-width:4px;stroke-linejoin:round;paint-order:stroke;font:14px system-ui,-apple-system,\"Segoe UI\",sans-serif}
.head{font-weight:600}
.note{fill:#57606a;font-size:12px}
.word{fill:#cf222e}
.mid{text-anchor:middle}
.end{text-anchor:end}
.c0{fill:#0969da}path.c0{stroke:#0969da}
.c1{fill:#1a7f37}path.c1{stroke:#1a7f37}
.c2{fill:#8250df}path.c2{stroke:#8250df}
.c3{fill:#bc4c00}path.c3{stroke:#bc4c00}
.c4{fill:#1b7c83}path.c4{stroke:#1b7c83}
.c5{fill:#bf3989}path.c5{stroke:#bf3989}
@media(prefers-color-scheme:dark){
.card{fill:#161b22;stroke:#30363d}
.lane{stroke:#6e7681}
.grid{stroke:#30363d}
.bad{stroke:#ff7b72}
text{fill:#e6edf3;stroke:#161b22}
.note{fill:#9ea7b3}
.word{fill:#ff7b72}
.c0{fill:#58a6ff}path.c0{stroke:#58a6ff}
.c1{fill:#3fb950}path.c1{stroke:#3fb950}
.c2{fill:#bc8cff}path.c2{stroke:#bc8cff}
.c3{fill:#f0883e}path.c3{stroke:#f0883e}
.c4{fill:#39c5cf}path.c4{stroke:#39c5cf}
.c5{fill:#f778ba}path.c5{stroke:#f778ba}
}";

/// The picture as far as what all have: its size, what it is and what it says in words, its card.
/// `maker` is the command that draws it.
#[must_use]
pub fn open(size: (f64, f64), title: &str, words: &str, maker: &str) -> String {
    let (width, height) = size;
    let (title, words) = (escape(title), escape(words));
    let maker = escape(maker);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title words\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"words\">{words}</desc>\n\
         <metadata>Drawn by: {maker}. Do not edit.</metadata>\n\
         <style>\n{STYLE}\n</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n",
        width - 1.0,
        height - 1.0
    )
}

/// Puts a text at a place: `class` says how.
pub fn text(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ =
        writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text));
}

/// How wide a text is, at most.
#[must_use]
pub fn text_width(text: &str) -> f64 {
    u32::try_from(width(text)).map_or(f64::MAX, f64::from) * COLUMN
}

/// How many columns of text have room.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and no picture is so wide"
)]
pub fn columns(room: f64) -> usize {
    (room.max(0.0) / COLUMN) as usize
}

/// As text between tags, or in an attribute. What XML cannot hold is replaced.
#[must_use]
pub fn escape(text: &str) -> String {
    xml_text(text)
}

/// The class of a colour.
#[must_use]
pub fn color(number: usize) -> String {
    format!("c{}", number % COLORS)
}
