//! What `options` does.
