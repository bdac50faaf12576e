//! What the tests share: the program run as a command and as a server, data folders, recordings.

mod bao;
mod browser;
mod certificates;
mod command;
mod entry;
mod fake_server;
mod fixture;
mod http;
mod kafka;
mod keycloak;
mod moto;
mod opensearch;
mod person;
mod postgres;
mod receiver;
mod relay;
mod rsyslog;
mod server;
mod siem;
mod volume;
mod wait;

pub(crate) use bao::{Bao, real_servers_are_wanted};
pub(crate) use browser::{Browser, DOWN, ENTER, ESCAPE, Scripts};
pub(crate) use certificates::certificates;
pub(crate) use command::{Data, Run, keytrail, reserving_keytrail};
pub(crate) use entry::{login_response, pair, request, response, with_error};
pub(crate) use fake_server::FakeServer;
pub(crate) use fixture::{
    clear_strings, files_below, fixture, fixture_text, generated, json_lines, main_recording,
    missing_tool, python, tools_required,
};
pub(crate) use http::{
    Reply, get, get_with_header, get_with_host, post, post_with_header, visible_text,
};
pub(crate) use kafka::Kafka;
pub(crate) use keycloak::{Keycloak, free_address};
pub(crate) use moto::Moto;
pub(crate) use opensearch::OpenSearch;
pub(crate) use person::{Person, hidden};
pub(crate) use postgres::Postgres;
pub(crate) use receiver::Receiver;
pub(crate) use relay::Relay;
pub(crate) use rsyslog::Rsyslog;
pub(crate) use server::Server;
pub(crate) use siem::{Post, Reply as SiemReply, Siem};
pub(crate) use volume::SmallVolume;
pub(crate) use wait::{DEADLINE, until};
