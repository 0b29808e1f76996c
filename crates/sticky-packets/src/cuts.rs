//! Lesson `cuts`: every way to cut a stream of bytes, and how many give the right messages.
//!
//! ```text
//!  hello│you      8 bytes have 7 places to cut, and each is cut or not: 2⁷ = 128 ways
//!  h│el│loyo│u    naive is right in one of them, the one that nobody promises
//! ```
//!
//! A read may end anywhere, so these are all the reads there can be. A stream that is too long for
//! all of them is cut at every place, at every two places, at none and at all.
//!
//! No socket: what reads give is decided here, and nothing is left to luck.

use anyhow::Context;
use cli::{Advice, Exit, escape, say};

use crate::choose::{Choice, FramingOptions};
use crate::decoder::Decode;
use crate::encode::to_vec;
use crate::framings::Name;

/// Streams up to this length are cut in every way: 65,536 of them.
const EVERY_WAY_MAX: usize = 17;

/// A longer stream has more pairs of places than anybody waits for.
const STREAM_LEN_MAX: usize = 2000;

/// Every way to cut a stream, and how many give the right messages
#[derive(clap::Args)]
pub struct Args {
    /// Only this one: naive, fixed, line, delimiter, length, varint or cobs
    #[arg(long, value_name = "NAME")]
    framing: Option<Name>,
    #[command(flatten)]
    options: FramingOptions,
    /// What is sent
    #[arg(value_name = "MESSAGE", required = true)]
    messages: Vec<String>,
}

/// Cuts the stream of these messages under one framing, or under each.
///
/// # Errors
/// When a framing cannot carry a message, or the options do not go together.
pub fn run(Args { framing, options, messages }: Args) -> anyhow::Result<()> {
    let names = match framing {
        Some(name) => {
            options.fit(name)?;
            vec![name]
        }
        None => Name::ALL.to_vec(),
    };
    let mut streams = Vec::new();
    for name in names {
        let choice = options.choose(name)?;
        streams.push((stream(&choice, &messages)?, choice));
    }
    say!("{:<10}{:>6}  {:<32}{:>8}  {:>6}", "framing", "bytes", "cut", "ways", "right")?;
    for (stream, choice) in &streams {
        show(choice, stream, &messages)?;
    }
    Ok(())
}

fn show(choice: &Choice, stream: &[u8], messages: &[String]) -> anyhow::Result<()> {
    let name = choice.name();
    let every = stream.len() <= EVERY_WAY_MAX;
    let how = if every { "at any places" } else { "nowhere, at 1, at 2, everywhere" };
    let mut trial = Trial::new(choice, stream, messages);
    match every {
        true => trial.every_way(),
        false => trial.one_and_two_cuts(),
    }
    let Trial { ways, right, wrong, .. } = trial;
    say!("{name:<10}{:>6}  {how:<32}{ways:>8}  {right:>6}", stream.len())?;
    if let Some(wrong) = wrong {
        let wrong = if wrong.is_empty() { "nothing".to_owned() } else { wrong.join(" | ") };
        say!("           such as: {wrong}")?;
    }
    Ok(())
}

fn stream(choice: &Choice, messages: &[String]) -> anyhow::Result<Vec<u8>> {
    let encoder = choice.encoder();
    let mut stream = Vec::new();
    for message in messages {
        let frame = to_vec(&encoder, message.as_bytes())
            .with_context(|| {
                format!("{} cannot say \"{}\"", choice.name(), escape(message.as_bytes()))
            })
            .exit(Exit::Usage)?;
        stream.extend(frame);
    }
    if stream.len() > STREAM_LEN_MAX {
        return Err(anyhow::anyhow!("a stream of {} bytes", stream.len()))
            .hint(format_args!("{STREAM_LEN_MAX} are enough to see it; send less"))
            .exit(Exit::Usage);
    }
    Ok(stream)
}

/// One stream, cut again and again.
struct Trial<'a> {
    choice: &'a Choice,
    decoder: Box<dyn Decode + Send>,
    stream: &'a [u8],
    want: &'a [String],
    ways: usize,
    right: usize,
    /// What came out the first time that it was wrong.
    wrong: Option<Vec<String>>,
}

impl<'a> Trial<'a> {
    fn new(choice: &'a Choice, stream: &'a [u8], want: &'a [String]) -> Self {
        let decoder = choice.decoder();
        Self { choice, decoder, stream, want, ways: 0, right: 0, wrong: None }
    }

    // ANCHOR: every-way
    /// Each bit of a number says whether there is a cut behind that byte.
    fn every_way(&mut self) {
        let places = self.stream.len().saturating_sub(1);
        for cuts in 0..1_u32 << places {
            self.cut(|place| cuts >> place & 1 == 1);
        }
    }

    fn one_and_two_cuts(&mut self) {
        let places = self.stream.len().saturating_sub(1);
        self.cut(|_| false);
        self.cut(|_| true);
        for one in 0..places {
            // The same place twice is one cut.
            for two in one..places {
                self.cut(|place| place == one || place == two);
            }
        }
    }

    /// Decodes what these reads give, and compares.
    fn cut(&mut self, cut_behind: impl Fn(usize) -> bool) {
        let (mut said, mut right) = (0, true);
        let mut begin = 0;
        for (place, _) in self.stream.iter().enumerate() {
            let end = place + 1;
            if end < self.stream.len() && !cut_behind(place) {
                continue;
            }
            let mut read = self.stream.get(begin..end).unwrap_or_default();
            begin = end;
            while let Ok(Some(frame)) = self.decoder.next_in(&mut read) {
                right &= self.want.get(said).is_some_and(|want| want.as_bytes() == frame.bytes());
                said += 1;
            }
        }
        right &= said == self.want.len() && matches!(self.decoder.finish(), Ok(None));
        self.ways += 1;
        self.right += usize::from(right);
        if !right {
            self.decoder = self.choice.decoder();
            if self.wrong.is_none() {
                self.wrong = Some(self.pieces(cut_behind));
            }
        }
    }
    // ANCHOR_END: every-way

    /// What comes out of these reads, for a person.
    fn pieces(&self, cut_behind: impl Fn(usize) -> bool) -> Vec<String> {
        let mut decoder = self.choice.decoder();
        let mut said = Vec::new();
        for (place, byte) in self.stream.iter().enumerate() {
            decoder.feed(&[*byte]);
            if cut_behind(place) || place + 1 == self.stream.len() {
                while let Ok(Some(frame)) = decoder.next() {
                    said.push(escape(frame.bytes()).to_string());
                }
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[track_caller]
    fn check(words: &str, ways: usize, right: usize) {
        let line = Line::try_parse_from(format!("x --framing {words}").split(' ')).unwrap();
        let choice = line.args.options.choose(line.args.framing.unwrap()).unwrap();
        let stream = stream(&choice, &line.args.messages).unwrap();
        let mut trial = Trial::new(&choice, &stream, &line.args.messages);
        match stream.len() <= EVERY_WAY_MAX {
            true => trial.every_way(),
            false => trial.one_and_two_cuts(),
        }
        assert_eq!((trial.ways, trial.right), (ways, right), "{words}");
        assert_eq!(trial.wrong.is_some(), right < ways);
    }

    #[test]
    fn naive_is_right_only_where_the_cuts_are_the_boundaries() {
        check("naive hello sticky packet", 65_536, 1);
        check("naive x", 1, 1);
        check("naive xy", 2, 1);
    }

    #[test]
    fn every_other_framing_is_right_however_it_is_cut() {
        for words in [
            "line hello sticky pac",
            "delimiter he;lo sticky p",
            "length --length-bytes 1 hello sticky pa",
            "length hello bye!",
            "varint hello sticky pac",
            "cobs hello sticky",
            "fixed --size 8 hello sticky",
        ] {
            let line = format!("x --framing {words}");
            let line = Line::try_parse_from(line.split(' ')).unwrap();
            let choice = line.args.options.choose(line.args.framing.unwrap()).unwrap();
            let len = stream(&choice, &line.args.messages).unwrap().len();
            assert!(len <= EVERY_WAY_MAX, "{words}: {len}");
            check(words, 1 << (len - 1), 1 << (len - 1));
        }
    }

    #[test]
    fn a_longer_stream_is_cut_at_one_and_at_two_places() {
        // 29 bytes have 28 places, and 28 · 27 / 2 pairs of them.
        check("line hello sticky packet bye bye!", 2 + 28 + 378, 2 + 28 + 378);
        check("naive 12345678901234 567890123456789", 2 + 28 + 378, 1);
    }
}
