//! ListImages (clauses IM, F-I).

use tonic::Status;

use super::{Parts, prepared::Items};
use crate::{api::ListImagesRequest, filter::image_matches};

pub(super) async fn answer(service: &Parts, request: ListImagesRequest) -> Result<Items, Status> {
    let ListImagesRequest { filters, detail } = request;
    let view = &service.view;
    let images = service.inventory.images().await?;
    let images = images
        .iter()
        .filter(|image| image_matches(&filters, image.cache.image(view, &image.facts)))
        .map(|image| image.cache.encoded(view, &image.facts, detail));
    Ok(images.collect())
}
