//! A series' digest: hashes over groups of 64 buckets, so that a change costs one group and not the whole history.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use spark_schemas::TimeNs;

use super::SeriesHead;
use crate::bucket::Bucket;
use crate::merkle::Hash;
use crate::window::Tier;

const GROUP_BUCKETS: u64 = 64;

/// The time that one group of `tier` spans; groups are aligned to it, and leave as a whole.
pub(super) const fn group_ns(tier: Tier) -> u64 {
    GROUP_BUCKETS * tier.width_ns()
}

/// One tier's group digests; `None` where one must be computed again.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GroupDigests {
    groups: BTreeMap<TimeNs, Option<Hash>>,
    /// The bucket digests of the newest group, the only one that changes all the time; `None` when they are not at hand.
    newest: Option<BTreeMap<TimeNs, Option<Hash>>>,
    /// The bucket that changed last, and is noted above: most changes are to the same one again.
    touched: Option<TimeNs>,
}

impl GroupDigests {
    fn group_of(tier: Tier, start: TimeNs) -> TimeNs {
        TimeNs(start.0 - start.0 % group_ns(tier))
    }

    /// The bucket at `start` changed.
    pub(super) fn touch(&mut self, tier: Tier, start: TimeNs) {
        if self.touched == Some(start) {
            return;
        }
        self.touched = Some(start);
        let group = Self::group_of(tier, start);
        let newest_group = self.groups.last_key_value().map(|(group, _)| *group);
        if newest_group.is_none_or(|newest| group > newest) {
            self.newest = Some(BTreeMap::new());
        }
        if let Some(newest) = self.newest.as_mut().filter(|_| newest_group.is_none_or(|newest| group >= newest)) {
            newest.insert(start, None);
        }
        self.groups.insert(group, None);
    }

    pub(super) fn drop_before(&mut self, kept_from: TimeNs) {
        self.touched = None;
        self.groups = self.groups.split_off(&kept_from);
        self.newest = self.newest.take().map(|mut newest| newest.split_off(&kept_from));
    }

    /// Computes what is missing.
    pub(super) fn refresh(&mut self, tier: Tier, buckets: impl Fn(Range<TimeNs>) -> Vec<Bucket>) {
        self.touched = None;
        let Some((&newest_group, _)) = self.groups.last_key_value() else { return };
        for (&group, digest) in self.groups.iter_mut().filter(|(_, digest)| digest.is_none()) {
            let end = TimeNs(group.0.saturating_add(group_ns(tier)));
            let mut hasher = Sha256::new();
            if group == newest_group {
                let newest = self.newest.get_or_insert_with(|| {
                    buckets(group..end).iter().map(|bucket| (bucket.start, Some(bucket_hash(bucket)))).collect()
                });
                for (&start, bucket_digest) in newest {
                    let computed = bucket_digest.unwrap_or_else(|| {
                        let one = buckets(start..TimeNs(start.0 + 1));
                        one.first().map(bucket_hash).unwrap_or_default()
                    });
                    *bucket_digest = Some(computed);
                    hasher.update(computed);
                }
            } else {
                buckets(group..end).iter().for_each(|bucket| hasher.update(bucket_hash(bucket)));
            }
            *digest = Some(hasher.finalize().into());
        }
    }
}

fn bucket_hash(bucket: &Bucket) -> Hash {
    Sha256::digest(bucket.to_bytes()).into()
}

/// The series' digest; every group's must be there.
#[expect(clippy::expect_used, reason = "string keys only, in memory")]
pub(super) fn of_series(head: &SeriesHead) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_vec(head).expect("string keys only, in memory"));
    for tier in Tier::ALL {
        for (group, digest) in &head.digests[tier.index()].groups {
            hasher.update(group.0.to_be_bytes());
            hasher.update(digest.unwrap_or_default());
        }
    }
    hasher.finalize().into()
}

/// Group digests are derived from the buckets: they are neither stored nor part of the head's own bytes.
impl Serialize for GroupDigests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.groups.keys().collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for GroupDigests {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let groups = Vec::<TimeNs>::deserialize(deserializer)?;
        Ok(Self { groups: groups.into_iter().map(|group| (group, None)).collect(), newest: None, touched: None })
    }
}
