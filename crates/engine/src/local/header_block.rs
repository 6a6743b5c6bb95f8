//! The block a base and a beginning open with: magic, version, flags, tenant, fields of the file's own, zeros, checksum.

use super::checksum::{crc_plain, is_rotten_version};
use super::fields::{Fields, Put};
use super::segment::HEADER_BLOCK;

/// How long the checksum at the end is.
const CRC: usize = 4;

/// Makes a block; `fill` puts the fields.
pub(crate) fn made(magic: &[u8; 8], version: u16, fill: impl FnOnce(&mut Put<'_>)) -> Vec<u8> {
    let mut block = vec![0; HEADER_BLOCK as usize];
    let mut put = Put::new(&mut block);
    put.bytes(magic).u16(version).u16(0).u32(0); // Flags, and the tenant field, reserved.
    fill(&mut put);
    let crc = crc_plain(&block[..block.len() - CRC]);
    Put::new(&mut block[HEADER_BLOCK as usize - CRC..]).u32(crc);
    block
}

/// Returns the fields of a block that is whole. The version is looked at before the checksum; `Err` is an unknown one, not
/// one that has rotted.
pub(crate) fn fields<'b>(block: &'b [u8], magic: &[u8; 8], version: u16) -> Option<Result<Fields<'b>, u16>> {
    let (content, crc) = block.split_at_checked(HEADER_BLOCK as usize - CRC)?;
    let crc = Fields::new(crc).u32()?;
    let mut fields = Fields::new(content);
    if fields.bytes(magic.len())? != magic {
        return None;
    }
    let found = fields.u16()?;
    if found != version && !is_rotten_version(content, crc, &[version]) {
        return Some(Err(found));
    }
    if crc != crc_plain(content) {
        return None;
    }
    let (_flags, _tenant) = (fields.u16()?, fields.u32()?);
    Some(Ok(fields))
}
