//! The first list that a server is asked for: before it, only GetInfo was called. It answers as
//! well as any later one, though nobody has asked for anything that would have told it more.

use uuid::Uuid;

use super::ask::{self, Ask};
use crate::{
    case::{Case, Method, On, Verdict},
    clause,
    hosts::STATES,
    stage::Stage,
};

pub(super) fn cases() -> Vec<Case> {
    let cases = [Ask::Brief, Ask::Detail].map(|ask| {
        let content = format!("first{}", ask.suffix());
        Case::new(Method::ListPods, &clause::P_14, content, move |stage| {
            first(stage, ask)
        })
    });
    cases.map(|case| case.on(On::Own(&STATES))).into()
}

async fn first(stage: Stage, ask: Ask) -> Verdict {
    // Of lists, all pods are wanted anyway.
    ask::about_pod(&stage, ask, Uuid::nil()).await
}
