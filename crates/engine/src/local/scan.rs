//! Walking through a segment: every frame verified, and what is not a frame judged.
//!
//! The one question of recovery is whether bad bytes are a *torn tail* (written, never synced, never answered) or *damage*
//! (synced once, changed since). Every frame says how far its segment was durable when it was written: bad bytes below what
//! any later valid frame says are damage. Bad bytes that no frame vouches for are the tail.

use std::io;
use std::path::PathBuf;

use super::checksum::Seed;
use super::damage::{Cause, Damage, Lost};
use super::frame::{ALIGN, Fault, FrameHeader, HEADER_BYTES, Layout, MAGIC};
use super::index::Totals;
use super::segment::HEADER_BLOCK;
use super::window::Window;

/// What is known of a segment before its frames are read.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) path: PathBuf,
    pub(crate) seed: Seed,
    pub(crate) first_position: u64,
    /// The chain before the first frame; `None` if the header was lost.
    pub(crate) chain_before: Option<u64>,
    pub(crate) log_time_ms: u64,
    /// What the next segment says of the end of this one; `None` for the newest.
    pub(crate) sealed: Option<Sealed>,
    /// The prepared bytes may be old frames instead of zeros.
    pub(crate) recycled: bool,
}

/// A segment with a successor was durable to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) chain: u64,
    pub(crate) next_position: u64,
}

/// What a walk has found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) totals: Totals,
    /// Everything below this byte was durable when some valid frame was written.
    pub(crate) durable_offset: u64,
    /// Ranges that were durable and are not readable, in order.
    pub(crate) damage: Vec<Damage>,
    /// Bytes behind the last frame that were written and never became one.
    pub(crate) tail: Option<Tail>,
    /// A mark vouches for the last frame.
    pub(crate) marked: bool,
}

/// A torn tail, from its first byte to the one behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What is met on the way, in order.
#[derive(Debug)]
pub(crate) enum Met<'a> {
    Frame(&'a Layout, &'a [u8]),
    Damage(&'a Damage),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("format version {0}")]
    UnknownVersion(u16),
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Walk<'a> {
    window: &'a mut Window,
    ground: &'a Ground,
    offset: u64,
    /// The chain the next frame must continue; `None` behind damage.
    chain: Option<u64>,
    totals: Totals,
    durable_offset: u64,
    damage: Vec<Damage>,
    marked: bool,
}

/// Walks through a segment and hands on every frame and every damaged range.
pub(crate) fn scan(
    window: &mut Window,
    ground: &Ground,
    on_met: &mut dyn FnMut(Met<'_>),
) -> Result<Scanned, ScanError> {
    let start = Totals {
        next_position: ground.first_position,
        end_offset: HEADER_BLOCK,
        chain: ground.chain_before.unwrap_or(0),
        log_time_ms: ground.log_time_ms,
        frames: 0,
        records: 0,
    };
    let mut walk = Walk {
        window,
        ground,
        offset: HEADER_BLOCK,
        chain: ground.chain_before,
        totals: start,
        durable_offset: HEADER_BLOCK,
        damage: Vec::new(),
        marked: false,
    };
    let tail = walk.run(on_met)?;
    let Walk { totals, durable_offset, damage, marked, .. } = walk;
    Ok(Scanned { totals, durable_offset, damage, tail, marked })
}

impl Walk<'_> {
    fn run(&mut self, on_met: &mut dyn FnMut(Met<'_>)) -> Result<Option<Tail>, ScanError> {
        loop {
            if self.at_sealed_end() {
                return Ok(None);
            }
            match self.check(self.offset)? {
                Ok(header) => self.take(header, on_met)?,
                Err(_) => {
                    let rest = self.look_ahead(self.offset)?;
                    let Some(next) = rest.resume.filter(|_| rest.vouched) else {
                        return Ok(self.end(rest, on_met));
                    };
                    let end = u64::from(next.offset);
                    // Nothing lies between, and yet the frame does not continue the chain.
                    let cause = if end > self.offset { Cause::Frame } else { Cause::Chain };
                    self.lose(end, next.first_position, cause, on_met);
                }
            }
        }
    }

    fn at_sealed_end(&self) -> bool {
        let here = self.chain.map(|chain| (chain, self.totals.next_position));
        self.ground.sealed.is_some_and(|sealed| here == Some((sealed.chain, sealed.next_position)))
    }

    /// Checks whether the frame that must come next stands at `offset`.
    fn check(&mut self, offset: u64) -> Result<Result<FrameHeader, Fault>, ScanError> {
        let header = match self.verify(offset)? {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let follows = header.continues(self.chain) && header.first_position >= self.totals.next_position;
        Ok(if follows { Ok(header) } else { Err(Fault::Chain) })
    }

    /// Checks whether any frame of this segment stands at `offset`.
    fn verify(&mut self, offset: u64) -> Result<Result<FrameHeader, Fault>, ScanError> {
        let room = self.window.file_bytes().saturating_sub(offset);
        let seed = self.ground.seed;
        let header = match FrameHeader::read(self.window.bytes(offset, HEADER_BYTES)?, room) {
            Ok(header) if header.seed == seed.value() && u64::from(header.offset) == offset => header,
            Ok(_) => return Ok(Err(Fault::Misplaced)),
            Err(fault) => return Ok(Err(fault)),
        };
        let frame = self.window.bytes(offset, header.length as usize)?;
        match header.verify(frame, seed, offset) {
            Ok(()) => Ok(Layout::read(header, frame).map(|_| header)),
            Err(Fault::Version(version)) => Err(ScanError::UnknownVersion(version)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn take(&mut self, header: FrameHeader, on_met: &mut dyn FnMut(Met<'_>)) -> Result<(), ScanError> {
        let frame = self.window.bytes(self.offset, header.length as usize)?;
        let layout = Layout::read(header, frame).map_err(|fault| io::Error::other(fault.to_string()))?;
        on_met(Met::Frame(&layout, frame));
        self.offset += u64::from(header.length);
        self.chain = header.chain_after();
        self.durable_offset = self.durable_offset.max(u64::from(header.durable_offset));
        self.totals = Totals {
            next_position: self.totals.next_position.max(header.next_position()),
            end_offset: self.offset,
            chain: header.chain,
            log_time_ms: header.log_time_ms,
            frames: self.totals.frames + 1,
            records: self.totals.records + u64::from(header.records),
        };
        Ok(())
    }

    /// Gives up the bytes from here to `end`, where a frame at `next_position` begins.
    fn lose(&mut self, end: u64, next_position: u64, mut cause: Cause, on_met: &mut dyn FnMut(Met<'_>)) {
        let lost = Lost::until(self.totals.next_position, next_position);
        if self.window.was_unreadable(self.offset..end) {
            cause = Cause::Unreadable;
        }
        let damage =
            Damage { file: self.ground.path.clone(), offset: self.offset, end_offset: end, lost, cause };
        on_met(Met::Damage(&damage));
        self.damage.push(damage);
        self.offset = end;
        self.chain = None;
        self.totals.next_position = self.totals.next_position.max(next_position);
    }

    /// No further frame vouches for these bytes: the tail of the newest segment, the missing end of a sealed one.
    fn end(&mut self, rest: Rest, on_met: &mut dyn FnMut(Met<'_>)) -> Option<Tail> {
        let start = self.offset;
        self.marked = rest.marked;
        if let Some(sealed) = self.ground.sealed {
            let lost = Lost::until(self.totals.next_position, sealed.next_position);
            let cause = match (rest.end > start, lost.is_nothing()) {
                (true, _) => Cause::Frame,
                (false, false) => Cause::Missing,
                (false, true) => Cause::Chain,
            };
            self.lose(rest.end.max(start), sealed.next_position, cause, on_met);
            return None;
        }
        let tail = (rest.end > start).then_some(Tail { start, end: rest.end });
        let unreadable = self.window.was_unreadable(start..self.window.file_bytes());
        if !unreadable {
            return tail;
        }
        // What cannot be read cannot be judged: it may have been answered. Positions are told as far as they could reach.
        let end = self.window.file_bytes();
        let bound = self.totals.next_position.saturating_add(records_max(end - start));
        self.lose(end, bound, Cause::Unreadable, on_met);
        None
    }

    /// Looks behind bad bytes at `bad` for a valid frame that proves they were durable, and for where written bytes end.
    fn look_ahead(&mut self, bad: u64) -> Result<Rest, ScanError> {
        const PIECE: usize = 4096;
        static ZEROS: [u8; PIECE] = [0; PIECE];
        let mut rest = Rest { resume: None, vouched: false, marked: false, end: bad };
        let mut marks_end = bad;
        let mut at = bad;
        while at < self.window.file_bytes() {
            let piece = self.window.bytes(at, PIECE)?;
            let length = piece.len();
            if piece == &ZEROS[..length] {
                at += length as u64;
                continue;
            }
            let mut piece = piece.to_vec();
            // A mark that began in the piece before is no tail.
            let overlap = marks_end.saturating_sub(at).min(length as u64) as usize;
            piece[..overlap].fill(0);
            for step in (0..length).step_by(ALIGN) {
                if !piece[step..].starts_with(&MAGIC.to_le_bytes()) {
                    continue;
                }
                let candidate = at + step as u64;
                let Some(header) = self.judge(candidate, bad, &mut rest)? else { continue };
                if rest.vouched {
                    return Ok(rest);
                }
                if header.is_mark() {
                    marks_end = candidate + u64::from(header.length);
                    // The header of a torn frame that ends here is not all there: what stands in its place is the mark, whole, and
                    // half of it cut away would be a torn tail to the next start.
                    if (candidate..marks_end).contains(&rest.end) {
                        rest.end = candidate;
                    }
                    let end = length.min(step + header.length as usize);
                    piece[step..end].fill(0);
                }
            }
            if !self.ground.recycled
                && let Some(last) = piece.iter().rposition(|&byte| byte != 0)
            {
                rest.end = rest.end.max(at + last as u64 + 1);
            }
            at += length as u64;
        }
        Ok(rest)
    }

    /// Notes what a valid frame at `candidate` says about the bytes at `bad`, and returns it.
    fn judge(&mut self, candidate: u64, bad: u64, rest: &mut Rest) -> Result<Option<FrameHeader>, ScanError> {
        let room = self.window.file_bytes() - candidate;
        let own = match FrameHeader::read(self.window.bytes(candidate, HEADER_BYTES)?, room) {
            Ok(header) => header.seed == self.ground.seed.value() && u64::from(header.offset) == candidate,
            Err(_) => false,
        };
        if !own {
            return Ok(None);
        }
        let Ok(header) = self.verify(candidate)? else {
            // A torn frame of ours: in a recycled file this is how the end of a tail is known.
            rest.end = rest.end.max(candidate + HEADER_BYTES as u64);
            return Ok(None);
        };
        if header.is_mark() {
            rest.marked |= u64::from(header.durable_offset) == bad;
        } else {
            rest.end = rest.end.max(candidate + u64::from(header.length));
        }
        if header.first_position < self.totals.next_position {
            return Ok(Some(header));
        }
        let proves = match self.ground.sealed {
            // All of a sealed segment was durable; what lies behind its end was given up before it was sealed.
            Some(sealed) => header.next_position() <= sealed.next_position,
            None => u64::from(header.durable_offset) > bad,
        };
        if rest.resume.is_none() && (proves || !header.is_mark()) {
            rest.resume = Some(header);
        }
        rest.vouched |= proves;
        Ok(Some(header))
    }
}

/// What lies behind bad bytes.
struct Rest {
    /// The first valid frame behind them.
    resume: Option<FrameHeader>,
    /// A valid frame, that one or a later one, proves that the bad bytes were durable.
    vouched: bool,
    /// A mark says that the log was durable right up to the bad bytes: they are its end.
    marked: bool,
    /// The byte behind the last one that was written, marks aside.
    end: u64,
}

/// How many records fit into so many bytes: what a lost range can have held at most.
pub(crate) fn records_max(bytes: u64) -> u64 {
    bytes / 3
}
