//! The words of a frame as shared texts, each made when it is first asked for.

use cantus_core::Text;
use cantus_core::topic::TopicName;

use super::event::DecodeError;
use crate::local::Words;

#[derive(Debug)]
pub(super) struct Texts<'f> {
    words: Words<'f>,
    /// By the number of the word.
    made: Vec<Option<Text>>,
    /// The last topic that was read: most frames have one.
    topic: Option<TopicName>,
}

impl<'f> Texts<'f> {
    pub(super) fn new(words: Words<'f>) -> Self {
        Self { words, made: Vec::new(), topic: None }
    }

    pub(super) fn get(&mut self, number: u32) -> Result<Text, DecodeError> {
        let place = number as usize;
        if place >= self.words.len() {
            return Err(DecodeError::Word);
        }
        if self.made.len() <= place {
            self.made.resize(place + 1, None);
        }
        if let Some(text) = &self.made[place] {
            return Ok(text.clone());
        }
        let text = Text::from(self.word(number)?);
        self.made[place] = Some(text.clone());
        Ok(text)
    }

    pub(super) fn word(&self, number: u32) -> Result<&'f str, DecodeError> {
        self.words.get(number).ok_or(DecodeError::Word)
    }

    pub(super) fn topic(&mut self, name: &str) -> Result<TopicName, DecodeError> {
        match &self.topic {
            Some(known) if known.as_str() == name => Ok(known.clone()),
            _ => {
                let topic = TopicName::parse(name).map_err(|error| DecodeError::Layout(error.to_string()))?;
                Ok(self.topic.insert(topic).clone())
            }
        }
    }
}
