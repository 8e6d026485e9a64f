//! The kinds of mistake, under names that stay.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A kind of mistake. The name is stable: `--json` and SARIF carry it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every kind, for a list of rules.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what the kind means, in one sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The file is not UTF-8 text or holds a character that YAML forbids.
    Encoding = "encoding",
    /// The file is larger or nested deeper than the language allows.
    Limit = "limit",
    /// The file is not YAML.
    Syntax = "yaml-syntax",
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// A key that the language does not have.
    UnknownKey = "unknown-key",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// A value of another kind than the key takes.
    WrongType = "wrong-type",
    /// A value that the key does not take.
    BadValue = "bad-value",
    /// A number that can not be read or is out of range.
    BadNumber = "bad-number",
    /// Not a package name.
    BadName = "bad-name",
    /// Not an apk version.
    BadVersion = "bad-version",
    /// Not a dependency as apk writes it.
    BadDependency = "bad-dependency",
    /// A priority that is not a whole number.
    BadPriority = "bad-priority",
    /// A digest or commit of the wrong length or with other than hexadecimal digits.
    BadHash = "bad-hash",
    /// A condition that can not be read.
    BadCondition = "bad-condition",
    /// A regular expression that can not be read.
    BadRegex = "bad-regex",
    /// A length of time that can not be read.
    BadDuration = "bad-duration",
    /// A Linux capability that may not be given.
    BadCapability = "bad-capability",
    /// A part of a CPE name that is not allowed.
    BadCpe = "bad-cpe",
    /// A licence that is no SPDX expression.
    BadLicense = "bad-license",
    /// Not a CVE number.
    BadCve = "bad-cve",
    /// A patch that is carried for the pinned revision and is neither applied nor waived with a reason.
    UnlistedFix = "unlisted-fix",
    /// What `fixes.yaml` says of a patch is not so: the steps or the series say otherwise.
    UntrueFix = "untrue-fix",
    /// An architecture that nobody knows.
    UnknownArch = "unknown-architecture",
    /// A `${{…}}` that is not closed or names nothing.
    BadSubstitution = "bad-substitution",
    /// A `${{…}}` whose variable does not exist here.
    UndefinedVariable = "undefined-variable",
    /// Variables that are made of each other.
    CyclicVariable = "cyclic-variable",
    /// Two variables or transforms of one name.
    DuplicateVariable = "duplicate-variable",
    /// A `range` that names no table under `data`.
    UnknownRange = "unknown-range",
    /// Two packages of one name.
    DuplicatePackage = "duplicate-package",
    /// A `uses` that names no pipeline.
    UnknownPipeline = "unknown-pipeline",
    /// A pipeline that uses itself.
    CyclicPipeline = "cyclic-pipeline",
    /// An input that the pipeline does not have.
    UnknownInput = "unknown-input",
    /// An input that the pipeline must be given.
    MissingInput = "missing-input",
    /// Keys of a step that exclude each other.
    StepConflict = "step-conflict",
    /// A step that does nothing.
    EmptyStep = "empty-step",
    /// Fewer or more nested steps run than the step asserts.
    RequiredSteps = "required-steps",
    /// A script that the shell can not read.
    ShellSyntax = "shell-syntax",
    /// A value from outside where the shell would take it literally.
    OutsideValue = "outside-value",
    /// A build option that the definition does not have.
    UnknownOption = "unknown-option",
    /// An included file that can not be had.
    BadInclude = "bad-include",
    /// Accounts that do not fit together.
    BadAccount = "bad-account",
    /// A path that is not absolute or climbs out.
    BadPath = "bad-path",
    /// A command line whose quotes do not close.
    BadCommand = "bad-command",
    /// Something that is read and that builds here do not do.
    NotHonoured = "not-honoured",
    /// A key that is still read but should go.
    Deprecated = "deprecated",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
