//! How a script is run: by the shell of the build root, with everything that varies given as environment or arguments.

use std::collections::BTreeMap;

use sandbox::Plan;
use spec::recipe::WORKSPACE;

use super::Site;
use crate::work::Job;

/// Makes the directory, enters it and runs the script; both come as arguments, so that no text is read by a shell twice.
const ENTER: &str = r#"set -e; [ -d "$1" ] || mkdir -p "$1"; cd "$1"; exec /bin/sh -c "$2""#;

/// What precedes a script, on its first line so that the shell counts its lines as the definition does.
/// Not every shell knows `pipefail`; where it does, a failing command in a pipe fails the step, as with melange.
const PRELUDE: &str = "set -e; (set -o pipefail) 2> /dev/null && set -o pipefail; ";

/// Follows a script: a last command that was tested (`[ … ] && …`) does not fail the step, as with melange.
const POSTLUDE: &str = "\nexit 0\n";

/// The environment of every step, before what the definition sets. Constants, so that no build records its machine.
pub(crate) fn constants(epoch: i64) -> BTreeMap<String, String> {
    let epoch = epoch.to_string();
    [
        ("HOME", WORKSPACE),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("SOURCE_DATE_EPOCH", &epoch),
        ("TZ", "UTC"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl Site {
    /// A plan to run the job's script.
    pub(super) fn script_plan(&self, job: &Job, script: &str) -> Plan {
        let directory = match &job.directory {
            Some(path) if path.starts_with('/') => path.clone(),
            Some(path) => format!("{WORKSPACE}/{path}"),
            None => WORKSPACE.to_owned(),
        };
        let script = format!("{PRELUDE}{script}{POSTLUDE}");
        let mut plan = self.plan(["/bin/sh", "-c", ENTER, "sh", &directory, &script].map(str::to_owned).into());
        plan.environment.extend(job.environment.clone());
        plan
    }
}
