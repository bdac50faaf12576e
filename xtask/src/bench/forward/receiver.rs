//! The receivers: how each is started, what the sink is told, and how a plain client sends it the same events.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::taker;
use crate::bench::peers::{free_port, opensearch_server};
use crate::step::{step, workspace};
use crate::tools::{self, bare_python};

/// The events as OpenSearch is to have them.
const ECS: &str = "ecs.jsonl";
const JSON: &str = "application/json";
/// How long a receiver may take until it listens.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// Sends the events of a file as a plain client does.
type Plain = Box<dyn Fn(&Path) -> Result<()>>;

/// A receiver that runs.
pub(super) struct Receiver {
    /// The keys of its `[[sink]]`.
    pub(super) sink: String,
    pub(super) format: &'static str,
    pub(super) plain: Option<Plain>,
    /// Ends with it.
    _process: Option<Process>,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Start = fn(&Path) -> Result<Receiver>;

/// Every receiver, the file first: it writes what plain clients send.
pub(super) fn receivers() -> [(&'static str, Start); 10] {
    [
        ("file", file),
        ("file", file_of_ecs),
        ("webhook, of ours", webhook),
        ("splunk_hec, of ours", splunk_hec),
        ("otlp, of ours", otlp),
        ("object_store, a folder", object_store),
        ("relp, rsyslog", relp),
        ("syslog over TCP, rsyslog", syslog),
        ("kafka, one broker", kafka),
        ("opensearch, one node", opensearch),
    ]
}

fn file(place: &Path) -> Result<Receiver> {
    file_of(place, "events.jsonl", "event")
}

fn file_of_ecs(place: &Path) -> Result<Receiver> {
    file_of(place, ECS, "ecs")
}

fn file_of(place: &Path, name: &str, format: &'static str) -> Result<Receiver> {
    let (path, copy) = (place.join(name), place.join("copy.jsonl"));
    let sink = format!(
        "type = \"file\"\nformat = \"{format}\"\npath = {path:?}\nrotate_bytes = 100000000000\n"
    );
    Ok(Receiver {
        sink,
        format,
        plain: Some(Box::new(move |_| {
            let mut dd = Command::new("dd");
            dd.arg(format!("if={}", path.display())).arg(format!("of={}", copy.display()));
            step("copy the events", dd.args(["bs=1M", "conv=fsync", "status=none"]))
        })),
        _process: None,
    })
}

fn webhook(_: &Path) -> Result<Receiver> {
    let url = taker::start(JSON, "")?;
    let sink = format!(
        "type = \"webhook\"\nurl = \"{url}/\"\nallow_private = true\nbatch_events = 1000\n"
    );
    Ok(Receiver { sink, format: "event", plain: None, _process: None })
}

fn splunk_hec(place: &Path) -> Result<Receiver> {
    let url = taker::start(JSON, "{\"text\":\"Success\",\"code\":0}")?;
    let token = place.join("token");
    fs::write(&token, "of-nobody\n")?;
    let sink =
        format!("type = \"splunk_hec\"\nurl = \"{url}\"\ntoken_file = {token:?}\nack = false\n");
    Ok(Receiver { sink, format: "splunk", plain: None, _process: None })
}

fn otlp(_: &Path) -> Result<Receiver> {
    // Nothing at all is what a receiver of OTLP says that took everything.
    let url = taker::start("application/x-protobuf", "")?;
    let sink = format!("type = \"otlp\"\nurl = \"{url}\"\n");
    Ok(Receiver { sink, format: "event", plain: None, _process: None })
}

fn object_store(place: &Path) -> Result<Receiver> {
    let folder = place.join("lake");
    fs::create_dir(&folder)?;
    let sink = format!(
        "type = \"object_store\"\nurl = \"file://{}\"\nbatch_wait = \"1s\"\n",
        folder.display()
    );
    Ok(Receiver { sink, format: "event", plain: None, _process: None })
}

fn relp(place: &Path) -> Result<Receiver> {
    rsyslog(place, "imrelp", "maxDataSize=\"256k\"", "relp")
}

fn syslog(place: &Path) -> Result<Receiver> {
    rsyslog(place, "imtcp", "", "syslog")
}

fn rsyslog(place: &Path, module: &str, more: &str, kind: &'static str) -> Result<Receiver> {
    let port = free_port()?;
    let (config, pid) = (place.join(format!("{module}.conf")), place.join(format!("{module}.pid")));
    let folder = place.display();
    fs::write(
        &config,
        format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"256k\")\nmodule(load=\"{module}\")\n\
             template(name=\"whole\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             ruleset(name=\"kept\") {{ action(type=\"omfile\" file=\"{folder}/{module}.messages\" template=\"whole\") }}\n\
             input(type=\"{module}\" address=\"127.0.0.1\" port=\"{port}\" {more} ruleset=\"kept\")\n"
        ),
    )?;
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-f").arg(&config).arg("-i").arg(&pid);
    let process = started(&mut command, place, port)?;
    let sink = format!("type = \"{kind}\"\naddress = \"127.0.0.1:{port}\"\ntls = false\n");
    let plain = plain(kind, format!("127.0.0.1:{port}"))?;
    Ok(Receiver { sink, format: "syslog", plain: Some(plain), _process: Some(process) })
}

fn kafka(place: &Path) -> Result<Receiver> {
    let jars = tools::archives("kafka")?;
    let (port, controller) = (free_port()?, free_port()?);
    let config = place.join("broker.properties");
    fs::write(
        &config,
        format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\n\
             num.partitions=3\noffsets.topic.replication.factor=1\n",
            place.join("kafka").display()
        ),
    )?;
    let java = |class: &str| {
        let mut java = Command::new("java");
        java.args(["-Xmx1g", "-cp"]).arg(jars.join("*")).arg(class);
        java
    };
    let mut format = java("kafka.tools.StorageTool");
    format.args(["format", "--standalone", "-t", "4L6g3nShT-eMCtK--X86sw", "-c"]).arg(&config);
    step("format the broker's folder", &mut format)?;
    let process = started(java("kafka.Kafka").arg(&config), place, port)?;
    let broker = format!("127.0.0.1:{port}");
    let plain = plain("kafka", broker.clone())?;
    let mut make = bare_python()?.command();
    make.arg(script()).args(["topics", &broker]);
    step("make the topics", &mut make)?;
    Ok(Receiver {
        sink: format!(
            "type = \"kafka\"\nbrokers = [\"{broker}\"]\ntopic = \"audit\"\ntls = false\n"
        ),
        format: "event",
        plain: Some(plain),
        _process: Some(process),
    })
}

fn opensearch(place: &Path) -> Result<Receiver> {
    let port = free_port()?;
    let process = started(&mut opensearch_server(&place.join("opensearch"), port)?, place, port)?;
    let url = format!("http://127.0.0.1:{port}");
    let plain = plain("opensearch", format!("127.0.0.1:{port}"))?;
    // As `keytrail forward assets` has it, with one copy of everything.
    let mut make = bare_python()?.command();
    make.arg(script()).arg("template").arg(format!("127.0.0.1:{port}"));
    make.arg(workspace().join("assets/siem/opensearch"));
    step("load the templates", &mut make)?;
    Ok(Receiver {
        sink: format!("type = \"opensearch\"\nurl = \"{url}\"\n"),
        format: "ecs",
        plain: Some(plain),
        _process: Some(process),
    })
}

fn script() -> PathBuf {
    workspace().join("xtask/src/bench/forward/plain.py")
}

fn plain(kind: &'static str, address: String) -> Result<Plain> {
    let python = bare_python()?;
    if kind == "kafka" && !python.has("confluent_kafka") {
        python.install(&["confluent-kafka==2.16.1"])?;
    }
    Ok(Box::new(move |events| {
        let mut client = python.command();
        let events = match kind {
            "opensearch" => events.with_file_name(ECS),
            _ => events.to_owned(),
        };
        client.arg(script()).args([kind, &address]).arg(events);
        step("send by a plain client", &mut client)
    }))
}

/// Starts a process, and waits until it listens.
fn started(command: &mut Command, place: &Path, port: u16) -> Result<Process> {
    let name = command.get_program().display().to_string();
    let said = fs::File::create(place.join("receiver.log"))?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    let mut process =
        Process(command.spawn().with_context(|| format!("{name} cannot be started"))?);
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = process.0.try_wait()? {
            bail!("{name} ended before it listened: {status}");
        }
        if start.elapsed() > UP_WITHIN {
            bail!("{name} does not listen after {UP_WITHIN:?}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
