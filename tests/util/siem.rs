//! A receiver over HTTP that does what a test tells it: it takes, refuses, is busy, or breaks off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::read::GzDecoder;

/// A request that it got.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// Unpacked.
    pub(crate) body: Vec<u8>,
}

impl Post {
    /// Returns a header; "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What it does with a request.
pub(crate) enum Reply {
    /// Answers: status, one header line or "", body.
    Say(u16, String, String),
    /// Reads half of the request and breaks the connection.
    Reset,
    /// Takes all of it, and breaks the connection before a word.
    Silent,
}

impl Reply {
    /// Answers with a status alone.
    pub(crate) fn status(status: u16) -> Reply {
        Reply::Say(status, String::new(), String::new())
    }
}

type Rule = dyn Fn(&Post) -> Reply + Send;

/// A running one; it serves until the tests end.
#[derive(Clone)]
pub(crate) struct Siem {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    rule: Arc<Mutex<Box<Rule>>>,
    posts: Arc<Mutex<Vec<(Post, bool)>>>,
    broken: Arc<AtomicUsize>,
}

impl Siem {
    pub(crate) fn start(rule: impl Fn(&Post) -> Reply + Send + 'static) -> Siem {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rule: Arc<Mutex<Box<Rule>>> = Arc::new(Mutex::new(Box::new(rule)));
        let siem = Siem { url, rule, posts: Arc::default(), broken: Arc::default() };
        let serving = siem.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                // A client that is killed in the middle is what tests are about.
                thread::spawn(move || serving.serve(&stream).unwrap_or(()));
            }
        });
        siem
    }

    /// Does something else from now on.
    pub(crate) fn obey(&self, rule: impl Fn(&Post) -> Reply + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Returns every request that was read whole.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().iter().map(|(post, _)| post.clone()).collect()
    }

    /// Returns the requests that it has, whether it said so or not.
    pub(crate) fn taken(&self) -> Vec<Post> {
        let posts = self.posts.lock().unwrap();
        posts.iter().filter(|(_, taken)| *taken).map(|(post, _)| post.clone()).collect()
    }

    /// Returns how often it broke off.
    pub(crate) fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut head, mut line) = (Vec::new(), String::new());
            while reader.read_line(&mut line)? > 2 {
                head.push(line.trim_end().to_owned());
                line.clear();
            }
            let Some(first) = head.first() else { return Ok(()) };
            let target = first.split(' ').nth(1).unwrap_or("").to_owned();
            let headers: Vec<(String, String)> = head[1..]
                .iter()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let mut post = Post { target, headers, body: Vec::new() };
            let mut body = vec![0; post.header("content-length").parse().unwrap_or(0)];
            // What is decided by the head alone needs no body.
            reader.read_exact(&mut body)?;
            post.body = match post.header("content-encoding") {
                "gzip" => {
                    let mut unpacked = Vec::new();
                    GzDecoder::new(&body[..]).read_to_end(&mut unpacked)?;
                    unpacked
                }
                _ => body,
            };
            let reply = (self.rule.lock().unwrap())(&post);
            let taken = match &reply {
                Reply::Say(status, ..) => (200..300).contains(status),
                Reply::Silent => true,
                Reply::Reset => {
                    self.broken.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            };
            self.posts.lock().unwrap().push((post, taken));
            let Reply::Say(status, header, body) = reply else { return Ok(()) };
            let header = if header.is_empty() { header } else { format!("{header}\r\n") };
            let kind = match header.starts_with("Content-Type") {
                true => "",
                false => "Content-Type: application/json\r\n",
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} So\r\n{header}{kind}Content-Length: {length}\r\n\r\n{body}"
            );
            (&mut &*stream).write_all(answer.as_bytes())?;
        }
    }
}
