//! The event and its two JSON shapes: CloudEvents, and the envelope.
//!
//! `model` is the event; `table` says which field has which name in which shape; `read` takes one apart and `several` many (`cloudevent` and
//! `envelope` one object each, `http` a whole request in any of its modes); `write` puts it together again; `attribute` has the
//! rules of single values. What is read is kept as text: nothing is rounded, and data stays byte for byte as it came.
//!
//! ```
//! use cantus_api::event::{Limits, Reader, Shape, write};
//!
//! let body = r#"{"event":{"type":"OrderPlaced","source":"/shop"},"payload":{"total":1.50}}"#.into();
//! let limits = Limits::default();
//! let order = Reader::new(&limits).event(&body)?;
//! let mut out = Vec::new();
//! write(&mut out, &order.view(), Shape::CloudEvent);
//! assert_eq!(out, br#"{"specversion":"1.0","type":"OrderPlaced","source":"/shop","data":{"total":1.50}}"#);
//!
//! let problem = Reader::new(&limits).event(&r#"{"event":{"source":"/shop"}}"#.into()).unwrap_err();
//! assert_eq!(problem.errors[0].pointer.as_deref(), Some("#/event/type"));
//! # Ok::<(), Box<cantus_api::Problem>>(())
//! ```

mod attribute;
mod cloudevent;
mod envelope;
mod http;
mod limits;
mod model;
mod read;
mod serde;
mod several;
mod table;
mod write;

pub use self::serde::{Envelope, Text};
pub use attribute::is_json;
pub use http::{Headers, to_headers};
pub use limits::Limits;
pub use model::{Data, Draft, Event, Extension, Form, Kind, Priority, canonical};
pub use read::{Reader, looks_like_event};
pub use write::{Shape, View, write, write_line};
