//! How much one request may ask for: each value of a filter is compared with every pod, image or
//! event.

use prometheus_client::metrics::counter::Counter;
use tonic::Status;

use crate::api::{EventFilter, ImageFilter, PodFilter};

/// How much one request may ask for.
#[derive(Clone, Debug)]
pub(crate) struct RequestLimits {
    /// How many filters.
    pub(crate) filters: usize,
    /// How many values, in all of its filters.
    pub(crate) values: usize,
    /// How many requests have asked for more.
    pub(crate) refused: Counter,
}

impl RequestLimits {
    /// Checks the filters of ListPods.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT when these filters are too many, or have too many values.
    pub(super) fn check_pods(&self, filters: &[PodFilter]) -> Result<(), Status> {
        self.check(filters, |filter| {
            let PodFilter {
                ids,
                states,
                app_names,
                image_ids,
                network_names,
                annotations,
                cgroups,
                pod_sub_cgroups,
            } = filter;
            [
                ids,
                app_names,
                image_ids,
                network_names,
                cgroups,
                pod_sub_cgroups,
            ]
            .map(Vec::len)
            .iter()
            .sum::<usize>()
                + states.len()
                + annotations.len()
        })
    }

    /// Checks the filters of ListImages.
    ///
    /// # Errors
    ///
    /// As of [`Self::check_pods`].
    pub(super) fn check_images(&self, filters: &[ImageFilter]) -> Result<(), Status> {
        self.check(filters, |filter| {
            let ImageFilter {
                ids,
                prefixes,
                base_names,
                keywords,
                labels,
                imported_after: _,
                imported_before: _,
                annotations,
                full_names,
            } = filter;
            [ids, prefixes, base_names, keywords, full_names]
                .map(Vec::len)
                .iter()
                .sum::<usize>()
                + labels.len()
                + annotations.len()
        })
    }

    /// Checks the filter of ListenEvents.
    ///
    /// # Errors
    ///
    /// As of [`Self::check_pods`].
    pub(super) fn check_events(&self, filter: &EventFilter) -> Result<(), Status> {
        self.check(std::slice::from_ref(filter), |filter| {
            let EventFilter {
                types,
                ids,
                names,
                since_time: _,
                until_time: _,
            } = filter;
            types.len() + ids.len() + names.len()
        })
    }

    fn check<F>(&self, filters: &[F], values: impl Fn(&F) -> usize) -> Result<(), Status> {
        let refuse = |count: usize, what: &str, most: usize| {
            self.refused.inc();
            Err(Status::invalid_argument(format!(
                "the request has {count} {what}, and may have {most}"
            )))
        };
        if filters.len() > self.filters {
            return refuse(filters.len(), "filters", self.filters);
        }
        let values = filters.iter().map(values).sum();
        if values > self.values {
            return refuse(values, "values in its filters", self.values);
        }
        Ok(())
    }
}
