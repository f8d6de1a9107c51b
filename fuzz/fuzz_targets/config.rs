//! The fuzzer's way into `spark_properties::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spark_properties::config(bytes));
