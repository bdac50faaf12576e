//! A receiver over HTTP that takes everything at once: what it leaves is what keytrail costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::Result;

/// Serves on loopback until the program ends, and returns where. Each request is answered with this body, of this type.
pub(super) fn start(media_type: &'static str, body: &'static str) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes in the middle is no concern.
            thread::spawn(move || serve(&stream, media_type, body).unwrap_or(()));
        }
    });
    Ok(url)
}

fn serve(stream: &TcpStream, media_type: &str, body: &str) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut taken, mut line) = (Vec::new(), String::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        taken.resize(length, 0);
        reader.read_exact(&mut taken)?;
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        (&mut &*stream).write_all(answer.as_bytes())?;
    }
}
