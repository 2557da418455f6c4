"""Sections that do not go together in one case."""

from __future__ import annotations

NOT_TOGETHER: dict[tuple[str, str], str] = {  # two sections: remedy
    ("boundary", "entropy"): "what leaves is no part of an entropy; remove one of the two sections",
    ("boundary", "schedule"): "remove one of the two sections",
    ("schedule", "entropy"): "with noise that changes there is no stationary density to compare with; remove one",
    ("schedule", "splitting"): "shares are those of the noise in [noise]; remove one of the two sections",
    ("boundary", "concentration"): "its bounds are those of a closed domain; remove one of the two sections",
    ("schedule", "concentration"): "its bounds are those of the noise in [noise]; remove one of the two sections",
    ("momentum", "schedule"): "remove one of the two sections",
}
