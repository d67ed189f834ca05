//! The demonstration on a terminal: a page that is drawn anew as the host lives. What is on
//! the page is `layout`'s; how it comes onto the terminal is `screen`'s.

mod layout;
mod line;
mod screen;

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Error, client::Client, hints::Place, life::Life};
use layout::Page;
use screen::Screen;
pub use screen::is_there;

/// How often the page is drawn anew: lively, and easy to read all the same.
const REFRESH: Duration = Duration::from_millis(250);

/// How many steps are kept, which is more than fit on a terminal.
const STEPS_KEPT: usize = 200;

/// Shows the host for as long as it lives, or the terminal is there. Dropping this leaves the
/// terminal as it was.
pub async fn watch(mut client: Client, place: &Place, mut life: Life) -> Result<(), Error> {
    let mut resized = signal(SignalKind::window_change()).map_err(Error::Runtime)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
    let info = client.info().await?;
    let mut screen = Screen::open().map_err(Error::Show)?;
    let mut refresh = interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = Instant::now();
    let mut steps = VecDeque::new();
    loop {
        select! {
            played = life.next() => {
                steps.truncate(STEPS_KEPT - 1);
                steps.push_front(played?);
                continue;
            }
            _ = hung_up.recv() => return Ok(()),
            _ = refresh.tick() => {}
            _ = resized.recv() => {}
        }
        let answers = client.ask().await?;
        let page = Page {
            place,
            info: &info,
            answers: &answers,
            steps: &steps,
            steps_played: life.steps(),
            up: begin.elapsed(),
            now: Timestamp::now(),
        };
        let size = screen.size().map_err(Error::Show)?;
        screen.draw(&page.lines(size), size).map_err(Error::Show)?;
    }
}
