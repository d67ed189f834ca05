//! ListImages as a list: each image once. What is in the images is `image_fields`' business,
//! filters `image_filters`'.

use rkt_api::api::Image;

use super::filtering::none_listed;
use crate::{
    case::{Case, Method, Objection, Verdict},
    clause,
    resource::Resource,
    target::Target,
};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new(
        Method::ListImages,
        &clause::IM_1,
        "once",
        |target| async move { once::<Image>(&target).await },
    )]
}

/// That no id comes twice in a list.
pub(super) async fn once<R: Resource>(target: &Target) -> Verdict {
    for detail in [false, true] {
        let listed = R::list(target, &[], detail).await?;
        let mut ids: Vec<&str> = listed.iter().map(R::id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Objection::fail(
                R::list_text(&[], detail),
                format!("every {} once", R::NOUN),
                format!("{} more than once", pair[0]),
            ));
        }
        if ids.is_empty() {
            return Err(Objection::Skip(none_listed::<R>()));
        }
    }
    Ok(())
}
