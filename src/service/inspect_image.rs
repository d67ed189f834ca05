//! InspectImage (clauses IM): one image, named by its id or the beginning of it (IM-6).

use tonic::Status;

use super::{Parts, prepared::Items};
use crate::inventory::ImageError;

pub(super) async fn answer(service: &Parts, id: &str) -> Result<Items, Status> {
    if id.is_empty() {
        return Err(Status::invalid_argument("the id of the image is empty"));
    }
    let image = service.inventory.image(id).await.map_err(|error| {
        let message = error.to_string();
        match error {
            ImageError::Unknown(_) => Status::not_found(message),
            ImageError::TooShort(_) | ImageError::Ambiguous { .. } => {
                Status::invalid_argument(message)
            }
            ImageError::Broken { .. } => Status::data_loss(message),
            ImageError::Unavailable(unavailable) => unavailable.into(),
        }
    })?;
    Ok(Items::one(&service.view.image(&image.facts)))
}
