//! The `update` section: how new versions of a package are found.

use crate::yaml::{Spanned, Text, record};

record! {
    /// How new versions are found.
    Update is "`update`" {
        /// Whether to look at all.
        "enabled" => enabled: Option<bool>,
        /// Whether a person makes the change.
        "manual" => manual: Option<bool>,
        /// Why it is not enabled.
        "exclude-reason" => exclude_reason: Option<Text>,
        /// Whether every version must be built in turn.
        "require-sequential" => require_sequential: Option<bool>,
        /// Whether packages that use it must be built again.
        "shared" => shared: Option<bool>,
        /// What stands between the parts of upstream's version, if not a dot.
        "version-separator" => version_separator: Option<Text>,
        /// Versions to pass over.
        "ignore-regex-patterns" => ignore_regex_patterns: Vec<Text>,
        /// How upstream's version becomes ours.
        "version-transform" => version_transform: Vec<VersionTransform>,
        /// How often to look.
        "schedule" => schedule: Option<Schedule>,
        /// Whether pre-releases count.
        "enable-prerelease-tags" => enable_prerelease_tags: Option<bool>,
        /// Look at a project on GitHub.
        "github" => github: Option<GitHub>,
        /// Look at release-monitoring.org.
        "release-monitor" => release_monitor: Option<ReleaseMonitor>,
        /// Look at the tags of the repository that is checked out.
        "git" => git: Option<Git>,
        /// Look at the tags of an OCI repository.
        "oci" => oci: Option<Oci>,
        /// Versions from a list kept elsewhere.
        "version_data" => version_data: Option<VersionData>,
    }

    /// How one version becomes another.
    VersionTransform is "a version transform" {
        /// Regular expression (RE2).
        "match" => pattern: Text,
        /// What each match becomes.
        "replace" => replace: Text,
    }

    /// How often to look.
    Schedule is "`schedule`" {
        /// `daily`, `weekly` or `monthly`.
        "period" => period: Option<Text>,
        /// Why not at every change.
        "reason" => reason: Option<Text>,
    }

    /// A project on GitHub.
    GitHub is "`github`" {
        /// `owner/repository`.
        "identifier" => identifier: Text,
        /// What precedes the version.
        "strip-prefix" => strip_prefix: Option<Text>,
        /// What follows the version.
        "strip-suffix" => strip_suffix: Option<Text>,
        /// Old name of `tag-filter-prefix`.
        "tag-filter" => tag_filter: Option<Text>,
        /// Only tags that begin so.
        "tag-filter-prefix" => tag_filter_prefix: Option<Text>,
        /// Only tags that contain this.
        "tag-filter-contains" => tag_filter_contains: Option<Text>,
        /// Look at tags, not at releases.
        "use-tag" => use_tag: Option<bool>,
    }

    /// A project of release-monitoring.org.
    ReleaseMonitor is "`release-monitor`" {
        /// Its number.
        "identifier" => identifier: Spanned<u64>,
        /// What precedes the version.
        "strip-prefix" => strip_prefix: Option<Text>,
        /// What follows the version.
        "strip-suffix" => strip_suffix: Option<Text>,
        /// Only versions that begin so.
        "version-filter-prefix" => version_filter_prefix: Option<Text>,
        /// Only versions that contain this.
        "version-filter-contains" => version_filter_contains: Option<Text>,
    }

    /// The tags of the repository that is checked out.
    Git is "`git`" {
        /// What precedes the version.
        "strip-prefix" => strip_prefix: Option<Text>,
        /// What follows the version.
        "strip-suffix" => strip_suffix: Option<Text>,
        /// Only tags that begin so.
        "tag-filter-prefix" => tag_filter_prefix: Option<Text>,
        /// Only tags that contain this.
        "tag-filter-contains" => tag_filter_contains: Option<Text>,
    }

    /// The tags of an OCI repository.
    Oci is "`oci`" {
        /// The repository.
        "identifier" => identifier: Text,
        /// What precedes the version.
        "strip-prefix" => strip_prefix: Option<Text>,
        /// What follows the version.
        "strip-suffix" => strip_suffix: Option<Text>,
        /// Only tags that begin so.
        "tag-filter-prefix" => tag_filter_prefix: Option<Text>,
        /// Only tags that contain this.
        "tag-filter-contains" => tag_filter_contains: Option<Text>,
    }

    /// Versions from a list kept elsewhere.
    VersionData is "`version_data`" {
        /// How a version is put together.
        "version_format" => version_format: Option<Text>,
        /// The lists.
        "sources" => sources: Vec<VersionSource>,
    }

    /// One list of versions.
    VersionSource is "a version source" {
        /// Its name.
        "name" => name: Option<Text>,
        /// Which of its streams.
        "stream" => stream: Option<Text>,
        /// Versions to pass over.
        "ignore" => ignore: Vec<Text>,
        /// Where the commit comes from.
        "commit_source" => commit_source: Option<Text>,
        /// Whether releases count.
        "use_release" => use_release: Option<bool>,
    }
}
