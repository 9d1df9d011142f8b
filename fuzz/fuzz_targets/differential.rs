#![no_main]

use portcullis_fuzz::plan::Plan;

libfuzzer_sys::fuzz_target!(|plan: Plan| {
    portcullis_fuzz::differential::run(&plan);
});
