//! `undistro apk version`: the order of versions.

use std::cmp::Ordering;

use base::Version;

use crate::failure::Failure;
use crate::printer::Printer;

/// Compare two versions, or check some.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undistro apk version -t 1.2_rc1 1.2        prints <
  undistro apk version -c 1.2 1.2-foo        prints 1.2-foo, exit 1")]
pub(crate) struct Args {
    /// Print <, = or >: how the first of two versions stands to the second. Of one that breaks the grammar, what stands
    /// before the break counts, as for apk.
    #[arg(short, long, num_args = 2, value_names = ["A", "B"], required_unless_present = "check", conflicts_with = "check")]
    test: Option<Vec<String>>,
    /// Print the versions that break the grammar, exit 1 if there are any.
    #[arg(short, long, num_args = 1.., value_name = "VERSION")]
    check: Option<Vec<String>>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    if let Some([a, b]) = args.test.as_deref() {
        let version = |text: &String| Version::tolerate(text).map_err(|error| Failure::input(&error));
        let sign = match version(a)?.cmp(&version(b)?) {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        };
        printer.line(sign);
        printer.json(&sign);
    }
    let Some(check) = &args.check else { return Ok(()) };
    let wrong: Vec<_> = check.iter().filter(|text| text.parse::<Version>().is_err()).collect();
    for text in &wrong {
        printer.line(text);
    }
    printer.json(&wrong);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Said) }
}
