//! The rules of the workspace, as a test.
