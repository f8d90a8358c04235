"""Mining as it is written in the paper: dense, in float64, one pair at a time. The tests hold the library to it."""

import numpy as np


def unit(x):
    wide = np.asarray(x, dtype=np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def cosines(x, y):
    return unit(x) @ unit(y).T


def top(similarity, k):
    """Per row: the columns of the k greatest, greatest first, ties by the lower column; -inf is nothing."""
    lines = similarity.tolist()
    return [sorted((j for j in range(len(row)) if row[j] > -np.inf), key=lambda j: (-row[j], j))[:k] for row in lines]


def mean_of(values):
    return sum(values) / len(values) if len(values) else np.nan


def score_of(cosine, a, b, kind):
    if kind == "cosine":
        return cosine
    middle = (a + b) / 2
    if kind == "distance":
        return cosine - middle
    return cosine / middle if middle > 0 else -np.inf


def best_of(similarity, k, kind, forbidden=()):
    """The pairs that side a and that side b propose, and every pair's score; ``forbidden`` pairs are neighbours, no more."""
    forward, backward = top(similarity, k), top(similarity.T, k)
    mean_a = [mean_of([similarity[i, j] for j in row]) for i, row in enumerate(forward)]
    mean_b = [mean_of([similarity[i, j] for i in row]) for j, row in enumerate(backward)]
    score = lambda i, j: score_of(similarity[i, j], mean_a[i], mean_b[j], kind)  # noqa: E731
    a_proposes, b_proposes = {}, {}
    for i, row in enumerate(forward):
        allowed = [j for j in row if (i, j) not in forbidden and score(i, j) > -np.inf]
        if allowed:
            best = max(allowed, key=lambda j: score(i, j))  # the first of equals
            a_proposes[i, best] = score(i, best)
    for j, row in enumerate(backward):
        allowed = [i for i in row if (i, j) not in forbidden and score(i, j) > -np.inf]
        if allowed:
            best = max(allowed, key=lambda i: score(i, j))
            b_proposes[best, j] = score(best, j)
    return a_proposes, b_proposes


def candidates(similarity, k, kind, retrieval, forbidden=()):
    a, b = best_of(similarity, k, kind, forbidden)
    return {
        "forward": a,
        "backward": b,
        "union": {**a, **b},
        "intersection": {pair: value for pair, value in a.items() if pair in b},
    }[retrieval]


def greedy(scores):
    """One-to-one pairs, best score first, ties by rows."""
    used_a, used_b, taken = set(), set(), []
    for i, j in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            taken.append((i, j))
    return taken


def tune(scores, gold, total):
    """Every threshold tried: each candidate's score, each midpoint."""
    best = (0.0, np.inf)
    for cut in sorted(set(scores), reverse=True):
        accepted = [g for s, g in zip(scores, gold, strict=True) if s >= cut]
        f1 = 2 * sum(accepted) / (len(accepted) + total)
        if f1 > best[0]:
            below = [s for s in scores if s < cut]
            best = (f1, (cut + max(below)) / 2 if below else cut)
    return best
