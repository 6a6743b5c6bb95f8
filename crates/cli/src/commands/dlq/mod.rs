//! `cantus dlq`: dead letters. `groups` and `ls` find them, `get` tells the story, `edit` repairs, `replay` tries again, `archive`
//! puts away, `restore` brings back, `release` lets the order key go on that one holds.

mod archive;
mod changes;
mod edit;
mod editor;
mod get;
mod groups;
mod ls;
mod release;
mod replay;
mod restore;
mod selection;
mod words;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Groups(groups::Groups),
    Ls(ls::Ls),
    Get(get::Get),
    Edit(edit::Edit),
    Replay(replay::Replay),
    Archive(archive::Archive),
    Restore(restore::Restore),
    Release(release::Release),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Groups(groups) => groups.run(context).await,
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Edit(edit) => edit.run(context).await,
            Verb::Replay(replay) => replay.run(context).await,
            Verb::Archive(archive) => archive.run(context).await,
            Verb::Restore(restore) => restore.run(context).await,
            Verb::Release(release) => release.run(context).await,
        }
    }
}
