//! What the shell checker refuses, and what it lets pass.

use super::{literal_marks, parse};

#[test]
fn reads_what_shells_read() {
    for script in [
        "",
        "\n# only a comment\n",
        "echo a; echo b & wait\n",
        "a=1 b=$(c) d >e 2>&1 <<EOF\ntext $(x) ${y} \"\nEOF\n",
        "if a; then b; elif c; then d; else e; fi",
        "if ! a\nthen\n  b\nfi | c && d || e",
        "for i in 1 2 \"$x\"; do echo $i; done",
        "for i; do :; done\nfor i\ndo :; done",
        "for ((i = 0; i < 3; i++)); do :; done",
        "while read -r l; do :; done < file",
        "until false; do break; done",
        "case $x in a|b) c ;; (d) ;; *) e; esac",
        "case \"$x\" in\n  # why\n  a) b\n  ;;\nesac",
        "f() { a; }\nf () ( b )\nfunction g { c; }\nfunction h() { d; }",
        "{ a; b; } > out",
        "(a; b) | c",
        "[[ $a == b* && ( -n $c || $d =~ ^(x|y z)$ ) ]] && e",
        "((i++)) || true\necho $((1 + (2 * 3)))",
        "echo ${a:-'b}'} \"${c:-\"d\"}\" ${#e} ${f//\\}/x} ${g%%:*}",
        "echo \"$(echo \"$(echo 'x)')\")\" `date`",
        "diff <(a) <(b) > >(c)",
        "x=(a \"b c\"\n  # comment\n d)\nx+=(e)\ndeclare -a y=(1 2)",
        "echo 'it'\\''s' $'a\\'b' a#b",
        "ls !(a|b) @(x).c ?(y)",
        "cat <<'A' <<-B\n$(not closed\nA\n\tx\n\tB\n",
        "a && # why\n  b",
        "a |\n b \\\n c",
        "echo ${{vars.x}} \"${{inputs.y}}\" $${z}",
        "time a | b",
        "a=${b}c ; echo $# $$ $!",
        "$( (a) )",
        "if (( a > 1 )); then b; fi",
        "if [ -n \"$a\" ]; then :; fi >/dev/null 2>&1",
        "cmd 2>/dev/null >&2 <<< \"text\"",
        "for f in ${{x}}; do :; done",
        "echo }; echo {a,b}",
        "while :; do case x in y) break;; esac; done",
        "test a = b && { c; }",
        "export A=1 B=\"$(c)\"",
        "echo \"a\n'b\n\"",
        "if (a) then b; fi",
        "while { a; } do b; done",
        "time\ntime; x",
        "echo `a \\`b\\` \"c\" | d`",
    ] {
        assert_eq!(parse(script), Ok(()), "{script}");
    }
}

#[test]
fn refuses_what_shells_refuse() {
    for (script, message) in [
        ("echo 'a", "single quote is not closed"),
        ("echo \"a", "double quote is not closed"),
        ("echo `a", "backquote is not closed"),
        ("echo `a | `", "no command after `|`, in backquotes"),
        ("echo `a 'b`", "single quote is not closed, in backquotes"),
        ("if a then b; fi", "needs `then`"),
        ("echo ${a", "`${` is not closed"),
        ("echo $(a", "`$(` is not closed"),
        ("(a", "`(` is not closed"),
        ("a)", "`)` stands alone"),
        ("if a; then b", "`if` has no `fi`"),
        ("if a; b; fi", "needs `then`"),
        ("if a; then fi", "no command between `then` and `fi`"),
        ("if a; then\n# x\nfi", "no command between"),
        ("fi", "`fi` stands alone"),
        ("for i in a; echo; done", "needs `do`"),
        ("for i in a; do echo; fi", "needs `done`"),
        ("while a; do b", "`while` has no `done`"),
        ("case a in b) c;;", "`case` has no `esac`"),
        ("case a b) c;; esac", "no `in`"),
        ("{ a;", "`{` has no `}`"),
        ("{ a }", "`{` has no `}`"),
        ("a && ", "no command after `&&`"),
        ("a | | b", "no command before `|`"),
        ("&& a", "no command before `&&`"),
        ("a;; b", "`;;` stands alone"),
        ("a ;; ", "`;;` stands alone"),
        ("cat <<EOF\nx\n", "not ended by a line `EOF`"),
        ("cat <<EOF\nx\n EOF\n", "not ended by a line `EOF`"),
        ("cat <<EOF", "not ended by a line `EOF`"),
        ("a >", "`>` needs a file"),
        ("[[ uname == 'x']]", "`[[` is not closed"),
        ("echo a (b)", "`(` can not stand here"),
        ("x=(a b", "list of values is not closed"),
        ("if a; then b; done", "needs `fi`"),
        ("f() ", "does nothing"),
        ("(a) b", "`b` can not follow here"),
        ("fi; x", "stands alone"),
        ("for 1x-y in a; do :; done", "is no name"),
    ] {
        let problem = parse(script).expect_err(script);
        assert!(problem.message.contains(message), "{script}: {}", problem.message);
        assert!(problem.at.end <= script.len() + 1, "{script}: {:?}", problem.at);
    }
}

/// Written to use every construct of the grammar; `bash -O extglob -n` reads each.
#[test]
fn reads_what_bash_reads() {
    for script in include_str!("good.txt").split("%%\n") {
        if let Err(problem) = parse(script) {
            panic!("{script}\n{}", problem.message);
        }
    }
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    for open in ["coproc ", "(", "$(", "{ ", "if ", "${a:-", "\"$(", "<("] {
        assert!(parse(&open.repeat(100_000)).is_err(), "{open}");
    }
}

#[test]
fn finds_marks_that_the_shell_would_take_literally() {
    let mark = "\u{FDD0}vars.x\u{FDD1}";
    let literal = |script: &str| literal_marks(&script.replace('@', mark)).len();
    assert_eq!(literal("echo @ \"@\" a@b ${y:-@}"), 0);
    assert_eq!(literal("echo '@'"), 1);
    assert_eq!(literal("echo \\@"), 1);
    assert_eq!(literal("cat <<'E'\n@\nE\n"), 1);
    assert_eq!(literal("cat <<E\n@\nE\n"), 0);
}
