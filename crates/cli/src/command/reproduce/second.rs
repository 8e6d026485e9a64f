//! Where and as whom the second builds run.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base::Store;
use base::store::remove_tree;
use build::reproduce::{Again, Clock, Remade, Variation};
use build::{Builder, Built};
use fs_err as fs;

use super::again::{Answer, VERB};
use crate::failure::{Failure, Message};

/// The user of second builds where root may choose: nobody's number, as far as distributions agree (above 60000, below 65534).
const USER: u32 = 64_123;

/// How far ahead the clock is: more than a year, and another hour, minute and second of it.
const AHEAD: u32 = 400 * 86_400 + 5 * 3_600 + 7 * 60 + 11;

/// The mask of the second process: files that it makes are its user's alone.
const UMASK: u32 = 0o077;

/// The environment of the second process, none of which may come through.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("HOME", "/nonexistent/another home"),
    ("LANG", "tr_TR.UTF-8"),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("LOGNAME", "somebody"),
    ("PATH", "/nonexistent/bin"),
    ("TZ", "Pacific/Kiritimati"),
    ("USER", "somebody"),
];

/// A place for second builds.
#[derive(Debug)]
pub(super) struct Second {
    folder: PathBuf,
    /// The user that builds there, if it is another.
    user: Option<u32>,
    /// The library that moves the clock, where it could be made.
    clock: Option<PathBuf>,
    cpus: usize,
    keep: bool,
}

impl Second {
    /// Makes the place, and the library that moves the clock.
    pub(super) fn open(place: Option<&Path>, keep: bool, builder: &Builder<'_>) -> Result<Self, Failure> {
        let above = place.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = above.join(format!("undistro-reproduce-{}", std::process::id()));
        let fault = |error: std::io::Error| Failure::fault(&error);
        fs::create_dir_all(folder.join("another place, with a longer name/tmp")).map_err(fault)?;
        // The other user must get to its part.
        fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).map_err(fault)?;
        let user = rustix::process::geteuid().is_root().then_some(USER);
        let mut second = Self { folder, user, clock: None, cpus: builder.host.cpus(), keep };
        second.clock = second.make_clock("ahead", Clock::Ahead(AHEAD), builder)?;
        Ok(second)
    }

    /// Makes a library that moves the clock; `None` where there is no compiler for it.
    pub(super) fn make_clock(&self, name: &str, clock: Clock, builder: &Builder<'_>) -> Result<Option<PathBuf>, Failure> {
        let place = self.folder.join(format!("clock-{name}.so"));
        let made = builder.clock(clock, &place).map_err(|error| Failure::fault(&error))?;
        if made {
            fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).map_err(|error| Failure::fault(&error))?;
        }
        Ok(made.then_some(place))
    }

    /// Returns a folder of the place for something else.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.folder.join("another place, with a longer name").join(name)
    }

    /// Everything varied that can be.
    pub(super) fn all_varied(&self) -> Variation {
        Variation { cpus: Some(self.other_cpus()), reverse_directories: true, clock: self.clock.clone() }
    }

    /// Another number of processors than there are; none more than there are can be had.
    fn other_cpus(&self) -> usize {
        if self.cpus > 1 { self.cpus / 2 } else { 1 }
    }

    /// Says what is varied and what is not.
    pub(super) fn told(&self, variation: &Variation) -> (Vec<String>, Vec<String>) {
        let mut varied = vec![
            "store, workspace and definitions in other folders, of other names and length".to_owned(),
            format!("umask {UMASK:03o} and the environment outside: HOME, TMPDIR, LANG, TZ, PATH, USER"),
            "a fresh store: every package of the root extracted anew".to_owned(),
            "time of day, process ids, addresses, inodes".to_owned(),
        ];
        let mut not = vec![
            "kernel, processor and file system of this machine".to_owned(),
            "order of files within a directory of more than about a thousand".to_owned(),
        ];
        match self.user {
            Some(user) => varied.push(format!("user {user} instead of root")),
            None => not.push("the user: only root can become another".to_owned()),
        }
        match variation.cpus {
            Some(cpus) if cpus != self.cpus => varied.push(format!("{cpus} of {} processors, and so as many jobs", self.cpus)),
            _ => not.push("the number of processors: there is only one".to_owned()),
        }
        if variation.reverse_directories {
            varied.push("directories listed in reverse".to_owned());
        }
        if variation.clock.is_some() {
            varied.push(format!("the clock, {} days ahead, for dynamic programs of the GNU C library", AHEAD / 86_400));
            not.push("the clock's day for static programs and those of other C libraries".to_owned());
        } else {
            not.push("the clock's day: the seeds hold no compiler for the library that moves it".to_owned());
        }
        (varied, not)
    }

    /// Puts everything in place that a second build of `built` needs.
    pub(super) fn request(&self, built: &Built, variation: &Variation, builder: &Builder<'_>) -> Result<Again, Failure> {
        let (distro, mirror, store) =
            (self.inside("definitions").join(built.origin.as_str()), self.inside("sources"), self.inside("store"));
        builder.copy_definition(&built.origin, &distro).map_err(|error| Failure::fault(&error))?;
        fs::create_dir_all(&mirror).map_err(|error| Failure::fault(&error))?;
        if let Some(definition) = builder.distro.definition(&built.origin) {
            let requests = build::requests(&definition.recipe).map_err(|error| Failure::input(&error))?;
            source::mirror(builder.fetcher, &requests, &mirror, &()).map_err(|error| Failure::fault(&error))?;
        }
        self.give_away(None)?;
        {
            let to = Store::open(&store).map_err(|error| Failure::fault(&error))?;
            Again::furnish(&built.environment, builder.store, &to).map_err(|error| Failure::fault(&error))?;
        }
        self.give_away(self.user)?;
        Ok(Again {
            origin: built.origin.clone(),
            distro,
            store,
            mirror,
            environment: built.environment.clone(),
            variation: variation.clone(),
            umask: UMASK,
        })
    }

    /// Gives everything inside to the other user; to `None`, takes it back.
    fn give_away(&self, user: Option<u32>) -> Result<(), Failure> {
        fn give(path: &Path, user: u32) -> std::io::Result<()> {
            lchown(path, Some(user), Some(user))?;
            if path.symlink_metadata()?.is_dir() {
                for entry in fs::read_dir(path)? {
                    give(&entry?.path(), user)?;
                }
            }
            Ok(())
        }
        if self.user.is_none() {
            return Ok(());
        }
        // Extracted trees are large, and nobody but the second process looks into them.
        let root = self.inside("");
        let shallow = |error| Failure::fault(&error);
        let user = user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        lchown(&root, Some(user), Some(user)).map_err(shallow)?;
        for name in ["definitions", "sources", "store", "tmp"] {
            let path = root.join(name);
            if path.exists() {
                give(&path, user).map_err(shallow)?;
            }
        }
        Ok(())
    }

    /// Carries a request out in another process.
    pub(super) fn carry_out(&self, again: &Again) -> Result<Remade, Message> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Message::text(format!("the second build's process {what}: {error}"));
        let mut command = Command::new("/proc/self/exe");
        command.arg(VERB).env_clear().envs(ENVIRONMENT).env("TMPDIR", self.inside("tmp")).current_dir(self.inside("tmp"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().map_err(|error| failed("can not be started", &error))?;
        let request = serde_json::to_vec(again).unwrap_or_else(|error| unreachable!("a request becomes JSON: {error}"));
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&request).map_err(|error| failed("does not listen", &error))?;
        }
        let output = child.wait_with_output().map_err(|error| failed("was lost", &error))?;
        match serde_json::from_slice(&output.stdout) {
            Ok(Answer::Made(remade)) => Ok(remade),
            Ok(Answer::Failed { chain, tail }) => {
                let mut message = Message::text("the second build failed");
                message.chain.extend(chain);
                message.chain.extend(tail);
                Err(message)
            }
            Err(error) => Err(failed(&format!("ended ({}) without an answer", output.status), &error)),
        }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        if !self.keep {
            // What can not be removed is left for the person, as any temporary folder.
            let _ = remove_tree(&self.folder);
        }
    }
}
