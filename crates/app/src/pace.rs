//! How fast somebody may be, whichever way they come: by call, by publication or by HTTP.

mod buckets;
mod visitor;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub(crate) use self::visitor::Visitor;
use self::{
    buckets::{Buckets, Rate, Taken},
    visitor::Network,
};

/// Who talks does not send more than a message a second for long, but may well send some short ones in a row.
const MESSAGES: Rate = Rate { burst: 5, interval: Duration::from_secs(1) };

/// A page says at most every two seconds that its visitor is typing, and at once that they have stopped; so somebody who
/// types in four tabs by turns does not meet this.
const TYPING: Rate = Rate { burst: 4, interval: Duration::from_millis(500) };

/// What all visitors from one network may do together: messages and sign-ins. Whoever takes one name after the other gets
/// no further than this, and an office behind one address can talk.
///
/// Behind a proxy everybody has the proxy's address, and this would be one limit for all. So it does not hold for
/// addresses that the internet does not lead to, which is where a proxy is: on the same machine, or beside it. There the
/// proxy has to keep such a limit, as only the proxy knows who comes. Behind one that comes over the internet, as
/// a content delivery network does, this has to be as much as all visitors may do.
const NETWORK: Rate = Rate { burst: 20, interval: Duration::from_millis(200) };

/// Counts what visitors do. Cheap to clone; the clones count together.
#[derive(Clone)]
pub(crate) struct Pace {
    /// Locked for a moment only, never across an await.
    counts: Arc<Mutex<Counts>>,
}

/// What has been counted. Pure: the time is passed in.
struct Counts {
    messages: Buckets<Visitor>,
    typing: Buckets<Visitor>,
    networks: Buckets<Network>,
}

/// What has been counted, on its way to another process.
#[derive(Serialize, Deserialize)]
pub(crate) struct PaceTaken {
    messages: Taken<Visitor>,
    typing: Taken<Visitor>,
    networks: Taken<Network>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { counts: Arc::new(Mutex::new(Counts::new())) }
    }

    /// A visitor sends a message.
    ///
    /// # Errors
    /// They have to wait for so long. The message does not count.
    pub(crate) fn message(&self, visitor: Visitor) -> Result<(), Duration> {
        self.lock().message(visitor, Instant::now())
    }

    /// A visitor says that they are typing, or have stopped.
    ///
    /// # Errors
    /// They have to wait for so long. It does not count.
    pub(crate) fn typing(&self, visitor: Visitor) -> Result<(), Duration> {
        self.lock().typing.take(visitor, Instant::now())
    }

    /// Somebody at this address signs in.
    ///
    /// # Errors
    /// They have to wait for so long. It does not count.
    pub(crate) fn sign_in(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        self.lock().sign_in(peer, Instant::now())
    }

    /// What another process goes on with, so that a new one is no new start for those who are too fast.
    pub(crate) fn taken(&self) -> PaceTaken {
        let (counts, now) = (self.lock(), Instant::now());
        PaceTaken {
            messages: counts.messages.taken(now),
            typing: counts.typing.taken(now),
            networks: counts.networks.taken(now),
        }
    }

    /// Goes on with what another process has counted.
    pub(crate) fn take_over(&self, taken: PaceTaken) {
        let (mut counts, now) = (self.lock(), Instant::now());
        counts.messages.take_over(taken.messages, now);
        counts.typing.take_over(taken.typing, now);
        counts.networks.take_over(taken.networks, now);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn new() -> Self {
        Self {
            messages: Buckets::new(MESSAGES),
            typing: Buckets::new(TYPING),
            networks: Buckets::new(NETWORK),
        }
    }

    fn message(&mut self, visitor: Visitor, now: Instant) -> Result<(), Duration> {
        let network = counted(visitor.network);
        // First both are asked: who is refused by one has not used up anything of the other.
        let of_network = network.map(|network| self.networks.wait(&network, now)).unwrap_or_default();
        let wait = of_network.max(self.messages.wait(&visitor, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.messages.spend(visitor, now);
        network.into_iter().for_each(|network| self.networks.spend(network, now));
        Ok(())
    }

    fn sign_in(&mut self, peer: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        counted(peer.map(Network::of)).map_or(Ok(()), |network| self.networks.take(network, now))
    }
}

/// The network, if it is one to be counted: see [`NETWORK`].
fn counted(network: Option<Network>) -> Option<Network> {
    network.filter(|network| !network.is_internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1";
    const THERE: &str = "192.0.2.2";
    const PROXY: &str = "10.0.0.1";

    /// What happens, all of it in one moment.
    struct Scene {
        counts: Counts,
        now: Instant,
    }

    impl Scene {
        fn set() -> Self {
            Self { counts: Counts::new(), now: Instant::now() }
        }

        fn message(&mut self, user: &str, peer: &str) -> Result<(), Duration> {
            self.counts.message(Visitor::new(Some(user), address(peer)), self.now)
        }

        fn sign_in(&mut self, peer: &str) -> Result<(), Duration> {
            self.counts.sign_in(address(peer), self.now)
        }
    }

    fn address(peer: &str) -> Option<IpAddr> {
        Some(peer.parse().unwrap())
    }

    /// How often something is let through that is tried again and again.
    fn accepted(mut attempt: impl FnMut(usize) -> Result<(), Duration>) -> usize {
        (0..100).filter(|number| attempt(*number).is_ok()).count()
    }

    #[test]
    fn a_user_is_one_however_they_come() {
        let mut scene = Scene::set();
        assert_eq!(accepted(|_| scene.message("ada", HERE)), 5);
        assert_eq!(scene.message("ada", HERE), Err(Duration::from_secs(1)));
        assert_eq!(scene.message("bob", HERE), Ok(()));
    }

    #[test]
    fn who_takes_somebodys_name_does_not_take_their_turn() {
        let mut scene = Scene::set();
        accepted(|_| scene.message("ada", THERE));
        assert_eq!(scene.message("ada", HERE), Ok(()));
    }

    #[test]
    fn who_takes_name_after_name_is_stopped_by_the_network() {
        let mut scene = Scene::set();
        assert_eq!(accepted(|number| scene.message(&number.to_string(), HERE)), 20);
        assert_eq!(scene.sign_in(HERE), Err(NETWORK.interval));
        assert_eq!((scene.message("ada", THERE), scene.sign_in(THERE)), (Ok(()), Ok(())));
    }

    #[test]
    fn sign_ins_are_counted_with_messages() {
        let mut scene = Scene::set();
        assert_eq!(accepted(|_| scene.sign_in(HERE)), 20);
        assert_eq!(scene.message("ada", HERE), Err(NETWORK.interval));
        scene.now += NETWORK.interval;
        assert_eq!(scene.message("ada", HERE), Ok(()));
        assert_eq!(scene.sign_in(HERE), Err(NETWORK.interval));
    }

    #[test]
    fn who_is_refused_has_used_up_nothing() {
        let mut scene = Scene::set();
        for name in ["ada", "bob", "eve", "joe"] {
            assert_eq!(accepted(|_| scene.message(name, HERE)), 5, "{name}");
        }
        assert_eq!(accepted(|_| scene.message("zoe", HERE)), 0);
        scene.now += 5 * NETWORK.interval;
        assert_eq!(accepted(|_| scene.message("zoe", HERE)), 5);
    }

    #[test]
    fn who_comes_through_a_proxy_beside_the_server_is_not_counted_by_network() {
        let mut scene = Scene::set();
        for peer in [PROXY, "127.0.0.1", "::1"] {
            assert_eq!(accepted(|number| scene.message(&number.to_string(), peer)), 100);
            assert_eq!(accepted(|_| scene.sign_in(peer)), 100);
            let outside = Visitor::new(None, address(peer));
            assert_eq!(accepted(|_| scene.counts.message(outside.clone(), scene.now)), 5);
        }
        assert_eq!(accepted(|_| scene.message("ada", PROXY)), 5);
    }

    #[test]
    fn typing_is_counted_by_itself() {
        let pace = Pace::new();
        let ada = || Visitor::new(Some("ada"), address(HERE));
        let said = accepted(|_| pace.typing(ada()));
        assert!((4..10).contains(&said), "{said}");
        assert_eq!(pace.typing(Visitor::new(Some("bob"), address(HERE))), Ok(()));
        assert_eq!(pace.message(ada()), Ok(()));
    }
}
