"""Word error rate, for tests that hear real speech."""

import re


def words(text):
    return re.findall(r"[a-z']+|\d+", text.lower().replace("’", "'"))


def word_error_rate(reference, heard):
    """Insertions, deletions and substitutions over the words of the reference."""
    want, got = words(reference), words(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(want, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1] / len(want)
