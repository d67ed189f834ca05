//! What is on the page: from the answers and the size of the terminal, the lines to be shown.
//! Nothing is read or written here.
//!
//! The page has the same places for the same things however many pods and images there are,
//! so that nothing jumps; what does not fit is counted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    iter,
    time::Duration,
};

use jiff::Timestamp;
use rkt_api::api::{Info, Pod, PodState};

use super::line::{Line, Span, cut_line};
use crate::command::{
    demo::{
        cells,
        client::Answers,
        hints::{self, Place},
        life::Played,
    },
    table::{GAP, Table},
};

/// The states as they are counted and sorted: what lives first, then what waits, then what is
/// over.
const STATES: [PodState; 9] = [
    PodState::Running,
    PodState::Preparing,
    PodState::Embryo,
    PodState::Prepared,
    PodState::Exited,
    PodState::AbortedPrepare,
    PodState::Deleting,
    PodState::Garbage,
    PodState::Undefined,
];

/// A terminal lower than this shows pods alone.
const STEPS_MIN_HEIGHT: usize = 12;

/// A terminal lower than this shows no images.
const IMAGES_MIN_HEIGHT: usize = 18;

/// So many lines of terminal make room for one line of what to type next.
const LINES_PER_HINT: usize = 10;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// All that is known when a page is made.
pub struct Page<'a> {
    pub place: &'a Place,
    pub info: &'a Info,
    pub answers: &'a Answers,
    /// The steps played last, the newest first.
    pub steps: &'a VecDeque<Played>,
    pub steps_played: u64,
    /// For how long the host has been watched.
    pub up: Duration,
    pub now: Timestamp,
}

impl Page<'_> {
    /// As many lines as a terminal of this size has, none of them too long.
    pub fn lines(&self, size: Size) -> Vec<Line> {
        let Size { width, height } = size;
        let is_low = height < STEPS_MIN_HEIGHT;
        let mut lines = self.head();
        if is_low {
            lines.truncate(1);
        }
        let foot = self.foot(height / LINES_PER_HINT);
        let mut parts = vec![self.pods(width)];
        if height >= IMAGES_MIN_HEIGHT {
            parts.push(self.images(width));
        }
        if !is_low {
            parts.push(self.steps());
        }
        // A blank line stands above every part, where there is room for beauty.
        let blanks = usize::from(!is_low);
        let fixed: usize = parts.iter().map(|part| part.heads.len() + blanks).sum();
        let rows = height.saturating_sub(lines.len() + foot.len() + fixed);
        // A quarter each is for images and steps, and what is left for pods.
        let quarter = rows.div_ceil(4);
        let pods_rows = rows.saturating_sub(quarter * (parts.len() - 1));
        for (part, rows) in parts
            .into_iter()
            .zip(iter::once(pods_rows).chain(iter::repeat(quarter)))
        {
            lines.resize(lines.len() + blanks, Line::new());
            lines.append(&mut part.into_lines(rows));
        }
        lines.extend(foot);
        lines.resize(height, Line::new());
        let cut = |line| cut_line(line, width);
        lines.into_iter().map(cut).collect()
    }

    /// Which host this is, and how it does.
    fn head(&self) -> Vec<Line> {
        let Info {
            rkt_version,
            appc_version,
            api_version,
            ..
        } = self.info;
        let up_s = self.up.as_secs();
        let took_ms = self.answers.took.as_secs_f64() * 1e3;
        let doing = format!(
            "{GAP}up {}:{:02}, {} steps, ListPods took {took_ms:.1} ms",
            up_s / 60,
            up_s % 60,
            self.steps_played,
        );
        let versions = format!("{GAP}rkt {rkt_version}, appc {appc_version}, API {api_version}");
        vec![
            vec![
                Span::strong("rkt-sim demo"),
                Span::plain(format!("{GAP}{}", self.place.address)),
                Span::faint(doing),
            ],
            vec![
                Span::plain(self.place.dir.display().to_string()),
                Span::faint(versions),
            ],
        ]
    }

    /// What to type next, and how to end; `hints` of the lines there are.
    fn foot(&self, hints: usize) -> Vec<Line> {
        if hints == 0 {
            return Vec::new();
        }
        let commands = hints::commands(self.place, &self.answers.pods);
        let heading = "Type next, in another terminal; Ctrl-C ends this one:";
        let mut lines = vec![Line::new(), vec![Span::faint(heading)]];
        let commands = commands.into_iter().take(hints);
        lines.extend(commands.map(|command| vec![Span::plain(format!("{GAP}{command}"))]));
        lines
    }

    fn pods(&self, width: usize) -> Part {
        let mut pods: Vec<_> = self.answers.pods.iter().collect();
        pods.sort_by_key(|pod| (rank(pod.state()), Reverse(pod.created_at), &pod.id));
        let mut table = Table::new(["POD", "STATE", "APPS", "STARTED", "NETWORKS"]);
        for pod in &pods {
            table.row([
                cells::short(&pod.id).to_owned(),
                cells::state(pod.state()).to_owned(),
                cells::apps(pod),
                cells::ago(pod.started_at.into(), self.now),
                cells::networks(pod),
            ]);
        }
        let mut rows = table.fit(width).into_iter();
        let heading = rows.next().map(|cells| Span::faint(cells.join(GAP)));
        let row = |([id, state, apps, started, networks], pod): ([String; 5], &&Pod)| {
            vec![
                Span::plain(id + GAP),
                Span::state(state, pod.state()),
                Span::plain(format!("{GAP}{apps}{GAP}{started}{GAP}{networks}")),
            ]
        };
        Part {
            heads: vec![counts(&self.answers.pods), heading.into_iter().collect()],
            rows: rows.zip(&pods).map(row).collect(),
            counts_rest: true,
        }
    }

    fn images(&self, width: usize) -> Part {
        let images = &self.answers.images;
        let count = format!("{} images", images.len());
        let mut table = Table::new([&count, "NAME", "VERSION", "FORMAT", "SIZE", "IMPORTED"]);
        for image in images {
            table.row([
                cells::short_key(&image.id).to_owned(),
                image.name.clone(),
                image.version.clone(),
                cells::format(image).to_owned(),
                cells::size(image.size),
                cells::ago(cells::imported_unix_ns(image), self.now),
            ]);
        }
        let mut rows = table.fit(width).into_iter();
        let heading = rows.next().map(|[count, rest @ ..]| {
            let rest = rest.join(GAP);
            vec![Span::strong(count), Span::faint(format!("{GAP}{rest}"))]
        });
        Part {
            heads: heading.into_iter().collect(),
            rows: rows
                .map(|cells| vec![Span::plain(cells.join(GAP))])
                .collect(),
            counts_rest: true,
        }
    }

    fn steps(&self) -> Part {
        let line = |played: &Played| {
            vec![
                Span::faint(played.time()),
                Span::plain(format!(" {}", played.words)),
            ]
        };
        Part {
            heads: vec![vec![
                Span::strong("steps"),
                Span::faint(", the newest first"),
            ]],
            rows: self.steps.iter().map(line).collect(),
            counts_rest: false,
        }
    }
}

/// A part of the page.
struct Part {
    heads: Vec<Line>,
    rows: Vec<Line>,
    /// Whether the rows that do not fit are counted.
    counts_rest: bool,
}

impl Part {
    /// The part with room for exactly so many rows below its headings.
    fn into_lines(self, room: usize) -> Vec<Line> {
        let mut lines = self.heads;
        let height = lines.len() + room;
        let count = self.rows.len();
        let shown = match count > room && self.counts_rest {
            true => room.saturating_sub(1),
            false => room,
        };
        lines.extend(self.rows.into_iter().take(shown));
        if shown < room && shown < count {
            let more = format!("… and {} more", count - shown);
            lines.push(vec![Span::faint(more)]);
        }
        lines.resize(height, Line::new());
        lines
    }
}

/// How many pods there are, and in which states.
fn counts(pods: &[Pod]) -> Line {
    let mut counts = BTreeMap::new();
    for pod in pods {
        *counts.entry(rank(pod.state())).or_insert(0) += 1;
    }
    let mut line = vec![Span::strong(format!("{} pods", pods.len()))];
    for (rank, count) in counts {
        let state = STATES[rank];
        line.push(Span::plain(format!("{GAP}{count} ")));
        line.push(Span::state(cells::state(state), state));
    }
    line
}

fn rank(state: PodState) -> usize {
    let rank = STATES.iter().position(|there| *there == state);
    rank.unwrap_or(STATES.len() - 1)
}

#[cfg(test)]
mod tests {
    use rkt_api::api::{App, Image, ImageFormat, ImageType, Network};

    use super::*;
    use crate::command::demo::view::line::{self, Style};

    const S_NS: i64 = 1_000_000_000;

    /// So many pods and twice as many images and steps, seen at noon.
    fn lines(count: usize, width: usize, height: usize) -> Vec<Line> {
        let noon: Timestamp = "2018-04-16T12:00:00Z".parse().unwrap();
        let pods = (0..count).map(|number| pod(number, noon)).collect();
        let images = (0..2 * count).map(|number| image(number, noon)).collect();
        let step = |number: usize| Played {
            at: noon - Duration::from_millis(500 * number as u64),
            words: format!("create {number:08x}"),
        };
        Page {
            place: &Place {
                dir: "/tmp/rkt-sim-a1B2c3/rkt".into(),
                address: "127.0.0.1:15441".to_owned(),
            },
            info: &Info {
                rkt_version: "1.30.0".to_owned(),
                appc_version: "0.8.11".to_owned(),
                api_version: "1.0.0-alpha".to_owned(),
                ..Info::default()
            },
            answers: &Answers {
                pods,
                images,
                took: Duration::from_micros(1234),
            },
            steps: &(0..2 * count).map(step).collect(),
            steps_played: 2 * count as u64,
            up: Duration::from_secs(83),
            now: noon,
        }
        .lines(Size { width, height })
    }

    fn pod(number: usize, noon: Timestamp) -> Pod {
        let state = STATES[number % (STATES.len() - 1)];
        let created_at = noon.as_second() * S_NS - (number as i64 + 1) * 40 * S_NS;
        let has_run = matches!(state, PodState::Running | PodState::Exited);
        let names = ["web", "cache", "log-shipper"];
        let apps = names[..number % 4].iter().map(|name| App {
            name: (*name).to_owned(),
            ..App::default()
        });
        let network = Network {
            name: "default".to_owned(),
            ipv4: format!("172.16.28.{number}"),
            ..Network::default()
        };
        Pod {
            id: format!("{number:08x}-8c1d-4a7e-9d26-6e1f07a4c5b8"),
            state: state.into(),
            apps: apps.collect(),
            created_at,
            started_at: if has_run { created_at + S_NS } else { 0 },
            networks: if has_run { vec![network] } else { Vec::new() },
            ..Pod::default()
        }
    }

    fn image(number: usize, noon: Timestamp) -> Image {
        Image {
            id: format!("sha512-{number:064x}"),
            name: format!("example.com/shop/service-{number}"),
            version: "1.4.0".to_owned(),
            base_format: Some(ImageFormat {
                r#type: ImageType::Appc.into(),
                ..ImageFormat::default()
            }),
            size: 1 << (16 + number % 12),
            import_timestamp: noon.as_second() - 3600 * number as i64,
            ..Image::default()
        }
    }

    /// As people see it.
    fn text(lines: &[Line]) -> String {
        let line = |line: &Line| {
            let text: String = line.iter().map(|span| span.text.as_str()).collect();
            text.trim_end().to_owned() + "\n"
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn the_usual_terminal() {
        insta::assert_snapshot!(text(&lines(11, 80, 24)));
    }

    #[test]
    fn a_large_terminal() {
        insta::assert_snapshot!(text(&lines(11, 200, 50)));
    }

    #[test]
    fn a_tiny_terminal() {
        insta::assert_snapshot!(text(&lines(11, 20, 5)));
    }

    #[test]
    fn a_host_without_anything() {
        insta::assert_snapshot!(text(&lines(0, 80, 24)));
    }

    #[test]
    fn a_page_is_as_large_as_the_terminal() {
        for height in 0..60 {
            for width in [0, 1, 7, 40, 80, 133] {
                let lines = lines(30, width, height);
                assert_eq!(lines.len(), height, "{width}x{height}");
                for line in lines {
                    assert!(line::width(&line) <= width, "{width}x{height}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn states_alone_have_styles_of_their_own() {
        let lines = lines(11, 120, 24);
        let spans = lines.iter().flatten();
        let states: Vec<_> = spans
            .filter_map(|span| match span.style {
                Style::State(state) => Some((state, span.text.trim())),
                _ => None,
            })
            .collect();
        assert!(states.contains(&(PodState::Running, "RUNNING")));
        for (state, text) in states {
            assert_eq!(text, cells::state(state));
        }
    }
}
