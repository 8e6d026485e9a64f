//! A plan as a person reads it, for the log of a step that failed.

use std::fmt::{self, Display, Formatter};

use crate::plan::{Guard, HOSTNAME, Plan, Root, UMASK};

impl Plan {
    /// The root, binds, environment, limits, lifted guards and command, a line each; the command and the
    /// environment are quoted so that they can be pasted into a shell.
    pub fn describe(&self) -> impl Display + '_ {
        Description(self)
    }
}

struct Description<'a>(&'a Plan);

impl Display for Description<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        match &plan.root {
            Root::Overlay { lowers, scratch, .. } => {
                writeln!(out, "root: overlay of {} directories, changes in {}", lowers.len(), scratch.join("upper").display())?;
                for lower in lowers {
                    writeln!(out, "  {}", lower.display())?;
                }
            }
            Root::Directory { path } => writeln!(out, "root: {}", path.display())?,
            Root::HostUnsafe => writeln!(out, "root: the host's own file system (UNSAFE)")?,
        }
        if plan.read_only_root {
            writeln!(out, "root is read-only")?;
        }
        for bind in plan.binds_in_order() {
            let how = if bind.writable { "writable" } else { "read-only" };
            writeln!(out, "bind: {} -> {} ({how})", bind.source.display(), bind.target)?;
        }
        writeln!(out, "user: 0:0, host name {HOSTNAME}, umask {UMASK:03o}")?;
        describe_limits(plan, out)?;
        if plan.reverse_directories {
            writeln!(out, "directories list in reverse")?;
        }
        for guard in &plan.lifted_unsafe {
            writeln!(out, "LIFTED GUARD: {}", guard_name(*guard))?;
        }
        writeln!(out, "environment:")?;
        for (name, value) in &plan.environment {
            writeln!(out, "  {name}={}", Quoted(value))?;
        }
        writeln!(out, "directory: {}", plan.directory)?;
        write!(out, "command:")?;
        for word in &plan.command {
            write!(out, " {}", Quoted(word))?;
        }
        writeln!(out)
    }
}

fn describe_limits(plan: &Plan, out: &mut Formatter<'_>) -> fmt::Result {
    let limits = &plan.limits;
    write!(out, "limits: {} processes, {} open files, {} bytes in a file", limits.processes, limits.open_files, limits.file_size)?;
    if let Some(cpus) = limits.cpus {
        write!(out, ", {cpus} CPUs")?;
    }
    if let Some(seconds) = limits.cpu_seconds {
        write!(out, ", {seconds} s of CPU for a process")?;
    }
    if let Some(wall) = limits.wall {
        write!(out, ", {wall:?} in all")?;
    }
    writeln!(out)
}

const fn guard_name(guard: Guard) -> &'static str {
    match guard {
        Guard::Network => "network (the host's network is reachable)",
        Guard::Processes => "processes (what is left in the background lives on)",
        Guard::SystemCalls => "system-calls (no filter)",
        Guard::Landlock => "landlock (writes are held by the mounts alone)",
        Guard::ReadOnlyBinds => "read-only-binds (every bind is writable)",
    }
}

/// A word as a POSIX shell reads it back.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%=".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return out.write_str(self.0);
        }
        write!(out, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::plan::{Bind, Guard, Plan, Root};

    #[test]
    fn shows_all_that_decides_a_run() {
        let mut plan =
            Plan::new(Root::overlay(vec!["/store/a".into(), "/store/b".into()], "/scratch".into()), ["/bin/sh", "-c", "echo it's"]);
        plan.binds.push(Bind { source: "/w".into(), target: "/home/build".to_owned(), writable: true });
        plan.environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        plan.environment.insert("CFLAGS".to_owned(), "-O2 -g".to_owned());
        plan.limits.wall = Some(Duration::from_secs(60));
        plan.lift_unsafe(Guard::Network);
        insta::assert_snapshot!(plan.describe(), @r"
        root: overlay of 2 directories, changes in /scratch/upper
          /store/a
          /store/b
        bind: /w -> /home/build (writable)
        user: 0:0, host name build, umask 022
        limits: 8192 processes, 4096 open files, 68719476736 bytes in a file, 60s in all
        LIFTED GUARD: network (the host's network is reachable)
        environment:
          CFLAGS='-O2 -g'
          PATH=/usr/bin:/bin
        directory: /
        command: /bin/sh -c 'echo it'\''s'
        ");
    }
}
