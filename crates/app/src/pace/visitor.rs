//! Who is counted: a visitor, by name and by where they come from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Somebody, as far as they are counted.
///
/// A name is not counted by itself. It costs nothing to sign in with one, so whoever took somebody else's could use up
/// what they may do; and a name without a session costs less than nothing, so there it does not count at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Visitor {
    user: Option<Box<str>>,
    pub(super) network: Option<Network>,
}

/// The addresses that somebody has who has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Network(IpAddr);

impl Visitor {
    /// Whoever is signed in as `user`, or is not, and comes from `peer`. Behind a proxy that is the proxy.
    pub(crate) fn new(user: Option<&str>, peer: Option<IpAddr>) -> Self {
        Self { user: user.map(Box::from), network: peer.map(Network::of) }
    }
}

impl Network {
    /// One customer has at least 2⁶⁴ addresses of IPv6, which differ in their second half.
    pub(super) fn of(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }

    /// Whether it is one that the internet does not lead to, so that only a neighbour of the server can have it: another
    /// program on the same machine, or a machine beside it.
    pub(super) fn is_internal(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => {
                address.is_loopback() || address.is_private() || address.is_link_local() || is_shared(address)
            }
            // Of `::1` the network is `::`, which is nobody else's.
            IpAddr::V6(address) => {
                address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
            }
        }
    }
}

/// 100.64.0.0/10 (RFC 6598), which some clouds have for what runs in them.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 0b0100_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(user: Option<&str>, peer: &str) -> Visitor {
        Visitor::new(user, Some(peer.parse().unwrap()))
    }

    #[test]
    fn somebody_is_a_name_in_a_network() {
        let ada = visitor(Some("ada"), "192.0.2.1");
        assert_eq!(ada, visitor(Some("ada"), "::ffff:192.0.2.1"));
        assert_ne!(ada, visitor(Some("bob"), "192.0.2.1"));
        assert_ne!(ada, visitor(Some("ada"), "192.0.2.2"));
        assert_ne!(ada, visitor(None, "192.0.2.1"));
        assert_eq!(visitor(None, "2001:db8::1"), visitor(None, "2001:db8::ffff:0:0:2"));
        assert_ne!(visitor(None, "2001:db8::1"), visitor(None, "2001:db8:0:1::1"));
    }

    #[test]
    fn what_the_internet_does_not_lead_to_is_internal() {
        let is_internal = |peer: &str| Network::of(peer.parse().unwrap()).is_internal();
        for peer in [
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(is_internal(peer), "{peer}");
        }
        for peer in
            ["192.0.2.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:192.0.2.1"]
        {
            assert!(!is_internal(peer), "{peer}");
        }
    }
}
