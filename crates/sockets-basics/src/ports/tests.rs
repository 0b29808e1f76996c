//! Tests of the parsers on text captured from Linux 6.18 on x86-64, where these sockets were open:
//! TCP listeners on 127.0.0.1:8898, 0.0.0.0:2024, [::1]:8080 and [::ffff:127.0.0.1]:8081, a
//! connection to 8898, UDP sockets on 127.0.0.1:9000 and [::]:69, and one connected to 9000.

use super::*;

#[cfg(target_endian = "little")]
const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22C2 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 31554 2 000000002ccaab9f 100 0 0 10 0
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1062 1 00000000b9df4eeb 100 0 0 10 0
   2: 0100007F:9293 0100007F:A0C6 06 00000000:00000000 03:000000A3 00000000     0        0 0 3 00000000cc054a52
  15: 0100007F:D844 0100007F:22C2 01 00000000:00000000 00:00000000 00000000     0        0 31558 2 000000007d3d1cab 20 0 0 10 -1
  18: 0100007F:22C2 0100007F:D844 01 00000000:00000000 00:00000000 00000000     0        0 0 1 000000002c0aa30f 20 0 0 10 -1
";

#[cfg(target_endian = "little")]
const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31555 1 00000000425429af 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31560 1 00000000bcd263eb 100 0 0 10 0
";

#[cfg(target_endian = "little")]
const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2886: 0100007F:9E83 0100007F:2328 01 00000000:00000000 00:00000000 00000000     0        0 31559 2 000000001937980d 0
 4075: 0100007F:2328 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31556 2 00000000a6202639 0
";

#[cfg(target_endian = "little")]
const UDP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
11528: 00000000000000000000000000000000:0045 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31557 2 00000000a5a38a95 0
";

#[cfg(target_endian = "little")]
#[test]
fn of_the_kernels_tables_only_the_sockets_that_wait_are_kept() {
    check(Protocol::Tcp, TCP, &[("127.0.0.1:8898", 31554), ("0.0.0.0:2024", 1062)]);
    check(Protocol::Tcp, TCP6, &[("[::1]:8080", 31555), ("[::ffff:127.0.0.1]:8081", 31560)]);
    check(Protocol::Udp, UDP, &[("127.0.0.1:9000", 31556)]);
    check(Protocol::Udp, UDP6, &[("[::]:69", 31557)]);
}

#[test]
fn a_table_may_be_empty() {
    check(Protocol::Tcp, "", &[]);
    check(Protocol::Tcp, "  sl  local_address rem_address   st\n", &[]);
}

#[test]
fn each_port_is_in_one_range() {
    for (port, range) in [
        (0, Range::System),
        (1023, Range::System),
        (1024, Range::User),
        (49151, Range::User),
        (49152, Range::Dynamic),
        (65535, Range::Dynamic),
    ] {
        assert_eq!(Range::of(port), range, "{port}");
    }
}

#[test]
fn a_range_of_ports_is_two_numbers_in_order() {
    for (text, want) in [
        ("32768\t60999\n", Some((32768, 60999))),
        ("1024 1024", Some((1024, 1024))),
        ("60999\t32768\n", None),
        ("32768\n", None),
        ("32768\t65536\n", None),
        ("1 2 3", None),
        ("", None),
    ] {
        assert_eq!(parse_port_range(text), want, "{text:?}");
    }
}

#[test]
fn only_a_link_to_a_socket_has_a_sockets_number() {
    for (link, inode) in
        [("socket:[31554]", Some(31554)), ("pipe:[31554]", None), ("/dev/null", None), ("", None)]
    {
        assert_eq!(inode_of(link), inode, "{link:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_of_ours_is_found_with_our_process() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let all = waiting().unwrap();
    for (protocol, address) in [
        (Protocol::Tcp, listener.local_addr().unwrap()),
        (Protocol::Udp, socket.local_addr().unwrap()),
    ] {
        let ours = all.iter().find(|one| one.protocol == protocol && one.address == address);
        let inode = ours.expect("our own socket is in the table").inode;
        let programs = programs(&BTreeSet::from([inode]));
        let process = format!("(process {})", std::process::id());
        assert!(programs[&inode].ends_with(&process), "{programs:?}");
    }
}

#[test]
fn of_netstats_lines_those_are_kept_whose_sockets_wait() {
    for (line, keep) in [
        // Linux, macOS, Windows.
        ("tcp        0      0 127.0.0.1:8898          0.0.0.0:*               LISTEN     ", true),
        ("tcp        0      0 127.0.0.1:55364         127.0.0.1:8898          ESTABLISHED", false),
        ("udp6       0      0 :::69                   :::*                               ", true),
        ("tcp4       0      0  127.0.0.1.8898         *.*                    LISTEN     ", true),
        ("tcp46      0      0  *.7000                 *.*                    LISTEN     ", true),
        ("udp4       0      0  *.5353                 *.*                               ", true),
        ("  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING\r", true),
        ("  UDP    0.0.0.0:500            *:*                    \r", true),
        ("unix  2      [ ACC ]     STREAM     LISTENING     1045     /run/dbus", false),
        ("Active Internet connections (servers and established)", false),
        ("", false),
    ] {
        assert_eq!(is_waiting(line.as_bytes()), keep, "{line}");
    }
}

#[test]
fn the_services_stand_in_order_and_all_are_well_known() {
    assert!(SERVICES.is_sorted_by_key(|service| service.port));
    assert!(SERVICES.iter().all(|service| Range::of(service.port) == Range::System));
}

#[track_caller]
fn check(protocol: Protocol, table: &str, want: &[(&str, u64)]) {
    let got: Vec<_> = waiting_in(protocol, table).collect();
    let want = want.iter().map(|&(address, inode)| {
        let address = address.parse().unwrap();
        Waiting { protocol, address, inode }
    });
    assert_eq!(got, want.collect::<Vec<_>>());
}
