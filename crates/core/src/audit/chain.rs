//! The chain of the audit's entries.

use std::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::fact::CallAudited;
use crate::ids::Position;

/// A SHA-256 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Digest, InvalidDigest> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 || !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidDigest);
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Digest(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C> Encode<C> for Digest {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into();
        bytes.map(Digest).map_err(|_| minicbor::decode::Error::message("a hash of 32 bytes"))
    }
}

/// How far the audit has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Head {
    /// How many entries there are.
    #[n(0)]
    pub entries: u64,
    /// Where the last one lies.
    #[n(1)]
    pub last: Option<Position>,
    /// Its hash; zeros when there is none.
    #[n(2)]
    pub hash: Digest,
}

impl CallAudited {
    /// Returns the hash of what the entry says, the hash of the one before it included.
    pub fn digest(&self) -> Digest {
        let said = CallAudited { hash: Digest::default(), ..self.clone() };
        let bytes = minicbor::to_vec(&said).expect("writing to memory can not fail");
        Digest(Sha256::digest(&bytes).into())
    }
}

/// Why an entry is not what followed the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// What it says is not what its hash was made of.
    #[error("what the entry says is not what its hash was made of")]
    Changed,
    /// Its number does not follow.
    #[error("entries are missing before it")]
    Missing,
    /// It names another hash than that of the entry before it.
    #[error("it follows another entry than the one before it")]
    Replaced,
}

/// Tells whether an entry follows the one before it; `before` is None for the first entry there ever was.
///
/// # Errors
/// When it does not, with what is wrong.
pub fn follows(before: Option<&CallAudited>, entry: &CallAudited) -> Result<(), Broken> {
    if entry.digest() != entry.hash {
        return Err(Broken::Changed);
    }
    let (number, hash) = before.map_or((0, Digest::default()), |before| (before.number, before.hash));
    if entry.number != number + 1 {
        return Err(Broken::Missing);
    }
    if entry.previous_hash != hash {
        return Err(Broken::Replaced);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use crate::time::Timestamp;

    fn entry(number: u64, before: Option<&CallAudited>, actor: &str) -> CallAudited {
        let entry = CallAudited {
            number,
            at: Timestamp(7),
            actor: Text::from(actor),
            from: Text::from("127.0.0.1"),
            action: Text::from("agents.pause"),
            target: Text::from("coder"),
            before: Text::from("{}"),
            after: Text::from("{}"),
            facts: 1,
            previous: before.map(|_| Position(3)),
            previous_hash: before.map_or(Digest::default(), |before| before.hash),
            hash: Digest::default(),
        };
        CallAudited { hash: entry.digest(), ..entry }
    }

    #[test]
    fn a_chain_shows_what_was_changed_left_out_or_put_in() {
        let first = entry(1, None, "token:ops");
        let second = entry(2, Some(&first), "token:ops");
        let third = entry(3, Some(&second), "token:ops");
        assert_eq!(follows(None, &first), Ok(()));
        assert_eq!(follows(Some(&first), &second), Ok(()));
        let changed = CallAudited { actor: Text::from("token:other"), ..second.clone() };
        assert_eq!(follows(Some(&first), &changed), Err(Broken::Changed));
        assert_eq!(follows(Some(&first), &third), Err(Broken::Missing));
        let replaced = entry(1, None, "token:other");
        assert_eq!(follows(Some(&replaced), &second), Err(Broken::Replaced));
    }

    #[test]
    fn a_hash_survives_being_written_and_read() {
        let digest = entry(1, None, "x").hash;
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        for wrong in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Digest::parse(wrong), Err(InvalidDigest));
        }
    }
}
