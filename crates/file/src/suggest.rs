//! Suggestions: which of the possible words was probably meant.

/// Returns the word most like what was written, when one is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.chars().take(64).flat_map(char::to_lowercase).collect::<Vec<char>>();
    let written = plain(written);
    let bearable = match written.len() {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    words
        .into_iter()
        .map(|word| (distance(&written, &plain(word)), word))
        .filter(|(distance, word)| *distance <= bearable && *distance < word.chars().count().max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Counts insertions, deletions, replacements and swaps of neighbours; `-` and `_` count as the same.
fn distance(a: &[char], b: &[char]) -> usize {
    let same = |x: char, y: char| x == y || (matches!(x, '-' | '_') && matches!(y, '-' | '_'));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(!same(x, y))).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(x, b[j - 1]) && same(a[i - 1], y) {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        let words = ["topics", "agents", "retry_policies", "subscriptions"];
        assert_eq!(nearest("topcis", words), Some("topics"));
        assert_eq!(nearest("Agents", words), Some("agents"));
        assert_eq!(nearest("retry-policies", words), Some("retry_policies"));
        assert_eq!(nearest("subscribtions", words), Some("subscriptions"));
        assert_eq!(nearest("database", words), None);
        assert_eq!(nearest("", words), None);
    }
}
