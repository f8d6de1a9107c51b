use std::path::Path;

use spark_core::window::Window;
use spark_eventlog::archive::ArchiveOptions;
use spark_eventlog::clock;
use spark_eventlog::writer::EventWriter;
use spark_schemas::event::Observed;
use spark_schemas::{Boot, Class, EventSubject, Name, TimeNs};
use tokio::task::JoinHandle;

use super::*;
use crate::Projections;

const DAY: u64 = 86_400 * TimeNs::SECOND;
const TARGET: &str = "checkout";
const SOON: Duration = Duration::from_secs(20);

fn observed(slot: TimeNs) -> Observed {
    Observed::passed(Name::new(TARGET).unwrap(), slot, 7_000)
}

/// A log on disk and a projection that follows it.
struct World {
    log: Arc<dyn EventLog>,
    writer: EventWriter,
    projection: Projection,
    stop: CancellationToken,
    end: JoinHandle<Result<(), FollowError>>,
}

impl World {
    async fn start(dir: &Path) -> Self {
        let archive = Archive::open(dir.join("archive"), ArchiveOptions::default()).unwrap().0;
        let log: Arc<dyn EventLog> = Arc::new(archive);
        let projection = Projection::open_for(&dir.join("store"), 0, &log.bounds().await.unwrap()).unwrap();
        let subject = EventSubject { partition: 0, agent: Name::new("ankara").unwrap(), class: Class::Obs };
        let writer = EventWriter::new(Arc::clone(&log), subject, || Boot([7; 16]));
        let (projection_of_it, log_of_it) = (projection.clone(), Arc::clone(&log));
        let follow = Follow {
            projection: projection_of_it,
            log: log_of_it,
            recorder: None,
            dead_letters: None,
            clock: clock::system(),
        };
        let stop = CancellationToken::new();
        let end = tokio::spawn(follow.run(stop.clone()));
        Self { log, writer, projection, stop, end }
    }

    async fn observe(&self, slot: TimeNs) -> u64 {
        self.writer.write(vec![observed(slot).into()]).await.unwrap().seq
    }

    async fn until(&self, what: &str, holds: impl Fn(&Projection) -> bool) {
        let holding = async {
            while !holds(&self.projection) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let status = || self.projection.status();
        tokio::time::timeout(SOON, holding).await.unwrap_or_else(|_| panic!("not in time: {what}; {:?}", status()));
    }

    async fn until_folded(&self, seq: u64) {
        let is_live = |it: &Projection| it.position() == seq && it.status().phase == Phase::Live;
        self.until("everything is folded", is_live).await;
    }

    /// A figure that needs a page from the store: rolling sums are of now.
    fn looks_back(&self, now: TimeNs) -> Result<u64, StoreGone> {
        let at = TimeNs(now.0 - DAY);
        self.projection.view(at, |view| view.window(TARGET, Window::D28).unwrap().tally.count())
    }

    async fn assert_is_as_folded_in_memory(&self) {
        let replay = Projection::in_memory(0);
        replay.begin(&self.log.bounds().await.unwrap().incarnation);
        let mut reader = self.log.read(1).await.unwrap();
        while replay.position() < self.projection.position() {
            replay.apply(&reader.next_batch().await.unwrap());
        }
        assert_eq!(self.projection.digest(), replay.digest());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.end.await.unwrap().unwrap();
    }
}

async fn with_ten_days(world: &World) -> TimeNs {
    let now = (clock::system())();
    let mut last = 0;
    for days in (1..=10).rev() {
        last = world.observe(TimeNs(now.0 - days * DAY)).await;
    }
    world.until_folded(last).await;
    now
}

#[tokio::test]
async fn a_page_that_cant_be_read_gives_no_figure_and_the_store_is_made_again() {
    let home = tempfile::TempDir::new().unwrap();
    let world = World::start(home.path()).await;
    let now = with_ten_days(&world).await;
    world.projection.checkpoint().unwrap();
    let before = world.looks_back(now).unwrap();
    assert!(before >= 8, "{before}");

    world.projection.spoil_store();
    let gone = world.looks_back(now).unwrap_err();
    assert_eq!(gone.to_string(), "the store of partition 0 is gone: a page can't be read");
    assert_eq!(world.projection.status().phase, Phase::Failed(gone.to_string()), "it shows at once");
    let projections = Projections::from(world.projection.clone());
    assert!(projections.view_with_digest(now, |_, _| ()).is_err(), "no decision either");
    assert!(!projections.are_live());

    // The next frame finds it out.
    let seq = world.observe(now).await;
    world.until_folded(seq).await;
    assert_eq!(world.looks_back(now).unwrap(), before);
    assert!(home.path().join("store.aside-0").exists(), "what was committed could not be read any more");
    world.assert_is_as_folded_in_memory().await;
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_only_failed_to_write_is_opened_as_it_was_committed() {
    let home = tempfile::TempDir::new().unwrap();
    let world = World::start(home.path()).await;
    let now = with_ten_days(&world).await;
    world.projection.checkpoint().unwrap();
    assert!(!world.projection.is_worth_reopening(), "it takes checkpoints");
    world.projection.set_status(|status| status.no_checkpoint = Some("no room".to_owned()));
    assert!(world.projection.is_worth_reopening(), "there is room now");
    world.projection.give_up("it is opened anew");
    let seq = world.observe(now).await;
    world.until_folded(seq).await;
    assert_eq!(world.projection.status().no_checkpoint, None);
    assert!(!home.path().join("store.aside-0").exists(), "nothing was wrong with it");
    world.assert_is_as_folded_in_memory().await;
    world.stop().await;
}
