//! The guard: where webhooks may lead.

use std::net::IpAddr;

use super::address::{Kind, kind};

/// Where webhooks may lead.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Whether private addresses are allowed for all of them, as in development.
    pub allow_private: bool,
    /// Networks that are allowed though they are not public.
    pub networks: Vec<Network>,
    /// Host names that may lead to private addresses, in lower case.
    pub hosts: Vec<String>,
    /// Ports that are allowed though something else than HTTP listens there usually.
    pub ports: Vec<u16>,
}

/// All addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// How many bits they share.
    pub bits: u8,
}

/// Why a webhook may not lead there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// The address is private.
    #[error(
        "`{host}` leads to {address}, a private address; if that is meant, add it to `server.webhooks.allow_private`, or write \
         `allow_private: true` into the action in the file"
    )]
    Private {
        /// The host of the URL.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The address is no place for a receiver.
    #[error(
        "`{host}` leads to {address}, an address of no receiver (link-local, metadata, multicast or reserved); if that is meant, add \
         exactly that network to `server.webhooks.allow_private`"
    )]
    Special {
        /// The host of the URL.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The port is one of another service.
    #[error(
        "port {0} is that of another service than HTTP; if that is meant, add it to `server.webhooks.allow_ports`"
    )]
    Port(u16),
}

/// Ports of services that obey lines of text, or databases: a request to them could do harm.
const PORTS: [u16; 51] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 110, 111, 113, 119, 123, 135,
    137, 139, 143, 161, 179, 389, 445, 465, 514, 515, 587, 636, 873, 993, 995, 1433, 1521, 2049, 2375, 3306,
    3389, 5432, 5672, 6379, 11211, 27017,
];

impl Guard {
    /// Checks the port of a URL.
    ///
    /// # Errors
    /// When something else listens there usually, and it is not allowed.
    pub fn check_port(&self, port: u16) -> Result<(), Barred> {
        let barred = PORTS.contains(&port) && !self.ports.contains(&port);
        if barred { Err(Barred::Port(port)) } else { Ok(()) }
    }

    /// Checks an address that `host` leads to. `allow_private` is what the webhook itself was allowed.
    ///
    /// # Errors
    /// When it is not public, and not allowed.
    pub fn check(&self, host: &str, address: IpAddr, allow_private: bool) -> Result<(), Barred> {
        if self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        let allowed = self.allow_private || allow_private || self.hosts.iter().any(|known| known == host);
        let host = host.to_owned();
        match kind(address) {
            Kind::Public => Ok(()),
            Kind::Private if allowed => Ok(()),
            Kind::Private => Err(Barred::Private { host, address }),
            Kind::Special => Err(Barred::Special { host, address }),
        }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let share = |one: u128, other: u128, width: u32| {
            let bits = u32::from(self.bits).min(width);
            bits == 0 || one >> (width - bits) == other >> (width - bits)
        };
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                share(u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => share(network.to_bits(), address.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn private_addresses_are_barred_unless_they_are_named() {
        let guard = Guard {
            networks: vec![Network { address: address("10.1.0.0"), bits: 16 }],
            hosts: vec!["agents.internal".to_owned()],
            ..Guard::default()
        };
        assert_eq!(guard.check("a", address("8.8.8.8"), false), Ok(()));
        assert_eq!(guard.check("a", address("10.1.255.1"), false), Ok(()));
        assert!(guard.check("a", address("10.2.0.1"), false).is_err());
        assert_eq!(guard.check("a", address("10.2.0.1"), true), Ok(()));
        assert_eq!(guard.check("agents.internal", address("10.2.0.1"), false), Ok(()));
    }

    #[test]
    fn the_metadata_service_needs_to_be_named_by_its_address() {
        let mut guard = Guard { allow_private: true, ..Guard::default() };
        for metadata in
            ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "0.0.0.0"]
        {
            assert!(guard.check("a", address(metadata), true).is_err(), "{metadata}");
        }
        guard.networks.push(Network { address: address("169.254.169.254"), bits: 32 });
        assert_eq!(guard.check("a", address("169.254.169.254"), false), Ok(()));
    }

    #[test]
    fn ports_of_other_services_need_to_be_named() {
        let guard = Guard { ports: vec![6379], ..Guard::default() };
        for port in [22, 25, 5432] {
            assert_eq!(guard.check_port(port), Err(Barred::Port(port)));
        }
        for port in [80, 443, 8080, 6379] {
            assert_eq!(guard.check_port(port), Ok(()));
        }
    }
}
