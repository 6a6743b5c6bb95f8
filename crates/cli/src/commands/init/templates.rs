//! What `init` writes.

use clap::ValueEnum;

/// What to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// One agent that answers hello
    Hello,
    /// Two reviewers and a lead that decides
    ReviewTeam,
}

/// A file to be written.
pub(super) struct Written {
    /// Where, below the folder.
    pub(super) path: &'static str,
    /// What is in it.
    pub(super) text: String,
    /// Whether it is a program.
    pub(super) runs: bool,
}

macro_rules! template {
    ($($path:literal),+) => { &[$(($path, include_str!(concat!("../../../templates/", $path)))),+] };
}

const HELLO: &[(&str, &str)] = template!["hello/cantus.yaml", "hello/agents/greeter.sh"];
const REVIEW_TEAM: &[(&str, &str)] = template![
    "review-team/cantus.yaml",
    "review-team/agents/code-reviewer.sh",
    "review-team/agents/security-reviewer.sh",
    "review-team/agents/lead.sh"
];
/// The usual types of events. Their schemas say what everybody may rely on; more members are welcome.
const TYPES: &[(&str, &str)] = template![
    "types/TaskStarted.json",
    "types/TaskCompleted.json",
    "types/TaskFailed.json",
    "types/DecisionMade.json",
    "types/ReviewRequested.json",
    "types/ReviewCompleted.json",
    "types/AgentHandoff.json",
    "types/ContextSync.json",
    "types/DependencyResolved.json"
];

/// Where the file's schemas go, on a line of its own.
const PLACE_OF_TYPES: &str = "{{types}}\n";

/// Returns the files of a template.
pub(super) fn files(template: Template, types: bool) -> Vec<Written> {
    let chosen = match template {
        Template::Hello => HELLO,
        Template::ReviewTeam => REVIEW_TEAM,
    };
    let schemas = if types { schemas() } else { "\n".to_owned() };
    let mut files: Vec<Written> = chosen
        .iter()
        .map(|(path, text)| Written {
            path: path.split_once('/').map_or(*path, |(_, below)| below),
            text: text.replace(PLACE_OF_TYPES, &schemas),
            runs: path.ends_with(".sh"),
        })
        .collect();
    files.push(Written {
        path: "cantus.schema.json",
        text: cantus_file::json_schema().to_owned(),
        runs: false,
    });
    if types {
        files.extend(TYPES.iter().map(|(path, text)| Written {
            path,
            text: (*text).to_owned(),
            runs: false,
        }));
    }
    files
}

/// Returns the lines of the file that name the schemas.
fn schemas() -> String {
    let mut lines = String::from("    validation: warn\n    schemas:\n");
    for (path, _) in TYPES {
        let name = path.trim_start_matches("types/").trim_end_matches(".json");
        lines.push_str(&format!("      {name}: {{ file: {path} }}\n"));
    }
    lines.push('\n');
    lines
}
