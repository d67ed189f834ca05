//! The report for programs: the [`Document`] as it is, whose schema is `report.schema.json`.

use std::io;

use super::document::Document;

/// Writes the document.
pub(super) fn write(document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_run_reads_as_before() {
        let mut json = Vec::new();
        write(&sample::document(), &mut json).unwrap();
        insta::assert_snapshot!(String::from_utf8(json).unwrap());
    }

    #[test]
    fn the_schema_is_published() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
        let schema = schemars::schema_for!(Document);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        // Whoever changes the form looks at the difference and commits it.
        if env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap();
        assert_eq!(
            published, text,
            "out of date; UPDATE_SCHEMA=1 writes it anew"
        );
        let validator = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
        let sample = serde_json::to_value(sample::document()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&sample).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}
