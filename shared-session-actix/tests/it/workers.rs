//! Workers, each with its own connections to Redis.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, web};
use shared_session::{SessionManager, cookie::CookieConfig, store::RedisStore};
use shared_session_actix::{Rejection, Session, SessionMiddleware};
use test_servers::{Redis, RedisKind};

const WORKERS: usize = 2;

fn ask(connection: &mut TcpStream, cookie: &str) -> String {
    write!(connection, "POST / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.contains("visits") {
        let read = connection.read(&mut buffer).unwrap();
        assert!(read > 0, "no whole answer: {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    answer
}

#[actix_web::test]
async fn every_worker_serves_every_session_over_connections_of_its_own() {
    let redis = Redis::start(RedisKind::Valkey);
    let cookie = CookieConfig::new("id").with_secure(false).build().unwrap();
    let manager = SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap()).with_cookie(cookie);
    let server = HttpServer::new(move || {
        App::new().wrap(SessionMiddleware::new(manager.clone())).route(
            "/",
            web::post().to(async |session: Session| {
                let visits = session.update_or("visits", 0, |visits: u32| visits + 1)?;
                Ok::<_, Rejection>(format!("{visits} visits"))
            }),
        )
    })
    .workers(WORKERS)
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let clients = || redis.cli(&["CLIENT", "LIST"]).lines().count() - 1;
    let visitor = std::thread::spawn(move || {
        // The workers get new connections in turn.
        let mut connections: Vec<_> = (0..2 * WORKERS).map(|_| TcpStream::connect(address).unwrap()).collect();
        let first = ask(&mut connections[0], "");
        let set = first.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        for (at, connection) in connections.iter_mut().enumerate() {
            let answer = ask(connection, &set);
            assert!(answer.ends_with(&format!("\r\n{} visits", at + 2)), "{answer}");
        }
        connections
    });
    let end = Instant::now() + Duration::from_secs(60);
    let served = async {
        while !visitor.is_finished() && Instant::now() < end {
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
        let connections = visitor.join().unwrap();
        assert_eq!(clients(), 2 + 2 * WORKERS, "the initial connections, and two for each worker");
        drop(connections);
        handle.stop(true).await;
    };
    let (served, ()) = futures_util::future::join(server, served).await;
    served.unwrap();
}
