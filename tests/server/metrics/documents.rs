//! What is written about metrics, `docs/metrics.md` and the dashboard, is about those that there
//! are, and about all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use pretty_assertions::assert_eq;
use serde_json::Value;

use super::{scrape::Metrics, serve, wait_until_ready};
use crate::hosts::TempHost;

fn repository(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The metrics of a server.
fn metrics() -> Metrics {
    let host = TempHost::create();
    let server = serve(&host, &[]);
    wait_until_ready(&server);
    Metrics::of(&server)
}

/// What a metric is called in queries.
fn queried(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

/// The type and the labels of each metric, as the server tells them.
fn told(metrics: &Metrics) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let told = metrics.types.iter().map(|(name, kind)| {
        let name = queried(name, kind);
        let of_metric = metrics.text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name.as_str())?;
            let rest = rest.strip_prefix("_bucket").unwrap_or(rest);
            Some(rest.strip_prefix('{')?.split_once('}')?.0)
        });
        let labels = of_metric.flat_map(|labels| labels.split(','));
        let labels = labels.map(|label| label.split('=').next().unwrap().to_owned());
        let labels = labels.filter(|label| label != "le").collect();
        (name, (kind.clone(), labels))
    });
    told.collect()
}

#[test]
fn every_metric_is_described() {
    let metrics = metrics();
    assert_eq!(metrics.helped, metrics.types.keys().cloned().collect());
    for name in metrics.types.keys() {
        assert!(
            name.starts_with("rkt_api_") || name.starts_with("process_"),
            "{name}"
        );
    }
    let document = repository("docs/metrics.md");
    let rows = document.lines().filter_map(|line| {
        let row = line.strip_prefix("| `")?;
        if row.starts_with('/') {
            // A page.
            return None;
        }
        let cells: Vec<_> = row.split(" | ").collect();
        let [name, kind, labels, meaning] = cells.as_slice() else {
            panic!("{line}");
        };
        assert!(meaning.len() > 10, "{line}");
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.trim_matches('`').to_owned());
        let name = name.trim_end_matches('`').to_owned();
        Some((name, ((*kind).to_owned(), labels.collect())))
    });
    let described: BTreeMap<_, (String, BTreeSet<String>)> = rows.collect();
    assert_eq!(described, told(&metrics));
}

/// All panels, those in rows that are folded included.
fn panels(of: &Value) -> Vec<&Value> {
    let panels = of["panels"].as_array().into_iter().flatten();
    panels
        .flat_map(|panel| [vec![panel], self::panels(panel)].concat())
        .collect()
}

/// The names in a PromQL expression that are names of metrics.
fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_part(c));
    let names = words.filter(|word| ["rkt_", "process_"].iter().any(|p| word.starts_with(p)));
    names.map(str::to_owned).collect()
}

#[test]
fn the_dashboard_shows_every_metric() {
    let metrics = metrics();
    let dashboard: Value =
        serde_json::from_str(&repository("dist/grafana/rkt-api-service.json")).unwrap();
    let told = told(&metrics);
    let samples = metrics.names();

    let mut shown = BTreeSet::new();
    let mut queries = vec![];
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            queries.push(variable["query"]["query"].as_str().unwrap().to_owned());
        }
    }
    for query in &queries {
        let names = names(query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            assert!(samples.contains(name.as_str()), "{name} in {query}");
            let of_histogram = name.strip_suffix("_bucket");
            shown.insert(of_histogram.unwrap_or(&name).to_owned());
        }
    }
    let ours = told.keys().filter(|name| name.starts_with("rkt_api_"));
    let missing: Vec<_> = ours.filter(|name| !shown.contains(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// What Grafana needs to import it.
#[test]
fn the_dashboard_is_one() {
    let dashboard: Value =
        serde_json::from_str(&repository("dist/grafana/rkt-api-service.json")).unwrap();
    assert!(!dashboard["title"].as_str().unwrap().is_empty());
    assert!(!dashboard["uid"].as_str().unwrap().is_empty());
    // That of Grafana 10.0, or later.
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38);
    assert_eq!(dashboard["id"], Value::Null);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    assert_eq!(variables[0]["query"], "prometheus");
    let source = format!("${{{}}}", variables[0]["name"].as_str().unwrap());

    let panels = panels(&dashboard);
    let ids: BTreeSet<_> = panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    let mut described = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y, w, h) = (number("x"), number("y"), number("w"), number("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for (x, y) in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert((x, y)), "{title} overlaps another");
        }
        if panel["type"] == "row" {
            continue;
        }
        let description = panel["description"].as_str().unwrap();
        assert!(
            described.insert(description),
            "{title} has another's: {description}"
        );
        assert_eq!(panel["datasource"]["uid"], *source, "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        let refs: BTreeSet<_> = targets
            .iter()
            .map(|t| t["refId"].as_str().unwrap())
            .collect();
        assert_eq!(refs.len(), targets.len(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                let count = |c| expression.matches(c).count();
                assert_eq!(count(open), count(close), "{expression}");
            }
            let selector = r#"{job=~"$job", instance=~"$instance""#;
            let selectors = expression.matches(selector).count();
            assert_eq!(
                selectors,
                expression.matches("{job").count(),
                "{expression}"
            );
            assert_eq!(selectors, names(expression).len(), "{expression}");
        }
    }
}
