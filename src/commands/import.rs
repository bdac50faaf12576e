//! `keytrail import`: whole files into ledger and index.

use anyhow::anyhow;
use ingest::pipeline;
use ingest::source::SourceId;
use ingest::tail::{Input, order_siblings};

use crate::args::ImportArgs;
use crate::data_folder::host_name;
use crate::failure::Failure;
use crate::progress::Bars;

/// Runs the command.
pub(crate) fn run(args: ImportArgs) -> Result<(), Failure> {
    let node = args.node.unwrap_or_else(host_name);
    let source = SourceId::new(&args.cluster, &node, &args.device)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let data = args.data.folder();
    let files = order_siblings(&args.files);
    let inputs: Vec<Input> = files
        .into_iter()
        .map(|path| if path.as_os_str() == "-" { Input::Stdin } else { Input::File(path) })
        .collect();
    let bars = Bars::new(file_bytes(&inputs));
    let imported =
        pipeline::import(&data, &source, &inputs, args.allow_raw, &|progress| bars.show(progress));
    bars.finish();
    let imported = imported?;
    let recorded = imported.recorded;
    if recorded.lines == 0 && imported.failures.is_empty() {
        eprintln!(
            "nothing new: every line of these files is in the ledger already ({})",
            data.display()
        );
    } else {
        eprintln!(
            "{} lines ({} bytes) of {source} recorded and indexed in {}",
            recorded.lines,
            recorded.bytes,
            data.display()
        );
    }
    if imported.failures.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = imported.failures.iter().map(ToString::to_string).collect();
    Err(Failure::Other(anyhow!("{}", told.join("\nerror: "))))
}

/// Returns the size of all files together; none if one is not a file.
fn file_bytes(inputs: &[Input]) -> Option<u64> {
    let size = |input: &Input| match input {
        Input::Stdin => None,
        Input::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
    };
    inputs.iter().map(size).sum()
}
