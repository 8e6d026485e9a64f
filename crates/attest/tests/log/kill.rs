//! Real processes that race, and that are killed: no fork, and nothing that was acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use attest::log::{Folder, Log, audit};

use crate::{ORIGIN, body, key, signer};

const FOLDER: &str = "UNDISTRO_TEST_LOG";
const NAME: &str = "UNDISTRO_TEST_NAME";

/// Not a test of its own: what the processes of the others do. Each line on stdout acknowledges entries.
#[test]
fn writer() {
    let (Ok(folder), Ok(name)) = (std::env::var(FOLDER), std::env::var(NAME)) else { return };
    let (folder, signer) = (Folder::new(folder), signer());
    let log = Log::open(&folder, &signer, ORIGIN).unwrap();
    for round in 0..40 {
        let texts: Vec<String> = (0..7).map(|at| format!("{name}-{round}-{at}")).collect();
        let appended = log.append(&texts.iter().map(|text| body(text)).collect::<Vec<_>>()).unwrap();
        writeln!(std::io::stderr(), "acknowledged {} {}", appended.first, texts.join(" ")).unwrap();
    }
}

fn start(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::writer", "--nocapture"]).env(FOLDER, folder).env(NAME, name);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads what a process acknowledged, to its end.
fn acknowledged(child: &mut Child) -> BTreeMap<u64, String> {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut found = BTreeMap::new();
    for line in lines.filter(|line| line.starts_with("acknowledged ")) {
        let mut words = line.split(' ').skip(1);
        let first: u64 = words.next().unwrap().parse().unwrap();
        found.extend(words.enumerate().map(|(at, text)| (first + at as u64, text.to_owned())));
    }
    child.wait().unwrap();
    found
}

/// Audits the log and returns the digest of every entry.
fn entries(folder: &Path) -> Vec<base::Digest> {
    let (folder, signer) = (Folder::new(folder), signer());
    // Opening and asking finishes what a kill left undone.
    Log::open(&folder, &signer, ORIGIN).unwrap().checkpoint().unwrap();
    let mut found = Vec::new();
    audit(&folder, &key(), None, &mut |_, entry| found.push(entry.digest)).unwrap();
    found
}

#[test]
fn two_processes_race_and_the_log_has_one_history_with_all_of_both() {
    let dir = tempfile::tempdir().unwrap();
    Log::create(&Folder::new(dir.path()), &signer(), ORIGIN).unwrap();
    let mut children = [start(dir.path(), "a"), start(dir.path(), "b")];
    let there: Vec<_> = children.iter_mut().map(acknowledged).collect();
    let found = entries(dir.path());
    assert_eq!(found.len(), 2 * 40 * 7);
    let mut places = BTreeSet::new();
    for (place, text) in there.iter().flatten() {
        assert_eq!(found[*place as usize], base::Digest::of(text), "{text} is at {place}");
        assert!(places.insert(*place), "nothing else is");
    }
    assert_eq!(places.len(), found.len());
}

#[test]
fn a_kill_at_any_moment_forks_nothing_and_loses_nothing() {
    let kills: usize = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let dir = tempfile::tempdir().unwrap();
    Log::create(&Folder::new(dir.path()), &signer(), ORIGIN).unwrap();
    let mut all = BTreeMap::new();
    let mut before = Vec::new();
    for round in 0..kills {
        let mut child = start(dir.path(), &format!("r{round}"));
        // Somewhere in starting, writing, moving the head, publishing: each round a little later.
        std::thread::sleep(Duration::from_micros(3000 + 1700 * (round as u64 % 40)));
        child.kill().unwrap();
        all.extend(acknowledged(&mut child));
        let found = entries(dir.path());
        assert!(found.starts_with(&before), "round {round}: the log extends what it was");
        before = found;
    }
    for (place, text) in &all {
        assert_eq!(before[*place as usize], base::Digest::of(text), "{text} was acknowledged");
    }
}
