"""What this version reads and checks but cannot solve yet. When a solver arrives, its line here goes."""

from __future__ import annotations

UNAVAILABLE: dict[str, str] = {  # "section", "section.key" (unless at its default) or "section.key=value": remedy
    "simulation": "remove the section",
}

NOT_TOGETHER: dict[tuple[str, str], str] = {  # sections that are available, but not in one case
    ("boundary", "entropy"): "what leaves is no part of an entropy; remove one of the two sections",
    ("boundary", "schedule"): "remove one of the two sections",
    ("schedule", "entropy"): "with noise that changes there is no stationary density to compare with; remove one",
    ("schedule", "splitting"): "shares are those of the noise in [noise]; remove one of the two sections",
    ("boundary", "concentration"): "its bounds are those of a closed domain; remove one of the two sections",
    ("schedule", "concentration"): "its bounds are those of the noise in [noise]; remove one of the two sections",
    ("momentum", "schedule"): "remove one of the two sections",
}
