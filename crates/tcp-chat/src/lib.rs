//! Chapter 4: how does one server talk with many people at once, and stay up?
