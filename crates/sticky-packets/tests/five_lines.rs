//! The same with tokio-util, as the page has it: what it reads is what we write.

use std::io;

use futures_util::{FutureExt, StreamExt};
use sticky_packets::encode::to_vec;
use sticky_packets::length::{Layout, Length};
use tokio::io::AsyncRead;
use tokio_util::codec::LengthDelimitedCodec;

// ANCHOR: five
async fn hear_all(stream: impl AsyncRead + Unpin) -> io::Result<Vec<String>> {
    let mut heard = Vec::new();
    // Without a limit of your own it is 8 MiB, and so much is reserved when a length says so.
    let mut frames = LengthDelimitedCodec::builder().max_frame_length(65_536).new_read(stream);
    while let Some(message) = frames.next().await {
        heard.push(String::from_utf8_lossy(&message?).into_owned());
    }
    Ok(heard)
}
// ANCHOR_END: five

#[test]
fn tokio_util_hears_what_our_length_says() {
    let messages = ["hello", "", "你好"];
    let length = Length::new(Layout::default());
    let frames = messages.map(|message| to_vec(&length, message.as_bytes()).unwrap());
    // The bytes are all there, so nothing is waited for, and no runtime is needed.
    let heard = hear_all(frames.concat().as_slice()).now_or_never().unwrap();
    assert_eq!(heard.unwrap(), messages);
}
