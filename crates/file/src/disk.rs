//! The disk: files read whole, within a bound.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Why a file was not read. The path is said by whoever asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such file")]
    Missing,
    #[error("it is no regular file")]
    NoFile,
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0}")]
    Io(#[source] std::io::Error),
}

/// Reads a regular file of at most so many bytes. Never waits on a pipe or a device.
pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Io(error),
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(max_bytes + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(ReadError::TooLarge(max_bytes));
    }
    Ok(bytes)
}
