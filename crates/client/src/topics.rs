//! Topics.

use cantus_api::List;
use cantus_api::list::Page;
use cantus_api::topic::Topic;

use crate::error::Error;
use crate::pages::Pages;
use crate::transport::Client;

impl Client {
    /// Returns a page of topics.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn topics(&self, page: &Page) -> Result<List<Topic>, Error> {
        self.get(&["v1", "topics"], page).await
    }

    /// Goes through all topics.
    pub fn all_topics(&self) -> Pages<Topic> {
        Pages::new(self, &["v1", "topics"], &Page::default())
    }

    /// Returns one topic.
    ///
    /// # Errors
    ///
    /// `TOPIC_UNKNOWN`.
    pub async fn topic(&self, name: &str) -> Result<Topic, Error> {
        self.get(&["v1", "topics", name], &()).await
    }
}
