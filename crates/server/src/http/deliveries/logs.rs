//! What an attempt's program wrote, also while it runs.

use std::io;
use std::time::Duration;

use cantus_api::delivery::{LogChunk, LogsQuery, Output};
use cantus_api::error::{Code, Problem};
use cantus_runtime::delivery::exec::{AttemptId, Chunk, Stream};

use super::super::answer;
use super::super::call::{self, Call};
use super::super::route::Answered;
use super::find;
use crate::problem::parameter;

/// How much one answer holds.
const CHUNK_BYTES: usize = 256 * 1024;
/// How often a file is looked at again while somebody waits for it to grow.
const LOOK_EVERY: Duration = Duration::from_millis(150);

pub(super) async fn read(call: Call) -> Answered {
    let query: LogsQuery = call.query()?;
    let wait = call::wait(query.wait)?;
    let (_, delivery) = find(&call.app, call.param("id")).await?;
    let newest = delivery.attempts.iter().map(|attempt| attempt.n).max().unwrap_or(0);
    let number = query.attempt.unwrap_or(newest);
    if number == 0 || number > newest {
        return Err(match newest {
            0 => nothing("the delivery was not tried yet"),
            newest => parameter("attempt", format!("is {number}; there are {newest} attempts")),
        });
    }
    let Some(exec) = call.app.handle.exec() else { return Err(nothing("this server runs no programs")) };
    let id = AttemptId::parse(&delivery.id, number).map_err(|wrong| nothing(&wrong.to_string()))?;
    let output = query.stream.unwrap_or_default();
    let stream = match output {
        Output::Stdout => Stream::Stdout,
        Output::Stderr => Stream::Stderr,
    };
    let offset = query.offset.unwrap_or(0);
    if i64::try_from(offset).is_err() {
        return Err(parameter("offset", "is beyond the end of every file"));
    }
    let until = tokio::time::Instant::now() + wait;
    loop {
        let chunk = match exec.log(&id, stream, offset, CHUNK_BYTES) {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(nothing("the output of this attempt is not kept, or its action runs no program"));
            }
            Err(error) => {
                tracing::error!(%error, attempt = %id, "the output of an attempt could not be read");
                return Err(Box::new(Problem::new(Code::Internal, "the output could not be read")));
            }
        };
        let waits = chunk.bytes.is_empty() && !chunk.ended && tokio::time::Instant::now() < until;
        if !waits || call.app.is_stopping() {
            return answer::ok(&out(chunk, number, output));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn nothing(why: &str) -> Box<Problem> {
    let problem = Problem::new(Code::DeliveryUnknown, format!("there is no output: {why}"));
    Box::new(problem.hint("`cantus deliveries get ID` shows its attempts"))
}

fn out(mut chunk: Chunk, attempt: u32, stream: Output) -> LogChunk {
    // A character whose end is not written yet is left for the next read.
    if !chunk.ended
        && let Err(error) = std::str::from_utf8(&chunk.bytes)
        && error.error_len().is_none()
    {
        chunk.next_offset -= (chunk.bytes.len() - error.valid_up_to()) as u64;
        chunk.bytes.truncate(error.valid_up_to());
    }
    LogChunk {
        attempt,
        stream,
        text: String::from_utf8_lossy(&chunk.bytes).into_owned(),
        next_offset: chunk.next_offset,
        ended: chunk.ended,
        truncated: chunk.dropped > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_half_written_waits_for_its_other_half() {
        let chunk = |bytes: &[u8], ended| Chunk {
            bytes: bytes.to_vec(),
            next_offset: bytes.len() as u64,
            ended,
            dropped: 0,
        };
        let half = out(chunk(b"ab\xC3", false), 1, Output::Stdout);
        assert_eq!((half.text.as_str(), half.next_offset), ("ab", 2));
        let whole = out(chunk(b"ab\xC3", true), 1, Output::Stdout);
        assert_eq!((whole.text.as_str(), whole.next_offset), ("ab\u{FFFD}", 3));
        let wrong = out(chunk(b"a\xFFb", false), 1, Output::Stdout);
        assert_eq!((wrong.text.as_str(), wrong.next_offset), ("a\u{FFFD}b", 3));
    }
}
