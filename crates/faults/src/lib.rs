//! What a bad network does to datagrams and streams, as pure decisions.
