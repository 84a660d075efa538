//! Counts the visits of each visitor: `cargo run -p shared-session-actix --example actix_counter`.
use actix_web::{App, HttpServer, web};
use shared_session::store::MemoryStore;
use shared_session_actix::{Rejection, Session, SessionManager, SessionMiddleware};

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(visits));
}

/// Two simultaneous requests count as two visits: the closure runs again on the other request's result.
async fn visits(session: Session) -> Result<String, Rejection> {
    let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
    Ok(format!("visit number {visits}"))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    // One manager for all workers: create it outside of the closure.
    let manager = SessionManager::new(MemoryStore::new());
    let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(manager.clone()));
    println!("http://localhost:3001/");
    HttpServer::new(app).bind("127.0.0.1:3001")?.run().await
}
