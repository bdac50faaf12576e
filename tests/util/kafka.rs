//! A real Kafka of one broker, started by a test and ended with it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::util::{Run, certificates, free_address, python, until};

const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A running broker.
pub(crate) struct Kafka {
    child: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT` in clear.
    pub(crate) plain: String,
    /// The same within TLS, for who signs in by SCRAM.
    pub(crate) tls: String,
}

impl Kafka {
    /// Whom the broker knows, by this password.
    pub(crate) const USER: &str = "keytrail";
    pub(crate) const PASSWORD: &str = "not-a-secret-of-anybody";

    /// Starts one that keeps everything in this folder, certificates among it.
    pub(crate) fn start(folder: &Path) -> Kafka {
        certificates(folder);
        let (plain, tls, controller) = (free_address(), free_address(), free_address());
        let place = folder.display();
        let pem =
            |name: &str| fs::read_to_string(folder.join(name)).unwrap().replace('\n', " \\\n");
        let config = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers={controller}\n\
             listeners=PLAINTEXT://{plain},SASL_SSL://{tls},CONTROLLER://{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN\nssl.keystore.type=PEM\n\
             ssl.keystore.certificate.chain={}\nssl.keystore.key={}\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}\";\n\
             log.dirs={place}/log\nnum.partitions=3\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n",
            pem("server.pem"),
            pem("server.key"),
            Kafka::USER,
            Kafka::PASSWORD,
        );
        fs::write(folder.join("broker.properties"), config).unwrap();
        let scram = format!("SCRAM-SHA-512=[name={},password={}]", Kafka::USER, Kafka::PASSWORD);
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "--standalone", "-t", "4L6g3nShT-eMCtK--X86sw", "-S", &scram, "-c"]);
        Run::of(format.arg(folder.join("broker.properties"))).expect(0);
        let kafka = Kafka { child: run(folder), folder: folder.to_owned(), plain, tls };
        kafka.is_up();
        kafka
    }

    /// Makes a topic, whose records are at most so large.
    pub(crate) fn topic(&self, name: &str, record_bytes: u32) {
        Run::of(script().args(["make", &self.plain, name, &record_bytes.to_string()])).expect(0);
    }

    /// Returns the records of a topic, read by another client than keytrail's.
    pub(crate) fn records(&self, topic: &str) -> Vec<Value> {
        Run::of(script().args(["read", &self.plain, topic])).expect(0).json()
    }

    /// `kill -9`, and another one in its place.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        self.child = run(&self.folder);
        self.is_up();
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn is_up(&self) {
        for address in [&self.plain, &self.tls] {
            until("Kafka listens", STARTS_WITHIN, || TcpStream::connect(address).ok());
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

fn script() -> Command {
    let mut command = python();
    command.arg("tests/forwarding/kafka.py");
    command
}

fn java(class: &str) -> Command {
    let jars = std::env::var_os("KEYTRAIL_KAFKA").map(PathBuf::from);
    let jars = jars.expect("KEYTRAIL_KAFKA names no Kafka: `cargo xtask test --full`");
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-cp"]).arg(jars.join("*")).arg(class);
    command
}

fn run(folder: &Path) -> Child {
    let said = fs::File::options().create(true).append(true).open(folder.join("said")).unwrap();
    let mut command = java("kafka.Kafka");
    command.arg(folder.join("broker.properties")).stdin(Stdio::null());
    command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap()
}
