//! Lists, page after page.

use std::collections::VecDeque;

use cantus_api::List;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::transport::Client;

/// Goes through a whole list, one page in memory at a time.
///
/// ```no_run
/// # async fn run(client: cantus_client::Client) -> Result<(), cantus_client::Error> {
/// let mut letters = client.all_dead_letters(&Default::default());
/// while let Some(letter) = letters.next().await? {
///     println!("{} {}", letter.id, letter.error.message);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    path: Vec<String>,
    query: serde_json::Value,
    items: VecDeque<T>,
    ended: bool,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(crate) fn new(client: &Client, path: &[&str], query: &impl Serialize) -> Pages<T> {
        let query = serde_json::to_value(query).expect("parameters are flat structs of plain values");
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Pages { client: client.clone(), path, query, items: VecDeque::new(), ended: false }
    }

    /// Returns the next item, or none at the end.
    ///
    /// # Errors
    ///
    /// Those of reading one page. Calling it again tries that page again.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            if self.ended {
                return Ok(None);
            }
            let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
            let page: List<T> = self.client.get(&path, &self.query).await?;
            self.items = page.items.into();
            match page.next_cursor {
                Some(cursor) => self.query["cursor"] = cursor.into(),
                None => self.ended = true,
            }
        }
    }

    /// Returns all items that are left, `max` at most.
    ///
    /// # Errors
    ///
    /// Those of reading one page.
    pub async fn collect(mut self, max: usize) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while all.len() < max {
            match self.next().await? {
                Some(item) => all.push(item),
                None => break,
            }
        }
        Ok(all)
    }
}
