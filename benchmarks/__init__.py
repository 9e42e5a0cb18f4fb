"""What http3 costs, measured beside others on one machine. See README.md; run ``python -m benchmarks``."""

from __future__ import annotations
