//! One mistake mended at a time.
