//! Paths within a table: where symbolic links lead, and the directories above.

use std::ops::Bound;

use base::tree::{Entry, Kind, TreePath};

use super::{Content, DIRECTORY_TIME, Reason, Row, Table};

/// As many symbolic links as Linux follows on one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

impl Table {
    /// Returns where `path` lies once the symbolic links above it are followed. Its last part is not followed.
    pub(crate) fn resolve(&self, path: &TreePath) -> Result<TreePath, Reason> {
        self.follow(path, false)
    }

    /// Follows the symbolic links above `path`, and with `last` also the one that it is.
    pub(crate) fn follow(&self, path: &TreePath, last: bool) -> Result<TreePath, Reason> {
        let mut left: Vec<String> = path.as_str().rsplit('/').map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            if part.is_empty() || part == "." {
                continue;
            }
            done.push(part);
            let Ok(here) = TreePath::parse(&done.join("/")) else { return Err(Reason::Above) };
            match self.rows.get(&here).map(|row| &row.entry.kind) {
                Some(Kind::Symlink { target }) if last || !left.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Reason::Circle);
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    left.extend(target.rsplit('/').map(str::to_owned));
                }
                Some(Kind::Directory) | None => {}
                Some(_) if left.is_empty() => {}
                Some(_) => return Err(Reason::Above),
            }
        }
        TreePath::parse(&done.join("/")).map_err(|_| Reason::Above)
    }

    /// Whether `path`, with all links followed, is a directory.
    pub(crate) fn leads_to_directory(&self, path: &TreePath) -> Option<TreePath> {
        let end = self.follow(path, true).ok()?;
        self.rows.get(&end).is_some_and(|row| row.entry.is_directory()).then_some(end)
    }

    /// Returns the first path below a directory.
    pub(crate) fn first_below(&self, directory: &TreePath) -> Option<&TreePath> {
        let next = self.rows.range((Bound::Excluded(directory), Bound::Unbounded)).next();
        let is_below = |path: &TreePath| path.as_str().strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/'));
        next.map(|(path, _)| path).filter(|path| is_below(path))
    }

    /// Makes the directories above `path` that no package has stated so far.
    pub(crate) fn make_parents(&mut self, path: &TreePath) -> Result<(), Reason> {
        for above in path.ancestors() {
            match self.rows.get(&above) {
                Some(row) if row.entry.is_directory() => {}
                Some(_) => return Err(Reason::Above),
                None => {
                    let entry = Entry::new(above.clone(), Kind::Directory, 0o755, DIRECTORY_TIME);
                    self.rows.insert(above, Row { entry, owner: None, content: Content::Nothing });
                }
            }
        }
        Ok(())
    }
}
