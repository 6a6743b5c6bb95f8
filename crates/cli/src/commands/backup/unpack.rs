//! Taking an archive apart as it comes, piece by piece.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cantus_api::archive::{BLOCK, Member};

use crate::exit::Failure;

/// Takes an archive apart. It is complete only if its own end came.
pub(super) struct Unpack {
    /// Where files go; none only looks whether the archive is whole.
    folder: Option<PathBuf>,
    /// Less than a block that came of a header.
    header: Vec<u8>,
    at: At,
    bytes: u64,
}

enum At {
    Header,
    File { file: Option<File>, path: PathBuf, left: u64, padding: usize },
    Padding(usize),
    End,
}

impl Unpack {
    /// Unpacks into a folder.
    pub(super) fn into(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), header: Vec::new(), at: At::Header, bytes: 0 }
    }

    /// Only looks whether the archive is whole.
    pub(super) fn nowhere() -> Self {
        Self { folder: None, header: Vec::new(), at: At::Header, bytes: 0 }
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> Result<()> {
        while !piece.is_empty() {
            match &mut self.at {
                At::End => return Ok(()),
                At::Header => {
                    let wanted = (BLOCK - self.header.len()).min(piece.len());
                    self.header.extend_from_slice(&piece[..wanted]);
                    piece = &piece[wanted..];
                    if self.header.len() == BLOCK {
                        self.begin()?;
                    }
                }
                At::File { file, path, left, .. } => {
                    let wanted = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if let Some(file) = file {
                        file.write_all(&piece[..wanted])
                            .with_context(|| format!("{} cannot be written", path.display()))?;
                    }
                    *left -= wanted as u64;
                    self.bytes += wanted as u64;
                    piece = &piece[wanted..];
                    self.close_if_done()?;
                }
                At::Padding(left) => {
                    let wanted = piece.len().min(*left);
                    *left -= wanted;
                    piece = &piece[wanted..];
                    if *left == 0 {
                        self.at = At::Header;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the header that has come.
    fn begin(&mut self) -> Result<()> {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.header);
        self.header.clear();
        let Some(member) = Member::read(&block)? else {
            self.at = At::End;
            return Ok(());
        };
        let path = self.folder.as_ref().map(|folder| folder.join(&member.path)).unwrap_or_default();
        let file = match &self.folder {
            None => None,
            Some(_) => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)
                        .with_context(|| format!("{} cannot be made", parent.display()))?;
                }
                let made = File::create_new(&path);
                Some(made.with_context(|| format!("{} cannot be made", path.display()))?)
            }
        };
        self.at = At::File { file, path, left: member.size, padding: member.padding() };
        self.close_if_done()
    }

    fn close_if_done(&mut self) -> Result<()> {
        let At::File { file, path, left: 0, padding } = &self.at else { return Ok(()) };
        if let Some(file) = file {
            file.sync_all().with_context(|| format!("{} cannot be synced", path.display()))?;
        }
        self.at = if *padding == 0 { At::Header } else { At::Padding(*padding) };
        Ok(())
    }

    /// Says that nothing more comes. Returns how many bytes the files have.
    pub(super) fn end(self) -> Result<u64> {
        match self.at {
            At::End => Ok(self.bytes),
            _ => {
                Err(Failure::failed("the backup breaks off: it is not complete").hint("make it again").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (path, content) in files {
            let member = Member { path: (*path).to_owned(), size: content.len() as u64 };
            out.extend(member.header().unwrap());
            out.extend(*content);
            out.extend(vec![0; member.padding()]);
        }
        out.extend([0; 2 * BLOCK]);
        out
    }

    #[test]
    fn files_come_out_as_they_went_in_however_the_pieces_are_cut() {
        let long = vec![7u8; 1_500];
        let archive = archive(&[("log/a", b"one"), ("log/empty", b""), ("log/b", &long)]);
        for cut in [1, 7, 512, 513, 10_000] {
            let folder = tempfile::tempdir().unwrap();
            let mut unpack = Unpack::into(folder.path());
            archive.chunks(cut).for_each(|piece| unpack.take(piece).unwrap());
            assert_eq!(unpack.end().unwrap(), 1_503);
            assert_eq!(fs::read(folder.path().join("log/a")).unwrap(), b"one");
            assert_eq!(fs::read(folder.path().join("log/empty")).unwrap(), b"");
            assert_eq!(fs::read(folder.path().join("log/b")).unwrap(), long);
        }
    }

    #[test]
    fn an_archive_that_breaks_off_is_no_backup() {
        let archive = archive(&[("log/a", b"one")]);
        for length in [0, 100, BLOCK, BLOCK + 2, 2 * BLOCK] {
            let mut unpack = Unpack::nowhere();
            unpack.take(&archive[..length]).unwrap();
            assert!(unpack.end().is_err(), "{length} bytes");
        }
    }
}
