//! The small programs in `examples/` do what they say.

use shared_session::{SessionManager, store::MemoryStore, testing::store_contract};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn custom_store() {
    let store = MemoryStore::new();
    let shop = crate::programs::custom_store::OfTenant { tenant: "shop", store: store.clone() };
    store_contract(shop).await;
}

#[tokio::test]
async fn plain_hyper() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(crate::programs::plain_hyper::serve(listener, SessionManager::new(MemoryStore::new())));
    let get = async |cookie: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let first = get("").await;
    assert!(first.ends_with("visit number 1"), "{first}");
    let cookie = first.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    assert!(get(cookie).await.ends_with("visit number 2"));
}
