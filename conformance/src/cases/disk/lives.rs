//! S-13 on random lives: whatever a host comes to, every answer is what it is now. The seeds
//! are fixed, so that a failure can be seen again.

use rkt_sim::live::random::Lives;

use super::{
    ask::{self, after},
    by_hand,
    fresh::told,
};
use crate::{
    case::{Case, Method, On, Verdict},
    clause,
    hosts::{self, disk::SMALL},
    stage::Stage,
};

/// The most pods at a time: few, so that each of them comes far.
const PODS_MAX: usize = 12;

pub(super) fn cases() -> Vec<Case> {
    let case = |seed: u64, steps, gap| {
        let content = format!("random-life/{seed}");
        Case::new(Method::ListPods, &clause::S_13, content, move |stage| {
            live(stage, seed, steps, gap)
        })
    };
    vec![
        case(1, 24, 1).on(On::Own(&SMALL)),
        case(2, 80, 1).on(On::Own(&SMALL)).thorough(),
        case(3, 80, 1).on(On::Own(&hosts::EMPTY)).thorough(),
        // Several steps between two looks.
        case(4, 280, 7).on(On::Own(&SMALL)).thorough(),
        case(5, 600, 50).on(On::Own(&hosts::EMPTY)).thorough(),
    ]
}

/// Compares every answer after each `gap` steps.
async fn live(stage: Stage, seed: u64, steps: usize, gap: usize) -> Verdict {
    let lives = Lives::new(seed, PODS_MAX);
    let mut lives = lives.map_err(|error| by_hand::refused(&error))?;
    for number in 1..=steps {
        let step = lives.next(&stage.setting()?.host_state());
        stage.play(step.clone()).await?;
        if number % gap == 0 {
            let answered = ask::about_everything(&stage).await;
            answered.map_err(after(format!("{} ({number} of {steps})", told(&step))))?;
        }
    }
    ask::about_everything(&stage).await
}
