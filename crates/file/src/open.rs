//! Opening: the main file and, in order, everything it includes, as trees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Fault, Severity};
use crate::disk::{self, ReadError};
use crate::environment::Environment;
use crate::include::{self, MAX_FILES};
use crate::markdown::markdown;
use crate::overrides::override_server;
use crate::read::Reader;
use crate::source::{MAX_SOURCE_BYTES, Source, SourceId, Sources, Span};
use crate::yaml::{Node, Value, parse};

/// One opened file. The first is the main one.
pub(crate) enum Part {
    Yaml { root: Node },
    Markdown { front: Node, prompt: String, stem: String },
}

/// Everything that was opened.
pub(crate) struct Opened {
    pub parts: Vec<Part>,
    pub faults: Vec<Fault>,
    pub files: Vec<PathBuf>,
}

/// Opens a file and what it includes. Only a main file that can not be read at all is an error; what is wrong inside
/// is among the faults.
pub(crate) fn open(
    path: &Path,
    sources: &mut Sources,
    environment: &Environment,
) -> Result<Opened, Box<Diagnostic>> {
    let shown = path.display().to_string();
    let whole = |message: String, hint: &str| {
        Box::new(Diagnostic::about_file(Severity::Error, &shown, &message, Some(hint)))
    };
    let absolute = std::path::absolute(path)
        .map_err(|error| whole(format!("`{shown}` is no path: {error}"), "name a file with -f"))?;
    let bytes = disk::read(&absolute, MAX_SOURCE_BYTES).map_err(|error| match error {
        ReadError::Missing => whole(
            format!("there is no file `{shown}`"),
            "write one with `cantus init`, or name another with -f",
        ),
        error => {
            whole(format!("`{shown}` can not be read: {error}"), "a file of Cantus is text of at most 1 MiB")
        }
    })?;
    let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
    let mut opening = Opening {
        sources,
        environment,
        shown_folder: path.parent().map(Path::to_owned).unwrap_or_default(),
        main_folder: folder,
        opened: Opened { parts: Vec::new(), faults: Vec::new(), files: Vec::new() },
        known: BTreeMap::new(),
        way: Vec::new(),
    };
    opening.file(&absolute, shown, bytes, None);
    Ok(opening.opened)
}

struct Opening<'a> {
    sources: &'a mut Sources,
    environment: &'a Environment,
    main_folder: PathBuf,
    shown_folder: PathBuf,
    opened: Opened,
    /// Every file that was opened, by its real path, and where it was included.
    known: BTreeMap<PathBuf, Option<Span>>,
    /// The real paths of the files that are being included right now, outermost first.
    way: Vec<PathBuf>,
}

impl Opening<'_> {
    fn file(&mut self, path: &Path, shown: String, bytes: Vec<u8>, included: Option<Span>) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.known.insert(real.clone(), included);
        self.opened.files.push(path.to_owned());
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let Some(source) = self.text(shown, folder, bytes) else { return };
        let text = self.sources.get(source).text.clone();
        if path.extension().is_some_and(|extension| extension == "md") && included.is_some() {
            self.markdown(source, &text, path);
            return;
        }
        let (root, faults) = parse(source, &text, 0);
        let unread = root.is_none() && faults.is_empty();
        self.opened.faults.extend(faults);
        let Some(mut root) = root.filter(|root| !(root.is_null())) else {
            if unread || included.is_some() || self.opened.faults.is_empty() {
                let hint = "begin with `version: 1`, then `topics:` and `agents:`";
                self.opened
                    .faults
                    .push(Fault::error(Span::new(source, 0, 0), "this file is empty").hint(hint));
            }
            return;
        };
        if included.is_none() {
            let faults = override_server(&mut root, self.sources, self.environment);
            self.opened.faults.extend(faults);
        }
        let include = root.get("include").cloned();
        self.opened.parts.push(Part::Yaml { root });
        if let Some(include) = include {
            self.way.push(real);
            self.includes(&include, path.parent().unwrap_or(Path::new("")));
            self.way.pop();
        }
    }

    /// Takes bytes as text. What is no text is a fault at the place where it stops being text.
    fn text(&mut self, name: String, folder: PathBuf, bytes: Vec<u8>) -> Option<SourceId> {
        let (text, bad) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                (
                    String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    Some((at, "this is no UTF-8", "save the file as UTF-8")),
                )
            }
        };
        let nul = bad.is_none().then(|| text.find('\0')).flatten();
        let bad = bad.or(nul.map(|at| (at, "a NUL character stands here", "remove it")));
        let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let text = text[mark..].to_owned();
        let source = self.sources.add(Source { name, text, folder });
        let Some((at, message, hint)) = bad else { return Some(source) };
        let at = at.saturating_sub(mark);
        self.opened.faults.push(Fault::error(Span::new(source, at, at + 1), message).hint(hint));
        None
    }

    fn markdown(&mut self, source: SourceId, text: &str, path: &Path) {
        let (parts, faults) = markdown(source, text);
        self.opened.faults.extend(faults);
        if let Some(parts) = parts {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            self.opened.parts.push(Part::Markdown {
                front: parts.front,
                prompt: parts.body.to_owned(),
                stem,
            });
        }
    }

    fn includes(&mut self, node: &Node, folder: &Path) {
        let (wanted, faults) = {
            let reader = Reader::new(self.sources, self.environment);
            let wanted: Vec<(String, Span)> = match &node.value {
                _ if node.is_null() => Vec::new(),
                Value::Map(_) => {
                    reader.expected(node, "a path, or a list of paths");
                    Vec::new()
                }
                _ => reader.list(node, |item| Some((reader.text(item)?.into_owned(), item.span))),
            };
            (wanted, reader.into_faults())
        };
        self.opened.faults.extend(faults);
        for (pattern, span) in wanted {
            self.include(&pattern, span, folder);
        }
    }

    fn include(&mut self, pattern: &str, span: Span, folder: &Path) {
        if pattern.is_empty() || pattern.contains('\0') {
            self.say(
                Fault::error(span, "a path is expected here").hint("write a path, relative to this file"),
            );
            return;
        }
        let glob = include::is_glob(pattern);
        let files = if glob {
            let found = include::find(folder, pattern);
            if found.cut {
                let hint = "name fewer files, or split the pattern";
                self.say(
                    Fault::error(
                        span,
                        format!("`{pattern}` means more than {MAX_FILES} files, or goes too deep"),
                    )
                    .hint(hint),
                );
            } else if found.files.is_empty() {
                self.say(
                    Fault::warning(span, format!("no file fits `{pattern}`"))
                        .hint("the path is relative to this file"),
                );
            }
            self.opened.files.extend(found.folders);
            found.files
        } else {
            vec![folder.join(pattern)]
        };
        for file in files {
            self.one(&file, span, glob);
        }
    }

    fn one(&mut self, path: &Path, span: Span, by_glob: bool) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let shown = self.shown(path);
        // A glob beside the file that has it may cover that file itself, and does not mean it.
        if by_glob && self.way.last() == Some(&real) {
            return;
        }
        if let Some(at) = self.way.iter().position(|open| *open == real) {
            let names: Vec<String> = self.way[at..].iter().chain([&real]).map(|path| name_of(path)).collect();
            self.say(
                Fault::error(span, format!("these files include one another: {}", names.join(" → ")))
                    .hint("remove one of the includes"),
            );
            return;
        }
        if let Some(first) = self.known.get(&real) {
            let fault = Fault::error(span, format!("`{shown}` is included twice"));
            let hint = format!("remove one of the includes; the first is at {}", Fault::PLACE);
            let fault = fault.hint(hint).with_place(first.unwrap_or(span));
            self.say(fault);
            return;
        }
        if self.known.len() >= MAX_FILES {
            self.say(
                Fault::error(span, format!("more than {MAX_FILES} files are included"))
                    .hint("put several into one"),
            );
            return;
        }
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !matches!(kind, "yaml" | "yml" | "json" | "md") {
            self.say(
                Fault::error(span, format!("`{shown}` is neither YAML nor Markdown"))
                    .hint("include files that end in .yaml, .yml, .json or .md"),
            );
            return;
        }
        match disk::read(path, MAX_SOURCE_BYTES) {
            Ok(bytes) => self.file(path, shown, bytes, Some(span)),
            Err(error) => {
                self.opened.files.push(path.to_owned());
                self.say(
                    Fault::error(span, format!("`{shown}` can not be read: {error}"))
                        .hint("the path is relative to this file"),
                );
            }
        }
    }

    /// Returns a path as the user would write it from where the main file was named.
    fn shown(&self, path: &Path) -> String {
        let beside = path.strip_prefix(&self.main_folder).map(|rest| self.shown_folder.join(rest));
        let path = beside.unwrap_or_else(|_| path.to_owned());
        path.components().collect::<PathBuf>().display().to_string()
    }

    fn say(&mut self, fault: Fault) {
        self.opened.faults.push(fault);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
