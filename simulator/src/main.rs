//! `drydock`: runs the simulated world.

use std::process::ExitCode;

use simulator::ui;

fn main() -> ExitCode {
    ui::note("drydock: no verb is built yet");
    ExitCode::FAILURE
}
