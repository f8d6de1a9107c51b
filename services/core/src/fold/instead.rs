//! Another policy in place of those that the log declares: what would have been said under it.
//!
//! What is watched is a fact and no policy, so targets stay those of the log: nothing can be judged that nobody observed.

use super::{Policy, State};
use crate::config::Config;

/// A policy that takes the place of each that comes into force.
#[derive(Debug, Clone)]
pub(super) struct Instead {
    config: Config,
    /// The one whose place it has now.
    declared: Option<Policy>,
}

impl State {
    /// A state in which every configuration of the log has the profiles, objectives and service hours of `config`. Its digest is that of
    /// no log.
    pub fn under(config: Config) -> Self {
        Self { instead: Some(Box::new(Instead { config, declared: None })), ..Self::default() }
    }

    /// The configuration that the log declares; the one in force, unless another is asked for.
    pub fn declared_policy(&self) -> Option<&Policy> {
        match &self.instead {
            Some(instead) => instead.declared.as_ref(),
            None => self.head.declarations.policy.as_ref(),
        }
    }

    /// A configuration came into force.
    pub(super) fn put_policy_instead(&mut self) {
        let Some(instead) = &mut self.instead else { return };
        instead.declared = self.head.declarations.policy.take();
        let Some(Policy { since, config, .. }) = instead.declared.clone() else { return };
        let Config { profiles, objectives, service_hours, profile, .. } = instead.config.clone();
        let config = Config { profiles, objectives, service_hours, profile, ..config };
        self.head.declarations.policy = Some(Policy { since, digest: config.digest(), config });
    }
}
