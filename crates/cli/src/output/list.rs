//! Lists: as many items as were asked for, page after page.

use anyhow::Result;
use cantus_api::List;
use clap::Args;

/// How much of a list is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListOptions {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Where to go on: the cursor a list ended with
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

/// The most a server gives at once.
const PAGE_MAX: u32 = 1000;

/// Gathers as many items as were asked for; `page` is given how many and from where.
pub(crate) async fn gather<T>(
    options: &ListOptions,
    mut page: impl AsyncFnMut(u32, Option<String>) -> Result<List<T>, cantus_client::Error>,
) -> Result<List<T>> {
    let mut all = List { items: Vec::new(), next_cursor: options.cursor.clone() };
    loop {
        let missing = options.limit.saturating_sub(u32::try_from(all.items.len()).unwrap_or(u32::MAX));
        let next = page(missing.min(PAGE_MAX), all.next_cursor.take()).await?;
        let got = next.items.len();
        all.items.extend(next.items);
        all.next_cursor = next.next_cursor;
        // A page without items but with a cursor would never end.
        if all.next_cursor.is_none() || got == 0 || all.items.len() >= options.limit as usize {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_put_together_until_there_are_enough() {
        let options = ListOptions { limit: 2500, cursor: None };
        let mut asked = Vec::new();
        let all = gather(&options, async |limit, cursor: Option<String>| {
            let from: u32 = cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
            asked.push((limit, from));
            Ok(List { items: (from..from + limit).collect(), next_cursor: Some((from + limit).to_string()) })
        })
        .await
        .unwrap();
        assert_eq!(asked, [(1000, 0), (1000, 1000), (500, 2000)]);
        assert_eq!((all.items.len(), all.next_cursor.as_deref()), (2500, Some("2500")));
    }
}
