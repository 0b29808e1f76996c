//! What the hello lessons say: something that one read can take.

use std::ops::Deref;
use std::str::FromStr;

/// The most that one read takes in these lessons, as in the tutorial's `recv(1024)`.
pub const MESSAGE_LEN_MAX: usize = 1024;

/// A text of 1 to [`MESSAGE_LEN_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(String);

/// Why a text is no [`Message`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// On a connection, sending no bytes sends nothing at all, and the other end waits for ever.
    #[error("an empty message is never heard: sending 0 bytes sends nothing")]
    Empty,
    /// The server reads once, and answers.
    #[error("{0} bytes are more than the server reads at once, {MESSAGE_LEN_MAX}")]
    TooLong(usize),
}

impl FromStr for Message {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        match text.len() {
            0 => Err(MessageError::Empty),
            1..=MESSAGE_LEN_MAX => Ok(Self(text.to_owned())),
            len => Err(MessageError::TooLong(len)),
        }
    }
}

impl Deref for Message {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_not_empty_and_fits_into_one_read() {
        let text = |len| "x".repeat(len);
        assert_eq!("".parse::<Message>(), Err(MessageError::Empty));
        assert_eq!(text(1).parse(), Ok(Message(text(1))));
        assert_eq!(text(1024).parse(), Ok(Message(text(1024))));
        assert_eq!(text(1025).parse::<Message>(), Err(MessageError::TooLong(1025)));
        // It is bytes that count, and 爱 has three.
        assert_eq!("爱".repeat(342).parse::<Message>(), Err(MessageError::TooLong(1026)));
    }
}
