"""A form with a part of JSON and a file."""

from __future__ import annotations

import json
import sys

import httpx

meta = json.dumps({"title": "Report"})
with open("notes.txt", "rb") as notes:
    parts = {"meta": ("meta.json", meta, "application/json")}
    print(httpx.post(f"{sys.argv[1]}/form", data={"user": "ada"}, files={**parts, "notes": notes}).json())
