//! Completions: each shell's script, read by the shell where it is there.

use super::desk::{Desk, UNDISTRO, skip};

#[test]
fn completions_name_every_command() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = desk.command(UNDISTRO).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && ["build", "compose", "render", "solve"].iter().all(|verb| script.contains(verb)), "{shell}");
        desk.write(&format!("completion.{shell}"), &script);
    }
    for (shell, option) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        match desk.command(shell).args([option, &format!("completion.{shell}")]).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => skip(&format!("{shell} is not here to read its completions")),
        }
    }
}

#[test]
fn bash_completes_a_command() {
    let desk = Desk::new();
    let script = desk.command(UNDISTRO).args(["completions", "bash"]).output().unwrap().stdout;
    desk.write("completion.bash", &String::from_utf8(script).unwrap());
    let ask =
        "source ./completion.bash; COMP_WORDS=(undistro com); COMP_CWORD=1; _undistro undistro com undistro; echo \"${COMPREPLY[*]}\"";
    match desk.command("bash").args(["--norc", "-c", ask]).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "compose completions"),
        Err(_) => skip("bash is not here to complete a command"),
    }
}
