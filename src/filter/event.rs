//! Conditions on events (clauses E-6 to E-9).

use super::unset_or;
use crate::api::{Event, EventFilter};

/// Whether `filter` takes `event`. An absent filter is one without conditions.
pub(crate) fn event_matches(filter: &EventFilter, event: &Event) -> bool {
    unset_or(&filter.types, |types| types.contains(&event.r#type))
        && unset_or(&filter.ids, |ids| ids.contains(&event.id))
        && unset_or(&filter.names, |names| names.contains(&event.from))
        && super::is_after(event.time, filter.since_time)
        && super::is_before(event.time, filter.until_time)
}
