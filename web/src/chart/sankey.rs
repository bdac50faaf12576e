//! The Sankey diagram: requests flow from groups of identities through mounts to decisions.
//!
//! Three columns, so the layout is plain: nodes are stacked, a flow leaves and enters in the order of the nodes that it
//! joins, and its height is its count.

use std::collections::BTreeMap;

use super::{brief, unit};
use crate::text::{Text, counted, grouped};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 320.0;
const NODE: f64 = 12.0;
/// A name must fit beside the thinnest node.
const GAP: f64 = 16.0;
/// Where the left edges of the columns are.
const COLUMNS: [f64; 3] = [118.0, 252.0, 410.0];
const NAME_CHARS: usize = 15;
/// The most nodes of a column, "other" among them.
const NODES_MAX: usize = 12;
/// The least height of what is not nothing.
const HEIGHT_MIN: f64 = 1.0;
const DECISIONS: [&str; 3] = ["allowed", "denied", "unknown"];

/// Requests of a group, a mount and a decision.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) group: String,
    pub(crate) mount: String,
    /// `allowed`, `denied` or `unknown`.
    pub(crate) decision: String,
    pub(crate) count: u64,
}

/// A drawing, finished but for its markup.
#[derive(Debug)]
pub(crate) struct Sankey {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) summary: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ribbons: Vec<Ribbon>,
}

/// A group, a mount or a decision.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) class: String,
    /// Where the name stands, and which end of it.
    pub(crate) text_x: String,
    pub(crate) text_y: String,
    pub(crate) anchor: &'static str,
    pub(crate) name: Text,
    pub(crate) count: String,
    pub(crate) title: Text,
    pub(crate) href: Option<String>,
}

/// What flows between two nodes.
#[derive(Debug)]
pub(crate) struct Ribbon {
    pub(crate) d: String,
    pub(crate) class: String,
    pub(crate) title: Text,
    pub(crate) from: Text,
    pub(crate) to: Text,
    pub(crate) count: String,
    pub(crate) href: Option<String>,
}

/// A node of a column: one of the largest, or all others.
type Place = Option<String>;

/// Draws the flows. `href` leads to the requests of a group, a mount, a decision; nothing is any.
pub(crate) fn sankey(
    flows: &[Flow],
    href: impl Fn(Option<&str>, Option<&str>, Option<&str>) -> Option<String>,
) -> Sankey {
    let flows: Vec<&Flow> = flows.iter().filter(|flow| flow.count > 0).collect();
    let columns = [
        Column::of(flows.iter().map(|flow| (&*flow.group, flow.count)), true),
        Column::of(flows.iter().map(|flow| (&*flow.mount, flow.count)), true),
        Column::of(flows.iter().map(|flow| (&*flow.decision, flow.count)), false),
    ];
    let total: u64 = flows.iter().map(|flow| flow.count).sum();
    let most = columns.iter().map(|column| column.sums.len()).max().unwrap_or(0);
    let scale = (HEIGHT - GAP * most.saturating_sub(1) as f64) / total.max(1) as f64;
    let tops = columns.each_ref().map(|column| column.tops(scale));
    let mut nodes = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        for ((place, sum), top) in column.sums.iter().zip(&tops[at]) {
            let of = |wanted: usize| (wanted == at).then_some(place.as_deref()).flatten();
            let name = place.as_deref().unwrap_or("other");
            let height = (*sum as f64 * scale).max(HEIGHT_MIN);
            let last = at == 2;
            nodes.push(Node {
                x: unit(COLUMNS[at]),
                y: unit(*top),
                width: unit(NODE),
                height: unit(height),
                class: if last {
                    format!("bar-{}", place.as_deref().unwrap_or(""))
                } else {
                    "node".to_owned()
                },
                text_x: unit(if at == 0 { COLUMNS[at] - 6.0 } else { COLUMNS[at] + NODE + 6.0 }),
                text_y: unit(*top + height / 2.0),
                anchor: if at == 0 { "end" } else { "start" },
                name: brief(name, NAME_CHARS),
                count: grouped(*sum),
                title: Text::new(&format!("{name}: {}", counted(*sum, "request", "requests"))),
                href: place.as_ref().and_then(|_| href(of(0), of(1), of(2))),
            });
        }
    }
    let mut ribbons = Vec::new();
    for left in [0, 1] {
        let right = left + 1;
        let mut sums: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for flow in &flows {
            let ends = [&flow.group, &flow.mount, &flow.decision];
            let ends = (columns[left].find(ends[left]), columns[right].find(ends[right]));
            *sums.entry(ends).or_default() += flow.count;
        }
        let (mut leaving, mut entering) = (tops[left].clone(), tops[right].clone());
        for ((from, to), count) in sums {
            let height = count as f64 * scale;
            let (y0, y1) = (leaving[from], entering[to]);
            leaving[from] += height;
            entering[to] += height;
            let (from, to) = (&columns[left].sums[from].0, &columns[right].sums[to].0);
            let of = |place: &Place| place.as_deref().unwrap_or("other").to_owned();
            let title =
                format!("{} to {}: {}", of(from), of(to), counted(count, "request", "requests"));
            let pair = from.as_deref().zip(to.as_deref());
            ribbons.push(Ribbon {
                d: band(COLUMNS[left] + NODE, y0, COLUMNS[right], y1, height.max(HEIGHT_MIN)),
                class: if right == 2 { format!("flow-{}", of(to)) } else { "flow".to_owned() },
                title: Text::new(&title),
                from: Text::new(&of(from)),
                to: Text::new(&of(to)),
                count: grouped(count),
                href: pair.and_then(|(from, to)| match left {
                    0 => href(Some(from), Some(to), None),
                    _ => href(None, Some(from), Some(to)),
                }),
            });
        }
    }
    Sankey {
        width: unit(WIDTH),
        height: unit(HEIGHT + GAP),
        summary: summary(&columns, total),
        nodes,
        ribbons,
    }
}

/// The nodes of a column, from above, with their sums.
struct Column {
    sums: Vec<(Place, u64)>,
}

impl Column {
    /// Adds up; the largest stand above, "other" below all. Decisions keep an order of their own.
    fn of<'a>(counts: impl Iterator<Item = (&'a str, u64)>, by_size: bool) -> Column {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (value, count) in counts {
            *sums.entry(value).or_default() += count;
        }
        let mut all: Vec<(&str, u64)> = sums.into_iter().collect();
        if by_size {
            all.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        } else {
            let place = |of: &str| DECISIONS.iter().position(|known| *known == of);
            all.sort_by_key(|(value, _)| place(value).unwrap_or(DECISIONS.len()));
        }
        let kept = if all.len() > NODES_MAX { NODES_MAX - 1 } else { all.len() };
        let rest: u64 = all[kept..].iter().map(|(_, sum)| sum).sum();
        let mut sums: Vec<(Place, u64)> =
            all[..kept].iter().map(|(value, sum)| (Some((*value).to_owned()), *sum)).collect();
        if rest > 0 {
            sums.push((None, rest));
        }
        Column { sums }
    }

    /// Returns which node a value belongs to.
    fn find(&self, value: &str) -> usize {
        let own = self.sums.iter().position(|(place, _)| place.as_deref() == Some(value));
        own.unwrap_or(self.sums.len() - 1)
    }

    /// Returns the upper edge of each node; a column with fewer nodes stands in the middle.
    fn tops(&self, scale: f64) -> Vec<f64> {
        let heights: f64 = self.sums.iter().map(|(_, sum)| *sum as f64 * scale).sum();
        let gaps = self.sums.len().saturating_sub(1) as f64 * GAP;
        let mut y = (HEIGHT - heights - gaps).max(0.0) / 2.0 + GAP / 2.0;
        self.sums
            .iter()
            .map(|(_, sum)| {
                let top = y;
                y += *sum as f64 * scale + GAP;
                top
            })
            .collect()
    }
}

/// Returns the outline of a band of one height that swings from one place to another.
fn band(x0: f64, y0: f64, x1: f64, y1: f64, height: f64) -> String {
    let middle = f64::midpoint(x0, x1);
    let [x0, y0, x1, y1, middle, below0, below1] =
        [x0, y0, x1, y1, middle, y0 + height, y1 + height].map(unit);
    format!(
        "M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}V{below1}C{middle} {below1} {middle} {below0} {x0} {below0}Z"
    )
}

fn summary(columns: &[Column; 3], total: u64) -> String {
    let [groups, mounts, decisions] = columns;
    let (Some(group), Some(mount)) = (groups.sums.first(), mounts.sums.first()) else {
        return "No requests in this time.".to_owned();
    };
    let name = |of: &(Place, u64)| of.0.as_deref().unwrap_or("other").to_owned();
    let said: Vec<String> = decisions
        .sums
        .iter()
        .map(|(place, sum)| format!("{} {}", grouped(*sum), place.as_deref().unwrap_or("other")))
        .collect();
    format!(
        "{}: {}. Most come from {} and go to {}.",
        counted(total, "request", "requests"),
        said.join(", "),
        Text::new(&name(group)),
        Text::new(&name(mount))
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(group: &str, mount: &str, decision: &str, count: u64) -> Flow {
        let [group, mount, decision] = [group, mount, decision].map(str::to_owned);
        Flow { group, mount, decision, count }
    }

    fn link(group: Option<&str>, mount: Option<&str>, decision: Option<&str>) -> Option<String> {
        Some([group, mount, decision].map(|of| of.unwrap_or("*")).join("+"))
    }

    #[test]
    fn geometry_of_two_groups() {
        let drawn = sankey(
            &[
                flow("workload", "secret/", "allowed", 6),
                flow("workload", "db/", "denied", 2),
                flow("human", "secret/", "denied", 2),
            ],
            link,
        );
        let nodes: Vec<String> = drawn
            .nodes
            .iter()
            .map(|of| {
                format!(
                    "{} {} at {},{} high {} to {:?}",
                    of.name, of.count, of.x, of.y, of.height, of.href
                )
            })
            .collect();
        insta::assert_snapshot!(nodes.join("\n"), @r#"
            workload 8 at 118,8 high 243.2 to Some("workload+*+*")
            human 2 at 118,267.2 high 60.8 to Some("human+*+*")
            secret/ 8 at 252,8 high 243.2 to Some("*+secret/+*")
            db/ 2 at 252,267.2 high 60.8 to Some("*+db/+*")
            allowed 6 at 410,8 high 182.4 to Some("*+*+allowed")
            denied 4 at 410,206.4 high 121.6 to Some("*+*+denied")
        "#);
        let ribbons: Vec<String> = drawn
            .ribbons
            .iter()
            .map(|of| format!("{} {} {:?}\n  {}", of.title, of.class, of.href, of.d))
            .collect();
        insta::assert_snapshot!(ribbons.join("\n"), @r#"
            workload to secret/: 6 requests flow Some("workload+secret/+*")
              M130 8C191 8 191 8 252 8V190.4C191 190.4 191 190.4 130 190.4Z
            workload to db/: 2 requests flow Some("workload+db/+*")
              M130 190.4C191 190.4 191 267.2 252 267.2V328C191 328 191 251.2 130 251.2Z
            human to secret/: 2 requests flow Some("human+secret/+*")
              M130 267.2C191 267.2 191 190.4 252 190.4V251.2C191 251.2 191 328 130 328Z
            secret/ to allowed: 6 requests flow-allowed Some("*+secret/+allowed")
              M264 8C337 8 337 8 410 8V190.4C337 190.4 337 190.4 264 190.4Z
            secret/ to denied: 2 requests flow-denied Some("*+secret/+denied")
              M264 190.4C337 190.4 337 206.4 410 206.4V267.2C337 267.2 337 251.2 264 251.2Z
            db/ to denied: 2 requests flow-denied Some("*+db/+denied")
              M264 267.2C337 267.2 337 267.2 410 267.2V328C337 328 337 328 264 328Z
        "#);
        insta::assert_snapshot!(drawn.summary, @"10 requests: 6 allowed, 4 denied. Most come from workload and go to secret/.");
    }

    #[test]
    fn a_column_has_twelve_nodes_at_most() {
        let flows: Vec<Flow> =
            (1..=30).map(|at| flow(&format!("g{at}"), "secret/", "allowed", at)).collect();
        let drawn = sankey(&flows, link);
        let groups: Vec<&Node> = drawn.nodes.iter().filter(|node| node.anchor == "end").collect();
        assert_eq!(groups.len(), 12);
        let other = groups.last().expect("twelve");
        assert_eq!((other.name.to_string(), &*other.count), ("other".to_owned(), "190"));
        assert_eq!(other.href, None);
        assert_eq!(sankey(&[], link).summary, "No requests in this time.");
    }

    proptest! {
        #[test]
        fn what_flows_in_flows_out(
            flows in prop::collection::vec((0..20_u8, 0..20_u8, 0..3_usize, 0..1000_u64), 0..60),
        ) {
            let flows: Vec<Flow> = flows
                .into_iter()
                .map(|(group, mount, decision, count)| {
                    flow(&group.to_string(), &mount.to_string(), DECISIONS[decision], count)
                })
                .collect();
            let total: u64 = flows.iter().map(|flow| flow.count).sum();
            let drawn = sankey(&flows, link);
            let number = |text: &str| text.replace(',', "").parse::<u64>().expect("a number");
            for x in COLUMNS {
                let sum: u64 = drawn
                    .nodes.iter().filter(|of| of.x == unit(x)).map(|of| number(&of.count)).sum();
                prop_assert_eq!(sum, total);
            }
            let (to_mounts, to_decisions): (Vec<&Ribbon>, Vec<&Ribbon>) =
                drawn.ribbons.iter().partition(|of| of.class == "flow");
            for ribbons in [to_mounts, to_decisions] {
                let sum: u64 = ribbons.iter().map(|of| number(&of.count)).sum();
                prop_assert_eq!(sum, total);
            }
        }
    }
}
