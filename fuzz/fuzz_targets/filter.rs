//! Any text as a filter of an event with fields of all kinds, and any bytes as its record: neither panics nor hangs, and what
//! was compiled says the same twice.
//!
//! `cargo fuzz run --sanitizer none filter` works with a stable compiler; with a nightly one the sanitizer may stay.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use utracefs::event::field::Field;
use utracefs::filter::{Context, Filter};

struct At;

impl Context for At {
    fn cpu(&self) -> u32 {
        3
    }

    fn comm(&self) -> [u8; 16] {
        *b"fuzz\0\0\0\0\0\0\0\0\0\0\0\0"
    }
}

fn fields() -> &'static [Field] {
    static FIELDS: OnceLock<Vec<Field>> = OnceLock::new();
    FIELDS.get_or_init(|| {
        let declared = [
            ("unsigned short common_type", 0, 2, false),
            ("int common_pid", 4, 4, true),
            ("u8 b", 8, 1, false),
            ("s16 h", 10, 2, true),
            ("int i", 12, 4, true),
            ("u64 q", 16, 8, false),
            ("char comm[16]", 24, 16, false),
            ("__data_loc char[] text", 40, 4, false),
            ("__data_loc cpumask_t mask", 44, 4, false),
            ("const char * pointer", 48, 8, false),
            ("int array[4]", 56, 16, true),
        ];
        declared
            .map(|(text, offset, size, signed)| Field::new(text, offset, size, signed))
            .into()
    })
}

fuzz_target!(|data: &[u8]| {
    // up to the first NUL the text, behind it the record
    let (text, record) = match data.iter().position(|b| *b == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    if let Ok(filter) = Filter::compile(text, fields()) {
        assert_eq!(filter.matches(record, &At), filter.matches(record, &At));
    }
});
