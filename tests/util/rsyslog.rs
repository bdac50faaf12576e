//! A real rsyslog that takes RELP and TLS with a certificate of the client's, started by a test and ended with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::util::{DEADLINE, certificates, missing_tool, until};

/// A running one.
pub(crate) struct Rsyslog {
    child: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT` of RELP in clear.
    pub(crate) relp: String,
    /// The same of RFC 5425.
    pub(crate) tls: String,
}

impl Rsyslog {
    /// Starts one that keeps its files in this folder; none where there is no rsyslog.
    pub(crate) fn start(folder: &Path) -> Option<Rsyslog> {
        let mut asked = Command::new("rsyslogd");
        asked.arg("-v");
        let modules = glob::glob("/usr/lib/*/rsyslog/imrelp.so").unwrap().count();
        let remedy = "install rsyslog, rsyslog-relp and rsyslog-gnutls";
        if missing_tool(&asked, remedy) || modules == 0 {
            assert!(!crate::util::tools_required() || modules > 0, "{remedy}");
            return None;
        }
        certificates(folder);
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (relp, tls) = (free(), free());
        let place = folder.display();
        let config = format!(
            "global(workDirectory=\"{place}\" maxMessageSize=\"256k\" defaultNetstreamDriverCAFile=\"{place}/ca.pem\"\n\
             defaultNetstreamDriverCertFile=\"{place}/server.pem\" defaultNetstreamDriverKeyFile=\"{place}/server.key\")\n\
             main_queue(queue.type=\"Direct\")\n\
             module(load=\"imrelp\")\n\
             module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/name\" permittedPeer=[\"keytrail\"])\n\
             template(name=\"whole\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             ruleset(name=\"kept\") {{ action(type=\"omfile\" file=\"{place}/messages\" template=\"whole\" asyncWriting=\"off\") }}\n\
             input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{}\" maxDataSize=\"256k\" ruleset=\"kept\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{}\" ruleset=\"kept\")\n",
            relp.port(),
            tls.port()
        );
        fs::write(folder.join("rsyslog.conf"), config).unwrap();
        let child = run(folder);
        let rsyslog = Rsyslog {
            child,
            folder: folder.to_owned(),
            relp: relp.to_string(),
            tls: tls.to_string(),
        };
        rsyslog.is_up();
        Some(rsyslog)
    }

    /// `kill -9`, and another one in its place.
    pub(crate) fn kill_and_start(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = run(&self.folder);
        self.is_up();
    }

    /// Returns the messages that it has stored.
    pub(crate) fn messages(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("messages")).unwrap_or_default();
        // A kill may leave half of one.
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
    }

    fn is_up(&self) {
        for address in [&self.relp, &self.tls] {
            until("rsyslog listens", DEADLINE, || TcpStream::connect(address).ok());
        }
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path) -> Child {
    let said = fs::File::create(folder.join("said")).unwrap();
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf"));
    command.arg("-i").arg(folder.join("pid"));
    let _ = fs::remove_file(folder.join("pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap()
}
