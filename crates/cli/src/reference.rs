//! docs/cli.md: made of the command line itself and of the table of environment variables, and checked by a test.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Args;
use crate::environment;

const HEAD: &str = "\
# The command line

This file is made from the commands themselves: `UPDATE=1 cargo test -p cli reference` writes it, and a test fails while it
is stale. `undistro help COMMAND` prints the same.

What a command answers goes to stdout, what it says about its work to stderr. With `--json` the answer is one JSON value.
";

const EXIT: &str = "\
## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | the answer is no: findings, something that does not match, a failed step, a source that can not be had |
| 2 | the usage or the input is wrong |
| 3 | the machine or undistro failed |
| 130 | stopped by Ctrl-C; what was finished is kept, and the next run goes on from there. A second Ctrl-C ends at once |
";

fn reference() -> String {
    let mut root = Args::command().term_width(0);
    root.build();
    let mut text = HEAD.to_owned();
    text += "\n## Commands\n\n| command | |\n|---|---|\n";
    let mut sections = String::new();
    for command in visible(&root) {
        let name = format!("undistro {}", command.get_name());
        let _ = writeln!(text, "| [`{name}`](#{}) | {} |", name.replace(' ', "-"), about(command));
        section(&mut sections, command, &name, 2, &globals(&root));
    }
    text += "\n## Options of every command\n\n";
    root.get_arguments().filter(|arg| arg.is_global_set()).for_each(|arg| option(&mut text, arg));
    text += "\n";
    text += &environment_table();
    text += "\n";
    text += EXIT;
    text + &sections
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Options that the verbs below a command take as well; they are told once, where they are declared.
fn globals(command: &Command) -> BTreeSet<&str> {
    command.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().as_str()).collect()
}

fn section(text: &mut String, command: &Command, name: &str, level: usize, told: &BTreeSet<&str>) {
    let _ = write!(text, "\n{} {name}\n\n{}\n", "#".repeat(level), sentence(&about(command)));
    let verbs: Vec<_> = visible(command).collect();
    if verbs.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(text, "\n```\n{}\n```\n", usage.trim_start_matches("Usage: "));
    }
    let own = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        !told.contains(id) && !arg.is_hide_set() && !matches!(id, "help" | "version")
    };
    let (positional, options): (Vec<_>, Vec<_>) = command.get_arguments().filter(own).partition(|arg| arg.is_positional());
    if !positional.is_empty() || !options.is_empty() {
        text.push('\n');
    }
    positional.into_iter().chain(options).for_each(|arg| option(text, arg));
    if let Some(more) = command.get_after_help() {
        after(text, &more.to_string());
    }
    for verb in verbs {
        section(text, verb, &format!("{name} {}", verb.get_name()), level + 1, &globals(command));
    }
}

fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// One item: how it is written, what it does, what it takes.
fn option(text: &mut String, arg: &Arg) {
    let names: Vec<String> = if arg.is_positional() {
        vec![arg.to_string()]
    } else {
        let values: String = match arg.get_action().takes_values() {
            true => arg.get_value_names().into_iter().flatten().map(|name| format!(" <{name}>")).collect(),
            false => String::new(),
        };
        let long = arg.get_long().map(|long| format!("--{long}{values}"));
        arg.get_short().map(|short| format!("-{short}")).into_iter().chain(long).collect()
    };
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "- {}: {}", names.join(", "), sentence(help.trim()));
    let values: Vec<_> = arg.get_possible_values();
    if arg.get_action().takes_values() && !values.is_empty() {
        let one = |value: &clap::builder::PossibleValue| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), help.to_string().trim_end_matches('.')),
            None => format!("`{}`", value.get_name()),
        };
        let _ = write!(text, " One of {}.", values.iter().map(one).collect::<Vec<_>>().join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " Default: {}.", defaults.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    text.push('\n');
}

/// What stands below the help: paragraphs as they are, examples and exit codes as they are printed.
fn after(text: &mut String, more: &str) {
    for paragraph in more.split("\n\n") {
        let printed = paragraph.starts_with("Example") && paragraph.contains('\n');
        match paragraph.split_once('\n').filter(|_| printed) {
            Some((head, lines)) => {
                let _ = write!(text, "\n{head}\n\n```\n{}\n```\n", unindented(lines));
            }
            None => {
                let _ = write!(text, "\n{}\n", paragraph.trim_end());
            }
        }
    }
}

fn unindented(lines: &str) -> String {
    lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn environment_table() -> String {
    let mut text = "## Environment variables\n\nA variable that is set to nothing counts as not set; an option counts over a variable.\n\n| variable | meaning |\n|---|---|\n".to_owned();
    for variable in environment::ALL {
        let _ = writeln!(text, "| `{}` | {} |", variable.name, variable.meaning);
    }
    text
}

#[test]
fn the_reference_is_what_the_commands_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let made = reference();
    if std::env::var_os("UPDATE").is_some() {
        return fs_err::write(&path, made).unwrap();
    }
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/cli.md is stale; UPDATE=1 cargo test -p cli reference writes it");
}

#[test]
fn every_command_and_option_says_what_it_does() {
    fn check(command: &Command, name: &str) {
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name}: `{}` has no help", arg.get_id());
        }
        for sub in visible(command) {
            assert!(!about(sub).is_empty(), "{name} {} has no description", sub.get_name());
            check(sub, &format!("{name} {}", sub.get_name()));
        }
    }
    let mut root = Args::command();
    root.build();
    root.clone().debug_assert();
    check(&root, "undistro");
}

#[test]
fn what_is_said_of_the_environment_is_so() {
    fn named(command: &Command, found: &mut Vec<String>) {
        found.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())));
        command.get_subcommands().for_each(|sub| named(sub, found));
    }
    let mut found = Vec::new();
    named(&Args::command(), &mut found);
    let unknown = found.iter().find(|name| !environment::ALL.iter().any(|variable| variable.name == **name));
    assert_eq!(unknown, None, "declare it in environment.rs");
}
