//! A log's size and root at some time (C2SP tlog-checkpoint): three lines, which are signed as a note.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use spark_core::merkle::Hash;

/// What a log was at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: `spark/<environment>/<stream>@<created>`.
    pub origin: String,
    /// How many leaves it had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It has not three lines.
    #[error("a checkpoint of Spark has three lines: origin, size and root")]
    Lines,
    /// Its origin names no log.
    #[error("the origin of a checkpoint is one line without spaces at its ends")]
    Origin,
    /// Its size is no number.
    #[error("the second line of a checkpoint is the size, in decimal digits")]
    Size,
    /// Its root is no hash.
    #[error("the third line of a checkpoint is the root: 32 bytes in base64")]
    Root,
}

/// The origin of the log `incarnation` (`<stream>@<created>`) in `environment`.
pub fn origin(environment: &str, incarnation: &str) -> String {
    format!("spark/{environment}/{incarnation}")
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        if origin.is_empty() || origin.trim() != origin {
            return Err(CheckpointError::Origin);
        }
        let parsed = size.parse::<u64>().map_err(|_no_number| CheckpointError::Size)?;
        // One checkpoint has one spelling: no plus, no leading zeros, no spare bits in the base64.
        if parsed.to_string() != size {
            return Err(CheckpointError::Size);
        }
        let bytes = BASE64_STANDARD.decode(root).map_err(|_not_base64| CheckpointError::Root)?;
        let root = bytes.try_into().map_err(|_other_length| CheckpointError::Root)?;
        Ok(Self { origin: origin.to_owned(), size: parsed, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const PUBLISHED: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_published_checkpoint_is_read_and_printed() {
        let checkpoint: Checkpoint = PUBLISHED.parse().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), PUBLISHED);
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, error) in [
            (String::new(), CheckpointError::Lines),
            (format!("a\n1\n{root}"), CheckpointError::Lines),
            (format!("a\n1\n{root}\nextension\n"), CheckpointError::Lines),
            ("a\n1\n".to_owned(), CheckpointError::Lines),
            (format!("\n1\n{root}\n"), CheckpointError::Origin),
            (format!(" a\n1\n{root}\n"), CheckpointError::Origin),
            (format!("a\n01\n{root}\n"), CheckpointError::Size),
            (format!("a\n+1\n{root}\n"), CheckpointError::Size),
            (format!("a\n-1\n{root}\n"), CheckpointError::Size),
            (format!("a\n18446744073709551616\n{root}\n"), CheckpointError::Size),
            (format!("a\n1\n{}\n", &root[..40]), CheckpointError::Root),
            (format!("a\n1\n{}\n", root.replace('=', "")), CheckpointError::Root),
            (format!("a\n1\n{}\n", root.replace("I=", "J=")), CheckpointError::Root),
            (format!("a\n1\n{root}\r\n"), CheckpointError::Root),
        ] {
            assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
        }
    }
}
