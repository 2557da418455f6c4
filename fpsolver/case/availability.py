"""What this version reads and checks but cannot solve yet. When a solver arrives, its line here goes."""

from __future__ import annotations

UNAVAILABLE: dict[str, str] = {  # "section", "section.key" (unless at its default) or "section.key=value": remedy
    "loss.table": "write loss.expression, or loss.per_sample with [data]",
    "loss.python": "write loss.expression, or loss.per_sample with [data]",
    "noise.covariance=table": 'write "samples" or a matrix of expressions',
}

NOT_TOGETHER: dict[tuple[str, str], str] = {  # sections that are available, but not in one case
    ("boundary", "entropy"): "what leaves is no part of an entropy; remove one of the two sections",
    ("boundary", "schedule"): "remove one of the two sections",
    ("schedule", "entropy"): "with noise that changes there is no stationary density to compare with; remove one",
    ("schedule", "splitting"): "shares are those of the noise in [noise]; remove one of the two sections",
    ("momentum", "schedule"): "remove one of the two sections",
}
