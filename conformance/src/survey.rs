//! Everything a server says of every pod or image, by all three ways to ask, gathered so that
//! the answers belong together although the host may live. What is to be made of it is for
//! [`crate::cases`] to say.

use std::collections::BTreeMap;

use tonic::Status;

use crate::{case::Objection, resource::Resource, target::Target};

/// How often a pod is asked for until the lists before and after agree on it. What is in a pod
/// or image changes a few times in its life, never between any two of that many lists: where
/// it seems to, the server contradicts itself, and its last answers are judged as they are.
const TRIES: usize = 8;

/// How many rounds of asking there are. Pods that came so late that they did not have all
/// their tries are left out.
const ROUNDS: usize = 2 * TRIES;

/// What a server says of everything of one kind.
#[derive(Debug)]
pub(crate) struct Survey<R> {
    /// One for each pod or image, by id.
    pub(crate) seen: Vec<Seen<R>>,
}

/// What a server says of one pod or image.
#[derive(Debug)]
pub(crate) struct Seen<R> {
    /// As listed without detail.
    pub(crate) brief: R,
    /// As listed with detail.
    pub(crate) detailed: R,
    /// As inspected.
    pub(crate) inspected: Result<R, NotInspected>,
}

/// Why something that is listed could not be inspected.
#[derive(Clone, Debug)]
pub(crate) enum NotInspected {
    /// An error.
    Refused(Status),
    /// OK, without the message that was asked for.
    Empty,
}

impl<R: Resource> Survey<R> {
    /// Asks until the answers are steady.
    pub(crate) async fn take(target: &Target) -> Result<Self, Objection> {
        let mut tries = BTreeMap::<String, usize>::new();
        let mut seen = BTreeMap::<String, Seen<R>>::new();
        let mut before = Lists::<R>::take(target).await?;
        for _ in 0..ROUNDS {
            let pending = before.ids_without(&seen);
            let mut inspected = Vec::with_capacity(pending.len());
            for id in pending {
                let answer = match R::inspect(target, &id).await {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => Err(NotInspected::Empty),
                    Err(status) => Err(NotInspected::Refused(status)),
                };
                inspected.push((id, answer));
            }
            let after = Lists::<R>::take(target).await?;
            for (id, inspected) in inspected {
                let (Some(brief), Some(detailed)) = (after.brief.get(&id), after.detailed.get(&id))
                else {
                    continue;
                };
                let tried = tries.entry(id.clone()).or_default();
                *tried += 1;
                let is_steady = before.brief.get(&id) == Some(brief)
                    && before.detailed.get(&id) == Some(detailed);
                if is_steady || *tried == TRIES {
                    let found = Seen {
                        brief: brief.clone(),
                        detailed: detailed.clone(),
                        inspected,
                    };
                    seen.insert(id, found);
                }
            }
            if after.ids_without(&seen).is_empty() {
                break;
            }
            before = after;
        }
        Ok(Self {
            seen: seen.into_values().collect(),
        })
    }
}

/// Both lists of everything, by id.
struct Lists<R> {
    brief: BTreeMap<String, R>,
    detailed: BTreeMap<String, R>,
}

impl<R: Resource> Lists<R> {
    async fn take(target: &Target) -> Result<Self, Objection> {
        let by_id = |list: Vec<R>| list.into_iter().map(|item| (item.id().to_owned(), item));
        Ok(Self {
            brief: by_id(R::list(target, &[], false).await?).collect(),
            detailed: by_id(R::list(target, &[], true).await?).collect(),
        })
    }

    fn ids_without(&self, seen: &BTreeMap<String, Seen<R>>) -> Vec<String> {
        let ids = self.detailed.keys().filter(|id| !seen.contains_key(*id));
        ids.cloned().collect()
    }
}
