//! Archives of files in the `ustar` format of POSIX: what a backup is sent in. Only plain files; other tools read them.

/// The size of a block: headers and content come in blocks.
pub const BLOCK: usize = 512;
/// How long a path within an archive may be.
const PATH_MAX: usize = 100;
/// How large a file may be: eleven octal digits.
const SIZE_MAX: u64 = 0o77_777_777_777;

/// Why something is no archive that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no archive of a backup: {0}")]
pub struct InvalidArchive(pub &'static str);

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path, relative, with `/` between names.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
}

impl Member {
    /// Returns the header of a file.
    ///
    /// # Errors
    /// When the path leads outside or is too long, or the file is too large.
    pub fn header(&self) -> Result<[u8; BLOCK], InvalidArchive> {
        check_path(&self.path)?;
        if self.size > SIZE_MAX {
            return Err(InvalidArchive("a file is too large"));
        }
        let mut block = [0u8; BLOCK];
        put(&mut block, 0, self.path.as_bytes());
        put(&mut block, 100, b"0000600\0");
        put(&mut block, 108, b"0000000\0");
        put(&mut block, 116, b"0000000\0");
        put(&mut block, 124, format!("{:011o}\0", self.size).as_bytes());
        put(&mut block, 136, b"00000000000\0");
        block[156] = b'0';
        put(&mut block, 257, b"ustar\x0000");
        let sum = checksum(&block);
        put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
        Ok(block)
    }

    /// Reads a header; None for the block of zeros that ends an archive.
    ///
    /// # Errors
    /// When it is no header of a plain file within the archive.
    pub fn read(block: &[u8; BLOCK]) -> Result<Option<Member>, InvalidArchive> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if octal(&block[148..156]) != Some(checksum(block)) {
            return Err(InvalidArchive("a header's checksum is wrong"));
        }
        if !matches!(block[156], b'0' | 0) {
            return Err(InvalidArchive("it holds something other than plain files"));
        }
        if block[345..500].iter().any(|byte| *byte != 0) {
            return Err(InvalidArchive("a path is too long"));
        }
        let path = text(&block[..PATH_MAX]).ok_or(InvalidArchive("a path is no text"))?;
        check_path(path)?;
        let size = octal(&block[124..136]).ok_or(InvalidArchive("a size is no number"))?;
        Ok(Some(Member { path: path.to_owned(), size }))
    }

    /// Returns how many bytes fill the last block of the file.
    pub fn padding(&self) -> usize {
        let over = usize::try_from(self.size % BLOCK as u64).unwrap_or(0);
        (BLOCK - over) % BLOCK
    }
}

/// Checks that a path stays within the folder an archive is unpacked in.
fn check_path(path: &str) -> Result<(), InvalidArchive> {
    if path.is_empty() || path.len() >= PATH_MAX || path.contains(['\0', '\\']) {
        return Err(InvalidArchive("a path is empty, too long, or has odd characters"));
    }
    if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(InvalidArchive("a path leads outside of it"));
    }
    Ok(())
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The sum of all bytes, with the checksum's own taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let own = 148..156;
    block.iter().enumerate().map(|(at, byte)| if own.contains(&at) { 32 } else { u64::from(*byte) }).sum()
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).ok()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field)?.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, size: u64) -> Member {
        Member { path: path.to_owned(), size }
    }

    #[test]
    fn a_header_says_what_it_was_made_of() {
        for size in [0, 1, 511, 512, 513, SIZE_MAX] {
            let member = member("log/00000000000000000001.segment", size);
            assert_eq!(Member::read(&member.header().unwrap()), Ok(Some(member.clone())));
            assert_eq!((size + member.padding() as u64) % BLOCK as u64, 0);
        }
        assert_eq!(Member::read(&[0; BLOCK]), Ok(None));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "./a", &"x".repeat(100)] {
            assert!(member(path, 1).header().is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_header_that_was_changed_or_links_elsewhere_is_refused() {
        let good = member("log/a", 7).header().unwrap();
        for at in [0, 124, 130] {
            let mut bad = good;
            bad[at] ^= 1;
            assert!(Member::read(&bad).is_err(), "byte {at}");
        }
        let mut link = good;
        link[156] = b'2';
        let sum = checksum(&link);
        put(&mut link, 148, format!("{sum:06o}\0 ").as_bytes());
        assert!(Member::read(&link).is_err());
        assert!(Member::read(&[0xff; BLOCK]).is_err());
    }
}
