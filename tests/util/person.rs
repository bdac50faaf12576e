//! A person with a browser, signed in by name.

use std::io::{Seek, Write};
use std::process::Stdio;

use super::{Data, Reply, Run, get_with_header, keytrail, post, post_with_header};

const PASSWORD: &str = "correct horse battery";

/// A person who is signed in.
pub(crate) struct Person<'a> {
    address: &'a str,
    cookie: String,
}

impl<'a> Person<'a> {
    /// The password of everybody here.
    pub(crate) const PASSWORD: &'static str = PASSWORD;

    /// Adds a user of this role.
    pub(crate) fn add(data: &Data, name: &str, role: &str) {
        Person::add_with(data, name, &["--role", role]);
    }

    /// Adds an auditor who is bound to a scope.
    pub(crate) fn add_bound(data: &Data, name: &str, scope: &str) {
        let period = ["--from", "2026", "--to", "2027"];
        Person::add_with(
            data,
            name,
            &[&["--role", "auditor", "--scope", scope][..], &period].concat(),
        );
    }

    fn add_with(data: &Data, name: &str, options: &[&str]) {
        let mut file = tempfile::tempfile().unwrap();
        writeln!(file, "{PASSWORD}").unwrap();
        file.rewind().unwrap();
        let mut command = keytrail();
        command.args(["user", "add", "-d"]).arg(data.path());
        command.arg(name).args(options).arg("--password-stdin").stdin(Stdio::from(file));
        Run::of(&mut command).expect(0);
    }

    /// Signs a user in.
    pub(crate) fn signed_in(address: &'a str, name: &str) -> Person<'a> {
        let form = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
        let reply = post(address, "/sign-in", &form);
        assert_eq!(reply.status, 303, "{}", reply.body);
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap();
        Person { address, cookie: format!("Cookie: {cookie}") }
    }

    /// Asks for a page.
    pub(crate) fn get(&self, page: &str) -> Reply {
        get_with_header(self.address, page, &self.cookie)
    }

    /// Sends a form as it is.
    pub(crate) fn post(&self, page: &str, form: &str) -> Reply {
        post_with_header(self.address, page, form, &self.cookie)
    }

    /// Sends a form with the token of a page.
    pub(crate) fn send(&self, from: &str, page: &str, fields: &[(&str, &str)]) -> Reply {
        let token = hidden(&self.get(from).body, "token");
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", &token)
            .extend_pairs(fields)
            .finish();
        self.post(page, &form)
    }
}

/// Returns the value of a page's first hidden field of this name.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().unwrap().to_owned()
}
