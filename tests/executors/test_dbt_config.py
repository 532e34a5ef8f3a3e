"""The dbt part of a template is checked before a process starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executors.dbt.config import SourceConfig, parse_config
from executors.dbt.executor import EXECUTOR
from executors.runtime.failures import TaskError

JOB: dict[str, Any] = {"inputs": [{"name": "orders"}], "outputs": [{"name": "totals"}], "params": {"day": 1}}


def test_a_config_with_everything_is_read_and_params_win_over_vars() -> None:
    config = parse_config(
        JOB
        | {
            "config": {
                "command": "run",
                "select": "a b",
                "exclude": ["c"],
                "vars": {"day": 0, "x": 1},
                "threads": 3,
                "full_refresh": True,
                "publish": {"totals": "m"},
                "sources": {"orders": {"columns": ["a"], "materialize": "view"}},
            }
        }
    )
    assert (config.command, config.select, config.exclude, config.threads) == ("run", ("a", "b"), ("c",), 3)
    assert config.vars == {"day": 1, "x": 1}
    assert config.full_refresh is True
    assert config.sources == {"orders": SourceConfig(("a",), "view")}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"comand": "build"}, "config.comand is unknown"),
        ({"command": "run-operation"}, "it takes one of build, run, test"),
        ({"threads": 0}, "whole number from 1 to 16"),
        ({"threads": True}, "whole number from 1 to 16"),
        ({"select": {"a": 1}}, "config.select must be a text or a list"),
        ({"select": ["--target", "prod"]}, "config.select must be"),
        ({"exclude": "a --vars x"}, "config.exclude must be"),
        ({"vars": []}, "config.vars must be a mapping"),
        ({}, "config.publish.totals is missing"),
        ({"publish": {"totals": "m", "other": "m"}}, "config.publish.other is not declared"),
        ({"publish": {"totals": "m"}, "sources": {"ghost": {}}}, "config.sources.ghost is not declared"),
        ({"publish": {"totals": "m"}, "sources": {"orders": {"materialize": "x"}}}, "it takes one of table, view"),
        ({"adapter": "hive"}, "it takes one of duckdb, trino, spark"),
        ({"adapter": "spark"}, "take the outputs out of the template"),
        ({"adapter": "trino"}, "take the outputs out of the template"),
        ({"publish": {"totals": "m"}, "schema": "marts"}, "config.schema is not for adapter duckdb"),
        ({"publish": {"totals": "m"}, "docs": "no"}, "config.docs must be true or false"),
        ({"publish": {"totals": "m"}, "defer": True}, "config.defer needs config.state"),
        ({"publish": {"totals": "m"}, "state": "yesterday"}, "it takes one of last_success"),
        ({"publish": {"totals": "m"}, "state": "last_success", "command": "docs generate"}, "of no use to docs"),
    ],
)
def test_a_wrong_config_is_refused_by_its_key(config: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError, match=words) as refused:
        parse_config(JOB | {"config": config})
    assert (refused.value.failure_class, refused.value.code) == ("user", "config_invalid")


@pytest.mark.parametrize("key", ["connection", "catalog", "schema"])
@pytest.mark.parametrize("value", ["{{ env_var('DBT_ENV_SECRET_TRINO_PASSWORD') }}", "{% set x = 1 %}", "a{b", "a}"])
def test_a_place_in_trino_is_a_name_and_no_jinja_that_could_tell_the_password(key: str, value: str) -> None:
    with pytest.raises(TaskError, match=f"config.{key} must be a text without braces"):
        parse_config({"config": {"adapter": "trino", key: value}})
    assert getattr(parse_config({"config": {"adapter": "trino", key: "marts"}}), key) == "marts"


@pytest.mark.parametrize(
    ("entrypoint", "code"), [("nowhere", "entrypoint_missing"), ("../", "entrypoint_outside_bundle")]
)
def test_a_bundle_without_the_project_is_refused(tmp_path: Path, entrypoint: str, code: str) -> None:
    job = {"bundle_dir": str(tmp_path), "entrypoint": entrypoint, "config": {}}
    with pytest.raises(TaskError) as refused:
        EXECUTOR.prepare(job)
    assert (refused.value.failure_class, refused.value.code) == ("user", code)


def test_what_the_executor_can_do_names_its_versions() -> None:
    assert EXECUTOR.capabilities()["dbt-core"].startswith("1.11")


def test_a_project_on_duckdb_gets_no_credentials_of_a_trino(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").touch()
    connections = {"trino": {"kind": "trino", "password": "p"}, "lake": {"kind": "s3"}}
    job = {"bundle_dir": str(tmp_path), "entrypoint": ".", "config": {}, "connections": connections}
    EXECUTOR.prepare(job)
    assert job["connections"] == {"lake": {"kind": "s3"}}


def test_a_project_gets_the_one_engine_that_it_is_on_and_no_keys_of_spark_s_drivers(tmp_path: Path) -> None:
    pytest.importorskip("dbt.adapters.spark", reason="dbt-spark is not installed (extra dbt-spark)")
    (tmp_path / "dbt_project.yml").touch()
    spark = {"kind": "spark", "remote": "sc://x", "token": "t", "properties": {"spark.hadoop.fs.s3a.secret.key": "k"}}
    connections = {"spark": spark, "other": spark, "trino": {"kind": "trino", "password": "p"}, "lake": {"kind": "s3"}}
    job = {"bundle_dir": str(tmp_path), "entrypoint": ".", "connections": connections}
    job["config"] = {"adapter": "spark", "schema": "marts"}
    EXECUTOR.prepare(job)
    kept = {"kind": "spark", "remote": "sc://x", "token": "t"}
    assert job["connections"] == {"spark": kept, "lake": {"kind": "s3"}}


@pytest.mark.parametrize(
    ("config", "connections", "code", "words"),
    [
        ({}, {"spark": {"kind": "spark", "remote": "sc://x"}}, "config_invalid", "config.schema is missing"),
        ({"schema": "marts"}, {}, "spark_undefined", "knows no Spark 'spark'"),
        ({"schema": "marts"}, {"spark": {"kind": "spark", "remote": ""}}, "spark_undefined", "no Spark Connect server"),
    ],
)
def test_a_project_on_spark_needs_a_schema_and_a_connect_server(
    tmp_path: Path, config: dict[str, Any], connections: dict[str, Any], code: str, words: str
) -> None:
    pytest.importorskip("dbt.adapters.spark", reason="dbt-spark is not installed (extra dbt-spark)")
    (tmp_path / "dbt_project.yml").touch()
    job = {"bundle_dir": str(tmp_path), "entrypoint": ".", "connections": connections}
    job["config"] = {"adapter": "spark", **config}
    with pytest.raises(TaskError, match=words) as refused:
        EXECUTOR.prepare(job)
    assert refused.value.code == code


def test_a_project_on_trino_needs_a_trino_that_the_executor_knows(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").touch()
    config = {"adapter": "trino", "connection": "warehouse"}
    job = {"bundle_dir": str(tmp_path), "entrypoint": ".", "config": config, "connections": {}}
    with pytest.raises(TaskError, match="declare a connection 'warehouse' of kind trino") as refused:
        EXECUTOR.prepare(job)
    assert (refused.value.failure_class, refused.value.code) == ("external", "trino_undefined")
