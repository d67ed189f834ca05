//! `rktctl logs`.

use std::borrow::Cow;

use super::Environment;
use crate::{
    cli::LogsArgs,
    client::Client,
    error::Error,
    show::{document, text::printable_line},
};

/// Shows what GetLogs sends, until the stream ends.
pub async fn logs(
    args: &LogsArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let mut stream = client.logs(args.request((around.now)())).await?;
    loop {
        let message = match args.follow {
            true => client.next(&mut stream).await?,
            false => client.next_soon(&mut stream).await?,
        };
        let Some(message) = message else {
            return Ok(());
        };
        let text = match args.output.format.language() {
            Some(language) => document::one_of_many(&message, language),
            None => {
                let is_terminal = (around.size)().is_some();
                let line = |line: &String| shown(line, is_terminal).into_owned() + "\n";
                message.lines.iter().map(line).collect()
            }
        };
        around.print(&text)?;
    }
}

/// A line as it's printed: programs get what containers wrote, terminals what does no harm.
fn shown(line: &str, is_terminal: bool) -> Cow<'_, str> {
    match is_terminal {
        true => printable_line(line),
        false => line.into(),
    }
}
