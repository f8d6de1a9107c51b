//! Live pages: one stream for each open tab, which sends the regions of its page that changed.
//!
//! A page is rendered once for all that look at it, by the same functions that render it whole, and at most twice a
//! second however many those are; a tab hears at most once a second.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::future::select_all;
use serde_json::json;
use spark_aggregator::Projection;
use spark_core::view::rfc3339;
use spark_schemas::metric;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::api::problem::Problem;
use crate::app::Server;
use crate::pages::{self, Page, Region};
use crate::params::Params;

/// A tab hears of news at most this often; without news its page is looked at again all the same, because ages grow.
const PERIOD: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// More open tabs than this are refused.
const STREAMS_MAX: i64 = 2_000;

/// What was rendered last of each page that somebody looks at.
#[derive(Default)]
pub(crate) struct LivePages {
    pages: Mutex<HashMap<Page, Arc<tokio::sync::Mutex<Option<Rendered>>>>>,
    streams: Arc<std::sync::atomic::AtomicI64>,
}

#[derive(Clone)]
struct Rendered {
    at: Instant,
    positions: Vec<u64>,
    regions: Arc<[LiveRegion]>,
}

struct LiveRegion {
    id: &'static str,
    digest: u64,
    /// The event's data.
    json: String,
}

impl LiveRegion {
    fn new(region: &Region) -> Self {
        let html = &region.body.0;
        let mut hasher = DefaultHasher::new();
        html.hash(&mut hasher);
        Self { id: region.id, digest: hasher.finish(), json: json!({"id": region.id, "html": html}).to_string() }
    }
}

impl LivePages {
    /// The page as of now or up to a second ago; `None` when it is gone, as a target can be.
    async fn rendered(&self, server: &Server, page: &Page) -> Result<Arc<[LiveRegion]>, Problem> {
        let slot = {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pages.entry(page.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.as_ref() {
            let news = server.projections.positions() != kept.positions;
            let age = kept.at.elapsed();
            // Tabs do not wake together: those that wake a little later share what the first of them rendered.
            if age < if news { PERIOD / 2 } else { PERIOD * 9 / 10 } {
                return Ok(Arc::clone(&kept.regions));
            }
        }
        let positions = server.projections.positions();
        let composed = pages::recent(server, page).await?;
        let regions: Arc<[LiveRegion]> = composed.regions.iter().map(LiveRegion::new).collect();
        *slot = Some(Rendered { at: Instant::now(), positions, regions: Arc::clone(&regions) });
        Ok(regions)
    }

    /// Forgets a page when its last stream ends.
    fn forget_unused(&self, page: &Page) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.get(page).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            pages.remove(page);
        }
    }
}

/// Counts an open stream for as long as it lives.
struct OpenStream(Arc<std::sync::atomic::AtomicI64>);

impl OpenStream {
    fn new(count: &Arc<std::sync::atomic::AtomicI64>) -> Option<Self> {
        use std::sync::atomic::Ordering::Relaxed;
        let open = Self(Arc::clone(count));
        metrics::gauge!(metric::LIVE_STREAMS).increment(1.0);
        (count.fetch_add(1, Relaxed) < STREAMS_MAX).then_some(open)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        metrics::gauge!(metric::LIVE_STREAMS).decrement(1.0);
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// One tab's stream.
struct Tab {
    server: Arc<Server>,
    page: Page,
    changes: Vec<watch::Receiver<u64>>,
    /// What this tab shows.
    shown: HashMap<&'static str, u64>,
    /// Events that wait to be sent.
    waiting: std::collections::VecDeque<Event>,
    next_render: Instant,
    _open: OpenStream,
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.server.live.forget_unused(&self.page);
    }
}

impl Tab {
    /// The next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let server = Arc::clone(&self.server);
            if !self.shown.is_empty() {
                tokio::select! {
                    () = server.shutdown.cancelled() => return None,
                    () = self.until_due() => {}
                }
            }
            let regions = server.live.rendered(&server, &self.page).await.ok()?;
            for region in regions.iter() {
                if self.shown.insert(region.id, region.digest) != Some(region.digest) {
                    self.waiting.push_back(Event::default().event("region").data(&region.json));
                }
            }
        }
    }

    /// Waits until a period has passed since the last rendering, and then at most another for news.
    async fn until_due(&mut self) {
        sleep_until(self.next_render).await;
        // Whether there was news or time ran out, the page is due; a closed channel means no more news, only time.
        let changed = select_all(self.changes.iter_mut().map(|changes| Box::pin(changes.changed())));
        if let Ok((Err(_closed), ..)) = timeout(PERIOD, changed).await {
            sleep_until(self.next_render + PERIOD).await;
        }
        self.next_render = Instant::now() + PERIOD;
    }
}

/// Streams the regions of `?page=` that change.
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::strict(&uri, &["page"])?;
    let wanted = params.get("page").unwrap_or("/");
    let page = Page::parse(wanted).ok_or_else(|| Problem::unknown_path(wanted))?;
    // A page that can't be shown has no stream either.
    pages::recent(&server, &page).await?;
    let open = OpenStream::new(&server.live.streams).ok_or_else(|| {
        let detail = format!("{STREAMS_MAX} tabs are open already; reload the page to see newer figures.");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "Too many tabs are open", detail)
    })?;
    let hello = json!({"build": server.build.id, "at": rfc3339(server.now())}).to_string();
    let changes = server.projections.iter().map(Projection::changes).collect();
    let tab = Tab {
        page,
        changes,
        shown: HashMap::new(),
        waiting: [Event::default().event("hello").data(hello)].into(),
        next_render: Instant::now() + PERIOD,
        server,
        _open: open,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    Ok(Sse::new(events(tab)).keep_alive(keep_alive).into_response())
}

fn events(tab: Tab) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    futures::stream::unfold(tab, |mut tab| async move {
        let event = tab.next().await?;
        Some((Ok(event), tab))
    })
}
