//! A server that tells one lie on top of an honest one. What the lies are is said elsewhere;
//! here is where each of the seven calls gives them their chance.

use std::sync::Arc;

use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, InspectImageRequest,
    InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
    ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
    ListenEventsResponse, PodState, public_api_server::PublicApi,
};
use tonic::{Request, Response, Status};

use super::{How, events, logs, service, unary};

/// A server that lies in one way, and is otherwise as honest as `S`.
pub struct Liar<S> {
    honest: Arc<S>,
    how: How,
    memory: unary::Memory,
    streams: service::Streams,
}

impl<S: PublicApi> Liar<S> {
    /// `honest`, lying.
    pub fn new(honest: S, how: How) -> Self {
        Self {
            honest: Arc::new(honest),
            how,
            memory: unary::Memory::default(),
            streams: service::Streams::default(),
        }
    }

    /// What is done to calls with one answer, if anything.
    fn unary(&self) -> Option<unary::Lying<'_, S>> {
        match self.how {
            How::Unary(how) => Some(unary::Lying {
                honest: &*self.honest,
                how,
                memory: &self.memory,
            }),
            How::Disk(_) | How::Events(_) | How::Logs(_) | How::Service(_) | How::Wire(_) => None,
        }
    }

    /// A stream, where the server counts them.
    fn counted<T: Send + 'static>(
        &self,
        stream: BoxStream<'static, Result<T, Status>>,
    ) -> Result<BoxStream<'static, Result<T, Status>>, Status> {
        match self.how {
            How::Service(service::How::Streams(most)) => self.streams.count(stream, most),
            _ => Ok(stream),
        }
    }

    fn honest_events(&self) -> events::Honest {
        let honest = Arc::clone(&self.honest);
        Arc::new(move |filter| {
            let honest = Arc::clone(&honest);
            async move {
                let filter = Some(filter);
                let request = Request::new(ListenEventsRequest { filter });
                let messages = honest.listen_events(request).await?.into_inner();
                let events = messages.flat_map(|message| {
                    stream::iter(match message {
                        Ok(message) => message.events.into_iter().map(Ok).collect(),
                        Err(status) => vec![Err(status)],
                    })
                });
                Ok(events.boxed())
            }
            .boxed()
        })
    }

    fn honest_logs(&self) -> logs::Honest {
        let honest = Arc::clone(&self.honest);
        Arc::new(move |request| {
            let honest = Arc::clone(&honest);
            async move {
                let responses = honest.get_logs(Request::new(request)).await?.into_inner();
                Ok(responses.map(|response| Ok(response?.lines)).boxed())
            }
            .boxed()
        })
    }

    fn runs(&self) -> logs::Runs {
        let honest = Arc::clone(&self.honest);
        Arc::new(move |id| {
            let honest = Arc::clone(&honest);
            async move {
                let request = Request::new(InspectPodRequest { id });
                let answer = honest.inspect_pod(request).await;
                let pod = answer.ok().and_then(|answer| answer.into_inner().pod);
                pod.is_some_and(|pod| pod.state() == PodState::Running)
            }
            .boxed()
        })
    }
}

#[tonic::async_trait]
impl<S: PublicApi> PublicApi for Liar<S> {
    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        match self.unary() {
            Some(lying) => lying
                .get_info(request.into_inner())
                .await
                .map(Response::new),
            None => self.honest.get_info(request).await,
        }
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        match self.unary() {
            Some(lying) => lying
                .list_pods(request.into_inner())
                .await
                .map(|pods| Response::new(ListPodsResponse { pods })),
            None => self.honest.list_pods(request).await,
        }
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        match self.unary() {
            Some(lying) => lying
                .inspect_pod(request.into_inner().id)
                .await
                .map(|pod| Response::new(InspectPodResponse { pod })),
            None => self.honest.inspect_pod(request).await,
        }
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        match self.unary() {
            Some(lying) => lying
                .list_images(request.into_inner())
                .await
                .map(|images| Response::new(ListImagesResponse { images })),
            None => self.honest.list_images(request).await,
        }
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        match self.unary() {
            Some(lying) => lying
                .inspect_image(request.into_inner().id)
                .await
                .map(|image| Response::new(InspectImageResponse { image })),
            None => self.honest.inspect_image(request).await,
        }
    }

    type ListenEventsStream = BoxStream<'static, Result<ListenEventsResponse, Status>>;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        let How::Events(how) = self.how else {
            let answer = self.honest.listen_events(request).await?;
            return Ok(Response::new(self.counted(answer.into_inner().boxed())?));
        };
        let filter = request.into_inner().filter.unwrap_or_default();
        let honest = self.honest_events();
        let events = how.answer(events::Asked { filter, honest }).await?;
        // Empty messages are legal at any time (E-15).
        let messages = events.flat_map(|event| {
            let events = event.map(|event| vec![event]);
            let message = events.map(|events| ListenEventsResponse { events });
            stream::iter([Ok(ListenEventsResponse::default()), message])
        });
        Ok(Response::new(messages.boxed()))
    }

    type GetLogsStream = BoxStream<'static, Result<GetLogsResponse, Status>>;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        let How::Logs(how) = self.how else {
            let answer = self.honest.get_logs(request).await?;
            return Ok(Response::new(self.counted(answer.into_inner().boxed())?));
        };
        let asked = logs::Asked {
            request: request.into_inner(),
            honest: self.honest_logs(),
            runs: self.runs(),
        };
        let responses = how.answer(asked).await?;
        let responses = responses.map(|lines| Ok(GetLogsResponse { lines: lines? }));
        Ok(Response::new(responses.boxed()))
    }
}
