//! State machine: how many lines somebody may say, and when the next. No socket, no clock.
//!
//! A bucket of tokens. It holds `burst` of them and fills with `per_second`; each line takes one.
//! Whoever types never notices it; whoever pastes says a burst at once and the rest as it fills.
//!
//! ```text
//!  tokens  5 ┤▔╲                  ╱▔▔
//!            │  ╲                ╱
//!          0 ┤   ╲▁╱▁╱▁╱▁╱▁╱▁╱▁▁╱
//!             burst│ one line each time a token has come │ silence
//! ```

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How many lines somebody may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: NonZeroU32,
    /// After that.
    pub per_second: NonZeroU32,
}

impl Rate {
    /// How long one token takes to come.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

/// Somebody's tokens, kept as the time at which the bucket is full again: an empty debt needs no
/// clock to grow.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// When the next token is there: `None` is now.
    #[must_use]
    pub fn wait(&self, now: Instant, rate: Rate) -> Option<Instant> {
        // With burst tokens missing the bucket is empty.
        let at = self.full_at.checked_sub(rate.interval() * (rate.burst.get() - 1)).unwrap_or(now);
        (at > now).then_some(at)
    }

    /// Takes a token, also one that has not come.
    pub fn take(&mut self, now: Instant, rate: Rate) {
        self.full_at = self.full_at.max(now) + rate.interval();
    }

    /// Whether at least half of the tokens are there.
    #[must_use]
    pub fn is_half_full(&self, now: Instant, rate: Rate) -> bool {
        self.full_at.saturating_duration_since(now) <= rate.interval() * rate.burst.get() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_as_the_bucket_fills() {
        let start = Instant::now();
        let rate = rate(3, 10);
        let mut bucket = Bucket::full(start);
        let mut said = Vec::new();
        let mut now = start;
        for _ in 0..6 {
            if let Some(at) = bucket.wait(now, rate) {
                now = at;
            }
            bucket.take(now, rate);
            said.push((now - start).as_millis());
        }
        assert_eq!(said, [0, 0, 0, 100, 200, 300]);
    }

    #[test]
    fn a_token_is_there_at_its_time_and_not_before() {
        let start = Instant::now();
        let rate = rate(1, 10);
        let mut bucket = Bucket::full(start);
        bucket.take(start, rate);
        let at = start + Duration::from_millis(100);
        assert_eq!(bucket.wait(at - Duration::from_nanos(1), rate), Some(at));
        assert_eq!(bucket.wait(at, rate), None);
    }

    #[test]
    fn a_bucket_holds_no_more_than_a_burst() {
        let start = Instant::now();
        let rate = rate(2, 10);
        let mut bucket = Bucket::full(start);
        let later = start + Duration::from_secs(3600);
        for _ in 0..2 {
            assert_eq!(bucket.wait(later, rate), None);
            bucket.take(later, rate);
        }
        assert!(bucket.wait(later, rate).is_some());
        assert!(!bucket.is_half_full(later, rate));
        assert!(bucket.is_half_full(later + Duration::from_millis(100), rate));
    }

    fn rate(burst: u32, per_second: u32) -> Rate {
        let whole = |n| NonZeroU32::new(n).unwrap();
        Rate { burst: whole(burst), per_second: whole(per_second) }
    }
}
