//! The nearest known key to a mistyped one.

/// The known word nearest to `word`, if it is near enough to be what was meant.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // A mistyped key is short; a long one is no typing error and would make the distance expensive.
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(2);
    known.map(|candidate| (distance(word, candidate), candidate)).filter(|(d, _)| *d <= allowed).min().map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let width = right.len() + 1;
    let mut cost = vec![0usize; (left.len() + 1) * width];
    for (column, slot) in cost[..width].iter_mut().enumerate() {
        *slot = column;
    }
    for row in 1..=left.len() {
        cost[row * width] = row;
        for column in 1..width {
            let same = usize::from(left[row - 1] != right[column - 1]);
            let mut best = cost[(row - 1) * width + column - 1] + same;
            best = best.min(cost[(row - 1) * width + column] + 1).min(cost[row * width + column - 1] + 1);
            if row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1] {
                best = best.min(cost[(row - 2) * width + column - 2] + 1);
            }
            cost[row * width + column] = best;
        }
    }
    cost[cost.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["interval_ticks", "floor_us", "gain", "liveness_ms"];
        assert_eq!(nearest("intervall_ticks", known.into_iter()), Some("interval_ticks"));
        assert_eq!(nearest("gian", known.into_iter()), Some("gain"));
        assert_eq!(nearest("liveness", known.into_iter()), None);
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), known.into_iter()), None);
        assert_eq!(nearest("", known.into_iter()), None);
    }
}
