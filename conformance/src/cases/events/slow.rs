//! Listeners that do not read (E-14): so much happens that no server should keep it all for
//! them. One that keeps it all loses nothing, and that is right as well.

use std::time::Duration;

use rkt_api::api::{Event, EventType};
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use super::{
    judge::{self, is_told_by, show_one},
    listener::Listener,
    scenes::{SLOW, SLOW_EVENTS},
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    model::events::Happening,
    stage::Stage,
    stream::Next,
    text,
};

/// How long one who reads may take to have it all once it has happened. The others do not begin
/// to read before that.
const READS_WITHIN: Duration = Duration::from_secs(8);

/// How long one who begins to read late may take.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(20);

/// After how long a listener who does not even read its end is reset.
const RESET_AFTER: Duration = Duration::from_secs(10);

const REQUEST: &str = "ListenEvents {}";

pub(super) fn cases() -> Vec<Case> {
    let case = |content: &str, pause: Duration| {
        let check = move |stage| idle(stage, pause);
        Case::new(Method::ListenEvents, &clause::E_14, content, check)
    };
    let reader = Case::new(Method::ListenEvents, &clause::E_14, "others", reader);
    [
        reader,
        case("reads-late", READS_WITHIN),
        case("reads-after-reset", RESET_AFTER + Duration::from_secs(2)),
    ]
    .map(|case| case.on(On::Scene(&SLOW)).thorough())
    .into()
}

/// That one who reads has it all, beside others who do not.
async fn reader(stage: Stage) -> Verdict {
    let mut listener = Listener::open_bare(&stage).await?;
    let seat = stage.seat()?;
    seat.ready();
    seat.over().await;
    let has_all = listener
        .hears(READS_WITHIN, |heard| heard.events.len() >= SLOW_EVENTS)
        .await;
    let heard = listener.heard();
    let events: Vec<Event> = heard.plain().cloned().collect();
    is_beginning(
        stage.world().as_deref().map_or(&[], |it| it.events()),
        &events,
    )?;
    match has_all && heard.end.is_none() {
        true => Ok(()),
        false => Err(Objection::fail(
            REQUEST,
            format!("{SLOW_EVENTS} events for one who reads, beside two who do not"),
            told(events.len(), heard.end.map(|(status, _)| status).as_ref()),
        )),
    }
}

/// Reads a stream only when everything has happened, and after `pause`: that it has all of it,
/// or the beginning and then an end which says so.
async fn idle(stage: Stage, pause: Duration) -> Verdict {
    let opened = Instant::now();
    let stream = stage.listen(None).await;
    let mut stream = stream.map_err(|status| crate::target::refused(REQUEST.into(), &status))?;
    let seat = stage.seat()?;
    seat.ready();
    seat.over().await;
    sleep(pause).await;
    let can_be_reset = opened.elapsed() > RESET_AFTER;
    let mut events = Vec::new();
    let deadline = Instant::now() + CATCHES_UP_WITHIN;
    let mut end = None;
    while events.len() < SLOW_EVENTS && end.is_none() {
        match stream.next(deadline).await {
            Next::Item(arrived) => events.push(arrived.item),
            Next::End(status, _) => end = Some(status),
            Next::Nothing => break,
        }
    }
    is_beginning(judge::known_world(&stage)?.events(), &events)?;
    let is_told = match &end {
        None => events.len() == SLOW_EVENTS,
        // A reset has whatever code the client's library gives it.
        Some(status) if can_be_reset => status.code() != Code::Ok,
        Some(status) => status.code() == Code::ResourceExhausted,
    };
    match is_told {
        true => Ok(()),
        false => Err(Objection::fail(
            REQUEST,
            format!("all {SLOW_EVENTS} events, or the first of them and RESOURCE_EXHAUSTED"),
            told(events.len(), end.as_ref()),
        )),
    }
}

fn told(count: usize, end: Option<&Status>) -> String {
    let end = end.map_or("nothing more".to_owned(), text::status);
    format!("{count} events, then {end}")
}

/// That events are the first of what has happened, without a gap: those of each pod are the
/// first of its own, and hardly any pod that has started is not at its end, since one lives
/// after the other.
fn is_beginning(happenings: &[Happening], events: &[Event]) -> Verdict {
    let mut unfinished = 0;
    let due = happenings.iter().map(|it| &it.event);
    let all = judge::occurrences(due, |event| event.id.as_str());
    let heard = judge::occurrences(events, |event| event.id.as_str());
    for (id, own) in heard {
        let due = happenings.iter().filter(|it| it.event.id == id);
        let wrong = due.zip(&own).find(|(due, event)| !is_told_by(due, event));
        if let Some((due, event)) = wrong {
            return Err(Objection::fail(
                REQUEST,
                format!("of {id}: {}", show_one(&due.event)),
                show_one(event),
            ));
        }
        let has_started = own.iter().any(|it| it.r#type() == EventType::PodStarted);
        let is_finished = all.get(id).is_some_and(|all| all.len() == own.len());
        unfinished += usize::from(has_started && !is_finished);
    }
    match unfinished <= 1 {
        true => Ok(()),
        false => Err(Objection::fail(
            REQUEST,
            "all events of a pod before those of the next",
            format!("{unfinished} pods of which the last events are missing"),
        )),
    }
}
