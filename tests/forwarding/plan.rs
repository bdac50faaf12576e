//! What a filter would send is what a sink of it then sends.

use super::*;

#[test]
fn what_is_planned_is_what_a_file_then_receives() {
    let setup = Setup::new(&fixture_text("openbao-2.7.2/audit.jsonl.gz"));
    setup.data.import([setup.path("audit.log")]);
    let out = setup.path("events.ndjson");
    let filter = "-action:token.lookup";
    let sink = format!(
        "[[sink]]\nname = \"out\"\ntype = \"file\"\npath = \"{}\"\nformat = \"ocsf\"\nfilter = \"{filter}\"\n",
        out.display()
    );
    let config = setup.configure(&sink);
    let ever = ["--last", "36500d", "--to", "2100-01-01T00:00:00Z", "--format", "json"];
    let plan = |more: &[&str]| {
        let run = setup.data.forward(&[&["plan"][..], more, &ever].concat()).expect(0);
        run.json().remove(0)
    };
    let server = setup.run(&sink);
    let events_in = setup.data.status_of("events");
    setup.done("out", events_in);
    server.terminate();
    let planned = plan(&["out", "-c", config.to_str().unwrap()]);
    let (mut events, mut bytes) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    for line in fs::read_to_string(&out).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let action = event["metadata"]["event_code"].as_str().unwrap().to_owned();
        *events.entry(action.clone()).or_default() += 1;
        *bytes.entry(action).or_default() += line.len() as u64;
    }
    assert!(events.len() > 10, "{events:?}");
    let of = |plan: &Value, key: &str| -> BTreeMap<String, u64> {
        let rows = plan["actions"].as_array().unwrap().iter();
        rows.map(|row| (row["action"].as_str().unwrap().to_owned(), row[key].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(of(&planned, "events"), events);
    assert_eq!(of(&planned, "bytes"), bytes);
    assert_eq!(planned["bytes"], bytes.values().sum::<u64>());
    // The same without a configured sink.
    let same = plan(&["--filter", filter, "--as", "ocsf"]);
    assert_eq!(same["actions"], planned["actions"]);
    // A sample is called one, counts stay exact, and bytes are near.
    let sampled = plan(&["--filter", filter, "--as", "ocsf", "--sample", "200"]);
    assert!(sampled["encoded_one_of"].as_u64() > Some(1), "{sampled}");
    assert_eq!(of(&sampled, "events"), events);
    let (near, all) = (sampled["bytes"].as_f64().unwrap(), planned["bytes"].as_f64().unwrap());
    assert!((near / all - 1.0).abs() < 0.2, "{near} for {all}");
    let text = setup.data.forward(&["plan", "--as", "ecs", "--sample", "200", "--last", "36500d"]);
    assert!(text.expect(0).stderr.contains("bytes are of a sample of"));
}

#[test]
fn a_plan_is_of_a_stretch_of_time_and_of_days_that_the_trail_has() {
    let setup = Setup::new(&pairs(0..100));
    setup.data.import([setup.path("audit.log")]);
    let all = setup.data.search("");
    let time = |request: &str| {
        let event = all.iter().find(|event| event["request_id"] == request).unwrap();
        event["time"].as_str().unwrap().to_owned()
    };
    let arguments = ["plan", "--as", "event", "--last", "365d", "--format", "json", "--to"];
    let run = setup.data.forward(&[&arguments[..], &[&time("r60")]].concat()).expect(0);
    let plan = &run.json()[0];
    assert_eq!((&plan["events"], &plan["from"]), (&60.into(), &time("r0").into()), "{plan}");
    let wrong = setup.data.forward(&["plan", "--as", "oscf"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("no format is called"), "{}", wrong.stderr);
    let neither = setup.data.forward(&["plan"]);
    assert!(neither.code == 2 && neither.stderr.contains("--as"), "{}", neither.stderr);
}
