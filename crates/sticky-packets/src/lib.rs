//! Chapter 5: TCP carries bytes. Where does one message end?
