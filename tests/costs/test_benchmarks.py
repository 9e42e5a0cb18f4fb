"""The benchmarks: their arithmetic, what they write, and one tiny round that really runs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path

import pytest
from benchmarks import (
    compare,
    environments,
    figures,
    plot,
    results,
    rows,
    runner,
    servers,
    summary,
    tables,
    workloads,
)
from benchmarks.clients import registry, seam
from benchmarks.workloads import Measured

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=servers.PLACES) is None, reason="nginx is not installed"
)


def affinity() -> set[int]:
    """The cores that this process may use, where the system tells."""
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


def measured(*cpu: float, slow: float = 0.002, memory: int = 50 << 20) -> list[Measured]:
    """One round each: ten requests for so many seconds of CPU."""
    return [Measured(seconds, 2 * seconds, 10, memory, slow / 2, slow) for seconds in cpu]


@pytest.fixture
def found() -> results.Results:
    """Three rounds of two workloads, and of imports."""
    get = runner.Found(
        {
            "http3": measured(1.0, 1.2, 4.0),
            "httpx": measured(4.0, 4.0, 5.0),
            "pycurl": measured(1.0, 1.0, 1.0),
        },
        {"socket": "why <not>"},
    )
    crowd = runner.Found(
        {"http3": measured(1.0, slow=0.1), "aiohttp": measured(2.0, slow=0.2), "our own 50": measured(0.5)},
        {},
    )
    imports = runner.Found({"http3": measured(0.3), "httpx": measured(0.9)}, {})
    return results.Results(
        "CPython",
        "Linux",
        {"http3": "1", "httpx": "2"},
        {"niquests": "No module"},
        {"get-sync": get, "get-1000-async": crowd, "import": imports},
    )


# --- arithmetic ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "per_cent", "expected"),
    [([], 50, 0), ([7], 99, 7), ([1, 2, 3, 4], 50, 2), (list(range(1, 101)), 99, 99), ([1, 2, 3], 99, 3)],
)
def test_percentile(values: list[float], per_cent: int, expected: float) -> None:
    assert workloads.percentile(values, per_cent) == expected


def test_the_median_is_one_that_was_measured() -> None:
    assert runner.median([3.0, 1.0, 2.0]) == 2.0
    assert runner.median([4.0, 1.0]) == 1.0


def test_ratios_pair_what_was_measured_in_the_same_round(found: results.Results) -> None:
    assert results.paired(found.rows["get-sync"], "httpx") == [0.25, 0.3, 0.8]
    assert results.paired(found.rows["get-1000-async"], "aiohttp", "slow") == [0.5]
    assert results.paired(found.rows["get-sync"], "socket") == []


def test_verdicts(found: results.Results) -> None:
    by_name = {row.name: row for row in rows.ROWS}
    judged = results.verdicts(by_name["get-sync"], found.rows["get-sync"])
    reached = {v.target.case: (v.measured, v.is_met) for v in judged if isinstance(v.target, rows.Beside)}
    assert reached == {"pycurl": (1.2, False), "httpx": (0.3, False)}  # and none for http.client
    crowd = results.verdicts(by_name["get-1000-async"], found.rows["get-1000-async"])
    assert [(v.measured, v.is_met) for v in crowd] == [(0.5, True), (2.0, False), (0.5, False)]
    (imports,) = results.verdicts(by_name["import"], found.rows["import"])
    assert imports.measured == pytest.approx(0.03)
    assert imports.is_met


def test_each_round_begins_with_another_case() -> None:
    orders = [runner.turns(["a", "b", "c"], number) for number in range(6)]
    assert {order[0] for order in orders} == {"a", "b", "c"}
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert runner.turns([], 3) == []


@pytest.mark.parametrize(("share", "times"), [(1.0, 1000), (0.5, 500), (0.0, 100)])
def test_a_part_of_a_workload(share: float, times: int) -> None:
    part = workloads.Workload("get", times=1000, at_once=50).part(share)
    assert (part.times, part.units) == (times, times)
    assert workloads.Workload("stream", "64m").part(share).units == 64


# --- what is measured ------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_rows_name_what_there_is(row: rows.Row) -> None:
    names = {*registry.LIBRARIES, *(name for name, _ in row.also)}
    assert all(target.case in names for target in row.targets if isinstance(target, rows.Beside))
    cases = row.cases(dict.fromkeys(registry.LIBRARIES, "python"), 1.0)
    assert rows.OURS in cases
    assert all(
        case.workload in workloads.WORKLOADS for case in cases.values() if isinstance(case, runner.Run)
    )


@pytest.mark.parametrize("name", registry.LIBRARIES)
def test_clients_have_all_verbs(name: str) -> None:
    library = registry.LIBRARIES[name]
    module = import_module(f"benchmarks.clients.{library.module}")
    for made, protocol in ((library.sync, seam.SyncClient), (library.asynchronous, seam.AsyncClient)):
        verbs = [verb for verb in vars(protocol) if not verb.startswith("_")]
        assert len(verbs) == 7
        assert not made or all(callable(getattr(getattr(module, made), verb)) for verb in verbs)


def test_figures_name_what_there_is() -> None:
    cases = [case for figure in figures.FIGURES for case in figure.cases]
    assert all(case.workload in workloads.WORKLOADS for case in cases if isinstance(case, runner.Run))


# --- what is written -------------------------------------------------------------------------------------


def test_the_tables(found: results.Results) -> None:
    text = tables.document(found)
    assert "| GET of 1 KiB, one after the other | 120 ms | 100 ms (1.20) | 400 ms (0.30) |" in text
    assert (
        "| GET of 1 KiB, one after the other, sync | httpx | 0.20 | **0.30** | 0.25 to 0.80 | **no** |"
        in text
    )
    assert "- niquests at all: No module" in text
    assert "- socket: get-sync: why <not>" in text


def test_the_plot_is_well_formed(found: results.Results) -> None:
    root = ET.fromstring(plot.drawing(summary.Summary.of(found)))
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    told = [text.text for text in root.iter(f"{space}text")]
    assert told == [
        "GET of 1 KiB, one after the other (CPU a request)",
        *("pycurl", "100 ms", "http3", "120 ms", "httpx", "400 ms"),
    ]
    ground, *bars = root.iter(f"{space}rect")
    lengths = [float(bar.get("width", 0)) for bar in bars]
    assert lengths[0] / lengths[2] == pytest.approx(0.25, abs=0.01)
    width, height = float(ground.get("width", 0)), float(ground.get("height", 0))
    assert all(float(bar.get("x", 0)) + float(bar.get("width", 0)) < width for bar in bars)
    assert all(0 < float(bar.get("y", 0)) < height for bar in bars)


def test_a_plot_of_nothing_is_well_formed() -> None:
    ET.fromstring(plot.drawing(summary.Summary("", {})))


def test_results_are_read_again(found: results.Results, tmp_path: Path) -> None:
    found.save(tmp_path / "one.json")
    again = results.Results(
        "CPython", "Linux", {"niquests": "3"}, {}, {"import": runner.Found({"http3": measured(0.2)}, {})}
    )
    again.save(tmp_path / "two.json")
    assert results.load([tmp_path / "one.json"]) == found
    both = results.load([tmp_path / "one.json", tmp_path / "two.json"])
    assert both.rows["get-sync"] == found.rows["get-sync"]
    assert both.rows["import"].measured == {"http3": measured(0.2)}
    assert both.missing == {}


def test_publishing_leaves_the_rest_of_the_page(found: results.Results, tmp_path: Path) -> None:
    page, tables_page, kept = (tmp_path / name for name in ("performance.md", "RESULTS.md", "measured.json"))
    for each in (page, tables_page):
        each.write_text(f"before\n{compare.BEGIN}\nold\n{compare.END}\nafter\n")
    found.save(tmp_path / "results.json")
    for _ in range(2):
        compare.publish([tmp_path / "results.json"], tmp_path, kept, tables_page)
    for each in (page, tables_page):
        text = each.read_text()
        assert text.startswith("before\n")
        assert text.endswith(f"\n{compare.END}\nafter\n")
        assert "old" not in text
    assert tables_page.read_text().count("### Goals") == 1
    assert (
        "| GET of 1 KiB, one after the other, sync | 120 ms |  |  | 3.3x |  | 0.83x |  |" in page.read_text()
    )
    assert summary.Summary.load(kept) == summary.Summary.of(found)
    ET.parse(tmp_path / "performance.svg")


def test_the_docs_show_what_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    shutil.copy(compare.DOCS / "performance.md", page)
    compare.show(tmp_path)
    assert page.read_text() == (compare.DOCS / "performance.md").read_text()
    assert (tmp_path / "performance.svg").read_text() == (compare.DOCS / "performance.svg").read_text()


def test_the_medians_that_are_kept_are_those_of_the_tables() -> None:
    text = compare.TABLES.read_text()
    for name, cpu in summary.Summary.load().cpu.items():
        row = summary.ROW_OF[name]
        _, _, group = text.partition(f"### {tables.GROUPS[row.group]}: CPU")
        (line, *_) = [line for line in group.splitlines() if line.startswith(f"| {row.title}")]
        for value in cpu.values():
            assert f"| {tables.seconds(value)}" in line, (name, value)


# --- really --------------------------------------------------------------------------------------------


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    program = registry.Program("import no_such_module", "", "")
    monkeypatch.setitem(registry.LIBRARIES, "none", registry.Library("ours", "", "", program, "no-such"))
    installed = environments.find_clients(["none", "http.client"], is_here=True)
    assert installed.missing == {"none": "ModuleNotFoundError: No module named 'no_such_module'"}
    assert list(installed.pythons) == ["http.client"]


@needs_nginx
def test_a_tiny_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed = environments.find_clients(["http3", "socket", "http.client"], is_here=True)
    chosen = [row for row in rows.ROWS if row.name in ("get-sync", "headers-sync", "json-sync")]
    cores = affinity()
    found = compare.measure(chosen, installed, 1, 0.01, tmp_path)
    assert affinity() == cores
    get = found.rows["get-sync"]
    assert list(get.measured) == ["http3", "socket", "http.client"]
    for (one,) in get.measured.values():
        assert one.units == workloads.WORKLOADS["get"].part(0.01).times
        assert 0 < one.cpu < 5
        assert 0 < one.middle <= one.slow < one.wall
        assert one.memory > 5 << 20
    assert found.rows["headers-sync"].failed == {"socket": "no headers"}
    assert found.rows["json-sync"].failed == {"socket": "no request bodies"}
    assert json.loads((tmp_path / "results.json").read_text())["versions"]["http3"]
    assert "GET of 1 KiB" in (tmp_path / "table.md").read_text()
    ET.parse(tmp_path / "plot.svg")
    assert "| http.client | 0.60 |" in capsys.readouterr().out
