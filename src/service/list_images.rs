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
    let facts = service.inventory.images().await?;
    let images: Vec<Image> = facts
        .into_iter()
        .map(|facts| service.view.image(facts))
        .filter(|image| image_matches(&request.filters, image))
        .map(|image| match request.detail {
            true => image,
            false => Image {
                manifest: Default::default(),
                ..image
            },
        })
        .collect();
    Ok(ListImagesResponse { images })
}
