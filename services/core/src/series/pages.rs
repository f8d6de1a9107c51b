//! One tier of a series: the open bucket, the page it will go to, and of the complete pages what is read all the time.
//!
//! Complete pages are in the store, each put there when it is complete and again when a late bucket changes it. The
//! digest is over the same bytes: one hash for each complete page, taken when it is put, and the newest page as it is.

use std::collections::VecDeque;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use spark_schemas::TimeNs;

use crate::bucket::{Bucket, BucketStore, SeriesId, Tally};
use crate::merkle::Hash;
use crate::page::{self, Entry, Page};
use crate::varint;
use crate::window::Tier;

/// Whose pages they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub(super) series: SeriesId,
    pub(super) tier: Tier,
}

/// The pages of one tier.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    newest: Option<Newest>,
    /// Complete pages, of the tiers that keep them in memory.
    complete: VecDeque<(TimeNs, Page)>,
    /// The digest of each complete page.
    digests: Vec<(TimeNs, Hash)>,
    /// The digest over all of them, until one changes.
    digest: Option<Hash>,
}

#[derive(Debug, Clone)]
struct Newest {
    start: TimeNs,
    page: Page,
    open: Bucket,
}

/// A bucket where it lies.
pub(crate) enum Part<'a> {
    Closed(&'a Entry<'a>),
    Open(&'a Tally),
}

impl Part<'_> {
    pub(crate) fn add_to(&self, sum: &mut Tally) {
        match self {
            Self::Closed(entry) => entry.add_to(sum),
            Self::Open(tally) => sum.add(tally),
        }
    }

    pub(crate) fn subtract_from(&self, sum: &mut Tally) {
        match self {
            Self::Closed(entry) => entry.subtract_from(sum),
            Self::Open(tally) => sum.subtract(tally),
        }
    }
}

impl Of {
    /// Windows over these tiers lose a bucket every few seconds, and a day of their pages is small.
    fn are_kept_in_memory(self) -> bool {
        matches!(self.tier, Tier::Seconds10 | Tier::Minute)
    }
}

impl Newest {
    fn with_open(of: Of, open: Bucket) -> Self {
        Self { start: of.tier.page_start(open.start), page: Page::default(), open }
    }

    /// Moves what the open bucket holds to the page.
    fn close(&mut self, of: Of) {
        self.page.push(page::place_of(of.tier, self.open.start), &self.open.tally);
        self.open.tally.clear();
    }

    /// The open bucket as a page of its own: what is stored and digested of it.
    fn open_page(&self, of: Of) -> Page {
        let mut page = Page::default();
        page.push(page::place_of(of.tier, self.open.start), &self.open.tally);
        page
    }
}

impl Pages {
    /// The pages as the store has them; [`Pages::read_newest`] brings the rest. Earlier ones than `kept_from` may still
    /// wait there for their removal.
    pub(crate) fn load(of: Of, kept_from: TimeNs, store: &dyn BucketStore) -> Self {
        let all = store.range(of.series, of.tier, kept_from..TimeNs(u64::MAX));
        let digests = all.iter().map(|(start, page)| (*start, digest_of(page))).collect();
        let complete = if of.are_kept_in_memory() { all.into() } else { VecDeque::new() };
        Self { newest: None, complete, digests, digest: None }
    }

    /// The start of the open bucket.
    pub(crate) fn open_start(&self) -> Option<TimeNs> {
        self.newest.as_ref().map(|newest| newest.open.start)
    }

    /// Changes the bucket at `start`, which may be new.
    pub(crate) fn change(
        &mut self,
        of: Of,
        start: TimeNs,
        store: &mut dyn BucketStore,
        change: impl FnOnce(&mut Tally),
    ) {
        match &mut self.newest {
            Some(newest) if start == newest.open.start => change(&mut newest.open.tally),
            Some(newest) if start > newest.open.start => {
                newest.close(of);
                let page_start = of.tier.page_start(start);
                let complete = (page_start != newest.start).then(|| {
                    let complete_start = std::mem::replace(&mut newest.start, page_start);
                    (complete_start, std::mem::take(&mut newest.page))
                });
                newest.open.start = start;
                change(&mut newest.open.tally);
                if let Some((complete_start, complete)) = complete {
                    self.put(of, complete_start, complete, store);
                }
            }
            Some(newest) if start >= newest.start => newest.page.change(page::place_of(of.tier, start), change),
            Some(_) => {
                let page_start = of.tier.page_start(start);
                let mut late = self.complete_page(of, page_start, store).unwrap_or_default();
                late.change(page::place_of(of.tier, start), change);
                self.put(of, page_start, late, store);
            }
            None => {
                let mut open = Bucket::new(start);
                change(&mut open.tally);
                self.newest = Some(Newest::with_open(of, open));
            }
        }
    }

    fn complete_page(&self, of: Of, start: TimeNs, store: &dyn BucketStore) -> Option<Page> {
        if !of.are_kept_in_memory() {
            return store.get(of.series, of.tier, start);
        }
        let at = self.complete.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        Some(self.complete[at].1.clone())
    }

    /// Keeps a complete page, in place of what was there.
    fn put(&mut self, of: Of, start: TimeNs, mut page: Page, store: &mut dyn BucketStore) {
        page.shrink();
        let digest = digest_of(&page);
        match self.digests.binary_search_by_key(&start, |(start, _)| *start) {
            Ok(at) => self.digests[at].1 = digest,
            Err(at) => self.digests.insert(at, (start, digest)),
        }
        self.digest = None;
        if of.are_kept_in_memory() {
            match self.complete.binary_search_by_key(&start, |(start, _)| *start) {
                Ok(at) => self.complete[at].1 = page.clone(),
                Err(at) => self.complete.insert(at, (start, page.clone())),
            }
        }
        store.put(of.series, of.tier, start, page);
    }

    /// Drops the pages that start before `start`, itself the start of a page.
    pub(crate) fn evict_before(&mut self, of: Of, start: TimeNs, store: &mut dyn BucketStore) {
        let gone = self.digests.partition_point(|(page, _)| *page < start);
        if gone > 0 {
            self.digests.drain(..gone);
            self.digest = None;
            let gone = self.complete.partition_point(|(page, _)| *page < start);
            self.complete.drain(..gone);
            store.evict_before(of.series, of.tier, start);
        }
        self.newest.take_if(|newest| newest.start < start);
    }

    /// Empties the buckets that start in `starts`.
    pub(crate) fn clear(&mut self, of: Of, starts: Range<TimeNs>, store: &mut dyn BucketStore) {
        if starts.is_empty() {
            return;
        }
        for (page_start, page) in store.range(of.series, of.tier, of.tier.page_start(starts.start)..starts.end) {
            self.put(of, page_start, without(of, page_start, &page, &starts), store);
        }
        if let Some(newest) = &mut self.newest {
            newest.page = without(of, newest.start, &newest.page, &starts);
            if starts.contains(&newest.open.start) {
                newest.open.tally.clear();
            }
        }
    }

    /// Looks at each bucket that starts in `starts`, in order.
    pub(crate) fn visit(
        &self,
        of: Of,
        starts: Range<TimeNs>,
        store: &dyn BucketStore,
        mut look: impl FnMut(TimeNs, Part<'_>),
    ) {
        if starts.is_empty() {
            return;
        }
        let mut look_into = |page_start: TimeNs, page: &Page| {
            for entry in page.entries() {
                let start = page::start_of(of.tier, page_start, &entry);
                if starts.contains(&start) {
                    look(start, Part::Closed(&entry));
                }
            }
        };
        let newest = self.newest.as_ref();
        if newest.is_none_or(|newest| starts.start < newest.start) {
            let page_starts = of.tier.page_start(starts.start)..starts.end;
            if of.are_kept_in_memory() {
                let from = self.complete.partition_point(|(start, _)| *start < page_starts.start);
                let complete = self.complete.range(from..).take_while(|(start, _)| *start < page_starts.end);
                complete.for_each(|(start, page)| look_into(*start, page));
            } else {
                let complete = store.range(of.series, of.tier, page_starts);
                complete.iter().for_each(|(start, page)| look_into(*start, page));
            }
        }
        if let Some(newest) = newest {
            look_into(newest.start, &newest.page);
            if starts.contains(&newest.open.start) {
                look(newest.open.start, Part::Open(&newest.open.tally));
            }
        }
    }

    /// Adds what the tier holds to the series' digest.
    pub(crate) fn digest_into(&mut self, of: Of, hasher: &mut Sha256) {
        let complete = self.digest.get_or_insert_with(|| {
            let mut hasher = Sha256::new();
            for (start, digest) in &self.digests {
                hasher.update(start.0.to_be_bytes());
                hasher.update(digest);
            }
            hasher.finalize().into()
        });
        hasher.update(*complete);
        let mut newest = Vec::new();
        self.write_newest(of, &mut newest);
        hasher.update((newest.len() as u64).to_be_bytes());
        hasher.update(newest);
    }

    /// Appends what the store has not: the newest page and the open bucket.
    pub(crate) fn write_newest(&self, of: Of, bytes: &mut Vec<u8>) {
        let Some(newest) = &self.newest else { return varint::write(bytes, 0) };
        varint::write(bytes, 1);
        varint::write(bytes, newest.start.0);
        for page in [&newest.page, &newest.open_page(of)] {
            varint::write(bytes, page.as_bytes().len() as u64);
            bytes.extend_from_slice(page.as_bytes());
        }
    }

    /// Takes what [`Pages::write_newest`] wrote off the front; `None` for anything else.
    pub(crate) fn read_newest(&mut self, of: Of, bytes: &mut &[u8]) -> Option<()> {
        if varint::read(bytes)? == 0 {
            return Some(());
        }
        let start = TimeNs(varint::read(bytes)?);
        let mut read_page = || {
            let length = usize::try_from(varint::read(bytes)?).ok()?;
            let (page, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Page::from_bytes(of.tier, page)
        };
        let (page, open_page) = (read_page()?, read_page()?);
        let open = page::bucket_of(of.tier, start, &open_page.entries().next()?);
        self.newest = Some(Newest { start, page, open });
        Some(())
    }
}

fn without(of: Of, page_start: TimeNs, page: &Page, starts: &Range<TimeNs>) -> Page {
    let mut kept = Page::default();
    for entry in page.entries() {
        let bucket = page::bucket_of(of.tier, page_start, &entry);
        if !starts.contains(&bucket.start) {
            kept.push(entry.place, &bucket.tally);
        }
    }
    kept
}

fn digest_of(page: &Page) -> Hash {
    Sha256::digest(page.as_bytes()).into()
}
