"""A form with a part of JSON and a file."""

from __future__ import annotations

import json
import sys

import http3

meta = json.dumps({"title": "Report"})
with open("notes.txt", "rb") as notes:
    files: http3.RequestFiles = {"meta": ("meta.json", meta, "application/json"), "notes": notes}
    print(http3.post(f"{sys.argv[1]}/form", data={"user": "ada"}, files=files).json())
