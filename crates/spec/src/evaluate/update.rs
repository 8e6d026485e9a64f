//! The `update` section, checked.

use super::Evaluator;
use super::scope::Scope;
use crate::recipe::{Period, Schedule, TagFilter, Update, UpdateSource, VersionTransform};
use crate::yaml::Text;
use crate::{Code, Diagnostic, transform, update};

impl Evaluator<'_> {
    pub(super) fn update(&mut self, scope: &Scope<'_>, written: &update::Update) -> Update {
        for pattern in written.ignore_regex_patterns.iter().chain(written.version_transform.iter().map(|t| &t.pattern)) {
            self.pattern(scope, pattern);
        }
        let version_transform = written
            .version_transform
            .iter()
            .map(|t| VersionTransform { pattern: t.pattern.value.clone(), replace: t.replace.value.clone() })
            .collect();
        Update {
            enabled: written.enabled == Some(true),
            manual: written.manual == Some(true),
            exclude_reason: self.optional(scope, written.exclude_reason.as_ref()),
            require_sequential: written.require_sequential == Some(true),
            shared: written.shared == Some(true),
            version_separator: self.optional(scope, written.version_separator.as_ref()),
            ignore_regex_patterns: written.ignore_regex_patterns.iter().map(|text| text.value.clone()).collect(),
            version_transform,
            schedule: written.schedule.as_ref().and_then(|schedule| self.schedule(scope, schedule)),
            enable_prerelease_tags: written.enable_prerelease_tags == Some(true),
            sources: self.update_sources(scope, written),
        }
    }

    fn pattern(&mut self, scope: &Scope<'_>, text: &Text) {
        if let Err(problem) = transform::compile(text) {
            let message = format!("this regular expression can not be read: {problem}");
            self.report(scope, Diagnostic::error(Code::BadRegex, text.span, message));
        }
    }

    fn schedule(&mut self, scope: &Scope<'_>, written: &update::Schedule) -> Option<Schedule> {
        let Some(text) = &written.period else {
            let error = Diagnostic::error(Code::MissingKey, written.head, "`schedule` lacks `period`");
            self.report(scope, error.help("add `period: daily`, `weekly` or `monthly`"));
            return None;
        };
        let period = match text.as_str() {
            "daily" => Period::Daily,
            "weekly" => Period::Weekly,
            "monthly" => Period::Monthly,
            other => {
                let error = Diagnostic::error(Code::BadValue, text.span, format!("`{other}` is no period"));
                self.report(scope, error.help("there are `daily`, `weekly` and `monthly`"));
                return None;
            }
        };
        Some(Schedule { period, reason: self.optional(scope, written.reason.as_ref()) })
    }

    fn update_sources(&mut self, scope: &Scope<'_>, written: &update::Update) -> Vec<UpdateSource> {
        let mut sources = Vec::new();
        if let Some(github) = &written.github {
            let identifier = self.plain(scope, &github.identifier);
            if identifier.split('/').filter(|part| !part.is_empty()).count() != 2 {
                let error = Diagnostic::error(Code::BadValue, github.identifier.span, format!("`{identifier}` is no project on GitHub"));
                self.report(scope, error.help("write `owner/repository`"));
            }
            let prefix = github.tag_filter_prefix.as_ref().or(github.tag_filter.as_ref());
            let filter = self.filter(scope, [&github.strip_prefix, &github.strip_suffix], [prefix, github.tag_filter_contains.as_ref()]);
            sources.push(UpdateSource::GitHub { identifier, filter, use_tag: github.use_tag == Some(true) });
        }
        if let Some(monitor) = &written.release_monitor {
            let asked = [monitor.version_filter_prefix.as_ref(), monitor.version_filter_contains.as_ref()];
            let filter = self.filter(scope, [&monitor.strip_prefix, &monitor.strip_suffix], asked);
            sources.push(UpdateSource::ReleaseMonitor { identifier: monitor.identifier.value, filter });
        }
        if let Some(git) = &written.git {
            let asked = [git.tag_filter_prefix.as_ref(), git.tag_filter_contains.as_ref()];
            sources.push(UpdateSource::Git { filter: self.filter(scope, [&git.strip_prefix, &git.strip_suffix], asked) });
        }
        if let Some(oci) = &written.oci {
            let asked = [oci.tag_filter_prefix.as_ref(), oci.tag_filter_contains.as_ref()];
            let filter = self.filter(scope, [&oci.strip_prefix, &oci.strip_suffix], asked);
            sources.push(UpdateSource::Oci { identifier: self.plain(scope, &oci.identifier), filter });
        }
        if let Some(data) = &written.version_data {
            let format = self.optional(scope, data.version_format.as_ref());
            let lists = data
                .sources
                .iter()
                .map(|list| (self.optional(scope, list.name.as_ref()).unwrap_or_default(), self.optional(scope, list.stream.as_ref())));
            sources.push(UpdateSource::VersionData { format, sources: lists.collect() });
        }
        sources
    }

    fn filter(&mut self, scope: &Scope<'_>, strip: [&Option<Text>; 2], asked: [Option<&Text>; 2]) -> TagFilter {
        TagFilter {
            strip_prefix: self.optional(scope, strip[0].as_ref()),
            strip_suffix: self.optional(scope, strip[1].as_ref()),
            prefix: self.optional(scope, asked[0]),
            contains: self.optional(scope, asked[1]),
        }
    }
}
