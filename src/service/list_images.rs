//! ListImages (clauses IM, F-I).

use tonic::Status;

use super::Parts;
use crate::{
    api::{Image, ListImagesRequest, ListImagesResponse},
    filter::image_matches,
};

pub(super) async fn answer(
    service: &Parts,
    request: ListImagesRequest,
) -> Result<ListImagesResponse, Status> {
    let images = service.inventory.images().await?;
    let images = images
        .iter()
        .map(|image| service.view.image(&image.facts))
        .filter(|image| image_matches(&request.filters, image))
        .map(|image| match request.detail {
            true => image,
            false => Image {
                manifest: Default::default(),
                ..image
            },
        });
    Ok(ListImagesResponse {
        images: images.collect(),
    })
}
