#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let scratch = std::env::temp_dir().join(format!("keytrail-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a scratch folder can be made");
    ingest::fuzz::recovery(&scratch, input);
});
