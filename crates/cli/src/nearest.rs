//! The name that was probably meant.

/// Finds the known name nearest to `name`, if one is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    near.filter(|(far, _)| *far <= limit).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let known = ["nginx", "zlib", "busybox"];
        for (name, meant) in [("ngnix", Some("nginx")), ("zlbi", Some("zlib")), ("bsybox", Some("busybox")), ("gcc", None)] {
            assert_eq!(super::nearest(name, known.into_iter()), meant, "{name}");
        }
    }
}
