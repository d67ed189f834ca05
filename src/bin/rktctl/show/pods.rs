//! Pods, for people: one in a row, or one with everything.

use rkt_api::api::{App, Image, Pod};

use super::{
    Look,
    details::Details,
    table::{Cell, Column, Table},
    words::{self, age_of, joined, pairs, time_and_age, time_ns},
};

const COLUMNS: [Column; 6] = [
    Column::whole("POD ID"),
    Column::whole("STATE"),
    Column::elastic("APPS", 8),
    Column::whole("CREATED"),
    Column::whole("STARTED"),
    Column::elastic("NETWORKS", 12),
];

/// What comes after them.
const MORE_COLUMNS: [Column; 3] = [
    Column::whole("PID"),
    Column::elastic("IMAGES", 12),
    Column::elastic("CGROUP", 12),
];

/// The pods in a table.
pub fn table(pods: &[Pod], look: &Look) -> Table {
    let more = if look.is_wide { &MORE_COLUMNS[..] } else { &[] };
    let mut table = Table::new(&[&COLUMNS, more].concat());
    for pod in pods {
        table.row(row(pod, words::pod_state(pod.state()), look));
    }
    table
}

/// A pod that was there before and is no more, in a row.
pub fn gone(pod: &Pod, look: &Look) -> Vec<Cell> {
    row(pod, words::gone(), look)
}

fn row(pod: &Pod, state: Cell, look: &Look) -> Vec<Cell> {
    let apps = pod.apps.iter().map(|app| app.name.as_str());
    let mut row = vec![
        Cell::new(look.id(&pod.id)),
        state,
        Cell::new(joined(apps, ", ")),
        Cell::new(age_of(time_ns(pod.created_at), look.now)),
        Cell::new(age_of(time_ns(pod.started_at), look.now)),
        Cell::new(joined(pod.networks.iter().map(words::network), ", ")),
    ];
    if look.is_wide {
        let images = pod.apps.iter().map(|app| image(app, look));
        row.extend([
            Cell::new(pid(pod)),
            Cell::new(joined(images, ", ")),
            Cell::new(&pod.cgroup),
        ]);
    }
    row
}

/// The pod's process id; historical servers say -1 where there is none.
fn pid(pod: &Pod) -> String {
    match pod.pid {
        ..=0 => String::new(),
        pid => pid.to_string(),
    }
}

/// An app's image as far as it is known: its name, or else its id.
fn image(app: &App, look: &Look) -> String {
    let Some(image) = &app.image else {
        return String::new();
    };
    match image.name.as_str() {
        "" => look.id(&image.id).to_owned(),
        _ => image_name(image),
    }
}

/// An image's name and version; empty where it has no name.
fn image_name(image: &Image) -> String {
    match image.name.as_str() {
        "" => String::new(),
        name => format!("{name}:{}", image.version),
    }
}

/// Everything about one pod.
pub fn details(pod: &Pod, look: &Look) -> String {
    let time = |unix_ns| Cell::new(time_and_age(time_ns(unix_ns), look.now));
    let mut details = Details::default();
    details.line("ID:", Cell::new(&pod.id));
    details.line("State:", words::pod_state(pod.state()));
    details.line("Created:", time(pod.created_at));
    details.line("Started:", time(pod.started_at));
    details.line("Marked:", time(pod.gc_marked_at));
    details.line("PID:", Cell::new(pid(pod)));
    details.line("Cgroup:", Cell::new(&pod.cgroup));
    let networks = pod.networks.iter().map(words::network);
    details.lines("Networks:", networks);
    details.pairs("Annotations:", &pod.annotations);
    details.table("Apps:", apps(&pod.apps, look));
    details.render(look)
}

fn apps(apps: &[App], look: &Look) -> Table {
    let mut columns = vec![
        Column::whole("APP"),
        Column::whole("STATE"),
        Column::elastic("IMAGE", 12),
        Column::whole("IMAGE ID"),
    ];
    if look.is_wide {
        columns.push(Column::whole("FORMAT"));
        columns.push(Column::elastic("ANNOTATIONS", 12));
    }
    let mut table = Table::new(&columns);
    for app in apps {
        let image = app.image.as_ref();
        let mut row = vec![
            Cell::new(&app.name),
            words::app_state(app),
            Cell::new(image.map(image_name).unwrap_or_default()),
            Cell::new(image.map_or("", |image| look.id(&image.id))),
        ];
        if look.is_wide {
            let base_format = image.and_then(|image| image.base_format.as_ref());
            row.push(Cell::new(words::format(base_format)));
            row.push(Cell::new(pairs(&app.annotations, ", ")));
        }
        table.row(row);
    }
    table
}
