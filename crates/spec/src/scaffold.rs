//! Texts to begin with: `undistro init package NAME`, `undistro init image NAME`.

use base::PackageName;

/// Returns a package definition to fill in; it can be read as it is.
#[must_use]
pub fn package(name: &PackageName) -> String {
    format!(
        r#"package:
  name: {name}
  version: "1.0.0"
  epoch: 0
  description: What {name} is, in one line
  url: https://example.org/{name}
  copyright:
    - license: Apache-2.0

environment:
  contents:
    packages:
      - build-base

pipeline:
  # `undistro source hash URI` prints the digest of a file.
  - uses: fetch
    with:
      uri: https://example.org/{name}-${{{{package.version}}}}.tar.gz
      expected-sha256: "0000000000000000000000000000000000000000000000000000000000000000"

  - uses: autoconf/configure

  - uses: autoconf/make

  - uses: autoconf/make-install

  - uses: strip

subpackages:
  - name: {name}-dev
    description: Headers and libraries to build with {name}
    pipeline:
      - uses: split/dev
    dependencies:
      runtime:
        - {name}

test:
  pipeline:
    - runs: |
        {name} --version

update:
  enabled: true
  github:
    identifier: example/{name}
"#
    )
}

/// Returns an image definition to fill in; it can be read as it is.
#[must_use]
pub fn image(name: &PackageName) -> String {
    format!(
        r#"contents:
  packages:
    - {name}

accounts:
  run-as: nonroot
  users:
    - username: nonroot
      uid: 65532
      gid: 65532
  groups:
    - groupname: nonroot
      gid: 65532

entrypoint:
  command: /usr/bin/{name}

archs:
  - x86_64

annotations:
  org.opencontainers.image.title: {name}
"#
    )
}

#[cfg(test)]
mod tests {
    use base::Arch;

    use super::*;
    use crate::Context;

    #[test]
    fn texts_to_begin_with_have_no_mistakes() {
        for name in ["hello", "gtk+3.0"] {
            let name = name.parse().unwrap();
            let text = package(&name);
            let recipe = crate::check(&text, &Context::new(Arch::X86_64, &())).unwrap_or_else(|d| panic!("{}", d.render("new", &text)));
            assert!(recipe.warnings.is_empty(), "{}", recipe.warnings);
            let text = image(&name);
            let parsed = crate::image::parse(&text).unwrap_or_else(|d| panic!("{}", d.render("new", &text)));
            crate::image::evaluate(&parsed, &(), None).unwrap();
        }
    }
}
