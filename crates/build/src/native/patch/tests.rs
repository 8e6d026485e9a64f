//! What patches do to files.

use super::*;

const OPTIONS: Options = Options { strip: 1, fuzz: 2, time: SystemTime::UNIX_EPOCH };

struct Case {
    dir: tempfile::TempDir,
    workspace: Workspace,
}

fn case(files: &[(&str, &str)]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let workspace = Workspace::new(dir.path()).unwrap();
    Case { dir, workspace }
}

impl Case {
    fn apply(&self, patch: &str) -> Result<Vec<Change>, String> {
        apply(patch.as_bytes(), &self.workspace, None, OPTIONS).map_err(|error| error.to_string())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }
}

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
const PATCH: &str = "Subject: a change\n\n--- a/f\n+++ b/f\n@@ -3,5 +3,6 @@ where\n 3\n 4\n-5\n+five\n+and\n 6\n 7\n-- \n2.39\n";

#[test]
fn a_hunk_applies_where_it_says() {
    let case = case(&[("f", TEN)]);
    assert_eq!(case.apply(PATCH).unwrap(), [Change { name: "f".to_owned(), notes: vec![] }]);
    assert_eq!(case.read("f"), "1\n2\n3\n4\nfive\nand\n6\n7\n8\n9\n10\n");
}

#[test]
fn a_hunk_is_found_elsewhere_and_with_fuzz() {
    let case = case(&[("f", &format!("a\nb\n{TEN}"))]);
    assert_eq!(case.apply(PATCH).unwrap()[0].notes, ["hunk 1 at line 5 (moved by 2, fuzz 0)"]);
    let case = self::case(&[("f", &TEN.replace("3\n", "three\n"))]);
    assert_eq!(case.apply(PATCH).unwrap()[0].notes, ["hunk 1 at line 3 (moved by 0, fuzz 1)"]);
    assert_eq!(case.read("f"), "1\n2\nthree\n4\nfive\nand\n6\n7\n8\n9\n10\n", "the file's own context stays");
}

#[test]
fn a_hunk_that_fits_nowhere_is_refused_and_changes_nothing() {
    let case = case(&[("f", &TEN.replace("5\n", "V\n"))]);
    assert_eq!(case.apply(PATCH).unwrap_err(), "f: hunk 1 (line 3 of the file) does not apply");
    assert_eq!(case.read("f"), TEN.replace("5\n", "V\n"));
    let case = self::case(&[("f", TEN)]);
    case.apply(PATCH).unwrap();
    assert_eq!(case.apply(PATCH).unwrap_err(), "f: hunk 1 (line 3 of the file) does not apply; it seems to be applied already");
}

#[test]
fn files_are_made_and_removed() {
    let case = case(&[("gone", "x\n")]);
    let patch = "diff --git a/new/s b/new/s\nnew file mode 100755\n--- /dev/null\n+++ b/new/s\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+:\n\\ No newline at end of file\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    case.apply(patch).unwrap();
    assert_eq!(case.read("new/s"), "#!/bin/sh\n:");
    assert_eq!(fs::metadata(case.dir.path().join("new/s")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!case.dir.path().join("gone").exists());
    assert_eq!(case.apply(patch).unwrap_err(), "new/s is to be made, and is there already; is the patch applied?");
}

#[test]
fn git_renames_and_modes_apply() {
    let case = case(&[("a b", "x\n"), ("tool", "y\n")]);
    case.apply("diff --git a/a b b/c\nsimilarity index 100%\nrename from a b\nrename to c\ndiff --git a/tool b/tool\nold mode 100644\nnew mode 100755\n").unwrap();
    assert_eq!(case.read("c"), "x\n");
    assert!(!case.dir.path().join("a b").exists());
    assert_eq!(fs::metadata(case.dir.path().join("tool")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn the_shorter_existing_name_is_patched() {
    let case = case(&[("f", "x\n"), ("f.orig", "x\n")]);
    case.apply("--- a/f.orig\t2020-01-01\n+++ a/f\t2020-01-02\n@@ -1 +1 @@\n-x\n+y\n").unwrap();
    assert_eq!((case.read("f"), case.read("f.orig")), ("y\n".to_owned(), "x\n".to_owned()));
}

#[test]
fn a_read_only_file_and_a_second_name_are_no_hindrance() {
    let case = case(&[("f", "x\n")]);
    let path = case.dir.path().join("f");
    fs::hard_link(&path, case.dir.path().join("second")).unwrap();
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o555)).unwrap();
    case.apply("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n").unwrap();
    assert_eq!((case.read("f"), case.read("second")), ("y\n".to_owned(), "x\n".to_owned()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o555);
}

#[test]
fn what_is_no_patch_is_refused() {
    let case = case(&[("f", TEN)]);
    for (patch, message) in [
        ("hello\n", "it holds no unified diff"),
        ("--- a/f\n+++ b/f\nhello\n", "line 3: a hunk (`@@ -… +… @@`) must follow the file names"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n 1\n", "line 5: the patch ends within a hunk"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n?\n", "line 4: a line of a hunk begins with a space, `+`, `-` or `\\`"),
        ("--- a/none\n+++ b/none\n@@ -1 +1 @@\n-x\n+y\n", "no file to patch: none is not there"),
        ("diff --git a/f b/f\nGIT binary patch\n", "line 2: binary diffs can not be applied"),
        ("--- a/../../etc/passwd\n+++ b/../../etc/passwd\n@@ -1 +1 @@\n-x\n+y\n", "../../etc/passwd"),
        ("--- /dev/null\n+++ b/../../new\n@@ -0,0 +1 @@\n+y\n", "../../new"),
    ] {
        assert_eq!(case.apply(patch).unwrap_err(), message, "{patch}");
    }
}
