//! Retention and legal hold on the command line. What a removal leaves is tested where segments can be small.

use crate::util::{Data, fixture};

#[test]
fn a_legal_hold_stops_retention_and_is_shown() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/audit.jsonl.gz")]);
    let told = data.run("retention", ["--keep", "1d"]).expect(0);
    assert!(told.text().starts_with("0 segments would lose their lines"), "{}", told.text());
    let before = data.search_text("");
    let hold = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().unwrap();
        let mut all = vec![*command, "-d", data.path().to_str().unwrap()];
        all.extend(rest);
        crate::util::Run::of(crate::util::keytrail().arg("hold").args(all))
    };
    hold(&["set", "case 7"]).expect(0);
    assert_eq!(data.status()["holds"][0]["reason"], "case 7");
    let refused = data.run("retention", ["--keep", "1d", "--apply"]).expect(1);
    assert!(refused.stderr.contains("legal hold since"), "{}", refused.stderr);
    assert!(refused.stderr.contains("case 7"), "{}", refused.stderr);
    hold(&["release", "another case"]).expect(1);
    hold(&["release"]).expect(0);
    assert_eq!(data.status()["holds"].as_array().map(Vec::len), Some(0));
    data.run("retention", ["--keep", "1d", "--apply"]).expect(0);
    assert_eq!(data.status_of("least_leaf"), 0);
    assert_eq!(data.search_text(""), before);
    data.run("verify", [] as [&str; 0]).expect(0);
    data.run("retention", ["--keep", "soon"]).expect(2);
}
