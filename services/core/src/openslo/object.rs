//! What every document has around its `spec`: version, kind, name, labels.

use spark_schemas::Name;

use super::fields::Fields;
use super::yaml::{Node, Value};
use super::{Kind, Place, Refused, shown};

const VERSION: &str = "openslo/v1";
/// OpenSLO's bound on the names of labels and annotations, in characters.
const LABEL_CHARS_MAX: usize = 63;

/// A document, or an object inside of one.
pub(super) struct Object<'a> {
    pub kind: Kind,
    pub name: Name,
    pub name_at: Place,
    pub display_name: Option<&'a str>,
    at: Place,
    spec: Option<&'a Node>,
}

impl<'a> Object<'a> {
    /// A document.
    pub fn read(node: &'a Node) -> Result<Self, Refused> {
        // Before the other keys, which other versions may well have.
        if let Some(version) = value_of(node, "apiVersion") {
            let text = version.text("apiVersion")?;
            if text != VERSION {
                let message = format!("apiVersion {}: Spark reads {VERSION}", shown(text));
                return Err(version.at.refused(message));
            }
        }
        let fields = Fields::of(node, "a document", &["apiVersion", "kind", "metadata", "spec"])?;
        fields.need("apiVersion")?;
        let kind = kind_of(fields.need("kind")?)?;
        Self::from_fields(&fields, kind)
    }

    /// An object where a reference to one may stand as well.
    pub fn inline(node: &'a Node, kind: Kind) -> Result<Self, Refused> {
        let fields = Fields::of(node, "an inline object", &["kind", "metadata", "spec"])?;
        let there = fields.need("kind")?;
        if kind_of(there)? != kind {
            return Err(there.at.refused(format!("kind must be {} here", kind.as_str())));
        }
        Self::from_fields(&fields, kind)
    }

    /// An SLO's `indicator`, which says no kind.
    pub fn indicator(node: &'a Node) -> Result<Self, Refused> {
        Self::from_fields(&Fields::of(node, "indicator", &["metadata", "spec"])?, Kind::Sli)
    }

    fn from_fields(fields: &Fields<'a>, kind: Kind) -> Result<Self, Refused> {
        let metadata = fields.need("metadata")?;
        let keys = ["name", "displayName", "labels", "annotations"];
        let of_metadata = Fields::of(metadata, "metadata", &keys)?;
        let name = of_metadata.need("name")?;
        for key in ["labels", "annotations"] {
            check_labels(&of_metadata, key)?;
        }
        Ok(Self {
            kind,
            name: name.name("name")?,
            name_at: name.at,
            display_name: of_metadata.optional_text("displayName")?,
            at: fields.at,
            spec: fields.get("spec"),
        })
    }

    pub fn spec(&self) -> Result<&'a Node, Refused> {
        self.spec.ok_or_else(|| self.at.refused(format!("the {} has no spec", self.kind.as_str())))
    }

    /// A service groups objectives by its name; Spark asks no more of it.
    pub fn check_service(&self) -> Result<(), Refused> {
        let Some(spec) = self.spec else { return Ok(()) };
        Fields::of(spec, "the service's spec", &["description"])?.description().map(|_description| ())
    }

    /// Spark's own observations need no connection, and nothing else is read.
    pub fn check_data_source(&self) -> Result<(), Refused> {
        let keys = ["description", "type", "connectionDetails"];
        let fields = Fields::of(self.spec()?, "the data source's spec", &keys)?;
        fields.description()?;
        super::sli::own_source(fields.need("type")?, "the data source's type")?;
        match fields.get("connectionDetails") {
            Some(Node { value: Value::Map(entries), .. }) if entries.is_empty() => Ok(()),
            _ => fields.refuse("connectionDetails", "Spark reads its own log: write {}, or leave it out"),
        }
    }
}

/// What a document calls itself, as far as it can be read: for who looks for it.
pub(super) fn title_of(node: &Node) -> (String, String) {
    let text = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) => text.chars().take(64).collect(),
        _ => String::new(),
    };
    (text(value_of(node, "kind")), text(value_of(node, "metadata").and_then(|node| value_of(node, "name"))))
}

fn value_of<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|(there, _)| there.text == key).map(|(_, node)| node),
        _ => None,
    }
}

fn kind_of(node: &Node) -> Result<Kind, Refused> {
    let text = node.text("kind")?;
    Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::as_str).join(", ");
        node.at.refused(format!("kind {}: there are {kinds}", shown(text)))
    })
}

/// Labels are for people and for other tools: they have to be well-formed, and change nothing.
fn check_labels(metadata: &Fields<'_>, key: &'static str) -> Result<(), Refused> {
    let Some(node) = metadata.get(key) else { return Ok(()) };
    for (label, value) in node.mapping(key)? {
        // An annotation may have a prefix, up to a slash.
        let name = label.text.rsplit_once('/').map_or(label.text.as_str(), |(_, name)| name);
        if name.is_empty() || name.chars().count() > LABEL_CHARS_MAX {
            return Err(label.at.refused(format!("a name in {key} has from 1 to {LABEL_CHARS_MAX} characters")));
        }
        match &value.value {
            Value::List(items) if key == "labels" => {
                items.iter().try_for_each(|item| item.text("a label").map(|_text| ()))?;
            }
            _ => _ = value.text(&format!("the value of {}", shown(&label.text)))?,
        }
    }
    Ok(())
}
