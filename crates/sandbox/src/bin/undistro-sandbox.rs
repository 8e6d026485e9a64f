//! The launcher alone, for the tests of this room: `undistro-sandbox run PLAN.json` runs a plan.

use std::io::Write as _;
use std::process::ExitCode;

use sandbox::{Launcher, Outcome, Plan};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(verb) if verb == sandbox::HIDDEN_VERB => sandbox::exec::main(arguments),
        Some(verb) if verb == "run" => arguments.next().map_or(ExitCode::from(2), |path| run(path.as_ref())),
        _ => ExitCode::from(2),
    }
}

fn run(path: &std::path::Path) -> ExitCode {
    let plan: Option<Plan> = fs_err::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let Some(plan) = plan else { return ExitCode::from(2) };
    let mut print = |bytes: &[u8]| drop(std::io::stdout().write_all(bytes));
    match sandbox::run(&plan, &Launcher::new("/proc/self/exe"), &mut print) {
        Ok(Outcome::Exited(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(Outcome::Signaled(_) | Outcome::TimedOut) => ExitCode::from(1),
        Err(error) => {
            let hint = error.hint().map_or(String::new(), |hint| format!("hint: {hint}\n"));
            print(format!("{error}\n{hint}").as_bytes());
            ExitCode::from(3)
        }
    }
}
