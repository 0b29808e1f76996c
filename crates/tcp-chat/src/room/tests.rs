//! The room without sockets, in a time of its own: what is decided there, both engines do.

use std::collections::HashMap;
use std::num::NonZeroU32;

use super::*;
use crate::rate::Rate;

#[test]
fn a_name_is_asked_for_until_it_is_fit_and_free() {
    let mut world = World::new(Policy::default());
    let ann = world.connect();
    world.hears(ann, "* What is your name?\n");
    world.says(ann, "* bob");
    world.hears(
        ann,
        "* Not that one: a name begins with a letter, a digit or a picture\n* What is your name?\n",
    );
    world.says(ann, "ann");
    world.hears(ann, "* Hello, ann. Nobody else is here; /help says what can be typed\n");
    let bob = world.connect();
    world.says(bob, "ANN");
    world.says(bob, "bob");
    world.hears(
        bob,
        "* What is your name?\n* ANN is here already\n* What is your name?\n\
         * Hello, bob. One other is here; /help says what can be typed\n",
    );
    world.hears(ann, "* bob joined\n");
}

#[test]
fn what_somebody_says_everybody_else_hears() {
    let (mut world, [ann, bob, cem]) = World::of(Policy::default(), ["ann", "bob", "小明"]);
    world.says(ann, "hello 中文 👍");
    for other in [bob, cem] {
        world.hears(other, "ann: hello 中文 👍\n");
    }
    world.hears(ann, "");
    world.says(cem, "");
    world.says(cem, "   ");
    world.says(cem, "//quit");
    world.hears(ann, "小明: /quit\n");
    world.hears(cem, "");
}

#[test]
fn whoever_wants_an_echo_has_one() {
    let policy = Policy { echo: true, ..Policy::default() };
    let (mut world, [ann, bob]) = World::of(policy, ["ann", "bob"]);
    world.says(ann, "hello");
    world.hears(ann, "ann: hello\n");
    world.hears(bob, "ann: hello\n");
}

#[test]
fn commands_are_answered_to_whoever_gave_them() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    for (line, answer) in [
        ("/who", "* 2 here: ann, bob\n"),
        ("/history", "* Nothing was said yet\n"),
        ("/nick", "* Write it so: /nick NAME\n"),
        ("/nick bob", "* bob is here already\n"),
        ("/nick b b", "* Not that one: a name has no space in it\n"),
        ("/msg bob", "* Write it so: /msg NAME TEXT\n"),
        ("/msg eve hi", "* Nobody here has that name; /who lists who is here\n"),
        ("/quti", "* There is no such command; /help lists them\n"),
    ] {
        world.says(ann, line);
        world.hears(ann, answer);
    }
    world.hears(bob, "");
    world.says(ann, "/msg BOB psst \u{1b}[2J");
    world.hears(bob, "* ann to you: psst \\u{1b}[2J\n");
    world.hears(ann, "* You told bob\n");
    world.says(ann, "/nick Ann");
    world.says(ann, "/nick eve");
    world.hears(ann, "* ann is now Ann\n* Ann is now eve\n");
    world.hears(bob, "* ann is now Ann\n* Ann is now eve\n");
    // A name that was given up is free.
    world.says(bob, "/nick ann");
    world.hears(bob, "* bob is now ann\n");
}

#[test]
fn who_is_here_is_told_in_short_lines_and_not_without_end() {
    let policy = Policy { per_address: None, ..Policy::default() };
    let mut world = World::new(policy);
    let ids: Vec<Id> = (0..150).map(|_| world.connect()).collect();
    for (number, id) in (100..).zip(&ids) {
        world.says(*id, &format!("{number}{}", "明".repeat(29)));
    }
    let ann = ids[0];
    world.out.clear();
    world.says(ann, "/who");
    let told = world.out.remove(&ann).unwrap();
    assert!(told.starts_with("* 150 here: 100"), "{told}");
    assert!(told.ends_with(" and 50 more\n"), "{told}");
    assert!(told.lines().all(|line| line.starts_with("* ") && line.len() < 1200), "{told}");
    assert_eq!(told.matches('明').count(), 100 * 29);
}

#[test]
fn newcomers_hear_what_was_said_before() {
    let (mut world, [ann]) = World::of(Policy::default(), ["ann"]);
    world.says(ann, "one");
    let bob = world.connect();
    world.says(bob, "bob");
    world.hears(
        bob,
        "* What is your name?\n* Hello, bob. One other is here; /help says what can be typed\n\
         * The last line that was said:\nann: one\n* That was the history\n",
    );
}

#[test]
fn no_line_on_the_wire_is_longer_than_the_limit_either_way() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    let fits = "x".repeat(LINE_LEN_MAX - "ann: ".len());
    world.says(ann, &fits);
    world.hears(bob, &format!("ann: {fits}\n"));
    world.says(ann, &format!("{fits}x"));
    world.hears(
        ann,
        "* That makes 4097 bytes with your name and with what had to be escaped, and was not \
         said: 4096 at most\n",
    );
    // 6 bytes come of each: nobody can make others hear more than they said themselves.
    world.says(ann, &"\u{1b}".repeat(1000));
    assert!(world.out.remove(&ann).unwrap().starts_with("* That makes 6005 bytes"));
    world.says(ann, &"x".repeat(LINE_LEN_MAX + 1));
    world.hears(ann, "* That line is too long and was not said: 4096 bytes at most\n");
    world.hears(bob, "");
}

#[test]
fn a_line_without_end_is_told_once_and_kept_nowhere() {
    let policy = Policy { rate: None, ..Policy::default() };
    let (mut world, [ann, bob]) = World::of(policy, ["ann", "bob"]);
    for _ in 0..256 {
        world.feed(ann, &[b'x'; 4096]);
    }
    world.hears(ann, "* That line is too long and was not said: 4096 bytes at most\n");
    world.says(ann, "");
    world.says(ann, "here again");
    world.hears(bob, "ann: here again\n");
    assert_eq!(world.room.stats().too_long, 1);
}

#[test]
fn a_line_that_is_no_text_is_told_and_ends_nothing() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    world.feed(ann, b"caf\xe9\n\xe4\xb8");
    world.hears(ann, "* That line is not UTF-8 and was not said\n");
    world.feed(ann, b"\xad\n");
    world.hears(bob, "ann: 中\n");
}

#[test]
fn what_terminals_obey_is_written_out_for_everybody() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    world.says(ann, "\u{1b}[2J\u{1b}]0;title\u{7} \u{202e}exe.txt a\rb \u{9b}31m \u{200b}");
    world.hears(
        bob,
        "ann: \\u{1b}[2J\\u{1b}]0;title\\u{7} \\u{202e}exe.txt a\\rb \\u{9b}31m \\u{200b}\n",
    );
}

#[test]
fn whoever_says_more_than_they_may_waits_is_told_and_has_to_go() {
    let (mut world, [ann, bob]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    world.feed(ann, &b"x\n".repeat(1000));
    world.hears(bob, "ann: x\nann: x\nann: x\n");
    assert!(!world.room.wants_input(ann), "nothing more is read from her");
    assert!(world.room.wants_input(bob));
    world.wait(Duration::from_millis(99));
    world.hears(bob, "");
    world.wait(Duration::from_millis(1));
    world.hears(bob, "ann: x\n");
    world.hears(ann, "");
    world.wait(Duration::from_millis(900));
    world.hears(ann, "* Slowly, please: you say more than you may\n");
    world.wait(Duration::from_millis(28_999));
    world.hears(ann, "");
    world.wait(Duration::from_millis(101));
    world.hears(ann, "* Good-bye: flooding\n");
    assert!(world.out.remove(&bob).unwrap().ends_with("* ann left: flooding\n"));
    assert_eq!(world.room.stats().ended(Reason::Flooding), 1);
}

#[test]
fn a_server_that_is_held_up_does_not_forget_a_flood() {
    let (mut world, [ann, _]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    world.feed(ann, &b"x\n".repeat(2000));
    // It looks at the clock once a second, when the bucket is full again.
    for _ in 0..31 {
        world.now += Duration::from_secs(1);
        world.room.handle_timeout(world.now);
        world.pump();
    }
    assert_eq!(world.room.stats().ended(Reason::Flooding), 1);
}

#[test]
fn whoever_pastes_a_page_is_told_and_stays() {
    let (mut world, [ann, bob]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    world.feed(ann, &b"x\n".repeat(50));
    world.wait(Duration::from_secs(10));
    assert_eq!(world.out.remove(&bob).unwrap(), "ann: x\n".repeat(50));
    world.hears(ann, "* Slowly, please: you say more than you may\n");
    assert!(world.room.wants_input(ann));
}

#[test]
fn bytes_without_a_line_are_not_free() {
    let (mut world, [ann, _]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    // As fast as it is read, and ten times a second is what the limit lets through.
    let mut read = 0;
    for _ in 0..320 {
        // Once they have to go, what they send is read and forgotten.
        while world.room.wants_input(ann) && world.room.stats().ended(Reason::Flooding) == 0 {
            world.feed(ann, &[b'x'; 4096]);
            read += 4096;
            assert!(read < 100 * 40_960);
        }
        world.wait(Duration::from_millis(100));
    }
    assert!((29 * 40_960..33 * 40_960).contains(&read), "{read} bytes in half a minute");
    assert_eq!(world.room.stats().ended(Reason::Flooding), 1);
}

#[test]
fn whoever_does_not_say_a_name_has_to_go() {
    let mut world = World::new(Policy::default());
    let silent = world.connect();
    let drip = world.connect();
    world.out.clear();
    for _ in 0..59 {
        world.wait(Duration::from_secs(1));
        // A byte at a time, or a refused name each second, gains nothing.
        world.feed(drip, b":\n");
    }
    world.wait(Duration::from_millis(999));
    world.hears(silent, "");
    world.wait(Duration::from_millis(1));
    world.hears(silent, "* Good-bye: no name\n");
    assert_eq!(world.room.stats().ended(Reason::NoName), 2);
    // Told to go and deaf to it: closed five seconds later.
    assert_eq!(world.actions, [Action::Shutdown(silent), Action::Shutdown(drip)]);
    world.actions.clear();
    world.wait(PARTING);
    assert_eq!(world.actions, [Action::Abort(silent), Action::Abort(drip)]);
    assert_eq!(world.room.stats().connections, 0);
    assert_eq!(world.room.poll_timeout(), None);
}

#[test]
fn people_may_listen_for_as_long_as_they_like_unless_there_is_a_limit() {
    let (mut world, [_]) = World::of(Policy::default(), ["ann"]);
    assert!(world.room.poll_timeout().is_none_or(|at| at <= world.now + Duration::from_secs(60)));
    world.wait(Duration::from_secs(24 * 3600));
    assert_eq!(world.room.stats().connections, 1);
    assert_eq!(world.room.poll_timeout(), None, "and nothing ticks meanwhile");

    let idle = Some(Duration::from_secs(60));
    let (mut world, [ann, bob]) = World::of(Policy { idle, ..Policy::default() }, ["ann", "bob"]);
    world.wait(Duration::from_secs(59));
    world.says(bob, "still here");
    world.wait(Duration::from_millis(1000));
    world.hears(ann, "bob: still here\n* Good-bye: idle\n");
    world.hears(bob, "* ann left: idle\n");
    world.wait(Duration::from_secs(59));
    world.hears(bob, "* Good-bye: idle\n");
}

#[test]
fn a_reader_who_does_not_read_has_to_go_and_nobody_else_notices() {
    let policy = Policy { rate: None, queue_bytes: Some(10_000), ..Policy::default() };
    let (mut world, [ann, bob, slow]) = World::of(policy, ["ann", "bob", "slow"]);
    world.block(slow);
    let mut said = String::new();
    let line = "x".repeat(94);
    let mut peak = 0;
    for _ in 0..1000 {
        world.says(ann, &line);
        said.push_str(&format!("ann: {line}\n"));
        peak = peak.max(world.room.log.len());
        if world.room.stats().ended(Reason::TooSlow) == 1 && !said.contains("left") {
            said.push_str("* slow left: too slow\n");
        }
    }
    world.hears(bob, &said);
    world.hears(ann, "* slow left: too slow\n");
    assert!(peak <= 10_000 + 100, "{peak}");
    let stats = *world.room.stats();
    assert!((9_900..=10_100).contains(&stats.queue_max), "{}", stats.queue_max);
    assert_eq!(stats.dropped, 101);
    // Should they read after all, they hear why.
    world.unblock(slow);
    world.hears(slow, "* Good-bye: too slow\n");
}

#[test]
fn the_queue_has_a_limit_in_lines_too() {
    let policy = Policy { rate: None, queue_lines: Some(7), ..Policy::default() };
    let (mut world, [ann, slow]) = World::of(policy, ["ann", "slow"]);
    world.block(slow);
    for _ in 0..7 {
        world.says(ann, "x");
    }
    world.hears(ann, "");
    world.says(ann, "x");
    world.hears(ann, "* slow left: too slow\n");
}

#[test]
fn who_fills_their_own_queue_with_answers_is_too_slow_too() {
    let policy = Policy { rate: None, ..Policy::default() };
    let (mut world, [ann, bob]) = World::of(policy, ["ann", "bob"]);
    world.block(ann);
    world.feed(ann, &b"/help\n".repeat(1000));
    world.hears(bob, "* ann left: too slow\n");
    assert!(world.room.stats().queue_max < (96 << 10) + 1000);
}

#[test]
fn a_slow_reader_may_lose_lines_instead_and_is_told_how_many() {
    let policy =
        Policy { rate: None, slow: Slow::Drop, queue_lines: Some(10), ..Policy::default() };
    let (mut world, [ann, slow]) = World::of(policy, ["ann", "slow"]);
    world.block(slow);
    for number in 1..=25 {
        world.says(ann, &number.to_string());
    }
    world.unblock(slow);
    // Eleven lines are too many, and go; then the line that tells of it is the first of the next.
    world.hears(
        slow,
        "* You read too slowly: 21 lines lost here\nann: 22\nann: 23\nann: 24\nann: 25\n",
    );
    assert_eq!(world.room.stats().dropped, 21);
    world.block(slow);
    for number in 0..11 {
        world.says(ann, &number.to_string());
    }
    world.unblock(slow);
    world.hears(slow, "* You read too slowly: 11 lines lost here\n");
    assert_eq!(world.room.stats().connections, 2);
}

#[test]
fn a_queue_without_limit_keeps_everything() {
    let policy = Policy { rate: None, queue_bytes: None, queue_lines: None, ..Policy::default() };
    let (mut world, [ann, slow]) = World::of(policy, ["ann", "slow"]);
    world.block(slow);
    let line = "x".repeat(4000);
    for _ in 0..1000 {
        world.says(ann, &line);
    }
    assert_eq!(world.room.stats().ended(Reason::TooSlow), 0);
    world.unblock(slow);
    assert_eq!(world.out.remove(&slow).unwrap().len(), 1000 * "ann: \n".len() + 4_000_000);
}

#[test]
fn what_was_asked_before_the_end_is_answered_after_it() {
    let (mut world, [ann]) = World::of(Policy::default(), ["ann"]);
    let bob = world.connect();
    world.feed(bob, b"bob\n/who\nhello\nand good-bye");
    world.room.end_of_input(bob);
    world.pump();
    world.hears(
        bob,
        "* What is your name?\n* Hello, bob. One other is here; /help says what can be typed\n\
         * 2 here: ann, bob\n",
    );
    world.hears(ann, "* bob joined\nbob: hello\nbob: and good-bye\n* bob left: closed\n");
    assert_eq!(world.actions, [Action::Close(bob)]);
}

#[test]
fn an_end_that_is_throttled_is_still_answered() {
    let (mut world, [ann, bob]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    world.feed(ann, &b"x\n".repeat(10));
    world.room.end_of_input(ann);
    world.pump();
    world.hears(bob, &"ann: x\n".repeat(3));
    world.wait(Duration::from_secs(1));
    assert_eq!(
        world.out.remove(&bob).unwrap(),
        format!("{}* ann left: closed\n", "ann: x\n".repeat(7))
    );
}

#[test]
fn a_name_is_free_as_soon_as_its_owner_has_left_and_the_dying_connection_takes_nobody_along() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    let second = world.connect();
    world.says(second, "ann");
    world.hears(second, "* What is your name?\n* ann is here already\n* What is your name?\n");
    // Her end is closed; what waits for her keeps the old connection alive.
    world.block(ann);
    world.says(bob, "wait");
    world.room.end_of_input(ann);
    world.pump();
    world.says(second, "ann");
    assert!(world.out.remove(&second).unwrap().starts_with("* Hello, ann. "));
    // Now the old one dies.
    world.room.broken(world.now, ann, Reason::Reset);
    world.pump();
    assert!(!world.room.knows(ann));
    world.out.clear();
    world.says(bob, "/who");
    world.hears(bob, "* 2 here: ann, bob\n");
    world.says(bob, "/msg ann hello");
    world.hears(second, "* bob to you: hello\n");
}

#[test]
fn a_place_that_is_taken_again_has_nothing_of_who_was_there() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    world.room.broken(world.now, ann, Reason::Reset);
    world.pump();
    world.hears(bob, "* ann left: reset\n");
    let eve = world.connect();
    assert_eq!((eve.index(), eve == ann), (ann.index(), false));
    world.feed(ann, b"eve\nhello\n");
    world.room.end_of_input(ann);
    world.room.broken(world.now, ann, Reason::Reset);
    world.pump();
    world.hears(eve, "* What is your name?\n");
    assert_eq!(world.room.stats().connections, 2);
}

#[test]
fn only_so_many_come_in_and_only_so_many_from_one_address() {
    let policy = Policy { clients: Some(3), per_address: Some(2), ..Policy::default() };
    let mut world = World::new(policy);
    let mut admit = |address: &str| {
        let now = world.now;
        world.room.admit(now, address.parse().unwrap())
    };
    let first = admit("192.0.2.1").unwrap();
    assert!(admit("192.0.2.1").is_ok());
    assert_eq!(admit("192.0.2.1"), Err(Refused::Address));
    assert!(admit("2001:db8::1").is_ok());
    assert_eq!(admit("2001:db8:1::1"), Err(Refused::Full));
    world.room.broken(world.now, first, Reason::Reset);
    assert!(world.room.admit(world.now, "192.0.2.1".parse().unwrap()).is_ok());
    let stats = world.room.stats();
    assert_eq!((stats.refused_address, stats.refused_full, stats.connections), (1, 1, 3));
}

#[test]
fn in_a_crowd_nobody_is_told_who_comes_and_goes() {
    let policy = Policy { notices: Some(2), ..Policy::default() };
    let (mut world, [ann, bob, cem]) = World::of(policy, ["ann", "bob", "cem"]);
    world.says(ann, "hello");
    world.says(bob, "hello");
    world.hears(cem, "ann: hello\nbob: hello\n");
    world.room.broken(world.now, cem, Reason::Reset);
    world.pump();
    world.hears(ann, "bob: hello\n* cem left: reset\n");
}

#[test]
fn everybody_is_told_that_the_server_stops_and_hears_what_waits() {
    let (mut world, [ann, bob, slow]) = World::of(Policy::default(), ["ann", "bob", "slow"]);
    world.block(slow);
    world.says(ann, "one");
    world.room.stop(world.now, Duration::from_secs(5));
    world.pump();
    world.hears(ann, "* Good-bye: the server is stopping\n");
    world.hears(bob, "ann: one\n* Good-bye: the server is stopping\n");
    assert!(world.room.admit(world.now, "192.0.2.1".parse().unwrap()).is_err());
    // Whoever has heard it is gone at once; the other has until the end of the grace.
    assert!(!world.room.knows(ann) && !world.room.knows(bob));
    assert!(!world.room.is_over());
    world.wait(Duration::from_millis(4999));
    assert!(!world.room.is_over());
    world.wait(Duration::from_millis(1));
    assert!(world.room.is_over());
    assert_eq!(world.room.stats().undelivered, 2, "a line, and the good-bye");
}

#[test]
fn the_operator_hears_the_talk_and_speaks_and_throws_out() {
    let policy = Policy { shown: true, ..Policy::default() };
    let (mut world, [ann, bob]) = World::of(policy, ["ann", "bob"]);
    world.says(ann, "hello");
    world.says(ann, "/msg bob between us");
    world.out.clear();
    assert!(world.room.operator_says("dinner"));
    assert!(!world.room.operator_says(&"x".repeat(LINE_LEN_MAX)));
    world.pump();
    world.hears(ann, "* operator: dinner\n");
    let now = world.now;
    assert!(world.room.kick(now, "BOB"));
    assert!(!world.room.kick(now, "eve"));
    world.pump();
    world.hears(bob, "* operator: dinner\n* Good-bye: kicked\n");
    let mut shown = Vec::new();
    while let Some(line) = world.room.poll_line() {
        shown.push(line);
    }
    assert_eq!(
        shown,
        ["* ann joined", "* bob joined", "ann: hello", "* operator: dinner", "* bob left: kicked"]
    );
}

#[test]
fn an_operator_who_does_not_look_costs_the_room_nothing() {
    let policy = Policy { shown: true, rate: None, ..Policy::default() };
    let (mut world, [ann]) = World::of(policy, ["ann"]);
    for _ in 0..5000 {
        world.says(ann, "x");
    }
    let shown = std::iter::from_fn(|| world.room.poll_line()).count();
    assert_eq!(shown, LINES_SHOWN_MAX + 1, "and one that tells of the rest");
}

#[test]
fn many_are_heard_in_turn() {
    let policy = Policy { rate: None, ..Policy::default() };
    let (mut world, [ann, bob, cem]) = World::of(policy, ["ann", "bob", "cem"]);
    world.room.feed(ann, &mut b"1\n2\n3\n".to_vec());
    world.room.feed(bob, &mut b"1\n2\n3\n".to_vec());
    world.pump();
    world.hears(cem, "ann: 1\nbob: 1\nann: 2\nbob: 2\nann: 3\nbob: 3\n");
}

#[test]
fn more_than_a_queue_at_once_is_written_in_portions() {
    let policy = Policy { rate: None, ..Policy::default() };
    let (mut world, [ann, bob]) = World::of(policy, ["ann", "bob"]);
    let page = b"x\n".repeat(200_000);
    world.feed(ann, &page);
    assert_eq!(world.out.remove(&bob).unwrap(), "ann: x\n".repeat(200_000));
    assert!(world.room.stats().log_max < 40_000, "{}", world.room.stats().log_max);
    assert_eq!(world.room.stats().connections, 2);
}

#[test]
fn nobody_has_gone_whose_last_word_is_still_being_written() {
    let (mut world, [ann, bob]) = World::of(Policy::default(), ["ann", "bob"]);
    world.room.stop(world.now, Duration::from_secs(5));
    let mut buffer = Vec::new();
    for id in [ann, bob] {
        world.room.take(id, &mut buffer, 1000);
        assert_eq!(buffer, b"* Good-bye: the server is stopping\n");
    }
    let lines_out = world.room.stats().lines_out;
    world.room.end_of_input(bob);
    world.room.delivered(ann);
    assert!(!world.room.knows(ann) && world.room.knows(bob));
    assert_eq!((world.room.is_over(), world.room.stats().undelivered), (false, 0));
    // The other's write does not come to an end: the deadline is for it, too.
    world.wait(Duration::from_secs(5));
    assert!(world.room.is_over());
    assert_eq!((world.room.stats().undelivered, world.room.stats().lines_out), (1, lines_out + 1));
    assert_eq!(world.actions, [Action::Close(ann), Action::Abort(bob)]);
    // A writer that comes too late is not counted.
    world.room.delivered(bob);
    assert_eq!(world.room.stats().lines_out, lines_out + 1);
}

#[test]
fn there_is_nothing_to_settle_before_the_last_reader_has_taken_what_waits() {
    let (mut world, [ann, bob, cem, slow]) =
        World::of(Policy::default(), ["ann", "bob", "cem", "slow"]);
    world.room.set_blocked(slow, true);
    world.room.feed(ann, &mut b"hello\n".to_vec());
    world.room.work(world.now);
    world.room.settle(world.now);
    let mut readers = Vec::new();
    world.room.poll_readers(&mut readers);
    assert_eq!(readers.len(), 4);
    // Nobody is named a second time for the same line.
    assert!(!world.room.has_readers());
    let mut buffer = Vec::new();
    world.room.take(bob, &mut buffer, 1000);
    assert!(world.room.is_behind());
    // Whoever does not read is not waited for, nor is who has gone.
    world.room.set_blocked(cem, true);
    assert!(!world.room.is_behind());
    world.room.set_blocked(cem, false);
    world.room.settle(world.now);
    assert!(world.room.is_behind());
    world.room.broken(world.now, cem, Reason::Reset);
    assert!(!world.room.is_behind());
}

#[test]
fn whoever_may_go_on_is_named_once() {
    let (mut world, [ann, _bob]) = World::of(rated(3, 10), ["ann", "bob"]);
    world.wait(Duration::from_secs(10));
    let mut listening = Vec::new();
    world.room.poll_listening(&mut listening);
    world.feed(ann, b"1\n");
    world.room.poll_listening(&mut listening);
    assert_eq!(listening, [ann]);
    world.feed(ann, &b"x\n".repeat(3));
    world.room.poll_listening(&mut listening);
    assert_eq!(listening, [], "she has said more than she may");
    world.wait(Duration::from_secs(1));
    world.room.poll_listening(&mut listening);
    assert_eq!(listening, [ann]);
}

fn rated(burst: u32, per_second: u32) -> Policy {
    let whole = |n| NonZeroU32::new(n).unwrap();
    let rate = Rate { burst: whole(burst), per_second: whole(per_second) };
    Policy { rate: Some(rate), ..Policy::default() }
}

/// A room, an engine around it, and a clock.
struct World {
    room: Room,
    now: Instant,
    /// What was delivered and not looked at.
    out: HashMap<Id, String>,
    blocked: Vec<Id>,
    actions: Vec<Action>,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            room: Room::new(policy),
            now: Instant::now(),
            out: HashMap::new(),
            blocked: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// With these people in it, and what they heard so far forgotten.
    fn of<const N: usize>(policy: Policy, names: [&str; N]) -> (Self, [Id; N]) {
        let mut world = Self::new(policy);
        let ids = names.map(|name| {
            let id = world.connect();
            world.says(id, name);
            id
        });
        world.out.clear();
        (world, ids)
    }

    fn connect(&mut self) -> Id {
        let id = self.room.admit(self.now, "192.0.2.1".parse().unwrap()).unwrap();
        self.pump();
        id
    }

    fn says(&mut self, id: Id, line: &str) {
        self.feed(id, format!("{line}\n").as_bytes());
    }

    fn feed(&mut self, id: Id, bytes: &[u8]) {
        self.room.feed(id, &mut bytes.to_vec());
        self.pump();
    }

    fn block(&mut self, id: Id) {
        self.blocked.push(id);
        self.room.set_blocked(id, true);
    }

    fn unblock(&mut self, id: Id) {
        self.blocked.retain(|blocked| *blocked != id);
        self.room.set_blocked(id, false);
        self.write(id);
        self.pump();
    }

    /// Lets time pass, as far as the next deadline at a time.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.room.handle_timeout(self.now);
            self.pump();
        }
        self.now = until;
    }

    /// What an engine does in a round.
    fn pump(&mut self) {
        let mut readers = Vec::new();
        while self.room.has_work() || self.room.has_readers() {
            self.room.work(self.now);
            self.room.poll_readers(&mut readers);
            for id in &readers {
                self.write(*id);
            }
            self.room.settle(self.now);
        }
        self.actions.extend(std::iter::from_fn(|| self.room.poll_action()));
    }

    fn write(&mut self, id: Id) {
        if self.blocked.contains(&id) {
            return;
        }
        let mut buffer = Vec::new();
        while !self.room.is_drained(id) {
            let mut part = Vec::new();
            self.room.take(id, &mut part, 1000);
            buffer.append(&mut part);
            self.room.delivered(id);
        }
        self.out.entry(id).or_default().push_str(&String::from_utf8(buffer).unwrap());
    }

    #[track_caller]
    fn hears(&mut self, id: Id, want: &str) {
        let got = self.out.remove(&id).unwrap_or_default();
        assert_eq!(got, want, "\ngot:\n{got}\nwant:\n{want}");
    }
}
