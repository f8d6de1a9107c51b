//! The OpenSLO documents that a configuration names: which files they are, and what is in them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use spark_core::config::Config;
use spark_core::openslo::{BYTES_MAX, Source};

use crate::exit::Unusable;

/// A file and its text.
pub struct Text {
    /// The file, as messages are to name it.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// The files with documents that `config` names; relative ones are beside the configuration file.
pub fn files(config: &Config, configuration_file: &Path) -> Vec<PathBuf> {
    let directory = configuration_file.parent().unwrap_or(Path::new(""));
    config.openslo.iter().map(|file| directory.join(file)).collect()
}

/// Adds the objectives of the documents that `config` names.
pub fn add_to(config: &mut Config, configuration_file: &Path) -> Result<(), Unusable> {
    let files = files(config, configuration_file);
    let texts = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    config.add_openslo(&sources(&texts)).map_err(Unusable::Documents)
}

/// The texts as the parser takes them.
pub fn sources(texts: &[Text]) -> Vec<Source<'_>> {
    texts.iter().map(|Text { file, text }| Source { file, text }).collect()
}

/// Reads a file with documents.
pub fn read(file: &Path) -> Result<Text, Unusable> {
    let path = file.display().to_string();
    let bytes = match bytes_of(file) {
        Ok(bytes) => bytes,
        Err(source) => return Err(Unusable::Unreadable { path, source }),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Text { file: path, text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(Unusable::Setting(format!("{path}: not UTF-8 text, at byte {at}")))
        }
    }
}

/// What is in a file, up to a byte more than it may have: enough to see that it is too long.
pub fn bytes_of(file: &Path) -> std::io::Result<Vec<u8>> {
    // A directory would fail later with less to say; a pipe would be waited for without end.
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Overrides, load};

    const SLO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: { name: pages }
spec:
  service: shop
  indicatorRef: answers
  timeWindow: [{ duration: 28d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.99 }]
---
apiVersion: openslo/v1
kind: SLI
metadata: { name: answers }
spec:
  ratioMetric:
    good: { metricSource: { type: Spark, spec: { metric: good } } }
    total: { metricSource: { type: Spark, spec: { metric: total } } }
";

    /// A directory with a configuration that names `slo/pages.yaml`.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("spark.toml"), "openslo = [\"slo/pages.yaml\"]\n").unwrap();
        std::fs::create_dir(directory.path().join("slo")).unwrap();
        directory
    }

    fn error_of(directory: &Path) -> String {
        let error = load(Some(&directory.join("spark.toml")), &Overrides::none().unwrap()).unwrap_err();
        spark_aggregator::follow::describe(&error).replace(&directory.display().to_string(), "")
    }

    #[test]
    fn the_gate_may_ask_for_objectives_of_documents_and_for_no_others() {
        let directory = directory();
        std::fs::write(directory.path().join("slo/pages.yaml"), SLO).unwrap();
        let limits = "[profiles.prod]\nlatency_p95 = \"1s\"\nerror_rate = \"1%\"\nstaleness = \"9s\"\n";
        let with = |asks: &str| {
            let check = format!("[[profiles.prod.check]]\nname = \"more\"\n{asks}\n");
            let text = format!("openslo = [\"slo/pages.yaml\"]\n{limits}{check}");
            std::fs::write(directory.path().join("spark.toml"), text).unwrap();
        };
        with("budget = { slo = \"pages\", min = \"1%\" }");
        load(Some(&directory.path().join("spark.toml")), &Overrides::none().unwrap()).unwrap();
        with("budget = { slo = \"page\", min = \"1%\" }");
        let unknown = "/spark.toml: line 8, column 18: no objective \"page\"; there are: pages";
        assert_eq!(error_of(directory.path()), unknown);
        with("objective = { slo = \"pages\", warn = \"99%\" }");
        assert!(error_of(directory.path()).ends_with("line 8, column 37: warn must be above the objective (99%)"));
    }

    #[test]
    fn documents_lie_beside_the_configuration_that_names_them() {
        let directory = directory();
        std::fs::write(directory.path().join("slo/pages.yaml"), SLO).unwrap();
        let config = load(Some(&directory.path().join("spark.toml")), &Overrides::none().unwrap()).unwrap();
        assert_eq!(config.objectives[0].name.as_str(), "pages");
    }

    #[test]
    fn what_can_not_be_read_as_a_file_of_documents_is_refused() {
        let directory = directory();
        let file = directory.path().join("slo/pages.yaml");
        let missing = "can't read the configuration /slo/pages.yaml: No such file";
        assert!(error_of(directory.path()).starts_with(missing));
        std::fs::create_dir(&file).unwrap();
        assert_eq!(error_of(directory.path()), "can't read the configuration /slo/pages.yaml: it is not a file");
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, b"kind: \xff\n").unwrap();
        assert_eq!(error_of(directory.path()), "/slo/pages.yaml: not UTF-8 text, at byte 6");
        std::fs::write(&file, vec![b'#'; BYTES_MAX * 2]).unwrap();
        let long = "/slo/pages.yaml: line 1, column 1: the file has more than 1048576 bytes";
        assert_eq!(error_of(directory.path()), long);
        std::fs::write(&file, SLO.replace("Occurrences", "Luck") + "---\nkind: Luck\n").unwrap();
        let first = "/slo/pages.yaml: line 8, column 20: budgetingMethod \"Luck\": there are Occurrences and Timeslices \
                     (and 1 more; `spark check` lists them)";
        assert_eq!(error_of(directory.path()), first);
    }
}
