//! The definitions of this project's own distribution have no mistakes.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails says so")]

use std::path::{Path, PathBuf};

use base::Arch;
use spec::Context;
use spec::pipeline::Folder;

fn distro() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../distro")
}

fn files(folder: &str, name: &str) -> Vec<PathBuf> {
    let folder = distro().join(folder);
    let mut paths: Vec<_> =
        fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path().join(name)).filter(|p| p.exists()).collect();
    paths.sort();
    paths
}

#[test]
fn every_package_evaluates_without_a_warning() {
    let pipelines = Folder::new([distro().join("pipelines")]);
    for path in files("packages", "package.yaml") {
        let text = fs_err::read_to_string(&path).unwrap();
        let recipe = spec::check(&text, &Context::new(Arch::X86_64, &pipelines));
        let recipe = recipe.unwrap_or_else(|d| panic!("{}", d.render(&path.display().to_string(), &text)));
        assert!(recipe.warnings.is_empty(), "{}", recipe.warnings.render(&path.display().to_string(), &text));
    }
}

#[test]
fn every_image_evaluates_without_a_warning() {
    for path in files("images", "image.yaml") {
        let text = fs_err::read_to_string(&path).unwrap();
        let image = spec::image::parse(&text).unwrap_or_else(|d| panic!("{}", d.render(&path.display().to_string(), &text)));
        assert!(image.warnings.is_empty(), "{}", image.warnings);
        spec::image::evaluate(&image, &(), Some(Arch::X86_64))
            .unwrap_or_else(|d| panic!("{}", d.render(&path.display().to_string(), &text)));
    }
}

#[test]
fn the_distribution_names_itself() {
    let distro = spec::distro::load(&distro().join("distro.yaml")).unwrap();
    assert_eq!(distro.id, "undistro");
    assert!(distro.archs.contains(&Arch::X86_64));
    assert!(distro.source_date_epoch <= distro.source_date_ceiling);
}
