//! Every figure of a page is the number that `keytrail count` gives for the question behind it.

use super::{Site, encoded, word};
use crate::util::{fixture_text, get};

#[test]
fn figures_of_overview_identity_and_path_are_those_of_count() {
    let lines = ["audit.jsonl.1.gz", "audit.jsonl.gz"]
        .map(|name| fixture_text(&format!("openbao-2.7.2/{name}")));
    let site = Site::of_lines(&lines.concat());
    let denied = &site.data.search("decision:denied op:read identity:my-app/my-app")[0];
    let identity = format!("/identity/{}", encoded(&word(&denied["identity"], "key")));
    let path = format!("/path/{}", encoded(&word(denied, "path")));
    for page in ["/".to_owned(), identity, path] {
        let page = format!("{page}?span=all");
        let html = get(&site.server.address, &page).body;
        let tiles: Vec<&str> = html.split("<a class=\"tile\" href=\"").skip(1).collect();
        assert!(tiles.len() >= 4, "{page} has {} figures", tiles.len());
        let mut sum = 0;
        for tile in tiles {
            let href = tile.split('"').next().unwrap().replace("&#38;", "&");
            let figure = tile.split_once("class=\"figure\">").unwrap().1;
            let figure: u64 = figure.split('<').next().unwrap().replace(',', "").parse().unwrap();
            let (_, query) = href.split_once('?').unwrap_or((&href, ""));
            let asked: Vec<(String, String)> =
                form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            assert!(asked.iter().all(|(name, _)| name == "q"), "all time has no ends: {href}");
            let filter = asked.first().map_or("", |(_, filter)| filter);
            assert_eq!(figure, site.data.total(filter), "{page}: {filter:?}");
            sum += figure;
        }
        assert!(sum > 0, "{page}");
    }
}
