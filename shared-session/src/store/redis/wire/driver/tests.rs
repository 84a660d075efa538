use std::{convert::Infallible, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream, ReadBuf},
    sync::Notify,
    time::timeout,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn connection(room: usize) -> (Calls, Driver<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    let (calls, driver) = Calls::over(ours, None, Arc::new(CallLimit::new(1000)));
    (calls, driver, theirs)
}

fn pinned<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

#[tokio::test]
async fn replies_go_to_the_callers_in_order() {
    let (calls, driver, mut server) = connection(64);
    let driver = tokio::spawn(driver);
    let first = calls.one(&[b"GET", b"a"]);
    drop(calls.one(&[b"GET", b"nobody waits"]));
    let second = calls.all(&[&[b"ASKING"], &[b"GET", b"b"]]);
    let third = calls.one(&[b"PING"]);
    let fourth = calls.one(&[b"PSUBSCRIBE", b"*"]);
    let said = b"$1\r\n1\r\n>2\r\n+news\r\n:1\r\n:0\r\n+OK\r\n-ERR no\r\n|1\r\n+k\r\n:1\r\n+PONG\r\n>3\r\n+psubscribe\r\n+*\r\n:1\r\n";
    for byte in said {
        server.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(first.await.unwrap(), Value::BulkString(b"1".to_vec()));
    let second = second.await.unwrap();
    assert!(matches!(&second[..], [Value::Okay, Value::ServerError(error)] if error.code() == "ERR"), "{second:?}");
    assert_eq!(third.await.unwrap(), Value::SimpleString("PONG".into()));
    assert!(matches!(fourth.await.unwrap(), Value::Push { kind: PushKind::PSubscribe, .. }));
    let mut sent = [0; 200];
    let len = server.read(&mut sent).await.unwrap();
    assert!(sent[..len].starts_with(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n"));
    drop(server);
    driver.await.unwrap();
    assert!(calls.have_ended());
}

#[tokio::test]
async fn large_values_pass_both_ways_at_once() {
    let (calls, driver, server) = connection(1000);
    tokio::spawn(driver);
    let (mut from, mut to) = tokio::io::split(server);
    let large = vec![b'x'; 300_000];
    let command: Command<'_> = &[b"ECHO", &large];
    let mut expected = Vec::new();
    write_command(command, &mut expected);
    // The server answers long before it has read the command.
    tokio::spawn(async move {
        for _ in 0..3 {
            to.write_all(b"$300000\r\n").await.unwrap();
            to.write_all(&vec![b'x'; 300_000]).await.unwrap();
            to.write_all(b"\r\n").await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let replies = futures_util::future::join_all((0..3).map(|_| calls.one(command)));
    let mut sent = vec![0; expected.len() * 3];
    let (replies, read) =
        timeout(MINUTE, futures_util::future::join(replies, from.read_exact(&mut sent))).await.unwrap();
    read.unwrap();
    assert!(replies.into_iter().all(|reply| reply.unwrap() == Value::BulkString(large.clone())));
    assert_eq!(sent, expected.repeat(3));
}

#[tokio::test]
async fn room_is_made_for_a_text_of_a_length_that_a_session_may_have_and_for_no_other() {
    for (len, makes_room) in
        [(LARGE.start() - 1, false), (*LARGE.start(), true), (*LARGE.end(), true), (LARGE.end() + 1, false)]
    {
        let (calls, mut driver, mut server) = connection(64);
        drop(calls.one(&[b"GET", b"a"]));
        server.write_all(format!("${len}\r\nxx").as_bytes()).await.unwrap();
        assert!((&mut driver).now_or_never().is_none());
        let room = driver.large.as_ref().map(|large| large.text.capacity());
        assert_eq!(room.is_some_and(|room| room >= len), makes_room, "{len}: {room:?}");
        assert!(makes_room || driver.buffer.capacity() <= 4 * BUFFER, "{len}");
    }
}

#[tokio::test]
async fn a_large_text_may_come_in_two_parts_wherever_they_meet() {
    let text = vec![b'x'; *LARGE.start()];
    let reply = [format!("${}\r\n", text.len()).as_bytes(), &text, LINE_END].concat();
    for at in [1, 7, 8, text.len(), reply.len() - 2, reply.len() - 1] {
        let (calls, mut driver, mut server) = connection(BUFFER);
        let call = calls.one(&[b"GET", b"a"]);
        for part in [&reply[..at], &reply[at..]] {
            server.write_all(part).await.unwrap();
            assert!((&mut driver).now_or_never().is_none(), "{at}");
        }
        assert!(call.await.unwrap() == Value::BulkString(text.clone()), "{at}");
    }
}

#[test]
fn a_buffer_gives_back_what_it_does_not_need_and_no_more() {
    for (capacity, held, left) in [
        (4 * BUFFER, 0, 4 * BUFFER..=4 * BUFFER),
        (4 * BUFFER + 1, 0, BUFFER..=2 * BUFFER),
        (64 * BUFFER, 16 * BUFFER, 64 * BUFFER..=64 * BUFFER),
        (64 * BUFFER + 1, 16 * BUFFER, 16 * BUFFER..=32 * BUFFER),
    ] {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.resize(held, b'x');
        clear(&mut buffer);
        assert!(buffer.is_empty());
        assert!(left.contains(&buffer.capacity()), "{capacity} of which {held} were held: {}", buffer.capacity());
    }
}

#[tokio::test]
async fn a_large_command_and_a_large_reply_leave_no_large_buffers() {
    const MANY: usize = 16 * BUFFER;
    let (calls, mut driver, mut server) = connection(8 * MANY);
    let reply = calls.one(&[b"MGET", &vec![b'x'; MANY]]);
    server.write_all(format!("*{MANY}\r\n{}", "+OK\r\n".repeat(MANY)).as_bytes()).await.unwrap();
    assert!((&mut driver).now_or_never().is_none());
    assert!(matches!(reply.await.unwrap(), Value::Array(items) if items.len() == MANY));
    // The next batches are small.
    drop(calls.one(&[b"PING"]));
    server.write_all(b"+PONG\r\n").await.unwrap();
    assert!((&mut driver).now_or_never().is_none());
    let queue = driver.shared.queue();
    for (name, buffer) in [("queue", &queue.commands), ("commands", &driver.writing), ("replies", &driver.buffer)] {
        assert!(buffer.capacity() <= 4 * BUFFER, "{name}: {}", buffer.capacity());
    }
}

#[tokio::test]
async fn a_large_text_is_whole_with_the_end_of_its_line() {
    let (calls, mut driver, mut server) = connection(8 * BUFFER);
    let mut reply = pinned(calls.one(&[b"GET", b"a"]));
    let begun = format!("${BUFFER}\r\n{}", "x".repeat(10));
    for part in [&begun, &"x".repeat(BUFFER - 10), "\r", "\n"] {
        assert!((&mut reply).now_or_never().is_none(), "the reply is incomplete");
        server.write_all(part.as_bytes()).await.unwrap();
        assert!((&mut driver).now_or_never().is_none(), "the connection has ended");
    }
    assert_eq!(reply.await.unwrap(), Value::BulkString(vec![b'x'; BUFFER]));
}

#[tokio::test]
async fn calls_end_with_the_driver_however_it_ends() {
    // The server closes the connection.
    let (calls, driver, server) = connection(64);
    let driver = tokio::spawn(driver);
    let mut call = pinned(calls.one(&[b"PING"]));
    assert!((&mut call).now_or_never().is_none());
    drop(server);
    assert!(timeout(MINUTE, call).await.unwrap().unwrap_err().is_io_error());
    driver.await.unwrap();
    // A later command is not sent.
    assert!(timeout(MINUTE, calls.one(&[b"PING"])).await.unwrap().unwrap_err().is_io_error());
    // The driver's task is aborted before it has taken the command.
    let (calls, driver, _server) = connection(64);
    let call = calls.one(&[b"PING"]);
    drop(driver);
    assert!(timeout(MINUTE, call).await.unwrap().unwrap_err().is_io_error());
}

#[tokio::test]
async fn an_invalid_reply_ends_the_connection() {
    let without_end = format!("${}\r\n{}", LARGE.start(), "x".repeat(LARGE.start() + LINE_END.len()));
    for nonsense in ["HTTP/1.1 400\r\n", "+OK\r\n+OK\r\n+OK\r\n", &without_end] {
        let (calls, driver, mut server) = connection(64);
        let calls_made = [calls.one(&[b"PING"]), calls.one(&[b"PING"])];
        // The connection may end before all of it is sent.
        let (_, ended) =
            futures_util::future::join(server.write_all(nonsense.as_bytes()), timeout(MINUTE, driver)).await;
        ended.unwrap();
        let replies = futures_util::future::join_all(calls_made).await;
        let is_answered = nonsense.starts_with('+');
        assert!(replies.iter().all(|reply| reply.is_ok() == is_answered), "{replies:?}");
        assert!(calls.have_ended());
    }
}

#[tokio::test]
async fn a_buffered_stream_is_flushed() {
    let (ours, mut server) = tokio::io::duplex(64);
    let (calls, driver) = Calls::over(BufWriter::new(ours), None, Arc::new(CallLimit::new(1000)));
    tokio::spawn(driver);
    for _ in 0..2 {
        drop(calls.one(&[b"PING"]));
        let mut sent = [0; b"*1\r\n$4\r\nPING\r\n".len()];
        timeout(MINUTE, server.read_exact(&mut sent)).await.unwrap().unwrap();
        assert_eq!(&sent, b"*1\r\n$4\r\nPING\r\n");
    }
}

/// The number of bytes of each write.
struct Noted(DuplexStream, Arc<Mutex<Vec<usize>>>);

impl AsyncRead for Noted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.lock().unwrap().push(bytes.len());
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn the_commands_of_many_calls_go_out_together_and_those_of_a_few_at_once() {
    for (others, writes) in [(0, 2), (CallLimit::FEW, 1)] {
        let under_way = Arc::new(CallLimit::new(1000));
        let _others: Vec<_> = (0..others).map(|_| under_way.begin().unwrap()).collect();
        let (ours, _theirs) = tokio::io::duplex(1024);
        let noted = Arc::<Mutex<Vec<usize>>>::default();
        let (calls, driver) = Calls::over(Noted(ours, Arc::clone(&noted)), None, Arc::clone(&under_way));
        tokio::spawn(driver);
        tokio::task::yield_now().await;
        let _call = under_way.begin().unwrap();
        // The second task becomes ready after the first has woken the driver, so it runs after the driver.
        let (go, second) = (Arc::new(Notify::new()), calls.clone());
        let gone = Arc::clone(&go);
        tokio::spawn(async move {
            gone.notified().await;
            _ = second.one(&[b"PING"]).await;
        });
        tokio::task::yield_now().await;
        tokio::spawn(async move {
            let reply = calls.one(&[b"PING"]);
            go.notify_one();
            _ = reply.await;
        });
        timeout(MINUTE, async {
            while noted.lock().unwrap().iter().sum::<usize>() < 2 * b"*1\r\n$4\r\nPING\r\n".len() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(noted.lock().unwrap().len(), writes, "{others} other calls");
    }
}

#[tokio::test]
async fn the_listener_hears_pushes_and_the_end() {
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    let (ours, mut server) = tokio::io::duplex(64);
    let listener = move |info: PushInfo| {
        let _ = heard.send(info.kind);
        Ok::<_, Infallible>(())
    };
    let (_calls, driver) = Calls::over(ours, Some(Arc::new(listener)), Arc::new(CallLimit::new(1000)));
    server.write_all(b">2\r\n+invalidate\r\n_\r\n").await.unwrap();
    drop(server);
    driver.await;
    assert_eq!(hearing.recv().await, Some(PushKind::Invalidate));
    assert_eq!(hearing.recv().await, Some(PushKind::Disconnection));
}
