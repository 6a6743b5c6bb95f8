//! Loading: a file and what it includes into definitions, or every fault in it.

use std::fmt;
use std::path::{Path, PathBuf};

use cantus_api::definition::{Definitions, Server};

use crate::check::check;
use crate::diagnostic::{Diagnostic, Fault, Severity};
use crate::environment::Environment;
use crate::open::{Opened, Part, open};
use crate::read::{Draft, Reader, SchemaFiles, document, markdown_agent};
use crate::source::Sources;

/// Reads files under one environment.
#[derive(Debug, Clone)]
pub struct Loader {
    environment: Environment,
}

/// What a file declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Topics, agents with their subscriptions, retry policies. Names are filled in, policies are put in place of
    /// their names, paths are absolute.
    pub definitions: Definitions,
    /// The `server` section, with what variables override.
    pub server: Server,
    /// What is doubtful, in the order of files and lines.
    pub warnings: Vec<Diagnostic>,
    /// Every file that was read and every folder that was listed, for watching.
    pub files: Vec<PathBuf>,
}

/// Why a file can not be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// The errors, at least one, and the warnings, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that was read and every folder that was listed, for watching.
    pub files: Vec<PathBuf>,
}

impl Rejected {
    /// Returns how many of the diagnostics are errors.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rendered: Vec<String> =
            self.diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
        f.write_str(&rendered.join("\n\n"))
    }
}

impl std::error::Error for Rejected {}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// Returns a loader that sees the variables of this process.
    pub fn new() -> Self {
        Self { environment: Environment::of_this_process() }
    }

    /// Returns a loader that sees these variables.
    pub fn with_environment(environment: Environment) -> Self {
        Self { environment }
    }

    /// Reads a file, what it includes, and the variables that override its `server` section; checks all of it.
    ///
    /// # Errors
    /// Gives every fault that was found, not only the first.
    pub fn load(&self, path: &Path) -> Result<Loaded, Rejected> {
        let mut sources = Sources::default();
        let opened = match open(path, &mut sources, &self.environment) {
            Ok(opened) => opened,
            Err(diagnostic) => {
                return Err(Rejected { diagnostics: vec![*diagnostic], files: vec![path.to_owned()] });
            }
        };
        let Opened { parts, faults, mut files } = opened;
        let reader = Reader::new(&sources, &self.environment);
        for fault in faults {
            reader.say(fault);
        }
        let (draft, schema_files) = self.read(&reader, &parts);
        files.extend(schema_files);
        files.sort();
        files.dedup();
        let faults = reader.into_faults();
        let diagnostics = in_order(&faults, &sources);
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(Rejected { diagnostics, files });
        }
        Ok(Loaded { definitions: draft.definitions, server: draft.server, warnings: diagnostics, files })
    }

    fn read(&self, reader: &Reader<'_>, parts: &[Part]) -> (Draft, Vec<PathBuf>) {
        let mut draft = Draft::default();
        let schemas = SchemaFiles::default();
        let mut documents = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if let Part::Yaml { root } = part
                && let Some(fields) = document(reader, root, index == 0)
            {
                draft.take_policies(reader, &fields, index == 0);
                documents.push(fields);
            }
        }
        for fields in &documents {
            draft.take(reader, fields, &schemas);
        }
        for part in parts {
            if let Part::Markdown { front, prompt, stem } = part {
                let policies = &draft.definitions.retry_policies;
                if let Some((agent, places)) = markdown_agent(reader, front, prompt, stem, policies) {
                    draft.add_agent(reader, agent, places);
                }
            }
        }
        check(reader, &mut draft, &self.environment);
        (draft, schemas.into_paths())
    }
}

/// Puts faults in the order of files and places, errors before warnings at the same place.
fn in_order(faults: &[Fault], sources: &Sources) -> Vec<Diagnostic> {
    let mut faults: Vec<&Fault> = faults.iter().collect();
    faults.sort_by_key(|fault| (fault.span.source, fault.span.start, fault.severity));
    faults.into_iter().map(|fault| Diagnostic::at(fault, sources)).collect()
}
