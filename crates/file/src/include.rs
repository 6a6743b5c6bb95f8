//! Includes: names and globs into files, in a fixed order and within bounds.

use std::path::{Path, PathBuf};

/// The most files one load reads.
pub(crate) const MAX_FILES: usize = 1_000;
/// The deepest `**` goes.
const MAX_DEPTH: usize = 16;
/// The most directory entries one glob looks at.
const MAX_ENTRIES: usize = 100_000;

/// What a pattern led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The files, sorted.
    pub files: Vec<PathBuf>,
    /// The folders whose listing was read, for watching.
    pub folders: Vec<PathBuf>,
    /// Whether a bound was met.
    pub cut: bool,
}

/// Tells whether a path has characters of a glob.
pub(crate) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Finds the files a glob means. `*` and `?` stay within one name, `**` is any number of folders; names that begin
/// with a dot are only found when the pattern says so.
pub(crate) fn find(folder: &Path, pattern: &str) -> Found {
    let mut found = Found::default();
    let mut search = Search { found: &mut found, entries: 0 };
    let (root, pattern) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (folder.to_owned(), pattern),
    };
    let steps: Vec<&str> = pattern.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    search.walk(&root, &steps, 0);
    found.files.sort();
    found.files.dedup();
    found.folders.sort();
    found.folders.dedup();
    found
}

struct Search<'a> {
    found: &'a mut Found,
    entries: usize,
}

impl Search<'_> {
    fn walk(&mut self, folder: &Path, steps: &[&str], depth: usize) {
        let Some((step, rest)) = steps.split_first() else { return };
        if depth > MAX_DEPTH || self.found.cut {
            self.found.cut |= depth > MAX_DEPTH;
            return;
        }
        if !is_glob(step) {
            let next = folder.join(step);
            if rest.is_empty() {
                self.file(next);
            } else {
                self.walk(&next, rest, depth + 1);
            }
            return;
        }
        if *step == "**" {
            self.walk(folder, rest, depth);
        }
        let Ok(listing) = std::fs::read_dir(folder) else { return };
        self.found.folders.push(folder.to_owned());
        for entry in listing.flatten() {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                self.found.cut = true;
                return;
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') && !step.starts_with('.') {
                continue;
            }
            // A link to a folder is not followed by `**`, so a circle of links has no length.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if *step == "**" {
                if is_folder {
                    self.walk(&entry.path(), steps, depth + 1);
                }
            } else if matches(step, name) {
                if rest.is_empty() {
                    self.file(entry.path());
                } else {
                    self.walk(&entry.path(), rest, depth + 1);
                }
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        if self.found.files.len() >= MAX_FILES {
            self.found.cut = true;
        } else if path.is_file() {
            self.found.files.push(path);
        }
    }
}

/// Matches one name against one step of a pattern, in time bounded by the product of their lengths.
fn matches(step: &str, name: &str) -> bool {
    let (step, name): (Vec<char>, Vec<char>) = (step.chars().collect(), name.chars().collect());
    let (mut s, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if step.get(s) == Some(&'*') {
            star = Some((s, n));
            s += 1;
        } else if step.get(s).is_some_and(|c| *c == '?' || *c == name[n]) {
            s += 1;
            n += 1;
        } else if let Some((star_s, star_n)) = star {
            s = star_s + 1;
            n = star_n + 1;
            star = Some((star_s, n));
        } else {
            return false;
        }
    }
    step[s..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_find_files_in_a_fixed_order() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b.md", "a.md", "c.yaml", ".hidden.md", "sub/d.md", "sub/deep/e.md"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = find(folder.path(), pattern).files;
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names("*.md"), ["a.md", "b.md"]);
        assert_eq!(names("**/*.md"), ["a.md", "b.md", "sub/d.md", "sub/deep/e.md"]);
        assert_eq!(names("sub/?.md"), ["sub/d.md"]);
        assert_eq!(names("*/*.md"), ["sub/d.md"]);
        assert_eq!(names(".*.md"), [".hidden.md"]);
        assert_eq!(names("none/*.md"), Vec::<String>::new());
    }
}
