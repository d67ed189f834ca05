//! `rktctl events`.

use super::{Kind, look, names};
use crate::{
    cli::EventsArgs,
    client::Client,
    environment::Environment,
    error::Error,
    ids,
    show::{document, events},
};

/// Shows what ListenEvents sends, until the stream ends.
pub async fn events(
    args: &EventsArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let filter = args.filter((around.now)());
    let filter = ids::whole_in_events(client, filter).await?;
    let mut stream = client.events(filter).await?;
    let kind = args.output.format.kind();
    if let Kind::Text = kind {
        let headings = events::headings(&look(&args.output, around));
        around.print(&headings)?;
    }
    while let Some(message) = client.next(&mut stream).await? {
        let happened = message.events;
        let text = match kind {
            Kind::Text => events::render(&happened, &look(&args.output, around)),
            Kind::Document(language) => {
                let one = |event| document::one_of_many(event, language);
                happened.iter().map(one).collect()
            }
            Kind::Name => names(happened.iter().map(|event| &event.id)),
        };
        around.print(&text)?;
    }
    Ok(())
}
