//! `rktctl pods` and `rktctl pod`.

use super::{Kind, look, names, watch};
use crate::{
    cli::{PodArgs, PodsArgs},
    client::Client,
    environment::Environment,
    error::Error,
    ids,
    show::{document, pods},
};

/// Shows what ListPods answers.
pub async fn pods(
    args: &PodsArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let kind = args.output.format.kind();
    let filter = args.filter.filter();
    if args.watch {
        return watch::watch(&args.output, &filter, client, around).await;
    }
    let filters = ids::whole_in_pods(client, filter).await?;
    let text = match kind {
        Kind::Text => {
            // The names of apps are a detail.
            let answer = client.pods(filters, true).await?;
            let look = look(&args.output, around);
            pods::table(&answer.pods, &look).render(look.width, look.has_colour)
        }
        Kind::Document(language) => {
            document::whole(&client.pods(filters, args.detail).await?, language)
        }
        Kind::Name => {
            let answer = client.pods(filters, false).await?;
            names(answer.pods.iter().map(|pod| &pod.id))
        }
    };
    Ok(around.print(&text)?)
}

/// Shows what InspectPod answers.
pub async fn pod(
    args: PodArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let pod = client.pod(args.id).await?;
    let text = match args.output.format.kind() {
        Kind::Text => pods::details(&pod, &look(&args.output, around)),
        Kind::Document(language) => document::whole(&pod, language),
        Kind::Name => names([&pod.id]),
    };
    Ok(around.print(&text)?)
}
