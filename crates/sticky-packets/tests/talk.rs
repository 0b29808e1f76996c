//! Chapter 4's `talk` and the one that is mended, line by line.
//!
//! Comments and tests are left out, because they tell of the difference. What remains is in
//! `talk.diff`, which the page shows.

const BEFORE: &str = include_str!("../../tcp-chat/src/talk.rs");
const AFTER: &str = include_str!("../src/talk.rs");
const DIFFERENCE: &str = include_str!("talk.diff");

#[test]
fn talk_is_chapter_4s_but_for_three_calls() {
    let difference = difference(&code(BEFORE), &code(AFTER));
    assert_eq!(difference, DIFFERENCE, "\n--- it should be ---\n{difference}---");
    // A call that writes, another, and one that reads.
    let calls = |mark: char| {
        let lines = difference.lines().filter(move |line| line.starts_with(mark));
        lines.filter(|line| line.contains("self.connection")).count()
    };
    assert_eq!((calls('-'), calls('+')), (3, 3));
    assert_eq!(difference.lines().filter(|line| line.starts_with('+')).count(), 3 + 2);
}

/// The lines that do something.
fn code(file: &str) -> Vec<&str> {
    let lines = file.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).collect()
}

/// What must be taken out of `a` and put in to make `b`: the longest common subsequence stays.
fn difference(a: &[&str], b: &[&str]) -> String {
    let mut common = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            text += &format!("-{}\n", a[i]);
            i += 1;
        } else {
            text += &format!("+{}\n", b[j]);
            j += 1;
        }
    }
    text
}
