//! Identifiers that are numbers inside and text outside: positions, delivery ids, dead letter ids.
//!
//! A delivery is known by its subscription's number, its event's position and its generation, so its outside id is
//! those three written in the shape of a ULID: nothing is stored for a delivery that merely waits.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::time::Timestamp;

/// A place in the log. The first record has position 1; 0 is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Position(#[n(0)] pub u64);

impl Position {
    /// Returns the place right behind this one.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }

    /// Reads the outside form, `shard:position`; the local engine has shard 0 only.
    pub fn parse(text: &str) -> Option<Position> {
        let (shard, position) = text.split_once(':')?;
        if shard != "0" || position.is_empty() || !position.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        position.parse().ok().map(Position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0:{}", self.0)
    }
}

/// One event for one subscription; a replay of it is a new generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct DeliveryId {
    /// The subscription's number.
    #[n(0)]
    pub subscription: u32,
    /// Where the event lies in the log.
    #[n(1)]
    pub position: Position,
    /// 0 for the first delivery, then one more with each replay.
    #[n(2)]
    pub generation: u16,
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl DeliveryId {
    /// Writes the outside id, `dlv_` and a ULID whose time is when the event was recorded.
    pub fn display(self, recorded_at: Timestamp) -> String {
        // 48 bits of time, then 24 of subscription, 44 of position, 12 of generation.
        let value = (u128::from(recorded_at.0.max(0) as u64 & 0xFFFF_FFFF_FFFF) << 80)
            | (u128::from(self.subscription & 0xFF_FFFF) << 56)
            | (u128::from(self.position.0 & 0xFFF_FFFF_FFFF) << 12)
            | u128::from(self.generation & 0xFFF);
        format!("dlv_{}", base32(value))
    }

    /// Reads an outside id; None when it is not one.
    pub fn parse(text: &str) -> Option<DeliveryId> {
        let value = from_base32(text.strip_prefix("dlv_")?)?;
        Some(DeliveryId {
            subscription: ((value >> 56) & 0xFF_FFFF) as u32,
            position: Position(((value >> 12) & 0xFFF_FFFF_FFFF) as u64),
            generation: (value & 0xFFF) as u16,
        })
    }
}

/// A dead letter, known by the position of the fact that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct DeadLetterId(#[n(0)] pub Position);

impl DeadLetterId {
    /// Writes the outside id, `dl_` and a ULID whose time is when the dead letter was opened.
    pub fn display(self, opened_at: Timestamp) -> String {
        let value = (u128::from(opened_at.0.max(0) as u64 & 0xFFFF_FFFF_FFFF) << 80) | u128::from(self.0.0);
        format!("dl_{}", base32(value))
    }

    /// Reads an outside id; None when it is not one.
    pub fn parse(text: &str) -> Option<DeadLetterId> {
        let value = from_base32(text.strip_prefix("dl_")?)?;
        Some(DeadLetterId(Position(value as u64)))
    }
}

/// A bulk operation, known by the position of the fact that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BulkId(#[n(0)] pub Position);

impl BulkId {
    /// Writes the outside id, `bulk_` and a ULID whose time is when the operation began.
    pub fn display(self, started_at: Timestamp) -> String {
        let value = (u128::from(started_at.0.max(0) as u64 & 0xFFFF_FFFF_FFFF) << 80) | u128::from(self.0.0);
        format!("bulk_{}", base32(value))
    }

    /// Reads an outside id; None when it is not one.
    pub fn parse(text: &str) -> Option<BulkId> {
        let value = from_base32(text.strip_prefix("bulk_")?)?;
        Some(BulkId(Position(value as u64)))
    }
}

/// Proof that a worker holds a delivery: the start's epoch and a number nobody else knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Token {
    /// Which start of the server gave it out.
    #[n(0)]
    pub epoch: u32,
    /// Drawn by chance.
    #[n(1)]
    pub secret: u64,
}

impl Token {
    /// Reads the outside form, `epoch-secret` with the secret as 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Token> {
        let (epoch, secret) = text.split_once('-')?;
        if secret.len() != 16 {
            return None;
        }
        Some(Token { epoch: epoch.parse().ok()?, secret: u64::from_str_radix(secret, 16).ok()? })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.epoch, self.secret)
    }
}

pub(crate) fn base32(value: u128) -> String {
    let mut text = String::with_capacity(26);
    text.extend((0..26).rev().map(|digit| char::from(ALPHABET[((value >> (digit * 5)) & 31) as usize])));
    text
}

/// The value of every letter in either case; 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut digit = 0;
    while digit < 32 {
        values[ALPHABET[digit] as usize] = digit as u8;
        values[ALPHABET[digit].to_ascii_lowercase() as usize] = digit as u8;
        digit += 1;
    }
    values
};

fn from_base32(text: &str) -> Option<u128> {
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = VALUES[usize::from(byte)];
        (digit < 32).then_some((value << 5) | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_id_survives_being_written_and_read() {
        let id = DeliveryId { subscription: 70_000, position: Position(9_876_543_210), generation: 3 };
        let text = id.display(Timestamp(1_795_000_000_123));
        assert_eq!(text.len(), 30);
        assert_eq!(DeliveryId::parse(&text), Some(id));
        assert_eq!(DeliveryId::parse(&text.to_lowercase().replace("DLV", "dlv")), Some(id));
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in ["", "dlv_", "dlv_ZZZZZZZZZZZZZZZZZZZZZZZZZZ", "dl_01", "dlv_0123456789012345678901234é"]
        {
            assert_eq!(DeliveryId::parse(text), None, "{text}");
        }
        for text in ["", "0:", "0:-1", "1:5", "0:99999999999999999999", "0:+1"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
