//! Writes where the time went: `timings.json` for programs, and `timings.html`, one file that needs no other, to look at.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use build::timeline::{Ended, Phase, Piece, Span, Timings};
use fs_err as fs;

/// Writes both files into `folder`.
pub(crate) fn write(folder: &Path, timings: &Timings) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut json = serde_json::to_vec_pretty(timings)?;
    json.push(b'\n');
    fs::write(folder.join("timings.json"), json)?;
    fs::write(folder.join("timings.html"), html(timings))
}

const STYLE: &str = "\
body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}
h1{font-size:1.3em}h2{font-size:1.1em;margin-top:2em}
table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}
.row{display:flex;align-items:center;height:1.5em}.row:nth-child(odd){background:#f6f6f6}
.name{flex:0 0 16em;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;padding-right:1em;text-align:right}
.critical .name{font-weight:bold;color:#b00}.failed .name::before{content:'✗ '}.never{color:#999}
.lane{position:relative;flex:1;height:100%}.lane i{position:absolute;top:15%;height:70%;min-width:1px;border-radius:1px}
.lane span{position:absolute;top:.1em;padding-left:.4em;font-size:.85em;color:#555;white-space:nowrap}
.axis .lane span{border-left:1px solid #bbb}
.key{display:inline-block;width:1em;height:1em;margin-right:.4em;vertical-align:-.15em;border-radius:2px}
";

/// How a phase is called and coloured.
fn look(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Queue => ("queue", "#dddddd"),
        Phase::Plan => ("plan", "#bab0ac"),
        Phase::Fetch => ("fetch", "#76b7b2"),
        Phase::Environment => ("environment", "#9c755f"),
        Phase::Step => ("steps", "#4e79a7"),
        Phase::Keep => ("keep", "#a0cbe8"),
        Phase::Analyse => ("analyse", "#edc948"),
        Phase::Emit => ("emit", "#f28e2b"),
        Phase::State => ("provenance", "#b07aa1"),
        Phase::Test => ("test", "#59a14f"),
        Phase::Compose => ("compose", "#e15759"),
    }
}

fn html(timings: &Timings) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = page(&mut out, timings);
    out
}

fn page(out: &mut String, timings: &Timings) -> std::fmt::Result {
    let worked = timings.pieces.iter().filter(|piece| piece.ended.is_some_and(|how| how != Ended::Cached)).count();
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Where the time went</title>\n<style>\n{STYLE}</style>"
    )?;
    writeln!(out, "<h1>Where the time went</h1>")?;
    writeln!(
        out,
        "<p>{} in all, {} at one time; {worked} of {} pieces of work were done now. What the end waited for is <b style=\"color:#b00\">red</b>.</p>",
        seconds(timings.seconds),
        timings.jobs,
        timings.pieces.len()
    )?;
    writeln!(out, "<table><tr><th>phase<th>time, over all pieces</tr>")?;
    for (phase, time) in &timings.phases {
        let (name, colour) = look(*phase);
        writeln!(out, "<tr><td><i class=\"key\" style=\"background:{colour}\"></i>{name}<td class=\"n\">{}</tr>", seconds(*time))?;
    }
    writeln!(out, "</table>\n<h2>What ran when</h2>\n<div>")?;
    axis(out, timings.seconds)?;
    for piece in &timings.pieces {
        row(out, piece, timings.seconds)?;
    }
    writeln!(out, "</div>\n<h2>What the end waited for</h2>\n<table><tr><th>piece<th>took<th>before<th>longest</tr>")?;
    for piece in timings.pieces.iter().filter(|piece| piece.critical) {
        let longest = piece.spans.iter().max_by(|a, b| length(a).total_cmp(&length(b)));
        let longest = longest.map(|span| format!("{}, {}", title(span), seconds(length(span)))).unwrap_or_default();
        let before = piece.expected.map(seconds).unwrap_or_default();
        let took = seconds(piece.end - piece.begin);
        writeln!(out, "<tr><td>{}<td class=\"n\">{took}<td class=\"n\">{before}<td>{}</tr>", escaped(&piece.name), escaped(&longest))?;
    }
    writeln!(out, "</table>\n</html>")
}

/// Marks of the time above the rows.
fn axis(out: &mut String, total: f64) -> std::fmt::Result {
    const MARKS: u32 = 5;
    write!(out, "<div class=\"row axis\"><div class=\"name\"></div><div class=\"lane\">")?;
    for mark in 0..MARKS {
        let at = f64::from(mark) / f64::from(MARKS);
        write!(out, "<span style=\"left:{:.3}%\">{}</span>", at * 100.0, seconds(at * total))?;
    }
    writeln!(out, "</div></div>")
}

fn row(out: &mut String, piece: &Piece, total: f64) -> std::fmt::Result {
    let mut class = String::from("row");
    for (is_so, name) in [(piece.critical, " critical"), (piece.ended == Some(Ended::Failed), " failed"), (piece.ended.is_none(), " never")]
    {
        if is_so {
            class += name;
        }
    }
    let percent = |time: f64| if total > 0.0 { time / total * 100.0 } else { 0.0 };
    let name = escaped(&piece.name);
    write!(out, "<div class=\"{class}\"><div class=\"name\" title=\"{name}\">{name}</div><div class=\"lane\">")?;
    for span in &piece.spans {
        let (_, colour) = look(span.phase);
        let (left, width) = (percent(span.begin), percent(length(span)));
        let told = escaped(&format!("{}: {}", title(span), seconds(length(span))));
        write!(out, "<i style=\"left:{left:.3}%;width:{width:.3}%;background:{colour}\" title=\"{told}\"></i>")?;
    }
    let told = match piece.ended {
        None => "not begun".to_owned(),
        Some(Ended::Cached) => "there already".to_owned(),
        Some(Ended::Failed) => format!("failed after {}", seconds(piece.end - piece.begin)),
        Some(Ended::Done | Ended::Emitted) => seconds(piece.end - piece.begin),
    };
    // Beside the bar on the side where there is room.
    let place = if percent(piece.end) < 80.0 {
        format!("left:{:.3}%", percent(piece.end))
    } else {
        format!("right:{:.3}%", 100.0 - percent(piece.begin))
    };
    writeln!(out, "<span style=\"{place}\">{told}</span></div></div>")
}

fn title(span: &Span) -> String {
    let (name, _) = look(span.phase);
    if span.label.is_empty() { name.to_owned() } else { format!("{name}: {}", span.label) }
}

fn length(span: &Span) -> f64 {
    span.end - span.begin
}

/// A time as people read it.
fn seconds(time: f64) -> String {
    match time {
        time if time < 60.0 => format!("{time:.2} s"),
        time => format!("{} min {:02} s", time as u64 / 60, time as u64 % 60),
    }
}

/// Names come from definitions, which may be anyone's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings() -> Timings {
        let span = |phase, label: &str, begin, end| Span { phase, label: label.to_owned(), begin, end };
        let piece = |name: &str, ended, begin, end, critical, spans| Piece {
            name: name.to_owned(),
            ended,
            begin,
            end,
            expected: None,
            critical,
            needs: Vec::new(),
            spans,
        };
        let pieces = vec![
            piece("zlib", Some(Ended::Done), 0.0, 8.0, true, vec![span(Phase::Step, "make <all>", 1.0, 8.0)]),
            piece("nginx", Some(Ended::Failed), 8.0, 70.0, true, vec![span(Phase::Queue, "", 8.0, 9.0)]),
            piece("docs", None, 70.0, 70.0, false, Vec::new()),
        ];
        let phases = [(Phase::Queue, 1.0), (Phase::Step, 7.0)].into();
        Timings { format: 1, jobs: 2, seconds: 70.0, phases, critical_path: Vec::new(), pieces }
    }

    #[test]
    fn the_page_needs_nothing_beside_it_and_quotes_names() {
        let page = html(&timings());
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src="), "{page}");
        assert!(page.contains("steps: make &lt;all&gt;: 7.00 s"), "{page}");
        for (name, class) in [("zlib", "row critical"), ("nginx", "row critical failed"), ("docs", "row never")] {
            assert!(page.contains(&format!("<div class=\"{class}\"><div class=\"name\" title=\"{name}\">")), "{name}: {page}");
        }
    }

    #[test]
    fn both_files_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new/folder");
        write(&folder, &timings()).unwrap();
        let read: Timings = serde_json::from_slice(&fs::read(folder.join("timings.json")).unwrap()).unwrap();
        assert_eq!(read, timings());
        assert!(folder.join("timings.html").is_file());
    }
}
