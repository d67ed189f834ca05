//! `rktctl images` and `rktctl image`.

use super::{Kind, look, names};
use crate::{
    cli::{ImageArgs, ImagesArgs},
    client::Client,
    environment::Environment,
    error::Error,
    ids,
    show::{document, images},
};

/// Shows what ListImages answers.
pub async fn images(
    args: &ImagesArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let mut filter = args.filter.filter((around.now)());
    filter.ids = ids::whole_images(client, filter.ids).await?;
    let filters = vec![filter];
    let text = match args.output.format.kind() {
        Kind::Text => {
            let answer = client.images(filters, false).await?;
            let look = look(&args.output, around);
            images::table(&answer.images, &look).render(look.width, look.has_colour)
        }
        Kind::Document(language) => {
            document::whole(&client.images(filters, args.detail).await?, language)
        }
        Kind::Name => {
            let answer = client.images(filters, false).await?;
            names(answer.images.iter().map(|image| &image.id))
        }
    };
    Ok(around.print(&text)?)
}

/// Shows what InspectImage answers.
pub async fn image(
    args: &ImageArgs,
    client: &mut Client,
    around: &mut Environment,
) -> Result<(), Error> {
    let image = client.image(ids::image(&args.id)).await?;
    let text = match args.output.format.kind() {
        Kind::Text => images::details(&image, &look(&args.output, around)),
        Kind::Document(language) => document::whole(&image, language),
        Kind::Name => names([&image.id]),
    };
    Ok(around.print(&text)?)
}
