//! Reads the JSON that the chapters' programs write: enough of it, and nothing more.
//!
//! A library would be built with the runner, before the first lesson can be seen, for the sake of a few
//! pictures.

use std::iter::Peekable;
use std::ops::Index;
use std::str::Chars;

use anyhow::{Context, bail};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// `null`, and what is not there.
    Null,
    Bool(bool),
    /// All numbers here are counts.
    Number(usize),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a whole text.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut rest = text.chars().peekable();
        let value = value(&mut rest)?;
        skip_space(&mut rest);
        match rest.next() {
            None => Ok(value),
            Some(more) => bail!("'{more}' after the end"),
        }
    }

    pub(super) fn number(&self) -> Option<usize> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

impl Index<&str> for Json {
    type Output = Self;

    fn index(&self, key: &str) -> &Self {
        let Self::Object(pairs) = self else { return &Self::Null };
        pairs.iter().find(|(name, _)| name == key).map_or(&Self::Null, |(_, value)| value)
    }
}

fn value(rest: &mut Peekable<Chars<'_>>) -> anyhow::Result<Json> {
    skip_space(rest);
    match rest.next().context("no value")? {
        '"' => Ok(Json::Text(text(rest)?)),
        '[' => {
            let mut list = Vec::new();
            while !ends(rest, ']', list.is_empty())? {
                list.push(value(rest)?);
            }
            Ok(Json::List(list))
        }
        '{' => {
            let mut pairs = Vec::new();
            while !ends(rest, '}', pairs.is_empty())? {
                let Json::Text(key) = value(rest)? else { bail!("a key that is no text") };
                skip_space(rest);
                if rest.next() != Some(':') {
                    bail!("no ':' behind \"{key}\"");
                }
                pairs.push((key, value(rest)?));
            }
            Ok(Json::Object(pairs))
        }
        first => word(first, rest),
    }
}

/// Whether a list or an object ends here; takes the comma before the next.
fn ends(rest: &mut Peekable<Chars<'_>>, end: char, is_first: bool) -> anyhow::Result<bool> {
    skip_space(rest);
    match rest.peek() {
        Some(next) if *next == end => {
            rest.next();
            Ok(true)
        }
        Some(_) if is_first => Ok(false),
        Some(',') => {
            rest.next();
            Ok(false)
        }
        _ => bail!("neither ',' nor '{end}'"),
    }
}

fn word(first: char, rest: &mut Peekable<Chars<'_>>) -> anyhow::Result<Json> {
    let mut word = String::from(first);
    while let Some(next) = rest.next_if(char::is_ascii_alphanumeric) {
        word.push(next);
    }
    match word.as_str() {
        "null" => Ok(Json::Null),
        "true" => Ok(Json::Bool(true)),
        "false" => Ok(Json::Bool(false)),
        number => {
            let number = number.parse().with_context(|| format!("'{number}' is no count"))?;
            Ok(Json::Number(number))
        }
    }
}

fn text(rest: &mut Peekable<Chars<'_>>) -> anyhow::Result<String> {
    let mut text = String::new();
    loop {
        match rest.next().context("a text without end")? {
            '"' => return Ok(text),
            '\\' => text.push(match rest.next().context("a text without end")? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = rest.take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).context("no code behind \\u")?;
                    char::from_u32(code).context("half a character behind \\u")?
                }
                same @ ('"' | '\\' | '/') => same,
                other => bail!("\\{other}"),
            }),
            plain => text.push(plain),
        }
    }
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_read() {
        let json = Json::parse(
            " {\"a\": [1, \"x\\\"\\\\\\n\\u4f60\", null], \"b\":{}, \"c\":true, \"d\" : []}\n",
        )
        .unwrap();
        let list = json["a"].list().unwrap();
        assert_eq!((list[0].number(), list[1].text()), (Some(1), Some("x\"\\\n你")));
        assert_eq!((&list[2], &json["b"]["no"]), (&Json::Null, &Json::Null));
        assert_eq!((&json["c"], json["d"].list()), (&Json::Bool(true), Some(&[][..])));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "[1", "[1 2]", "{1:2}", "{\"a\" 1}", "\"a", "\"\\q\"", "x", "-1", "1 2"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
