//! `?tz=Europe/Berlin` on any page: in which time zone it is read.
//!
//! A page shows its times by the zone of its address, and says which. Its links keep the zone: that is done here, on the
//! finished page, so that no page can forget it. Data by API and exports are UTC whatever the page says.

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::interval::Interval;
use query::period::{time_zone, zone_name};
use serde::Deserialize;

use crate::door::Reader;
use crate::error::PageError;
use crate::time::{DAY, HOUR, MINUTE, Step};

/// The longest page that is gone through.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// In which zone a page shows times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Zone {
        Zone(TimeZone::UTC)
    }
}

impl Zone {
    /// Reads a name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// There is no such zone.
    pub(crate) fn parse(name: &str) -> Result<Zone, PageError> {
        let zone = time_zone(name).map_err(|error| PageError::Question(error.to_string()))?;
        Ok(Zone(zone))
    }

    /// Returns the name under which people know it.
    pub(crate) fn name(&self) -> &str {
        zone_name(&self.0)
    }

    pub(crate) fn is_utc(&self) -> bool {
        self.0 == TimeZone::UTC
    }

    pub(crate) fn time_zone(&self) -> &TimeZone {
        &self.0
    }

    /// Returns steps of this length as clocks of the zone show them.
    pub(crate) fn interval(&self, step: Step) -> Interval {
        Interval::parse(step.word, &self.0).expect("words of ours are intervals")
    }

    /// Returns `2026-11-24 10:43:07.201`: to the millisecond, so that rows stand in line.
    pub(crate) fn to_the_millisecond(&self, unix_ns: i64) -> String {
        self.written(unix_ns, "%Y-%m-%d %H:%M:%S%.3f")
    }

    /// Returns `2026-11-24 10:43:07`.
    pub(crate) fn to_the_second(&self, unix_ns: i64) -> String {
        self.written(unix_ns, "%Y-%m-%d %H:%M:%S")
    }

    /// Returns `2026-11-24 10:43`.
    pub(crate) fn to_the_minute(&self, unix_ns: i64) -> String {
        self.written(unix_ns, "%Y-%m-%d %H:%M")
    }

    /// Returns a time that stands as RFC 3339 in an answer, to the second; what is none stays as it is.
    pub(crate) fn of_text(&self, rfc3339: &str) -> String {
        match rfc3339.parse::<Timestamp>() {
            Ok(time) => self.of(time, "%Y-%m-%d %H:%M:%S"),
            Err(_) => rfc3339.to_owned(),
        }
    }

    /// Returns the time as exactly as steps of this length need.
    pub(crate) fn says_time(&self, step: Step, unix_ns: i64) -> String {
        if step.ns < MINUTE { self.to_the_second(unix_ns) } else { self.to_the_minute(unix_ns) }
    }

    /// Returns `10:43:07`, `24 Nov 10:43`, `24 Nov` or `Nov 2026`: as short as a step of this length allows.
    pub(crate) fn tick(&self, unix_ns: i64, step_ns: i64) -> String {
        let form = match step_ns {
            step if step < MINUTE => "%H:%M:%S",
            step if step < 12 * HOUR => "%-d %b %H:%M",
            step if step < 28 * DAY => "%-d %b",
            _ => "%b %Y",
        };
        let time = timestamp(unix_ns);
        self.0.to_datetime(time).strftime(form).to_string()
    }

    fn written(&self, unix_ns: i64, form: &str) -> String {
        self.of(timestamp(unix_ns), form)
    }

    /// With the offset where there is one: when clocks go back, an hour comes twice.
    fn of(&self, time: Timestamp, form: &str) -> String {
        let zoned = time.to_zoned_datetime(self.0.clone());
        match self.is_utc() {
            true => zoned.strftime(form).to_string(),
            false => format!("{} {}", zoned.strftime(form), zoned.strftime("%:z")),
        }
    }
}

fn timestamp(unix_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_ns)).expect("64 bits lie within jiff's range")
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    tz: String,
}

/// Reads a page's zone for its handler, and keeps it in the page's links.
pub(crate) async fn zoned(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let tz = match Query::<Asked>::try_from_uri(request.uri()) {
        Ok(Query(Asked { tz })) if !path.starts_with("/api/") => tz,
        _ => String::new(),
    };
    if tz.is_empty() {
        return next.run(request).await;
    }
    let zone = match Zone::parse(&tz) {
        Ok(zone) => zone,
        Err(error) => return error.into_response(),
    };
    if let Some(reader) = request.extensions_mut().get_mut::<Reader>() {
        reader.reads_in(zone.clone());
    }
    let response = next.run(request).await;
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|value| {
        value.to_str().is_ok_and(|content_type| content_type.starts_with("text/html"))
    });
    if zone.is_utc() || !is_page {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(page) = to_bytes(body, PAGE_BYTES_MAX).await else {
        return PageError::Panic.into_response();
    };
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(kept(&String::from_utf8_lossy(&page), zone.name())))
}

/// Returns a page whose links and forms keep the zone. Only what templates write has quotes as they are, so what looks
/// like a link is one.
fn kept(page: &str, zone: &str) -> String {
    let value: String = form_urlencoded::byte_serialize(zone.as_bytes()).collect();
    let mut kept = String::with_capacity(page.len() + page.len() / 16);
    let mut rest = page;
    while let Some(at) = rest.find(" href=\"/").map(|at| at + " href=\"".len()) {
        let (before, from) = rest.split_at(at);
        let (link, after) = from.split_at(from.find('"').unwrap_or(from.len()));
        kept.push_str(before);
        kept.push_str(link);
        let is_page = !["/static/", "/api/"].iter().any(|other| link.starts_with(other));
        let has_one = ["?tz=", "&tz=", "&#38;tz="].iter().any(|own| link.contains(own));
        if is_page && !has_one {
            kept.push_str(if link.contains('?') { "&#38;tz=" } else { "?tz=" });
            kept.push_str(&value);
        }
        rest = after;
    }
    kept.push_str(rest);
    // Only reports have a field of their own for it.
    let field = format!("<input type=\"hidden\" name=\"tz\" value=\"{zone}\">");
    let has_field = kept.contains(" name=\"tz\"");
    let form = " method=\"get\"";
    let mut parts = kept.split(form);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str(form);
        match part.find('>') {
            Some(end) if !has_field => {
                whole.push_str(&part[..=end]);
                whole.push_str(&field);
                whole.push_str(&part[end + 1..]);
            }
            _ => whole.push_str(part),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect(text).as_nanosecond()).expect(text)
    }

    #[test]
    fn times_are_as_short_as_their_use_allows() {
        let at = time("2026-11-24T09:07:05.0204Z");
        let utc = Zone::default();
        assert_eq!(utc.to_the_millisecond(at), "2026-11-24 09:07:05.020");
        assert_eq!(utc.to_the_second(at), "2026-11-24 09:07:05");
        assert_eq!(utc.tick(at, HOUR), "24 Nov 09:07");
        assert_eq!(utc.tick(at, DAY), "24 Nov");
        assert_eq!(utc.tick(at, 91 * DAY), "Nov 2026");
    }

    #[test]
    fn other_zones_show_their_clocks_and_how_far_they_are_off() {
        for (zone, at, shown) in [
            ("Europe/Berlin", "2026-11-24T23:07:05Z", "2026-11-25 00:07:05 +01:00"),
            ("America/St_Johns", "2026-11-24T02:00:00Z", "2026-11-23 22:30:00 -03:30"),
            ("Asia/Kathmandu", "2026-11-24T20:00:00Z", "2026-11-25 01:45:00 +05:45"),
            ("Pacific/Kiritimati", "2026-11-24T12:00:00Z", "2026-11-25 02:00:00 +14:00"),
            // Clocks go back at 01:00 UTC: half past two comes twice.
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25 02:30:00 +02:00"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25 02:30:00 +01:00"),
        ] {
            let zone = Zone::parse(zone).expect(zone);
            assert_eq!(zone.to_the_second(time(at)), shown);
            assert_eq!(zone.of_text(at), shown);
        }
        assert!(Zone::parse("Mars").is_err());
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_make_it() {
        let zone = Zone::parse("Europe/Berlin").expect("a zone");
        let day = Step::of(0, 60 * DAY);
        assert_eq!(day.word, "1d");
        for (noon, hours) in [("2026-10-25T12:00:00Z", 25), ("2026-03-29T12:00:00Z", 23)] {
            let (from, to) = zone.interval(day).bucket(time(noon));
            assert_eq!((to - from) / HOUR, hours, "{noon}");
            assert!(zone.to_the_minute(from).contains(" 00:00 "), "{noon}");
        }
        // Weeks begin on Monday.
        let week = Step::of(0, 400 * DAY);
        let (from, _) = zone.interval(week).bucket(time("2026-11-29T12:00:00Z"));
        assert_eq!(
            (week.word, zone.to_the_minute(from)),
            ("1w", "2026-11-23 00:00 +01:00".to_owned())
        );
    }

    #[test]
    fn links_and_forms_keep_the_zone() {
        let page = r##"<a href="/explore?q=a&#38;from=b">x</a> <a href="#main"> <link href="/static/a.css">
<a href="/paths"> <a href="/api/v1/count.csv?q=x"> <a href="/explore?tz=UTC"> &#34; href=&#34;/x&#34;
<form action="/explore" method="get" role="search"><form action="/out" method="post">"##;
        let expected = r##"<a href="/explore?q=a&#38;from=b&#38;tz=Asia%2FTokyo">x</a> <a href="#main"> <link href="/static/a.css">
<a href="/paths?tz=Asia%2FTokyo"> <a href="/api/v1/count.csv?q=x"> <a href="/explore?tz=UTC"> &#34; href=&#34;/x&#34;
<form action="/explore" method="get" role="search"><input type="hidden" name="tz" value="Asia/Tokyo"><form action="/out" method="post">"##;
        assert_eq!(kept(page, "Asia/Tokyo"), expected);
    }
}
