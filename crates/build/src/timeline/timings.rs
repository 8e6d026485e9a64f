//! What took how long, and what the end waited for: the result of a timeline, as JSON has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Collected, Ended, Phase, Timeline};

/// The form of the JSON below. Raised when a reader of the former would misread it; a new field is no reason.
pub const FORMAT: u32 = 1;

/// Where the time went. Times are seconds since the command began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// [`FORMAT`].
    pub format: u32,
    /// How many builds could run at one time.
    pub jobs: usize,
    /// When the last piece ended.
    pub seconds: f64,
    /// Seconds by phase, over all pieces, each moment once: with several jobs their sum is more than `seconds`.
    pub phases: BTreeMap<Phase, f64>,
    /// The pieces that the end waited for, in their order: each begins after the one before ended.
    pub critical_path: Vec<String>,
    /// Every piece of work, by when it began.
    pub pieces: Vec<Piece>,
}

/// One piece of work: a definition's build, a package's test, an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// What it is called: a definition `NAME`, `test NAME` or `image NAME`.
    pub name: String,
    /// How it ended; absent for what never began.
    pub ended: Option<Ended>,
    /// When it began, the time in the queue not counted.
    pub begin: f64,
    /// When it ended.
    pub end: f64,
    /// How long it took when it was last done, if that was known.
    pub expected: Option<f64>,
    /// Whether the end waited for it.
    pub critical: bool,
    /// What it came after.
    pub needs: Vec<String>,
    /// What it did.
    pub spans: Vec<Span>,
}

/// A stretch of time of one piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What it went to.
    pub phase: Phase,
    /// The step's name, where the phase has several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// When it began.
    pub begin: f64,
    /// When it ended.
    pub end: f64,
}

impl Timeline {
    /// Says what took how long so far.
    #[must_use]
    pub fn timings(&self, jobs: usize) -> Timings {
        let collected = self.pieces();
        let mut pieces: Vec<Piece> = collected.iter().map(|(name, one)| piece(name, one, &collected)).collect();
        drop(collected);
        let critical_path = critical_path(&pieces);
        for piece in &mut pieces {
            piece.critical = critical_path.contains(&piece.name);
        }
        // What came first stands first, and what never began at the end.
        pieces.sort_by(|a, b| a.ended.is_none().cmp(&b.ended.is_none()).then(a.begin.total_cmp(&b.begin)).then(a.name.cmp(&b.name)));
        let mut phases = BTreeMap::new();
        for piece in &pieces {
            for (at, span) in piece.spans.iter().enumerate() {
                *phases.entry(span.phase).or_default() += own(at, span, &piece.spans);
            }
        }
        let seconds = pieces.iter().map(|piece| piece.end).fold(0.0, f64::max);
        Timings { format: FORMAT, jobs, seconds, phases, critical_path, pieces }
    }
}

fn piece(name: &str, one: &Collected, all: &BTreeMap<String, Collected>) -> Piece {
    let needed = one.needs.iter().filter_map(|need| all.get(need)?.end);
    let planned = one.planned.or(one.begin).unwrap_or_default();
    let ready = needed.map(|(end, _)| end).fold(planned, f64::max);
    let begin = one.begin.unwrap_or(ready);
    let mut spans = one.spans.clone();
    if begin > ready {
        spans.push(Span { phase: Phase::Queue, label: String::new(), begin: ready, end: begin });
    }
    spans.sort_by(|a, b| a.begin.total_cmp(&b.begin).then(a.phase.cmp(&b.phase)));
    let end = one.end.map_or(begin, |(end, _)| end);
    let ended = one.end.map(|(_, how)| how);
    Piece { name: name.to_owned(), ended, begin, end, expected: one.expected, critical: false, needs: one.needs.clone(), spans }
}

/// The seconds of a span without those that lie in it: packages are analysed in the midst of being emitted.
fn own(at: usize, span: &Span, all: &[Span]) -> f64 {
    let within = |other: &&Span| other.begin >= span.begin && other.end <= span.end;
    let inner: f64 = all[at + 1..].iter().filter(within).map(|inner| inner.end - inner.begin).sum();
    (span.end - span.begin - inner).max(0.0)
}

/// From the piece that ended last back to the first: of what each needed, what ended last.
fn critical_path(pieces: &[Piece]) -> Vec<String> {
    let by_name: BTreeMap<&str, &Piece> = pieces.iter().map(|piece| (piece.name.as_str(), piece)).collect();
    let later = |a: &&Piece, b: &&Piece| a.end.total_cmp(&b.end).then_with(|| b.name.cmp(&a.name));
    let ran = |piece: &&Piece| piece.ended.is_some();
    let mut path = Vec::new();
    let mut next = pieces.iter().filter(ran).max_by(later);
    while let Some(piece) = next {
        path.push(piece.name.clone());
        let needs = piece.needs.iter().filter_map(|need| by_name.get(need.as_str()).copied());
        // Time goes one way, so this ends: what was needed ended before.
        next = needs.filter(ran).filter(|need| need.end <= piece.begin && !path.contains(&need.name)).max_by(later);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(needs: &[&str], begin: f64, end: f64) -> Collected {
        let span = Span { phase: Phase::Step, label: "make".to_owned(), begin, end };
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Collected {
            needs,
            begin: Some(begin),
            end: Some((end, Ended::Done)),
            spans: vec![span],
            planned: Some(0.0),
            ..Collected::default()
        }
    }

    fn timings() -> Timings {
        let timeline = Timeline::default();
        timeline.pieces().extend([
            ("cc".to_owned(), collected(&[], 0.0, 4.0)),
            ("small".to_owned(), collected(&[], 0.0, 1.0)),
            ("lib".to_owned(), collected(&["cc"], 5.0, 9.0)),
            ("app".to_owned(), collected(&["cc", "lib", "small"], 9.0, 12.0)),
            ("beside".to_owned(), collected(&["cc"], 4.0, 5.0)),
            ("never".to_owned(), Collected { needs: vec!["app".to_owned()], ..Collected::default() }),
        ]);
        timeline.timings(1)
    }

    #[test]
    fn the_end_waited_for_the_critical_path() {
        let timings = timings();
        assert_eq!(timings.critical_path, ["cc", "lib", "app"]);
        assert_eq!((timings.seconds, timings.phases[&Phase::Step]), (12.0, 13.0));
        let names: Vec<_> = timings.pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["cc", "small", "beside", "lib", "app", "never"]);
    }

    #[test]
    fn what_was_ready_and_had_no_room_was_in_the_queue() {
        let timings = timings();
        let lib = timings.pieces.iter().find(|piece| piece.name == "lib").unwrap();
        assert_eq!(lib.spans[0], Span { phase: Phase::Queue, label: String::new(), begin: 4.0, end: 5.0 });
    }

    #[test]
    fn what_lies_in_a_span_is_not_counted_twice() {
        let span = |phase, begin, end| Span { phase, label: String::new(), begin, end };
        let spans = vec![span(Phase::Emit, 0.0, 10.0), span(Phase::Analyse, 1.0, 4.0), span(Phase::State, 10.0, 11.0)];
        let timeline = Timeline::default();
        timeline.pieces().insert("a".to_owned(), Collected { spans, end: Some((11.0, Ended::Done)), ..Collected::default() });
        let phases = timeline.timings(1).phases;
        assert_eq!([Phase::Emit, Phase::Analyse, Phase::State].map(|phase| phases[&phase]), [7.0, 3.0, 1.0]);
    }

    #[test]
    fn json_reads_back() {
        let timings = timings();
        let text = serde_json::to_string(&timings).unwrap();
        assert_eq!(serde_json::from_str::<Timings>(&text).unwrap(), timings);
    }

    #[test]
    fn a_failure_is_measured_too() {
        let timeline = Timeline::default();
        let failed: Result<(), ()> = timeline.piece("image x", Phase::Compose, || Err(()));
        assert!(failed.is_err());
        let timings = timeline.timings(1);
        assert_eq!((timings.pieces[0].ended, timings.pieces[0].spans.len()), (Some(Ended::Failed), 1));
    }
}
