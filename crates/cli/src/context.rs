//! What every command is given: where to print, and how to reach the server.

use anyhow::Result;
use cantus_client::{Builder, Client};

use crate::args::Global;
use crate::output::Screen;
use crate::token;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where and how to print.
    pub(crate) screen: Screen,
    /// The options every command takes.
    pub(crate) global: Global,
}

impl Context {
    /// Returns the context of these options.
    pub(crate) fn new(global: Global) -> Context {
        Context { screen: Screen::new(&global), global }
    }

    /// Returns a client of the server that was named. Nothing is connected yet.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(self.client_builder()?.build()?)
    }

    /// Returns a client yet to be built, for commands with wishes of their own.
    pub(crate) fn client_builder(&self) -> Result<Builder> {
        let builder = Client::builder()
            .url(self.global.server_url())
            .user_agent(concat!("cantus-cli/", env!("CARGO_PKG_VERSION")));
        Ok(match token::find(self.global.token.as_deref(), self.global.server_url())? {
            Some(token) => builder.token(token),
            None => builder,
        })
    }
}
