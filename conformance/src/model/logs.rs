//! GetLogs (L-*): which lines of a pod's journal an answer has, and when a stream ends.

use jiff::{Timestamp, tz::TimeZone};
use rkt_api::api::GetLogsRequest;
use rkt_sim::JournalLine;
use tonic::Code;
use uuid::Uuid;

use super::{Refusal, World, brackets::Brackets, facts::Pod, pods};
use crate::profile::Profile;

/// The lines that are there and that `request` asks for, `lines` counted; as if not following.
///
/// # Errors
///
/// What W-3, P-17 and L-1 refuse.
pub fn lines(
    world: &World,
    profile: Profile,
    request: &GetLogsRequest,
) -> Result<Vec<String>, Refusal> {
    let brackets = Brackets::from(profile);
    let (pod, journal) = journal(world, profile, request)?;
    let mut entries: Vec<_> = chosen(&brackets, pod, request, journal).collect();
    // A count that fits an int32 fits a usize.
    let most = match usize::try_from(request.lines) {
        Ok(count) if count > 0 => count,
        _ => usize::MAX,
    };
    // L-3
    if !brackets.counts_lines {
        entries.drain(..entries.len().saturating_sub(most));
    }
    let mut lines: Vec<_> = entries.into_iter().flat_map(written).collect();
    if brackets.counts_lines {
        lines.drain(..lines.len().saturating_sub(most));
    }
    Ok(lines)
}

/// The lines that a follower gets after those of [`lines`]: those that `later` has and `world` had not,
/// `later` being what became of `world`.
///
/// # Errors
///
/// As [`lines`].
pub fn appended(
    world: &World,
    later: &World,
    profile: Profile,
    request: &GetLogsRequest,
) -> Result<Vec<String>, Refusal> {
    let (pod, journal) = journal(world, profile, request)?;
    Ok(since(later, profile, request, pod.id, journal.len()))
}

/// The pod whose logs are asked for, and its journal.
///
/// # Errors
///
/// What W-3, P-17 and L-1 refuse.
pub(super) fn journal<'a>(
    world: &'a World,
    profile: Profile,
    request: &GetLogsRequest,
) -> Result<(&'a Pod, &'a [JournalLine]), Refusal> {
    let id = &request.pod_id;
    if request.lines < 0 {
        return Err(Refusal::new(
            Code::InvalidArgument,
            request.lines.to_string(),
        ));
    }
    let pod = pods::find(world, profile, id)?;
    let Some(journal) = &pod.journal else {
        return Err(Refusal::new(Code::FailedPrecondition, id));
    };
    // L-1
    let app = &request.app_name;
    let is_known = app.is_empty()
        || pod.app(app).is_some()
        || journal.iter().any(|entry| entry.identifier == *app);
    if !is_known && Brackets::from(profile).refuses_unknown_app {
        return Err(Refusal::new(Code::NotFound, app));
    }
    Ok((pod, journal))
}

/// How many entries there are in a pod's journal; the last that was known for a pod that is
/// gone.
pub(super) fn entries(world: &World, pod: Uuid) -> usize {
    let journal = present_or_gone(world, pod).and_then(|pod| pod.journal.as_ref());
    journal.map_or(0, Vec::len)
}

fn present_or_gone(world: &World, pod: Uuid) -> Option<&Pod> {
    world.pod(pod).or_else(|| world.gone(pod))
}

/// What a follower of `pod` gets of its journal from the entry with number `from` on.
pub(super) fn since(
    world: &World,
    profile: Profile,
    request: &GetLogsRequest,
    pod: Uuid,
    from: usize,
) -> Vec<String> {
    let Some(pod) = present_or_gone(world, pod) else {
        return Vec::new();
    };
    let journal = pod.journal.as_deref().unwrap_or_default();
    let new = journal.get(from..).unwrap_or_default();
    let brackets = Brackets::from(profile);
    let entries = chosen(&brackets, pod, request, new);
    entries.flat_map(written).collect()
}

/// The entries that the request asks for (L-2, L-4), before `lines` counts.
fn chosen<'a>(
    brackets: &'a Brackets,
    pod: &'a Pod,
    request: &'a GetLogsRequest,
    entries: &'a [JournalLine],
) -> impl Iterator<Item = &'a JournalLine> {
    let is_wanted = |entry: &JournalLine| match request.app_name.as_str() {
        "" if brackets.logs_apps_only && pod.manifest.is_some() => {
            pod.app(&entry.identifier).is_some()
        }
        "" => true,
        app => entry.identifier == app,
    };
    let is_in_time = move |entry: &JournalLine| {
        let (at_us, since, until) = (entry.at_us, request.since_time, request.until_time);
        // W-7: times that are not positive are not set.
        (since <= 0 || i128::from(at_us) > begins_us(since))
            && (until <= 0 || i128::from(at_us) < begins_us(until))
    };
    entries
        .iter()
        .filter(move |entry| is_wanted(entry) && is_in_time(entry))
}

/// When a second begins, microseconds since the epoch.
fn begins_us(second: i64) -> i128 {
    i128::from(second) * 1_000_000
}

/// The lines that an entry becomes (L-8).
fn written(entry: &JournalLine) -> Vec<String> {
    let mut parts = entry.message.split('\n');
    let first = parts.next().unwrap_or_default();
    let mut lines = vec![format!("{} MESSAGE={first}", time(entry.at_us))];
    let further = parts.filter(|part| !part.is_empty());
    lines.extend(further.map(str::to_owned));
    lines
}

/// A time as Go writes one of UTC.
fn time(at_us: i64) -> String {
    // Beyond the year 9999 no journal is written; then any text is wrong anyhow.
    let at = Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::MAX);
    let at = at.to_zoned(TimeZone::UTC);
    at.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()
}
