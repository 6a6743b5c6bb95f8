//! Addresses: which are public. Forms that carry another address within them are opened first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody may reach it.
    Public,
    /// It is of this machine, or of a network behind it: loopback, private, unique local, shared.
    Private,
    /// It is nothing a webhook should ever lead to: metadata services and neighbours (link-local), all and none, many at once,
    /// reserved.
    Special,
}

/// Judges an address by its number. An IPv6 address that carries an IPv4 address is judged by both, and the worse counts.
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => {
            let own = of_v6(address);
            carried(address).into_iter().flatten().map(of_v4).fold(own, worse)
        }
    }
}

fn worse(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (Kind::Special, _) | (_, Kind::Special) => Kind::Special,
        (Kind::Private, _) | (_, Kind::Private) => Kind::Private,
        (Kind::Public, Kind::Public) => Kind::Public,
    }
}

fn of_v4(address: Ipv4Addr) -> Kind {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) | (10, ..) | (192, 168, _) => Kind::Private,
        (172, 16..=31, _) => Kind::Private,
        // Shared by carriers, used within clouds.
        (100, 64..=127, _) => Kind::Private,
        (0, ..) | (169, 254, _) | (224..=255, ..) => Kind::Special,
        // Protocols, documentation, benchmarks, the old relays of 6to4: no receiver lives there.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => Kind::Special,
        _ => Kind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Kind {
    let parts = address.segments();
    if address.is_loopback() {
        return Kind::Private;
    }
    match parts {
        // What carries an IPv4 address is judged by that.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x2002, ..] | [0x2001, 0, ..] => {
            Kind::Public
        }
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 0) => Kind::Public,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // The translation prefix of one's own network.
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        [0x2001, 0xdb8, ..] | [0x2001, 0x2, 0, ..] | [0x2001, 0x10..=0x2f, ..] | [0x3fff, 0..=0xfff, ..] => {
            Kind::Special
        }
        // Global unicast is all that is left.
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special,
    }
}

/// Returns the IPv4 addresses within: mapped, compatible, NAT64, 6to4, and both of Teredo (its server and, inverted, its client).
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let parts = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        _ if address.is_loopback() => [None, None],
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0 | 1, 0, 0, 0, high, low] => {
            [Some(of(high, low)), None]
        }
        [0x2002, high, low, ..] => [Some(of(high, low)), None],
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            [Some(of(server_high, server_low)), Some(of(!high, !low))]
        }
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_inner_address_is_seen() {
        for (text, expected) in [
            ("127.0.0.1", Kind::Private),
            ("10.1.2.3", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.0.1", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("169.254.169.254", Kind::Special),
            ("0.0.0.0", Kind::Special),
            ("0.1.2.3", Kind::Special),
            ("224.0.0.1", Kind::Special),
            ("255.255.255.255", Kind::Special),
            ("::", Kind::Special),
            ("::1", Kind::Private),
            ("::ffff:7f00:1", Kind::Private),
            ("::ffff:169.254.169.254", Kind::Special),
            ("::7f00:1", Kind::Private),
            ("64:ff9b::a9fe:a9fe", Kind::Special),
            ("64:ff9b::10.0.0.1", Kind::Private),
            ("64:ff9b:1::1", Kind::Special),
            ("2002:7f00:1::", Kind::Private),
            ("2002:a9fe:a9fe::1", Kind::Special),
            ("2001:0:0808:0808::80ff:fffe", Kind::Private),
            ("2001:0:0a00:1::f7f7:f7f7", Kind::Private),
            ("fe80::1", Kind::Special),
            ("fc00::1", Kind::Private),
            ("fd12::1", Kind::Private),
            ("fec0::1", Kind::Special),
            ("ff02::1", Kind::Special),
            ("2001:db8::1", Kind::Special),
            ("192.0.2.1", Kind::Special),
            ("198.18.0.1", Kind::Special),
        ] {
            assert_eq!(kind(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_anybody_may_reach_is_public_in_every_form() {
        for text in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::",
        ] {
            assert_eq!(kind(text.parse().unwrap()), Kind::Public, "{text}");
        }
    }
}
