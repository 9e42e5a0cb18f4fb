"""The clients that are measured, all behind the same few verbs: see `seam`; who is there says `registry`."""

from __future__ import annotations
