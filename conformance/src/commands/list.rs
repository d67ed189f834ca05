//! `rkt-conformance list`: which cases there are.

use std::io::{self, Write};

use rkt_conformance::{
    case::{Case, On},
    cases,
    exit::Exit,
    select,
};
use serde_json::{Value, json};

use super::{Error, to_stdout};
use crate::cli::List;

/// Prints the names of cases.
pub fn list(args: &List) -> Result<Exit, Error> {
    let all = cases::all();
    let cases = select::select(&all, &args.cases)?;
    to_stdout(|out| match (args.json, args.long) {
        (true, _) => json(out, &cases),
        (false, true) => cases.iter().try_for_each(|case| {
            let (level, name, gist) = (case.level(), case.name(), case.clause().gist);
            writeln!(out, "{level:6} {name}: {gist}")
        }),
        (false, false) => cases
            .iter()
            .try_for_each(|case| writeln!(out, "{}", case.name())),
    })
}

/// One object a line.
fn json(out: &mut dyn Write, cases: &[&Case]) -> io::Result<()> {
    writeln!(out, "[")?;
    for (index, case) in cases.iter().enumerate() {
        let comma = if index + 1 < cases.len() { "," } else { "" };
        writeln!(out, "{}{comma}", object(case))?;
    }
    writeln!(out, "]")
}

fn object(case: &Case) -> Value {
    let (on, scene) = match case.host() {
        On::Any(_) => ("any", None),
        On::Still(_) => ("still", None),
        On::Own(_) => ("own", None),
        On::Scene(scene) => ("scene", Some(scene.name)),
    };
    json!({
        "name": case.name(),
        "clause": case.clause().id,
        "level": case.level().to_string(),
        "on": on,
        "host": case.host().host().name,
        "scene": scene,
        "quick": case.is_quick(),
    })
}
