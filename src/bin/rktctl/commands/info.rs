//! `rktctl info`.

use crate::{
    cli::InfoArgs,
    client::Client,
    environment::Environment,
    error::Error,
    show::{document, info},
};

/// Shows what GetInfo answers.
pub async fn info(
    args: &InfoArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let answer = client.info().await?;
    let text = match args.output.format.language() {
        Some(language) => document::whole(&answer, language),
        None => info::render(&answer, (around.size)().map(|size| size.width)),
    };
    Ok(around.print(&text)?)
}
