use ::arrow::ipc::reader::StreamReader;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn table() -> Table {
    Table {
        columns: vec![
            Column::new("time", Kind::Time),
            Column::new("path", Kind::Text),
            Column::new("count", Kind::Number),
            Column::new("names", Kind::List),
        ],
        rows: vec![
            vec![
                Cell::Time(1_795_518_000_500_000_000),
                Cell::Text("secret/data/a".to_owned()),
                Cell::Number(12),
                Cell::List(vec!["my-app/my-app".to_owned(), "app".to_owned()]),
            ],
            vec![
                Cell::Absent,
                Cell::Text("=cmd()\u{1b}[2J, \"x\"\n".to_owned()),
                Cell::Number(-7),
                Cell::List(vec!["@x".to_owned()]),
            ],
            vec![Cell::Time(0), Cell::Absent, Cell::Absent, Cell::Absent],
        ],
    }
}

fn written(table: &Table, form: Form) -> String {
    let mut out = Vec::new();
    table.write(form, &mut out).expect("a Vec takes everything");
    String::from_utf8(out).expect("text")
}

#[test]
fn text() {
    insta::assert_snapshot!(written(&table(), Form::Text { width: None }), @r#"
    time                    path                    count  names
    2026-11-24T11:00:00.5Z  secret/data/a              12  my-app/my-app, app
    -                       =cmd()\u{1b}[2J, "x"\n     -7  @x
    1970-01-01T00:00:00Z    -                           -  -
    "#);
}

#[test]
fn text_in_a_narrow_terminal() {
    insta::assert_snapshot!(written(&table(), Form::Text { width: Some(56) }), @r"
    time                    path          count  names
    2026-11-24T11:00:00.5Z  secret/data…     12  my-app/my-…
    -                       =cmd()\u{1b…     -7  @x
    1970-01-01T00:00:00Z    -                 -  -
    ");
}

#[test]
fn json() {
    insta::assert_snapshot!(written(&table(), Form::Json), @r#"
    {"time":"2026-11-24T11:00:00.5Z","path":"secret/data/a","count":12,"names":["my-app/my-app","app"]}
    {"time":null,"path":"=cmd()\u001b[2J, \"x\"\n","count":-7,"names":["@x"]}
    {"time":"1970-01-01T00:00:00Z","path":null,"count":null,"names":null}
    "#);
}

#[test]
fn csv_defuses_formulas() {
    assert_eq!(
        written(&table(), Form::Csv),
        "time,path,count,names\r\n\
         2026-11-24T11:00:00.5Z,secret/data/a,12,my-app/my-app; app\r\n\
         ,\"'=cmd()\u{1b}[2J, \"\"x\"\"\n\",-7,'@x\r\n\
         1970-01-01T00:00:00Z,,,\r\n"
    );
}

#[test]
fn an_empty_table_has_its_header() {
    let empty = Table { rows: Vec::new(), ..table() };
    assert_eq!(written(&empty, Form::Csv), "time,path,count,names\r\n");
    assert_eq!(written(&empty, Form::Text { width: None }), "time  path  count  names\n");
    assert_eq!(written(&empty, Form::Json), "");
}

#[test]
fn arrow_reads_back() {
    let mut long = table();
    long.rows = table().rows.into_iter().cycle().take(20_000).collect();
    let mut bytes = Vec::new();
    long.write(Form::Arrow, &mut bytes).expect("a Vec takes everything");
    let batches = StreamReader::try_new(&bytes[..], None).expect("a stream");
    let batches: Vec<_> = batches.map(|batch| batch.expect("a batch")).collect();
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(),
        [8_192, 8_192, 3_616]
    );
    let whole = record_batch(&long).expect("cells fit");
    let joined = ::arrow::compute::concat_batches(&whole.schema(), &batches).expect("one schema");
    assert_eq!(joined, whole);
}

#[test]
fn parquet_reads_back_in_groups_of_rows() {
    let mut long = table();
    long.rows = table().rows.into_iter().cycle().take(150_000).collect();
    let written = |table: &Table| {
        let file = tempfile::tempfile().expect("a file");
        table.write(Form::Parquet, &file).expect("a file takes everything");
        ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file")
    };
    let reader = written(&long);
    let groups = reader.metadata().row_groups().iter().map(|group| group.num_rows());
    assert_eq!(groups.collect::<Vec<_>>(), [65_536, 65_536, 18_928]);
    let batches = reader.with_batch_size(200_000).build().expect("a reader");
    let batches: Vec<_> = batches.map(|batch| batch.expect("a batch")).collect();
    let whole = record_batch(&long).expect("cells fit");
    let joined = ::arrow::compute::concat_batches(&whole.schema(), &batches).expect("one schema");
    assert_eq!(joined, whole);
    let empty = written(&Table { rows: Vec::new(), ..table() });
    assert_eq!(empty.schema().fields().len(), 4);
}

#[test]
fn a_cell_of_another_kind_is_refused() {
    let mut table = table();
    table.rows[0][2] = Cell::Text("12".to_owned());
    assert_eq!(
        record_batch(&table).expect_err("a text is no number").to_string(),
        "column \"count\" holds Number, not Text(\"12\")"
    );
}

#[test]
fn what_a_terminal_would_obey_is_shown() {
    for (text, shown) in [
        ("plain é 字", "plain é 字"),
        ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}"),
        ("a\u{202e}b\u{200b}c\u{9b}1m", "a\\u{202e}b\\u{200b}c\\u{9b}1m"),
        ("one\r\ntwo\t", "one\\r\\ntwo\\t"),
    ] {
        assert_eq!(visible(text), shown);
    }
}
