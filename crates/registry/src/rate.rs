//! How many requests an address may make.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A client may be idle and then ask for so many seconds' worth at once: pulls come in bursts.
const BURST_SECONDS: f64 = 10.0;

/// How many addresses are remembered. A flood from more of them than that is for a firewall.
const MAX_ADDRESSES: usize = 100_000;

/// Buckets of requests, one for each address; they fill with time.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    since: Instant,
}

impl Rate {
    /// Whether `address` may make another request at `now`, with so many in a second.
    pub(crate) fn allows(&self, address: IpAddr, per_second: u32, now: Instant) -> bool {
        let most = f64::from(per_second) * BURST_SECONDS;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(&address) {
            // Who is full again has been away; forgetting them changes nothing.
            let full = most / f64::from(per_second.max(1));
            buckets.retain(|_, bucket| now.duration_since(bucket.since).as_secs_f64() < full);
        }
        let bucket = buckets.entry(block(address)).or_insert(Bucket { left: most, since: now });
        let filled = now.duration_since(bucket.since).as_secs_f64() * f64::from(per_second);
        bucket.left = (bucket.left + filled).min(most);
        bucket.since = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn block(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_a_flood_is_not() {
        let rate = Rate::default();
        let (one, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let now = Instant::now();
        assert_eq!((0..100).filter(|_| rate.allows(one, 5, now)).count(), 50);
        assert!(rate.allows(other, 5, now));
        assert!(rate.allows(one, 5, now + Duration::from_secs(1)));
        // Its neighbours in the same network share what it has.
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        assert_eq!((0..100).filter(|_| rate.allows(neighbour, 5, now)).count(), 49);
    }
}
