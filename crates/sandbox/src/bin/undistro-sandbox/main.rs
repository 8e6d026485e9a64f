//! The launcher alone, for the tests of this room: `undistro-sandbox run PLAN.json` runs a plan, `undistro-sandbox
//! record PLAN.json TREE` runs it recorded and prints what the files of TREE have on record. `undistro-sandbox attack
//! NAME` is what a hostile build does inside.

mod attack;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use sandbox::{Launcher, Outcome, Ownership, Plan, Record, SandboxError};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(verb), channel, _) if verb == sandbox::HIDDEN_VERB => sandbox::exec::main(channel.into_iter()),
        (Some(verb), Some(plan), None) if verb == "run" => run(plan.as_ref(), None),
        (Some(verb), Some(plan), Some(tree)) if verb == "record" => run(plan.as_ref(), Some(tree.as_ref())),
        (Some(verb), Some(name), _) if verb == "attack" => attack::main(&name.to_string_lossy()),
        _ => ExitCode::from(2),
    }
}

fn run(path: &Path, tree: Option<&Path>) -> ExitCode {
    let plan: Option<Plan> = fs_err::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let Some(plan) = plan else { return ExitCode::from(2) };
    let mut print = |bytes: &[u8]| drop(std::io::stdout().write_all(bytes));
    let launcher = Launcher::new("/proc/self/exe");
    let done = match tree {
        None => sandbox::run(&plan, &launcher, &mut print),
        Some(tree) => record(&plan, &launcher, tree, &mut print),
    };
    match done {
        Ok(Outcome::Exited(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(Outcome::Signaled(_) | Outcome::TimedOut) => ExitCode::from(1),
        Err(error) => {
            let hint = error.hint().map_or(String::new(), |hint| format!("hint: {hint}\n"));
            print(format!("{error}\n{hint}").as_bytes());
            ExitCode::from(3)
        }
    }
}

fn record(plan: &Plan, launcher: &Launcher, tree: &Path, print: &mut dyn FnMut(&[u8])) -> Result<Outcome, SandboxError> {
    let mut ownership = Ownership::new();
    let recorded = sandbox::record(plan, launcher, &mut ownership, print)?;
    if let Some(failure) = recorded.unrecorded {
        print(format!("nothing recorded: {failure}\n").as_bytes());
    }
    let mut found = BTreeMap::new();
    collect(&ownership, tree, Path::new(""), &mut found)?;
    for (path, record) in found {
        let record = serde_json::to_string(&record).unwrap_or_default();
        print(format!("{path} {record}\n").as_bytes());
    }
    Ok(recorded.outcome)
}

fn collect(ownership: &Ownership, root: &Path, below: &Path, found: &mut BTreeMap<String, Record>) -> Result<(), SandboxError> {
    let directory = root.join(below);
    let failed = |source| SandboxError::Identify { path: directory.clone(), source };
    for entry in fs_err::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = below.join(entry.file_name());
        if let Some(record) = ownership.at(&entry.path())? {
            found.insert(path.display().to_string(), record.clone());
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(ownership, root, &path, found)?;
        }
    }
    Ok(())
}
