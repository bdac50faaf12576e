//! A relay of connections to a server that can keep the server's answers to itself: so the server has done what it was asked, and nobody
//! knows.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::util::{DEADLINE, until};

/// A running one; it serves until the tests end.
#[derive(Clone)]
pub(crate) struct Relay {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    keeps: Arc<AtomicBool>,
    kept: Arc<AtomicUsize>,
    is_dead: Arc<AtomicBool>,
    broken: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn to(server: &str) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay {
            address: listener.local_addr().unwrap().to_string(),
            keeps: Arc::default(),
            kept: Arc::default(),
            is_dead: Arc::default(),
            broken: Arc::default(),
        };
        let (serving, server) = (relay.clone(), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (serving, server) = (serving.clone(), server.clone());
                // Who is killed in the middle is what tests are about.
                thread::spawn(move || serving.serve(client, &server).unwrap_or(()));
            }
        });
        relay
    }

    /// Keeps answers from now on, or lets them through again.
    pub(crate) fn keep_answers(&self, keeps: bool) {
        self.keeps.store(keeps, Ordering::SeqCst);
    }

    /// Returns of how many connections an answer was kept.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::SeqCst)
    }

    /// Breaks off every connection until one was, as a server that is killed does.
    pub(crate) fn kill_and_start(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        let broken = || self.broken.load(Ordering::SeqCst);
        let before = broken();
        until("it is missed", DEADLINE, || (broken() > before).then_some(()));
        self.is_dead.store(false, Ordering::SeqCst);
    }

    fn breaks_off(&self) -> bool {
        let is_dead = self.is_dead.load(Ordering::SeqCst);
        self.broken.fetch_add(is_dead.into(), Ordering::SeqCst);
        is_dead
    }

    fn serve(&self, client: TcpStream, server: &str) -> std::io::Result<()> {
        if self.breaks_off() {
            return Ok(());
        }
        let server = TcpStream::connect(server)?;
        let (mut asking, mut asked) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut asking, &mut asked);
            let _ = asked.shutdown(Shutdown::Write);
        });
        let (mut from, mut to) = (server, client);
        let mut block = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut block)?;
            if read == 0 {
                return to.shutdown(Shutdown::Write);
            }
            if self.breaks_off() {
                return to.shutdown(Shutdown::Both);
            }
            if self.keeps.load(Ordering::SeqCst) {
                self.kept.fetch_add(1, Ordering::SeqCst);
                // The client waits until it is killed.
                loop {
                    if from.read(&mut block)? == 0 {
                        return Ok(());
                    }
                }
            }
            to.write_all(&block[..read])?;
        }
    }
}
