//! Answers that all who ask within a moment share, so that a crowd costs no more than a few.
//!
//! The longer an answer took to make, the longer it is given again, up to a limit; one that took next to nothing is made
//! anew each time. It says itself of which instant it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::api::health::Reading;
use crate::api::problem::Problem;
use crate::pages::Composed;

/// An answer is given again for so many times as long as it took: at most a fifth of a core goes into making it.
const TIMES_AS_LONG: u32 = 4;

/// The answers that are asked for most, or that take longest.
pub(crate) struct RecentAnswers {
    pub(crate) health: Recent<Reading>,
    pub(crate) home: Recent<Composed>,
    pub(crate) dashboard: Recent<Composed>,
}

impl RecentAnswers {
    pub(crate) fn new(at_most: Duration) -> Self {
        Self { health: Recent::new(at_most), home: Recent::new(at_most), dashboard: Recent::new(at_most) }
    }
}

/// The answer that was made last.
pub(crate) struct Recent<T> {
    at_most: Duration,
    made: Mutex<Option<(Arc<T>, Instant)>>,
}

impl<T> Recent<T> {
    fn new(at_most: Duration) -> Self {
        Self { at_most, made: Mutex::new(None) }
    }

    /// The answer made last, as long as it may be given; else a new one. Those who ask meanwhile wait for it.
    pub(crate) async fn get(&self, make: impl FnOnce() -> Result<T, Problem>) -> Result<Arc<T>, Problem> {
        let mut made = self.made.lock().await;
        let began = Instant::now();
        if let Some((answer, until)) = made.as_ref()
            && began < *until
        {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(make()?);
        let now = Instant::now();
        let share_for = ((now - began) * TIMES_AS_LONG).min(self.at_most);
        *made = Some((Arc::clone(&answer), now + share_for));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_took_long_is_shared_for_a_while_but_no_longer_than_allowed() {
        let mut made = 0;
        let mut make = || {
            made += 1;
            std::thread::sleep(Duration::from_millis(200));
            Ok(made)
        };
        let shared = Recent::new(Duration::from_secs(60));
        assert_eq!(*shared.get(&mut make).await.unwrap(), 1);
        assert_eq!(*shared.get(&mut make).await.unwrap(), 1, "for 800 ms");
        let not_shared = Recent::new(Duration::ZERO);
        assert_eq!(*not_shared.get(&mut make).await.unwrap(), 2);
        assert_eq!(*not_shared.get(&mut make).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let recent = Recent::new(Duration::from_secs(60));
        assert!(recent.get(|| Err(Problem::log_unreachable(String::new()))).await.is_err());
        assert_eq!(*recent.get(|| Ok(1)).await.unwrap(), 1);
    }
}
