//! What `receiver` does.
