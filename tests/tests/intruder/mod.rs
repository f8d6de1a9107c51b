//! A client that has a key and asks for more than it should, and knows what the server said to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Subscriber};
use futures::StreamExt as _;
use serde_json::{Value, json};
use spark_tests::Guarded;
use spark_tests::wait;

const DEADLINE: Duration = Duration::from_secs(20);
/// For what must not happen: long beyond what the server takes for what it does do.
const SETTLED: Duration = Duration::from_millis(400);

pub struct Intruder {
    client: Client,
    user: String,
    told: Arc<Mutex<Vec<String>>>,
}

/// What a stream is like.
#[derive(Debug, PartialEq)]
pub struct Facts {
    pub messages: u64,
    pub last_seq: u64,
    pub created: Value,
    pub config: Value,
}

pub struct Heard(Subscriber);

impl Heard {
    pub async fn next(&mut self) -> Vec<u8> {
        let message = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a message in time");
        message.expect("the subscription lives").payload.to_vec()
    }
}

impl Intruder {
    pub async fn connect(nats: &Guarded, user: &str, inbox: &str) -> Self {
        let seed = std::fs::read_to_string(nats.key(user)).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let options = ConnectOptions::with_nkey(seed.trim().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{inbox}"))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    listener.lock().unwrap().push(error.to_string());
                }
                std::future::ready(())
            });
        let client = options.connect(nats.servers[0].url()).await.unwrap();
        Self { client, user: user.to_owned(), told }
    }

    /// Waits until the server has said no to `what`.
    pub async fn until_refused(&self, what: &str, subject: &str) {
        let wanted = format!("{what} \"{subject}\"");
        let began = wait::now();
        while !self.told.lock().unwrap().iter().any(|text| text.contains(&wanted)) {
            let told = || self.told.lock().unwrap().clone();
            assert!(began.elapsed() < DEADLINE, "{} was not refused: {wanted}; told: {:?}", self.user, told());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.told.lock().unwrap().clear();
    }

    pub async fn may_not_publish(&mut self, subject: &str) {
        self.publish(subject, b"intruded").await;
        self.until_refused("Permissions Violation for Publish to", subject).await;
    }

    pub async fn may_not_subscribe(&mut self, subject: &str) {
        let _subscriber = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.until_refused("Permissions Violation for Subscription to", subject).await;
    }

    pub async fn publish(&self, subject: &str, payload: &'static [u8]) {
        self.client.publish(subject.to_owned(), payload.into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    pub async fn publish_with_reply(&self, subject: &str, reply: &str, payload: &'static [u8]) {
        self.client.publish_with_reply(subject.to_owned(), reply.to_owned(), payload.into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    pub async fn publish_with_header(&self, subject: &str, (name, value): (&'static str, &str)) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        self.client.publish_with_headers(subject.to_owned(), headers, "x".into()).await.unwrap();
    }

    /// The first message of an atomic batch that nobody ends.
    pub async fn begin_batch(&self, subject: &str, id: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", id);
        headers.insert("Nats-Batch-Sequence", "1");
        self.client.publish_with_headers(subject.to_owned(), headers, "x".into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// The answer, or why there is none.
    pub async fn request(&self, subject: &str, payload: &'static [u8]) -> String {
        match self.client.request(subject.to_owned(), payload.into()).await {
            Ok(message) => String::from_utf8_lossy(&message.payload).into_owned(),
            Err(error) => format!("no answer: {error}"),
        }
    }

    pub async fn request_with_header(
        &self,
        subject: &str,
        (name, value): (&'static str, &str),
        payload: &'static [u8],
    ) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        match self.client.request_with_headers(subject.to_owned(), headers, payload.into()).await {
            Ok(message) => String::from_utf8_lossy(&message.payload).into_owned(),
            Err(error) => format!("no answer: {error}"),
        }
    }

    pub async fn subscribe(&self, subject: &str) -> Heard {
        let heard = Heard(self.client.subscribe(subject.to_owned()).await.unwrap());
        // The server knows of it when it has answered what came after.
        self.stream().await;
        heard
    }

    /// Makes a consumer as the readers do; its name, or the server's reason.
    pub async fn consumer(&self, config: Value) -> Result<String, String> {
        let question = json!({"stream_name": "EVENTS", "config": config}).to_string();
        let subject = "$JS.API.CONSUMER.CREATE.EVENTS".to_owned();
        let message = self.client.request(subject, question.into()).await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&message.payload).unwrap();
        answer["name"].as_str().map(str::to_owned).ok_or_else(|| answer["error"].to_string())
    }

    pub async fn stream(&self) -> Facts {
        let answer = self.request("$JS.API.STREAM.INFO.EVENTS", b"").await;
        let info: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{}: {answer}", self.user));
        let number = |name: &str| info["state"][name].as_u64().unwrap_or_else(|| panic!("{info}"));
        Facts {
            messages: number("messages"),
            last_seq: number("last_seq"),
            created: info["created"].clone(),
            config: info["config"].clone(),
        }
    }

    /// Waits until the stream has exactly so many messages, and still has after a while.
    pub async fn until_messages(&self, count: u64) {
        let began = wait::now();
        while self.stream().await.messages < count {
            assert!(began.elapsed() < DEADLINE, "{:?}, and not {count}", self.stream().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.settle().await;
        assert_eq!(self.stream().await.messages, count);
    }

    /// Gives the server time to do whatever it was made to do.
    pub async fn settle(&self) {
        self.client.flush().await.unwrap();
        self.stream().await;
        tokio::time::sleep(SETTLED).await;
    }
}
