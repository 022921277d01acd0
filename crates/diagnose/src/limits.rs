//! What a path bears, as long and hard experiments have found it.

use model::probe::{Bracket, PathLimits};

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::{Check, Via};

/// Limits of the path to the URL, as far as they were tried.
pub fn limits(seen: &Examination) -> PathLimits {
    let cuts = seen.silent(Via::Url).filter_map(|hold| Some(hold.peer_end()?.silence));
    let cut = cuts.fold(None, |known: Option<Bracket>, silence| {
        let Bracket { from, to, count } = known.unwrap_or(Bracket { from: silence, to: silence, count: 0 });
        Some(Bracket { from: from.min(silence), to: to.max(silence), count: count + 1 })
    });
    let survived = seen.silent(Via::Url).filter(|hold| hold.is_open() && hold.peer_end().is_none());
    let (passed, failed) = seen.size_limit(Via::Url);
    let crowd = || seen.of(Check::Concurrency, Via::Url).flat_map(|made| &made.crowd);
    let count = |is_open: bool| crowd().filter(|one| one.is_open() == is_open).count() as u64;
    let has_crowd = crowd().next().is_some();
    PathLimits {
        silence_survived_seconds: survived.map(Attempt::lived).reduce(f64::max),
        silence_cut_seconds: cut,
        message_passed_bytes: (passed > 0).then_some(passed),
        message_failed_bytes: failed,
        connections_opened: has_crowd.then(|| count(true)),
        connections_refused: has_crowd.then(|| count(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{SILENT, Scene, URL, answer, crowd, cut_at, lives, sent, times};

    #[test]
    fn what_was_tried_is_told() {
        let refused = times(2, &answer(503));
        let opened = times(3, &answer(101));
        let seen = Scene::opened()
            .attempts([
                cut_at(URL, SILENT, 0.0, 59.9, Sign::Fin),
                cut_at(URL, SILENT, 2.3, 60.2, Sign::Fin),
                cut_at(URL, SILENT, 4.6, 60.0, Sign::Fin),
                lives(URL, SILENT, 0.0, 31.0),
                sent(URL, 1024, Ok(0.01)),
                sent(URL, 4096, Err(Some(Sign::Fin))),
                crowd(URL, [opened, refused].concat()),
            ])
            .seen();
        let expected = PathLimits {
            silence_survived_seconds: Some(31.0),
            silence_cut_seconds: Some(Bracket { from: 59.9, to: 60.2, count: 3 }),
            message_passed_bytes: Some(1024),
            message_failed_bytes: Some(4096),
            connections_opened: Some(3),
            connections_refused: Some(2),
        };
        assert_eq!(limits(&seen), expected);
        assert_eq!(limits(&Scene::opened().seen()), PathLimits::default(), "nothing was tried");
    }
}
