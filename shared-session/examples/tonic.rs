//! A gRPC method that counts visits, on tonic: `cargo run -p shared-session --example tonic`.
//!
//! The service is written by hand here, in the form that tonic-build generates from a `.proto` file.
use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use shared_session::{Error, LazySession, SessionLayer, SessionManager, store::MemoryStore, tower::grpc};
use tonic::{Request, Response, Status, body::Body, server, transport::Server};
use tonic_prost::ProstCodec;

struct Count;

impl server::UnaryService<()> for Count {
    type Response = u64;
    type Future = BoxFuture<'static, Result<Response<u64>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        Box::pin(async move {
            let session = request.extensions().get::<LazySession>().ok_or_else(|| Status::internal("no layer"))?;
            let visits = async { session.load().await?.update_or("visits", 0, |visits: u64| visits + 1) };
            Ok(Response::new(visits.await.map_err(|error| status(&error))?))
        })
    }
}

fn status(error: &Error) -> Status {
    Status::new(grpc::status(error.kind()).into(), error.public_message())
}

#[derive(Clone)]
pub(crate) struct Visits;

impl server::NamedService for Visits {
    const NAME: &'static str = "example.Visits";
}

impl tower::Service<http::Request<Body>> for Visits {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async { Ok(server::Grpc::new(ProstCodec::default()).unary(Count, request).await) })
    }
}

#[tokio::main]
async fn main() -> Result<(), tonic::transport::Error> {
    let manager = SessionManager::new(MemoryStore::new()).with_on_error(grpc::reply);
    let address = ([127, 0, 0, 1], 50051).into();
    Server::builder().layer(SessionLayer::new(manager)).add_service(Visits).serve(address).await
}
