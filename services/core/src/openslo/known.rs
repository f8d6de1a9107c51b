//! What the documents define by name, for others to refer to, within a file and across files.

use std::collections::BTreeMap;

use super::sli::Indicator;
use super::yaml::Node;
use super::{Kind, Refused, shown};
use crate::config::BurnAlert;

/// Everything that can be referred to.
pub(super) struct Known {
    pub data_sources: Named<()>,
    pub notification_targets: Named<()>,
    pub indicators: Named<Indicator>,
    pub conditions: Named<BurnAlert>,
    pub policies: Named<BurnAlert>,
}

/// The objects of one kind; `None` where one was refused.
pub(super) struct Named<T> {
    kind: Kind,
    objects: BTreeMap<String, Option<T>>,
}

impl Known {
    pub fn new() -> Self {
        Self {
            data_sources: Named::new(Kind::DataSource),
            notification_targets: Named::new(Kind::AlertNotificationTarget),
            indicators: Named::new(Kind::Sli),
            conditions: Named::new(Kind::AlertCondition),
            policies: Named::new(Kind::AlertPolicy),
        }
    }
}

impl<T: Clone> Named<T> {
    const fn new(kind: Kind) -> Self {
        Self { kind, objects: BTreeMap::new() }
    }

    /// Keeps an object, or that there is one that can't be used.
    pub fn keep(&mut self, name: &str, object: &Result<T, Refused>) {
        self.objects.insert(name.to_owned(), object.as_ref().ok().cloned());
    }

    /// What `reference` names.
    pub fn find(&self, reference: &Node, what: &str) -> Result<&T, Refused> {
        let name = reference.text(what)?;
        let kind = self.kind.as_str();
        match self.objects.get(name) {
            Some(Some(object)) => Ok(object),
            Some(None) => Err(reference.at.refused(format!("{what}: {kind} {} is refused itself", shown(name)))),
            None => Err(reference.at.refused(format!("{what}: no {kind} {} in these documents", shown(name)))),
        }
    }
}
