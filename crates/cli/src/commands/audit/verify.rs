//! `cantus audit verify`

use anyhow::Result;
use cantus_api::audit::{Verified, VerifyQuery};
use clap::Args;

use crate::context::Context;
use crate::exit::Failure;

/// Check that every entry follows the one before it: what was changed, left out or put in shows
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The hash of the newest entry as somebody wrote it down: it must still be in the chain
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

impl Verify {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let mut all = client.verify_audit(&VerifyQuery::default()).await?;
        while let (true, Some(cursor)) = (all.intact, all.next_cursor.take()) {
            let more = client.verify_audit(&VerifyQuery { cursor: Some(cursor) }).await?;
            let checked = all.checked + more.checked;
            all = Verified { checked, entries: all.entries, head: all.head, ..more };
        }
        if let Some(broken) = &all.broken {
            let words = format!("entry {} at {}: {}", broken.number, broken.position, broken.reason);
            context.screen.show(&all, || format!("{words}\n"))?;
            return Err(Failure::failed("the audit is not intact").hint("compare it with a backup").into());
        }
        if let Some(head) = &self.head
            && !self.is_there(&client, head).await?
        {
            let message = format!("no entry has the hash {head}");
            return Err(Failure::failed(message)
                .hint("entries were cut off, or the hash is another log's")
                .into());
        }
        context.screen.show(&all, || match &all.head {
            Some(head) => format!("{} entries follow each other\nhead {head}\n", all.checked),
            None => "there are no entries yet\n".to_owned(),
        })
    }

    async fn is_there(&self, client: &cantus_client::Client, head: &str) -> Result<bool> {
        let mut query = cantus_api::audit::AuditQuery { limit: Some(1000), ..Default::default() };
        loop {
            let page = client.audit(&query).await?;
            if page.items.iter().any(|entry| entry.hash.eq_ignore_ascii_case(head)) {
                return Ok(true);
            }
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => return Ok(false),
            }
        }
    }
}
