//! `images` and `image`: flags to filters.

use clap::Args;
use jiff::Timestamp;
use rkt_api::api::{ImageFilter, KeyValue};

use super::{
    Output,
    values::{WHEN, When, key_value, unix_s},
};

/// List images
///
/// Without filters, every image. Different filters narrow each other: an image must pass all of
/// them. Where one is given more than once, an image must have one of the values of --id,
/// --name, --prefix, --base-name and --keyword, and all of the values of --label and
/// --annotation.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    #[command(flatten)]
    pub output: Output,

    /// Fill manifests, too, with --output json or yaml
    #[arg(long)]
    pub detail: bool,

    #[command(flatten)]
    pub filter: ImageFilterArgs,
}

/// Conditions on images, before the ids are whole.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters (may be repeated)")]
pub struct ImageFilterArgs {
    /// Images with this id, or this beginning of an id; the leading sha512- may be left out
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,

    /// Images of this name, such as coreos.com/etcd
    #[arg(long = "name", value_name = "NAME")]
    pub full_names: Vec<String>,

    /// Images whose name begins with this
    #[arg(long = "prefix", value_name = "PREFIX")]
    pub prefixes: Vec<String>,

    /// Images whose name ends in this, after the last slash
    #[arg(long = "base-name", value_name = "NAME")]
    pub base_names: Vec<String>,

    /// Images whose name has this in it
    #[arg(long = "keyword", value_name = "WORD")]
    pub keywords: Vec<String>,

    /// Images with this label
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    pub labels: Vec<KeyValue>,

    /// Images with this annotation
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<KeyValue>,

    /// Images imported after this second (only once): 10m, an RFC 3339 time, or seconds since
    /// the epoch
    #[arg(long, value_name = WHEN)]
    pub imported_after: Option<When>,

    /// Images imported before this second (only once)
    #[arg(long, value_name = WHEN)]
    pub imported_before: Option<When>,
}

impl ImageFilterArgs {
    /// The filter that says the same as far as it goes without looking at the host: ids as they
    /// were given.
    pub fn filter(&self, now: Timestamp) -> ImageFilter {
        ImageFilter {
            ids: self.ids.clone(),
            prefixes: self.prefixes.clone(),
            base_names: self.base_names.clone(),
            keywords: self.keywords.clone(),
            labels: self.labels.clone(),
            imported_after: unix_s(self.imported_after, now),
            imported_before: unix_s(self.imported_before, now),
            annotations: self.annotations.clone(),
            full_names: self.full_names.clone(),
        }
    }
}

/// Show everything about one image
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(flatten)]
    pub output: Output,

    /// The image's id, or a beginning that only one image has; the leading sha512- may be left
    /// out
    #[arg(value_name = "ID")]
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parsed;

    #[test]
    fn every_flag_arrives() {
        let args = [
            "--id=sha512-00",
            "--name=a/b",
            "--prefix=a",
            "--base-name=b",
            "--keyword=c",
            "--keyword=d",
            "--label=version=1",
            "--annotation=k=v",
            "--imported-after=10m",
            "--imported-before=1523869200",
        ];
        let now = Timestamp::from_second(1_523_880_000).unwrap();
        let filter: ImageFilterArgs = parsed(&args).unwrap();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let expected = ImageFilter {
            ids: words(&["sha512-00"]),
            prefixes: words(&["a"]),
            base_names: words(&["b"]),
            keywords: words(&["c", "d"]),
            labels: vec![pair("version", "1")],
            imported_after: 1_523_879_400,
            imported_before: 1_523_869_200,
            annotations: vec![pair("k", "v")],
            full_names: words(&["a/b"]),
        };
        assert_eq!(filter.filter(now), expected);
    }
}
