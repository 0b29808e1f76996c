//! What requests and answers have in common: lines, and header fields (RFC 9112 §2, §5).
//!
//! ```text
//! GET / HTTP/1.1\r\n        start line: differs between the two
//! Host: 127.0.0.1:8080\r\n  fields: a name, a colon, a value
//! Connection: close\r\n
//! \r\n                      an empty line ends the head
//! ```

/// Takes the next line off `rest`, without its end. `None`, and `rest` as it was, when the line is
/// not complete. A line feed alone ends a line too (RFC 9112 §2.2).
pub(super) fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at(end);
    *rest = after.strip_prefix(b"\n").unwrap_or(after);
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// A header field. Names are the same in capitals or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Field<'a> {
    /// `None` when the line is no field.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        // No space may stand before the colon: programs that disagreed on what it means were
        // tricked with it (RFC 9112 §5.1). That also turns down folded lines, which start with one.
        let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
        let value = value.trim_matches([' ', '\t']);
        let fits = is_token(name) && !value.contains(|c: char| c.is_control() && c != '\t');
        fits.then_some(Self { name, value })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether the value, a list with commas, holds `word`.
    pub(super) fn lists(&self, word: &str) -> bool {
        self.value.split(',').any(|item| item.trim_matches([' ', '\t']).eq_ignore_ascii_case(word))
    }

    /// The value as a number of bytes: digits, and nothing else.
    pub(super) fn length(&self) -> Option<u64> {
        let digits = !self.value.is_empty() && self.value.bytes().all(|b| b.is_ascii_digit());
        if digits { self.value.parse().ok() } else { None }
    }
}

/// Whether `text` is what RFC 9110 §5.6.2 calls a token, as methods and field names are.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_a_line_feed_and_perhaps_a_carriage_return_before_it() {
        let mut rest = &b"one\r\ntwo\n\r\nrest\r"[..];
        assert_eq!(take_line(&mut rest), Some(&b"one"[..]));
        assert_eq!(take_line(&mut rest), Some(&b"two"[..]));
        assert_eq!(take_line(&mut rest), Some(&b""[..]));
        assert_eq!(take_line(&mut rest), None);
        assert_eq!(rest, b"rest\r");
    }

    #[test]
    fn a_field_is_a_name_a_colon_and_a_value() {
        check("Host: a", Some(("Host", "a")));
        check("host:a:80", Some(("host", "a:80")));
        check("X: \t a b \t", Some(("X", "a b")));
        check("X:", Some(("X", "")));
        check("X: 你好", Some(("X", "你好")));
        for line in
            ["Host", "Host : a", " folded: line", ": a", "H o: a", "X: a\rb", "X: \0", "é: a"]
        {
            check(line, None);
        }
        assert_eq!(Field::parse(b"X: \xff"), None);
    }

    #[test]
    fn a_length_is_digits_only() {
        for (value, length) in [
            ("0", Some(0)),
            ("0042", Some(42)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("+1", None),
            ("-1", None),
            ("1, 1", None),
            ("", None),
        ] {
            assert_eq!(Field { name: "Content-Length", value }.length(), length, "{value}");
        }
    }

    #[track_caller]
    fn check(line: &str, want: Option<(&str, &str)>) {
        let got = Field::parse(line.as_bytes()).map(|field| (field.name, field.value));
        assert_eq!(got, want);
    }
}
