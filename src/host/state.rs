//! The state table (clauses S-1 to S-10): where a pod's directory lies, and whether some
//! process holds an exclusive lock on it.

use crate::layout::Phase;

/// Whether some process holds an exclusive `flock(2)` on a pod's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// One does.
    Held,
    /// None does.
    Free,
    /// The directory may not be opened, so it cannot be told.
    Unknown,
}

/// The state of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The state hangs on a lock that cannot be probed.
    Unknown,
    Embryo,
    Preparing,
    AbortedPrepare,
    Prepared,
    Running,
    Exited,
    Deleting,
    Garbage,
}

impl State {
    pub(crate) const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Embryo,
        Self::Preparing,
        Self::AbortedPrepare,
        Self::Prepared,
        Self::Running,
        Self::Exited,
        Self::Deleting,
        Self::Garbage,
    ];

    /// The state of a pod in `phase` whose lock is `lock`.
    pub(crate) fn of(phase: Phase, lock: Lock) -> Self {
        match (phase, lock) {
            (Phase::Embryo, _) => Self::Embryo,
            (Phase::Prepared, _) => Self::Prepared,
            (_, Lock::Unknown) => Self::Unknown,
            (Phase::Prepare, Lock::Held) => Self::Preparing,
            (Phase::Prepare, Lock::Free) => Self::AbortedPrepare,
            (Phase::Run, Lock::Held) => Self::Running,
            (Phase::Run, Lock::Free) => Self::Exited,
            (Phase::ExitedGarbage | Phase::Garbage, Lock::Held) => Self::Deleting,
            (Phase::ExitedGarbage | Phase::Garbage, Lock::Free) => Self::Garbage,
        }
    }

    /// Whether pods in `phase` differ in state by their lock.
    pub(crate) fn hangs_on_lock(phase: Phase) -> bool {
        !matches!(phase, Phase::Embryo | Phase::Prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_table_is_the_contracts() {
        use {Lock::*, Phase::*};
        for (clause, phase, lock, state) in [
            ("S-1", Embryo, Free, State::Embryo),
            ("S-1", Embryo, Held, State::Embryo),
            ("S-2", Prepare, Held, State::Preparing),
            ("S-3", Prepare, Free, State::AbortedPrepare),
            ("S-4", Prepared, Free, State::Prepared),
            ("S-4", Prepared, Held, State::Prepared),
            ("S-5", Run, Held, State::Running),
            ("S-6", Run, Free, State::Exited),
            ("S-7", ExitedGarbage, Held, State::Deleting),
            ("S-8", ExitedGarbage, Free, State::Garbage),
            ("S-9", Phase::Garbage, Held, State::Deleting),
            ("S-10", Phase::Garbage, Free, State::Garbage),
        ] {
            assert_eq!(State::of(phase, lock), state, "{clause}");
        }
    }

    #[test]
    fn the_lock_matters_exactly_where_it_is_said_to() {
        for phase in Phase::ALL {
            assert_eq!(
                State::of(phase, Lock::Held) != State::of(phase, Lock::Free),
                State::hangs_on_lock(phase),
                "{phase}"
            );
        }
    }
}
