//! Chapter 2, udp-echo: what does a datagram keep, and what does it not promise?
