//! `rktctl pods --watch`: the list anew whenever it changes.
//!
//! Events tell when to look again at once. Some changes make none (a pod that begins to be
//! prepared, or to be removed), so the list is asked for every now and then as well. On a
//! terminal it is drawn over the last one; elsewhere come the rows of pods that have changed.

use std::{collections::BTreeMap, time::Duration};

use rkt_api::api::{EventFilter, EventType, ListenEventsResponse, Pod, PodFilter};
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Status, Streaming};

use super::look;
use crate::{
    cli::Output,
    client::Client,
    environment::{Environment, Size},
    error::Error,
    ids,
    show::{
        pods,
        table::Layout,
        text::{Wrapped, cut, wrapped},
    },
};

/// How often is looked when nothing is told.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// To the upper left corner.
const HOME: &str = "\x1b[H";

/// Clears what is left of a line, and of the page.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// Shows the pods that the filter takes, until the stream of events ends. Ids in it may be
/// beginnings, also of pods that are still to come.
///
/// # Errors
///
/// Those of [`ids::whole_in_pods`]; the end of the stream, too: it ends when the server does.
pub async fn watch(
    output: &Output,
    filter: &PodFilter,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    // First, so that nothing is missed between the list and the events.
    let mut events = client.events(about_pods()).await?;
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = Rows::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            happened = next(client, &mut events) => happened?,
        }
        // Each time anew: what an id is the beginning of changes as well.
        let filters = ids::whole_in_pods(client, filter.clone()).await?;
        let pods = client.pods(filters, true).await?.pods;
        let text = match (around.size)() {
            Some(size) => page(&pods, size, output, around),
            None => rows.changed(pods, output, around),
        };
        around.print(&text)?;
    }
}

/// What happens to pods: events of images change nothing here.
fn about_pods() -> EventFilter {
    let types = [
        EventType::PodPrepared,
        EventType::PodPrepareAborted,
        EventType::PodStarted,
        EventType::PodExited,
        EventType::PodGarbageCollected,
        EventType::AppStarted,
        EventType::AppExited,
    ];
    EventFilter {
        types: types.map(i32::from).to_vec(),
        ..EventFilter::default()
    }
}

/// Waits until something has happened.
async fn next(client: &Client, events: &mut Streaming<ListenEventsResponse>) -> Result<(), Error> {
    loop {
        match client.next(events).await? {
            Some(message) if message.events.is_empty() => {}
            Some(_) => return Ok(()),
            None => return Err(Status::unavailable("the server sends no more events").into()),
        }
    }
}

/// The list over what a terminal of this size shows.
fn page(pods: &[Pod], size: Size, output: &Output, around: &Environment) -> String {
    let look = look(output, around);
    let table = pods::table(pods, &look);
    let drawn = table.render(look.width, look.has_colour);
    // Colours take no room.
    over_the_last(&drawn, &table.render(look.width, false), size)
}

/// As many lines as there are rows for on a terminal of this size, over what it shows. They are
/// measured without their colours.
fn over_the_last(drawn: &str, plain: &str, size: Size) -> String {
    let wrap = |line| wrapped(line, size.width);
    let lines: Vec<_> = drawn.lines().zip(plain.lines().map(wrap)).collect();
    let needed: usize = lines.iter().map(|(_, wrapped)| wrapped.rows).sum();
    // The cursor stands in the last row.
    let mut free = size.height.saturating_sub(1);
    if needed > free {
        // That there are more is said in one.
        free = free.saturating_sub(1);
    }
    let mut page = HOME.to_owned();
    let mut shown = 0;
    for (line, Wrapped { rows, last_columns }) in &lines {
        if *rows > free {
            break;
        }
        free -= rows;
        shown += 1;
        page += line;
        // Where a row is full, the cursor stands on its last character still.
        if *last_columns < size.width {
            page += CLEAR_LINE;
        }
        page.push('\n');
    }
    if shown < lines.len() && size.height > 1 {
        let more = format!("… and {} more", lines.len() - shown);
        page += &format!("{}{CLEAR_LINE}\n", cut(&more, size.width));
    }
    page + CLEAR_REST
}

/// Rows one after the other, in the columns that the first list had.
#[derive(Debug, Default)]
struct Rows {
    layout: Option<Layout>,
    seen: BTreeMap<String, Pod>,
}

impl Rows {
    /// The rows of those pods that are not as they were; with headings, the first time.
    fn changed(&mut self, pods: Vec<Pod>, output: &Output, around: &Environment) -> String {
        let look = look(output, around);
        let pods: BTreeMap<_, _> = pods.into_iter().map(|pod| (pod.id.clone(), pod)).collect();
        let seen = std::mem::replace(&mut self.seen, pods);
        let is_new = |pod: &&Pod| seen.get(&pod.id) != Some(*pod);
        let new: Vec<_> = self.seen.values().filter(is_new).cloned().collect();
        let mut table = pods::table(&new, &look);
        for pod in seen.values().filter(|pod| !self.seen.contains_key(&pod.id)) {
            table.row(pods::gone(pod, &look));
        }
        match &self.layout {
            Some(layout) => table.rows(layout, look.has_colour),
            None => {
                let layout = self.layout.insert(table.layout(look.width));
                table.headings(layout) + &table.rows(layout, look.has_colour)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_the_rows_that_they_need() {
        let page = |width, height| {
            let page = over_the_last(
                "ab\n\u{1b}[32mcdefg\nh",
                "ab\ncdefg\nh",
                Size { width, height },
            );
            let page = page.replace(HOME, "^").replace(CLEAR_LINE, "<");
            page.replace(CLEAR_REST, "$").replace("\u{1b}[32m", "")
        };
        assert_eq!(page(80, 24), "^ab<\ncdefg<\nh<\n$");
        assert_eq!(page(5, 4), "^ab<\ncdefg\nh<\n$");
        // The second line takes two rows.
        assert_eq!(page(4, 5), "^ab<\ncdefg<\nh<\n$");
        assert_eq!(page(4, 4), "^ab<\n… a…<\n$");
        assert_eq!(page(20, 3), "^ab<\n… and 2 more<\n$");
        assert_eq!(page(20, 2), "^… and 3 more<\n$");
        assert_eq!(page(20, 1), "^$");
    }
}
