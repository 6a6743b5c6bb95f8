//! Where inputs start: `seeds/<target>/*`, in the order of their names; and the words that mean something to a target:
//! `seeds/<target>.dict`, in the format of libFuzzer's dictionaries.

use std::io;
use std::path::PathBuf;

/// Returns the folder of a target's seeds.
pub fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// Reads a target's seeds. Inputs that once broke it are among them: they stay for ever.
///
/// # Errors
/// When the folder or a file in it can not be read.
pub fn seeds(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder(target))?.collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().map(std::fs::read).collect()
}

/// Reads the words of a target; none when it has no such file.
///
/// # Errors
/// When the file can not be read, or a line is no quoted text.
pub fn words(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let text = match std::fs::read_to_string(folder(&format!("{target}.dict"))) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let broken = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no word: {line}"));
    text.lines().map(|line| unquoted(line).ok_or_else(|| broken(line))).collect()
}

fn unquoted(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut word = Vec::new();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            word.push(*byte);
            continue;
        }
        let digits = rest.strip_prefix(b"x")?.get(..2)?;
        word.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[3..];
    }
    Some(word)
}
