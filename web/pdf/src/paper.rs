//! What is printed, in words that say nothing of how it looks.

use jiff::Timestamp;
use query::coverage::Grade;
use query::table::Table;

/// A document: its cover, its parts, and the files that go with it.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The first page.
    pub cover: Cover,
    /// What follows the contents, in the order in which it is read.
    pub parts: Vec<Part>,
    /// Files within the PDF.
    pub files: Vec<File>,
}

/// The first page, and what every page repeats of it.
#[derive(Clone, Debug)]
pub struct Cover {
    /// What kind of document it is: `Report`.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// The question that it answers.
    pub subject: String,
    /// The period and its zone, as words.
    pub period: String,
    /// draft, issued, superseded.
    pub state: String,
    /// How complete the log is.
    pub completeness: Completeness,
    /// What else is said of the whole.
    pub facts: Vec<Fact>,
    /// What the document claims, below everything else.
    pub claim: String,
    /// At the foot of every page: by what the document can be held against the ledger.
    pub proof: String,
    /// The program that made it: `keytrail 0.1.0`.
    pub generator: String,
    /// When it was made, which is the only time in the file.
    pub generated: Timestamp,
}

/// How complete the log is, and why not better.
#[derive(Clone, Debug)]
pub struct Completeness {
    /// The grade, which gives the colour.
    pub grade: Grade,
    /// The grade in words; "complete" stands with the proven grade only.
    pub word: String,
    /// Why and where, in sentences.
    pub why: Vec<String>,
}

/// A part of the document, with a heading.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 for a chapter, 2 for a part of one.
    pub level: u8,
    /// Its heading.
    pub title: String,
    /// What stands below it.
    pub blocks: Vec<Block>,
}

/// Something that stands below a heading.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading within the part, one level below it.
    Heading(String),
    /// A paragraph.
    Words(String),
    /// A list of sentences.
    Points(Vec<String>),
    /// Names and values.
    Facts(Vec<Fact>),
    /// A text that must be read letter by letter, such as a query.
    Exact(String),
    /// Equations between numbers that were counted apart.
    Sums(Vec<Sum>),
    /// A chart of bars: the same in words for whoever does not see it, and a name and a number each.
    Bars {
        /// The same in words.
        alt: String,
        /// From the first to the last.
        bars: Vec<(String, u64)>,
    },
    /// Rows of a table.
    Rows(Rows),
    /// Room for people to sign.
    SignOff(Vec<Role>),
}

/// A name and its value.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The value must be read letter by letter, such as a hash.
    pub exact: bool,
}

/// Numbers that must be equal.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The left number.
    pub left: u64,
    /// What it counts.
    pub words: String,
    /// What it should be the sum of.
    pub right: Vec<(String, u64)>,
}

/// Rows of a table.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The columns, and the rows that are printed.
    pub table: Table,
    /// Rows that there are.
    pub all: u64,
    /// The attached file that has all rows and columns.
    pub file: Option<String>,
    /// More of the rows stand in the appendix.
    pub appendix: bool,
    /// Columns that are not printed, since only a program can use them.
    pub without: Vec<&'static str>,
    /// Columns in which a person ticks one of these words where a cell is empty, or writes if there are none.
    pub choices: Vec<(&'static str, &'static [&'static str])>,
}

/// Somebody who puts his name to the document.
#[derive(Clone, Debug)]
pub struct Role {
    /// As what.
    pub role: String,
    /// To what.
    pub words: String,
}

/// A file within the PDF.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub mime: &'static str,
    /// What it is.
    pub description: String,
    /// How it belongs to what is printed.
    pub relation: Relation,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How an attached file belongs to what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The document was made from it.
    Source,
    /// It has the numbers behind what is printed.
    Data,
    /// It says more.
    Supplement,
}

impl Fact {
    /// Returns a value that is read as words.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into(), exact: false }
    }

    /// Returns a value that is read letter by letter.
    pub fn exact(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { exact: true, ..Fact::new(name, value) }
    }
}

impl Sum {
    /// Tells whether the numbers are equal.
    pub fn holds(&self) -> bool {
        self.left == self.right.iter().map(|(_, number)| number).sum::<u64>()
    }
}
