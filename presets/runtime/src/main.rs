//! `drydock-runtime`: the program of a Workspace's pod.

use std::process::ExitCode;

fn main() -> ExitCode {
    preset_runtime::run(std::env::args_os())
}
