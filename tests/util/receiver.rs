//! A web server that takes what is PUT to it, and an object store as far as S3's clients need one here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was put, by path.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server on a free port of this machine. It serves until the tests end.
pub(crate) struct Receiver {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    objects: Objects,
    broken: Arc<Mutex<bool>>,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (objects, broken) = (Objects::default(), Arc::new(Mutex::new(false)));
        let (kept, refusing) = (objects.clone(), broken.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, refusing) = (kept.clone(), refusing.clone());
                // A client that goes away in the middle is not our failure.
                thread::spawn(move || serve(stream.unwrap(), &kept, &refusing).unwrap_or(()));
            }
        });
        Receiver { address, objects, broken }
    }

    /// Answers everything with 503 from now on, or no longer.
    pub(crate) fn refuse(&self, refuse: bool) {
        *self.broken.lock().unwrap() = refuse;
    }

    /// Returns the paths of what was put, and the content.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, objects: &Objects, broken: &Mutex<bool>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut request = head[0].split(' ');
    let (method, target) = (request.next().unwrap_or(""), request.next().unwrap_or(""));
    let header = |name: &str| {
        head[1..].iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut objects = objects.lock().unwrap();
    let (status, answer) = match method {
        _ if *broken.lock().unwrap() => ("503 Service Unavailable", Vec::new()),
        "PUT" if objects.contains_key(path) && header("if-none-match").is_some() => {
            ("412 Precondition Failed", Vec::new())
        }
        "PUT" => {
            objects.insert(path.to_owned(), body);
            ("200 OK", Vec::new())
        }
        "GET" if query.contains("list-type=2") => ("200 OK", list(path, &objects)),
        "GET" => match objects.get(path) {
            Some(content) => ("200 OK", content.clone()),
            None => ("404 Not Found", Vec::new()),
        },
        _ => ("405 Method Not Allowed", Vec::new()),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\nConnection: close\r\n\r\n",
        answer.len()
    )?;
    stream.write_all(&answer)
}

/// Everything in a bucket; the client looks for its prefix itself.
fn list(bucket: &str, objects: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut listed = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (path, content) in objects {
        let Some(key) = path.strip_prefix(bucket.trim_end_matches('/')) else { continue };
        listed += &format!(
            "<Contents><Key>{}</Key><LastModified>2026-10-21T07:28:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{}</Size></Contents>",
            key.trim_start_matches('/'),
            content.len()
        );
    }
    (listed + "<IsTruncated>false</IsTruncated></ListBucketResult>").into_bytes()
}
