//! What the analyser finds in made-up packages.

use std::io::Cursor;

use super::*;

/// A package of files in memory.
#[derive(Default)]
struct Package {
    entries: Vec<Entry>,
    content: BTreeMap<TreePath, Vec<u8>>,
}

impl Package {
    fn file(mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        let (path, content) = (TreePath::parse(path).unwrap(), content.as_ref().to_vec());
        self.entries.push(Entry::new(path.clone(), Kind::File { size: content.len() as u64, digest: None }, mode, 0));
        self.content.insert(path, content);
        self
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        let kind = Kind::Symlink { target: target.to_owned() };
        self.entries.push(Entry::new(TreePath::parse(path).unwrap(), kind, 0o777, 0));
        self
    }

    fn open(&self) -> impl FnMut(&Entry) -> io::Result<Box<dyn Content>> {
        |entry| Ok(Box::new(Cursor::new(self.content[&entry.path].clone())))
    }

    fn libraries(&self) -> Libraries {
        Libraries::of(&self.entries, Arch::X86_64, &mut self.open()).unwrap()
    }

    fn analyse_with(&self, options: &Options, siblings: &Libraries) -> (String, String) {
        let version = "1.2-r3".parse().unwrap();
        let subject = Subject { version: &version, arch: Arch::X86_64, entries: &self.entries, options, siblings };
        let found = analyse(&subject, &mut self.open()).unwrap();
        let text = |list: &[Dependency]| list.iter().map(Dependency::to_string).collect::<Vec<_>>().join(" ");
        (text(&found.provides), text(&found.depends))
    }

    fn analyse(&self) -> (String, String) {
        self.analyse_with(&Options::default(), &Libraries::default())
    }
}

/// Writes the smallest x86_64 ELF that a loader would read the same from: one loaded segment, dynamic entries, strings.
fn elf(soname: &str, needed: &[&str], interpreter: &str) -> Vec<u8> {
    const ET_DYN: u16 = 3;
    let mut strings = vec![0_u8];
    let mut entries: Vec<(u64, u64)> = Vec::new();
    for (tag, name) in needed.iter().map(|name| (1_u64, *name)).chain((!soname.is_empty()).then_some((14, soname))) {
        entries.push((tag, strings.len() as u64));
        strings.extend(name.bytes().chain([0]));
    }
    let segments: u64 = 3;
    let dynamic = 64 + segments * 56;
    let interp = dynamic + (entries.len() as u64 + 3) * 16;
    let table = interp + interpreter.len() as u64 + 1;
    entries.extend([(5, table), (10, strings.len() as u64), (0, 0)]);
    let end = table + strings.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([ET_DYN, 62].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(1_u32.to_le_bytes());
    file.extend([0, 64, 0_u64].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    file.extend([64, 56, segments as u16, 64, 0, 0].iter().flat_map(|half: &u16| half.to_le_bytes()));
    let interp_type = if interpreter.is_empty() { 0 } else { 3_u32 };
    for (kind, at, size) in [(1_u32, 0, end), (2, dynamic, interp - dynamic), (interp_type, interp, table - interp)] {
        file.extend([kind, 4].iter().flat_map(|word| word.to_le_bytes()));
        file.extend([at, at, at, size, size, 8].iter().flat_map(|word: &u64| word.to_le_bytes()));
    }
    file.extend(entries.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()));
    file.extend(interpreter.bytes().chain([0]));
    file.extend(strings);
    file
}

fn pair(provides: &str, depends: &str) -> (String, String) {
    (provides.to_owned(), depends.to_owned())
}

#[test]
fn a_library_is_provided_and_needs_others() {
    let package = Package::default()
        .file("usr/lib/libz.so.1.3.1", 0o755, elf("libz.so.1", &["libc.so"], ""))
        .link("usr/lib/libz.so.1", "libz.so.1.3.1");
    assert_eq!(package.analyse(), pair("so:libz.so.1=1.3.1", "so:libc.so"));
}

#[test]
fn a_program_needs_its_loader_and_libraries() {
    let package = Package::default().file("usr/bin/z", 0o755, elf("", &["libz.so.1", "libc.so"], "/lib/ld-musl-x86_64.so.1"));
    assert_eq!(package.analyse(), pair("cmd:z=1.2-r3", "so:ld-musl-x86_64.so.1 so:libc.so so:libz.so.1"));
}

#[test]
fn musl_provides_its_loader_under_both_names() {
    let package = Package::default().file("usr/lib/libc.so", 0o755, elf("", &[], "")).link("lib/ld-musl-x86_64.so.1", "/usr/lib/libc.so");
    assert_eq!(package.analyse(), pair("so:ld-musl-x86_64.so.1=0 so:libc.so=0", ""));
    let package = Package::default().file("usr/lib/ld-musl-x86_64.so.1", 0o755, elf("libc.musl-x86_64.so.1", &[], ""));
    assert_eq!(package.analyse(), pair("so:ld-musl-x86_64.so.1=1 so:libc.musl-x86_64.so.1=1", ""));
    let ldd = Package::default().link("usr/bin/ldd", "../lib/ld-musl-x86_64.so.1");
    let found = ldd.analyse_with(&Options::default(), &package.libraries());
    assert_eq!(found, pair("cmd:ldd=1.2-r3", "so:libc.musl-x86_64.so.1"));
}

#[test]
fn what_the_package_has_itself_is_not_needed() {
    let package = Package::default().file("usr/lib/app/libprivate.so", 0o755, elf("libprivate.so", &[], "")).file(
        "usr/bin/app",
        0o755,
        elf("", &["libprivate.so", "libc.so.6"], ""),
    );
    assert_eq!(package.analyse(), pair("cmd:app=1.2-r3", "so:libc.so.6"), "and a private library is not provided");
}

#[test]
fn a_link_into_a_sibling_needs_the_library() {
    let main =
        Package::default().file("usr/lib/libz.so.1.3.1", 0o755, elf("libz.so.1", &[], "")).link("usr/lib/libz.so.1", "libz.so.1.3.1");
    for target in ["libz.so.1.3.1", "libz.so.1", "../lib/libz.so.1"] {
        let dev = Package::default().link("usr/lib/libz.so", target);
        assert_eq!(dev.analyse_with(&Options::default(), &main.libraries()), pair("", "so:libz.so.1"), "{target}");
        assert_eq!(dev.analyse(), pair("", ""), "an unknown sibling gives no need");
    }
}

#[test]
fn a_link_to_a_program_of_a_sibling_needs_no_library() {
    let main = Package::default().file("usr/bin/busybox", 0o755, elf("", &[], ""));
    let links = Package::default().link("usr/bin/sh", "busybox");
    assert_eq!(links.analyse_with(&Options::default(), &main.libraries()), pair("cmd:sh=1.2-r3", ""));
}

#[test]
fn libraries_are_found_where_the_loader_looks() {
    let multiarch = "usr/lib/x86_64-linux-gnu";
    let package = Package::default().file(&format!("{multiarch}/libm.so.6"), 0o644, elf("libm.so.6", &[], ""));
    assert_eq!(package.analyse().0, "");
    let options = Options { library_directories: vec![multiarch.to_owned()], ..Options::default() };
    assert_eq!(package.analyse_with(&options, &Libraries::default()).0, "so:libm.so.6=6");
    let package = package.file("etc/ld.so.conf.d/x.conf", 0o644, "# multiarch\n/usr/lib/x86_64-linux-gnu\n");
    assert_eq!(package.analyse().0, "so:libm.so.6=6");
}

#[test]
fn a_library_for_another_machine_is_none() {
    let mut foreign = elf("libz.so.1", &["libc.so.6"], "");
    foreign[18] = 183;
    assert_eq!(Package::default().file("usr/lib/libz.so.1", 0o755, foreign).analyse(), pair("", ""));
}

#[test]
fn broken_elf_gives_nothing() {
    let whole = elf("libz.so.1", &["libc.so.6"], "/lib/ld.so");
    for length in [4, 20, 64, 100, whole.len() - 4] {
        let package = Package::default().file("usr/lib/libz.so.1", 0o755, &whole[..length]);
        assert_eq!(package.analyse().1, "", "cut at {length}");
    }
}

#[test]
fn commands_are_programs_scripts_and_links() {
    let package = Package::default()
        .file("bin/busybox", 0o755, "x")
        .link("bin/sh", "/bin/busybox")
        .link("usr/bin/[", "../../bin/busybox")
        .link("usr/bin/elsewhere", "/opt/none")
        .link("usr/bin/text", "../share/text")
        .file("usr/share/text", 0o644, "x")
        .file("usr/bin/private", 0o700, "x")
        .file("usr/bin/a=b", 0o755, "x")
        .file("usr/bin/deep/down", 0o755, "x")
        .file("usr/sbin/tool", 0o755, "#!/usr/bin/env perl\n");
    let provides = "cmd:[=1.2-r3 cmd:busybox=1.2-r3 cmd:elsewhere=1.2-r3 cmd:sh=1.2-r3 cmd:tool=1.2-r3";
    assert_eq!(package.analyse(), pair(provides, "cmd:perl"));
    let options = Options { no_commands: true, ..Options::default() };
    assert_eq!(package.analyse_with(&options, &Libraries::default()), pair("", "cmd:perl"));
}

#[test]
fn a_script_of_its_own_shell_needs_nothing() {
    let package = Package::default().file("bin/sh", 0o755, "x").file("usr/bin/script", 0o755, "#!/bin/sh\n");
    assert_eq!(package.analyse().1, "");
}

#[test]
fn pkg_config_names_are_provided_and_needed() {
    let package = Package::default()
        .file("usr/lib/pkgconfig/libssl.pc", 0o644, "Version: 3.5.1\nRequires.private: libcrypto, zlib >= 1\n")
        .file("usr/lib/pkgconfig/libcrypto.pc", 0o644, "Version: 3.5-dev+x\n")
        .file("usr/share/doc/example.pc", 0o644, "Version: 1\n");
    assert_eq!(package.analyse(), pair("pc:libcrypto=0 pc:libssl=3.5.1", "pc:zlib"));
}

#[test]
fn options_switch_off() {
    let package = Package::default().file("usr/bin/z", 0o755, elf("", &["libz.so.1"], ""));
    let none = Libraries::default();
    assert_eq!(package.analyse_with(&Options { no_depends: true, ..Options::default() }, &none), pair("cmd:z=1.2-r3", ""));
    assert_eq!(package.analyse_with(&Options { no_provides: true, ..Options::default() }, &none), pair("", "so:libz.so.1"));
}
