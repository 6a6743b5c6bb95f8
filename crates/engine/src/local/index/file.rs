//! The index file of a sealed segment: header, entries by key, summaries by position, Bloom filter. Looked at page by page.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::pages::{self, CONTENT, PAGE, Pages};
use super::{Entry, IndexFault, Key, MemoryIndex, Summary, Totals, bloom};
use crate::local::checksum::{Seed, crc_plain, is_rotten_version};
use crate::local::damage::{Damage, Lost};
use crate::local::disk::{Access, Disk, DiskFile, read_full, write_all};
use crate::local::error::{DiskError, Doing};
use crate::local::fields::{Fields, Put};
use crate::local::index::Covers;
use crate::local::segment::name;

pub(crate) const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"CANTUSIX";
const ENTRY: usize = 16;
const ENTRIES_PER_PAGE: usize = CONTENT / ENTRY;
const SUMMARIES_PER_PAGE: usize = CONTENT / Summary::BYTES;

/// What page 0 of an index file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexHeader {
    pub(crate) log_id: u64,
    pub(crate) seed: u64,
    pub(crate) first_position: u64,
    /// The chain the next segment's header names; differs from the last frame's only if frames are missing.
    pub(crate) next_chain: u64,
    pub(crate) totals: Totals,
    pub(crate) entries: u64,
    pub(crate) summaries: u64,
    pub(crate) gaps: u64,
    pub(crate) bloom_pages: u64,
}

/// Why an index file cannot be used.
#[derive(Debug)]
pub(crate) enum OpenFault {
    Missing,
    Damaged,
    UnknownVersion(u16),
    Disk(io::Error),
}

/// An open index file.
#[derive(Debug)]
pub(crate) struct IndexFile {
    file: Arc<dyn DiskFile>,
    header: IndexHeader,
    seed: Seed,
}

/// Which part of a segment's story its own frames do not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) log_id: u64,
    pub(crate) seed: Seed,
    pub(crate) first_position: u64,
    pub(crate) next_chain: u64,
}

/// Writes the index file at `path` from what is in memory: under a temporary name, synced, then renamed.
pub(crate) fn write(
    disk: &dyn Disk,
    path: &Path,
    index: &MemoryIndex,
    identity: Identity,
) -> Result<IndexFile, DiskError> {
    let temporary = name::temporary(path);
    let file = disk.create(&temporary).doing("creating", &temporary)?;
    let header = write_pages(&file, index, identity).doing("writing", &temporary)?;
    disk.rename(&temporary, path).doing("renaming", &temporary)?;
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir).doing("syncing", dir)?;
    }
    Ok(IndexFile { file, header, seed: identity.seed })
}

fn write_pages(file: &Arc<dyn DiskFile>, index: &MemoryIndex, identity: Identity) -> io::Result<IndexHeader> {
    let entries = index.sorted_entries();
    let mut pages = Pages::new(file.clone(), identity.seed);
    let mut item = [0; ENTRY];
    for entry in &entries {
        Put::new(&mut item).u64(entry.key.0).u64(entry.position);
        pages.item(&item)?;
    }
    pages.end_page()?;
    let mut item = [0; Summary::BYTES];
    for summary in index.summaries() {
        summary.write(&mut item);
        pages.item(&item)?;
    }
    pages.end_page()?;
    let distinct = entries.chunk_by(|a, b| a.key == b.key).count() as u64;
    let bloom_pages = bloom::pages_for(distinct);
    let mut filter = vec![0; bloom_pages as usize * CONTENT];
    for same in entries.chunk_by(|a, b| a.key == b.key) {
        let page = bloom::page_of(same[0].key, bloom_pages) as usize;
        bloom::insert(&mut filter[page * CONTENT..][..CONTENT], same[0].key);
    }
    for page in filter.chunks_exact(CONTENT) {
        pages.item(page)?;
        pages.end_page()?;
    }
    pages.flush()?;
    let header = IndexHeader {
        log_id: identity.log_id,
        seed: identity.seed.value(),
        first_position: identity.first_position,
        next_chain: identity.next_chain,
        totals: index.totals(),
        entries: entries.len() as u64,
        summaries: index.summaries().len() as u64,
        gaps: index.summaries().iter().filter(|summary| summary.covers != Covers::Frame).count() as u64,
        bloom_pages,
    };
    write_all(&**file, 0, &header.to_page())?;
    file.fdatasync()?;
    Ok(header)
}

impl IndexHeader {
    fn to_page(self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        Put::new(&mut page)
            .bytes(MAGIC)
            .u16(VERSION)
            .u16(0)
            .u32(0) // The tenant field, reserved.
            .u64(self.log_id)
            .u64(self.seed)
            .u64(self.first_position)
            .u64(self.next_chain)
            .u64(self.totals.next_position)
            .u64(self.totals.end_offset)
            .u64(self.totals.chain)
            .u64(self.totals.log_time_ms)
            .u64(self.totals.frames)
            .u64(self.totals.records)
            .u64(self.entries)
            .u64(self.summaries)
            .u64(self.gaps)
            .u64(self.bloom_pages);
        let crc = crc_plain(&page[..CONTENT]);
        Put::new(&mut page[CONTENT..]).u32(crc);
        page
    }

    fn from_page(page: &[u8]) -> Option<Result<Self, OpenFault>> {
        let (content, crc) = page.split_at_checked(CONTENT)?;
        let crc = Fields::new(crc).u32()?;
        let mut fields = Fields::new(content);
        if fields.bytes(8)? != MAGIC {
            return None;
        }
        match fields.u16()? {
            VERSION => {}
            _ if is_rotten_version(content, crc, &[VERSION]) => return None,
            version => return Some(Err(OpenFault::UnknownVersion(version))),
        }
        if crc != crc_plain(content) {
            return None;
        }
        let (_flags, _tenant) = (fields.u16()?, fields.u32()?);
        let (log_id, seed, first_position, next_chain) =
            (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let totals = Totals {
            next_position: fields.u64()?,
            end_offset: fields.u64()?,
            chain: fields.u64()?,
            log_time_ms: fields.u64()?,
            frames: fields.u64()?,
            records: fields.u64()?,
        };
        let (entries, summaries, gaps, bloom_pages) =
            (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        Some(Ok(Self {
            log_id,
            seed,
            first_position,
            next_chain,
            totals,
            entries,
            summaries,
            gaps,
            bloom_pages,
        }))
    }

    fn entry_pages(&self) -> u64 {
        self.entries.div_ceil(ENTRIES_PER_PAGE as u64)
    }

    fn summary_pages(&self) -> u64 {
        self.summaries.div_ceil(SUMMARIES_PER_PAGE as u64)
    }

    /// The length the file must have; `None` if the counts are absurd.
    fn file_bytes(&self) -> Option<u64> {
        let pages = 1u64.checked_add(self.entry_pages())?.checked_add(self.summary_pages())?;
        pages.checked_add(self.bloom_pages)?.checked_mul(PAGE as u64)
    }
}

impl IndexFile {
    /// Opens an index file and verifies its header and length. Other pages are verified when they are read.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, OpenFault> {
        let file = disk.open(path, Access::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenFault::Missing,
            _ => OpenFault::Disk(error),
        })?;
        let mut page = vec![0; PAGE];
        let count = read_full(&*file, 0, &mut page).map_err(OpenFault::Disk)?;
        let header = IndexHeader::from_page(&page[..count]).ok_or(OpenFault::Damaged)??;
        let length = file.len().map_err(OpenFault::Disk)?;
        if header.file_bytes() != Some(length) {
            return Err(OpenFault::Damaged);
        }
        Ok(Self { file, header, seed: Seed::from_value(header.seed) })
    }

    pub(crate) fn header(&self) -> &IndexHeader {
        &self.header
    }

    pub(crate) fn summary_count(&self) -> usize {
        self.header.summaries as usize
    }

    pub(crate) fn find(&self, position: u64) -> Result<usize, IndexFault> {
        let page_count = self.header.summary_pages();
        // First the page whose last summary is not before the position, then the place within.
        let mut range = 0..page_count;
        while range.start < range.end {
            let middle = range.start + (range.end - range.start) / 2;
            let page = self.summary_page(middle)?;
            if page.last().is_some_and(|summary| summary.last_position < position) {
                range.start = middle + 1;
            } else {
                range.end = middle;
            }
        }
        if range.start == page_count {
            return Ok(self.summary_count());
        }
        let within =
            self.summary_page(range.start)?.partition_point(|summary| summary.last_position < position);
        Ok(range.start as usize * SUMMARIES_PER_PAGE + within)
    }

    pub(crate) fn summaries(&self, range: Range<usize>) -> Result<Vec<Summary>, IndexFault> {
        let mut found = Vec::with_capacity(range.len());
        let mut next = range.start;
        while next < range.end {
            let page = self.summary_page((next / SUMMARIES_PER_PAGE) as u64)?;
            let within = next % SUMMARIES_PER_PAGE;
            let part =
                page.get(within..page.len().min(within + range.end - next)).ok_or(IndexFault::Damaged)?;
            if part.is_empty() {
                return Err(IndexFault::Damaged);
            }
            found.extend_from_slice(part);
            next += part.len();
        }
        Ok(found)
    }

    fn summary_page(&self, number: u64) -> Result<Vec<Summary>, IndexFault> {
        let page = pages::read(&*self.file, self.seed, 1 + self.header.entry_pages() + number)?;
        let there = self.summary_count() - number as usize * SUMMARIES_PER_PAGE;
        let items = page[..CONTENT].chunks_exact(Summary::BYTES).take(there);
        items.map(|item| Summary::read(item).ok_or(IndexFault::Damaged)).collect()
    }

    /// Returns the damages this index knows of, for `file`, its segment.
    pub(crate) fn gaps(&self, file: &Path) -> Result<Vec<Damage>, IndexFault> {
        let mut found = Vec::new();
        let mut number = 0;
        while (found.len() as u64) < self.header.gaps && number < self.header.summary_pages() {
            for summary in self.summary_page(number)? {
                if let Covers::Gap(cause) = summary.covers {
                    found.push(Damage {
                        file: file.to_owned(),
                        offset: u64::from(summary.offset),
                        end_offset: u64::from(summary.offset) + u64::from(summary.length),
                        lost: Lost { first: summary.first_position, last: summary.last_position },
                        cause,
                    });
                }
            }
            number += 1;
        }
        Ok(found)
    }

    pub(crate) fn lookup(
        &self,
        key: Key,
        positions: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, IndexFault> {
        let mut found = Vec::new();
        if !self.may_hold(key)? {
            return Ok(found);
        }
        let mut at = self.lower_bound(Entry { key, position: positions.start })?;
        'pages: while at < self.header.entries && found.len() < limit {
            for entry in &self.entry_page(at / ENTRIES_PER_PAGE as u64)?[at as usize % ENTRIES_PER_PAGE..] {
                if entry.key != key || entry.position >= positions.end || found.len() == limit {
                    break 'pages;
                }
                found.push(entry.position);
                at += 1;
            }
        }
        Ok(found)
    }

    pub(crate) fn lookup_back(
        &self,
        key: Key,
        positions: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, IndexFault> {
        let mut found = Vec::new();
        if !self.may_hold(key)? {
            return Ok(found);
        }
        let mut end = self.lower_bound(Entry { key, position: positions.end })?;
        'pages: while end > 0 && found.len() < limit {
            let page = (end - 1) / ENTRIES_PER_PAGE as u64;
            let within = (end - page * ENTRIES_PER_PAGE as u64) as usize;
            for entry in self.entry_page(page)?[..within].iter().rev() {
                if entry.key != key || entry.position < positions.start || found.len() == limit {
                    break 'pages;
                }
                found.push(entry.position);
            }
            end = page * ENTRIES_PER_PAGE as u64;
        }
        Ok(found)
    }

    fn may_hold(&self, key: Key) -> Result<bool, IndexFault> {
        if self.header.bloom_pages == 0 {
            return Ok(false);
        }
        let first = 1 + self.header.entry_pages() + self.header.summary_pages();
        let number = first + bloom::page_of(key, self.header.bloom_pages);
        Ok(bloom::may_hold(&pages::read(&*self.file, self.seed, number)?[..CONTENT], key))
    }

    /// Returns the number of the first entry not before the given one.
    fn lower_bound(&self, wanted: Entry) -> Result<u64, IndexFault> {
        let mut range = 0..self.header.entry_pages();
        while range.start < range.end {
            let middle = range.start + (range.end - range.start) / 2;
            if self.entry_page(middle)?.last().is_some_and(|entry| *entry < wanted) {
                range.start = middle + 1;
            } else {
                range.end = middle;
            }
        }
        if range.start == self.header.entry_pages() {
            return Ok(self.header.entries);
        }
        let within = self.entry_page(range.start)?.partition_point(|entry| *entry < wanted);
        Ok(range.start * ENTRIES_PER_PAGE as u64 + within as u64)
    }

    fn entry_page(&self, number: u64) -> Result<Vec<Entry>, IndexFault> {
        let page = pages::read(&*self.file, self.seed, 1 + number)?;
        let there = self.header.entries - number * ENTRIES_PER_PAGE as u64;
        let items = page[..CONTENT].chunks_exact(ENTRY).take(usize::try_from(there).unwrap_or(usize::MAX));
        let read = |item: &[u8]| {
            let mut fields = Fields::new(item);
            Some(Entry { key: Key(fields.u64()?), position: fields.u64()? })
        };
        items.map(|item| read(item).ok_or(IndexFault::Damaged)).collect()
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.header.file_bytes().unwrap_or(0)
    }

    /// Verifies the checksum of every page.
    pub(crate) fn verify(&self) -> Result<(), IndexFault> {
        let pages = self.bytes() / PAGE as u64;
        (1..pages).try_for_each(|number| pages::read(&*self.file, self.seed, number).map(|_| ()))
    }

    /// Compares every page with what a scan of the segment has given; says what differs.
    pub(crate) fn compare(&self, scanned: &MemoryIndex) -> Result<(), IndexFault> {
        let totals_agree = self.header.totals == scanned.totals();
        let mut expected = scanned.sorted_entries().into_iter();
        for number in 0..self.header.entry_pages() {
            if !self.entry_page(number)?.into_iter().all(|entry| expected.next() == Some(entry)) {
                return Err(IndexFault::Damaged);
            }
        }
        let mut summaries = scanned.summaries().iter();
        for number in 0..self.header.summary_pages() {
            if !self.summary_page(number)?.iter().all(|summary| summaries.next() == Some(summary)) {
                return Err(IndexFault::Damaged);
            }
        }
        let first = 1 + self.header.entry_pages() + self.header.summary_pages();
        for number in first..first + self.header.bloom_pages {
            pages::read(&*self.file, self.seed, number)?;
        }
        for entry in scanned.sorted_entries() {
            if !self.may_hold(entry.key)? {
                return Err(IndexFault::Damaged);
            }
        }
        let complete = expected.next().is_none() && summaries.next().is_none();
        if totals_agree && complete { Ok(()) } else { Err(IndexFault::Damaged) }
    }
}
