//! The projections of several partitions together: one view over all of them.

use std::ops::Deref;
use std::sync::{Arc, RwLockWriteGuard};

use spark_core::view::{DECLARING, View, digest_over};
use spark_schemas::TimeNs;

use crate::status::StoreGone;
use crate::{Phase, Projection};

/// Projections in the order of their partitions; clones are the same ones.
#[derive(Clone)]
pub struct Projections(Arc<[Projection]>);

impl From<Vec<Projection>> for Projections {
    fn from(mut projections: Vec<Projection>) -> Self {
        projections.sort_by_key(Projection::partition);
        if let Some((declaring, others)) = projections.split_first().filter(|(first, _)| first.partition() == DECLARING)
        {
            others.iter().for_each(|other| other.count_as_declared_in(declaring));
        }
        Self(projections.into())
    }
}

impl From<Projection> for Projections {
    fn from(projection: Projection) -> Self {
        Self([projection].into())
    }
}

impl Deref for Projections {
    type Target = [Projection];

    fn deref(&self) -> &[Projection] {
        &self.0
    }
}

// Whoever needs several locks takes them in the order of the partitions, and a fold only its own: nobody waits in a
// circle.
impl Projections {
    /// Looks at all partitions from the instant `at`. The folds wait meanwhile: keep it short. What was seen is given only
    /// if every store could be read.
    pub fn view<R>(&self, at: TimeNs, look: impl FnOnce(View<'_>) -> R) -> Result<R, StoreGone> {
        let inner: Vec<_> = self.iter().map(Projection::read).collect();
        let parts = self.iter().zip(&inner).map(|(projection, inner)| inner.part(projection.partition()));
        let seen = look(View { parts: parts.collect(), at });
        self.iter().try_for_each(Projection::store_gone).map(|()| seen)
    }

    /// Looks at all partitions from the instant `at`, together with their digest in hex: both are of the same positions.
    pub fn view_with_digest<R>(&self, at: TimeNs, look: impl FnOnce(View<'_>, String) -> R) -> Result<R, StoreGone> {
        let mut inner: Vec<_> = self.iter().map(Projection::write).collect();
        let digests = self.iter().zip(&mut inner).map(|(projection, inner)| (projection.partition(), inner.digest()));
        let digest = spark_core::hex(&digest_over(digests));
        // Only the digests are kept in the states; others may look while this one does.
        let inner: Vec<_> = inner.into_iter().map(RwLockWriteGuard::downgrade).collect();
        let parts = self.iter().zip(&inner).map(|(projection, inner)| inner.part(projection.partition()));
        let seen = look(View { parts: parts.collect(), at }, digest);
        self.iter().try_for_each(Projection::store_gone).map(|()| seen)
    }

    /// The last sequence number that was folded of each partition, in their order.
    pub fn positions(&self) -> Vec<u64> {
        self.iter().map(Projection::position).collect()
    }

    /// Whether every fold follows its log.
    pub fn are_live(&self) -> bool {
        self.iter().all(|projection| projection.status().phase == Phase::Live)
    }
}
