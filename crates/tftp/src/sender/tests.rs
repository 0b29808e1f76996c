//! What `sender` does.
