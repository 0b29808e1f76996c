//! What `opening` does.
