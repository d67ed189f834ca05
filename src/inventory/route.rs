//! The way that a pod takes through the phases, as the kernel tells of it, between two looks at
//! the pod.

use super::{life::Step, watcher::Rename};
use crate::layout::Phase;

/// Where a pod went since it was read last.
#[derive(Debug, Default)]
pub(super) struct Route {
    pub(super) steps: Vec<Step>,
    has_begun: bool,
    /// Where it lay before the first of them, if it was there.
    pub(super) origin: Option<Phase>,
    /// How many of them there were when the pod was looked for last.
    settled: usize,
    /// Whether there are more since.
    pub(super) has_moved: bool,
    /// The renaming by which it has left the phase that it was in, and entered none yet.
    rename: Rename,
}

impl Route {
    pub(super) fn enter(&mut self, phase: Phase, rename: Rename) {
        if rename.is_some() && self.rename == rename {
            // From one phase to the next.
            self.steps.pop();
        }
        self.has_begun = true;
        self.rename = None;
        self.has_moved = true;
        self.steps.push(Step::Entered(phase));
    }

    /// The pod is about to be looked for.
    pub(super) fn settle(&mut self) {
        self.has_moved = false;
        self.settled = self.steps.len();
    }

    /// The steps by which the pod has come to lie in `phase`, where it was found; those after
    /// that are left. `was_there` says that it lay there before the first step, too.
    pub(super) fn up_to(&mut self, phase: Phase, was_there: bool) -> Vec<Step> {
        let entered = |step: &Step| *step == Step::Entered(phase);
        let seen = match self.steps.iter().rposition(entered) {
            Some(last) => last + 1,
            None if was_there => 0,
            // It was seen before it was told of.
            None => self.steps.len(),
        };
        let seen = seen.max(self.settled).min(self.steps.len());
        self.settled = 0;
        self.steps.drain(..seen).collect()
    }

    pub(super) fn leave(&mut self, phase: Phase, rename: Rename) {
        if !self.has_begun {
            self.origin = Some(phase);
        }
        self.has_begun = true;
        self.rename = rename;
        self.has_moved = true;
        self.steps.push(Step::Left(phase));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use Phase::{Garbage, Prepare, Prepared, Run};
    use Step::{Entered, Left};

    fn rename(number: u32) -> Rename {
        NonZero::new(number)
    }

    #[test]
    fn what_is_renamed_has_not_left() {
        let mut route = Route::default();
        route.leave(Prepare, rename(1));
        route.enter(Prepared, rename(1));
        route.leave(Prepared, rename(2));
        route.enter(Run, rename(2));
        assert_eq!(route.steps, [Entered(Prepared), Entered(Run)]);
        assert_eq!(route.origin, Some(Prepare));
        // Removed, moved away and made, each by the same name.
        route.leave(Run, None);
        route.enter(Prepare, None);
        route.leave(Prepare, rename(3));
        route.enter(Prepare, rename(4));
        let anew = [Left(Run), Entered(Prepare), Left(Prepare), Entered(Prepare)];
        assert_eq!(route.steps[2..], anew);
    }

    #[test]
    fn a_way_is_told_as_far_as_it_was_seen() {
        let route = |settled| Route {
            steps: vec![Entered(Prepared), Entered(Run), Entered(Garbage)],
            settled,
            ..Route::default()
        };
        for (seen_in, was_there, settled, told) in [
            (Run, false, 0, 2),
            (Run, false, 3, 3),
            // It has gone on since it was seen.
            (Prepare, true, 0, 0),
            (Prepare, true, 1, 1),
            // It was seen before the kernel had told of it.
            (Phase::ExitedGarbage, false, 0, 3),
        ] {
            let mut route = route(settled);
            let steps = route.up_to(seen_in, was_there);
            assert_eq!(steps.len(), told, "{seen_in}, {settled}");
            assert_eq!(steps.len() + route.steps.len(), 3);
        }
    }
}
