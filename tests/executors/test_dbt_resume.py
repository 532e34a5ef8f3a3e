"""A run goes on where another attempt at the same work ended, or does only what changed since the last success."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executors.dbt.checkpoint import wanted
from executors.runtime.earlier import MARK
from tests.executors.child_harness import ChildRun
from tests.executors.test_dbt_child import CLEAN, Shop, nodes_by_name, shop  # noqa: F401
from tests.executors.test_dbt_commands import Plant, statuses
from tests.support.seaweed import object_store, own_object_store  # noqa: F401

# Fails until the file is there, as a model does whose warehouse is away for a while.
LATE = "select meter, kwh from read_csv('{path}')"


class Late(Plant):
    """The model ``late`` fails until ``self.file`` is written; ``after`` depends on it, ``daily`` does not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "late.csv"
        self.files["models/late.sql"] = LATE.format(path=self.file)
        self.files["models/after.sql"] = "select sum(kwh) as kwh from {{ ref('late') }}"

    def mend(self) -> None:
        self.file.write_text("meter,kwh\na,7\n")


@pytest.fixture
def late(tmp_path: Path) -> Late:
    return Late(tmp_path)


def left_by(run: ChildRun, folder: Path) -> dict[str, Any]:
    """A run's artifacts as the runtime hands them to the next attempt."""
    files, folder = {}, folder / f"earlier-{len(list(folder.iterdir()))}"
    folder.mkdir()
    for name, data in run.artifacts.items():
        files[name] = str(folder / name.replace("/", "_"))
        Path(files[name]).write_bytes(data)
    metadata = {message["name"]: message["metadata"] for message in run.of("artifact")}
    return {"number": 41, "attempt": 1, "epoch": 1, "outcome": "failed", "files": files, "metadata": metadata}


def test_the_next_attempt_does_again_what_failed_and_keeps_the_rest(late: Late) -> None:
    first = late.run(docs=False)
    assert (first.code, statuses(first)["late"], statuses(first)["after"]) == (1, "error", "skipped")
    late.mend()
    earlier = {"attempts": left_by(first, late.folder)}
    (want,) = wanted(late.job({"docs": False, "command": "build"}))
    assert earlier["attempts"]["metadata"]["run_results.json"][MARK] == want.mark
    second = late.run(docs=False, job={"earlier": earlier, "attempt": 2})
    assert second.code == 0, second.messages[-1]
    told = [json.loads(m["text"])["name"] for m in second.of("log") if m["stream"] == "nodes"]
    assert set(told) == {"late", "after"}
    nodes = {node["name"]: node for node in second.result["nodes"]}
    assert set(nodes) == set(statuses(first))
    assert {name for name, node in nodes.items() if node.get("kept")} == set(nodes) - {"late", "after"}
    start = second.result["start"]
    assert (start["how"], start["again"], start["kept"]) == ("resumed", 2, 6)
    assert "goes on after run 41, attempt 1" in second.output
    whole = json.loads(second.artifacts["run_results.json"])["results"]
    assert {result["unique_id"].split(".")[2] for result in whole} == set(nodes)


def test_a_run_with_nothing_left_to_do_only_publishes(late: Late) -> None:
    late.mend()
    first = late.run(docs=False)
    assert first.code == 0
    earlier = left_by(first, late.folder)
    earlier["files"]["warehouse.duckdb"] = str(late.folder / "work-1" / "warehouse.duckdb")
    second = late.run(docs=False, job={"earlier": {"attempts": earlier}, "attempt": 2})
    assert second.code == 0, second.messages[-1]
    assert all(node["kept"] for node in second.result["nodes"])
    assert second.result["start"]["again"] == 0


def test_a_mended_project_does_what_failed_and_what_was_changed(late: Late) -> None:
    first = late.run(docs=False, job={"bundle": {"sha256": "a", "size": 1}})
    assert statuses(first)["late"] == "error"
    late.files["models/late.sql"] = "select 'a' as meter, 7 as kwh"
    late.files["models/daily.sql"] = "select meter, max(kwh) as kwh from {{ ref('hourly') }} group by 1"
    earlier = {"attempts": left_by(first, late.folder)}
    second = late.run(docs=False, job={"earlier": earlier, "bundle": {"sha256": "b", "size": 1}})
    assert second.code == 0, second.messages[-1]
    nodes = {node["name"]: node for node in second.result["nodes"]}
    done = {"late", "after", "daily", "unique_daily_meter", "meters"}
    assert {name for name, node in nodes.items() if not node.get("kept")} == done
    assert set(nodes) == set(statuses(first))
    assert "with another project" in second.result["start"]["why"]
    whole = json.loads(second.artifacts["run_results.json"])["results"]
    assert len(whole) == len(nodes)


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ({"attempts": {"number": 7, "attempt": 1, "files": {}}}, "run 7, attempt 1 had other config"),
        ({}, "ended from outside and left no results: everything runs"),
    ],
)
def test_an_attempt_that_cannot_go_on_runs_everything_and_says_why(
    late: Late, earlier: dict[str, Any], words: str
) -> None:
    late.mend()
    run = late.run("seed", docs=False, job={"earlier": earlier, "attempt": 2})
    assert run.code == 0
    assert words in run.result["start"]["why"]
    assert words in run.output


def test_another_config_param_or_input_is_other_work(plant: Plant) -> None:
    def mark(**change: Any) -> str | None:
        return wanted({**job, **change})[0].mark

    job = plant.job({"command": "build"}) | {"bundle": {"sha256": "a", "size": 1}, "params": {}, "inputs": []}
    assert mark(epoch=9, number=8, work_dir="/elsewhere", attempt=3, bundle=None) == mark()
    others = [
        mark(params={"day": 1}),
        mark(inputs=[{"name": "orders", "version": 2}]),
        mark(config={"command": "build", "select": "daily"}),
    ]
    assert len({mark(), *others}) == 4
    assert wanted({**job, "config": {"resume": False}}) == []
    assert wanted({**job, "config": {"command": "source freshness"}}) == []


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_only_what_changed_since_the_last_success_runs_and_what_depends_on_it(plant: Plant) -> None:
    first = plant.run(state="last_success", docs=False)
    assert first.code == 0
    assert "no run of this template has succeeded yet" in first.result["start"]["why"]
    assert len(first.result["nodes"]) == 6
    plant.files["models/daily.sql"] = "select meter, max(kwh) as kwh from {{ ref('hourly') }} group by 1"
    second = plant.run(state="last_success", docs=False, job={"earlier": {"success": left_by(first, plant.folder)}})
    assert second.code == 0, second.messages[-1]
    assert set(statuses(second)) == {"daily", "unique_daily_meter", "meters"}
    assert second.result["start"]["how"] == "modified"
    assert "what is modified since run 41 succeeded" in second.output


@pytest.mark.parametrize("tables", [["orders"], ["orders", "returns"]])
def test_inputs_that_the_first_project_did_not_name_are_read_by_the_mended_one(
    shop: Shop,  # noqa: F811
    tables: list[str],
) -> None:
    shop.config["docs"] = False
    shop.files["models/clean.sql"] = CLEAN.replace("'inputs'", "'lake'")
    (source,) = shop.schema["sources"]
    source |= {"name": "lake", "tables": [{"name": name} for name in tables]}
    inputs = [shop.job()["inputs"][0] | {"name": name} for name in tables]
    first = shop.run(bundle={"sha256": "a", "size": 1}, inputs=inputs)
    assert nodes_by_name(first)["clean"]["status"] == "error"
    assert "warehouse.duckdb" in first.artifacts
    source["name"] = "inputs"
    shop.files["models/clean.sql"] = CLEAN
    earlier = {"attempts": left_by(first, shop.folder)}
    shop.lake.work_dir = shop.folder / "again"
    shop.lake.work_dir.mkdir()
    second = shop.run(bundle={"sha256": "b", "size": 2}, inputs=inputs, earlier=earlier)
    assert second.code == 0, (second.messages[-1], second.output)
    assert "with another project" in second.result["start"]["why"]
    assert second.result["published"] == {"totals": 2}
