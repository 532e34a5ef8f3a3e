"""The secrets of compose: made once, at random, and each only where it is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from control_room.local import compose, objectstore
from control_room.local.compose import Volumes, make_secrets

COMPOSE = Path(__file__).parents[2] / "infra" / "compose.yaml"


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    found = Volumes(tmp_path / "secrets", tmp_path / "store")
    for folder in (found.database, found.server, found.operator, *map(found.executor, found.kinds)):
        folder.mkdir(parents=True)
    found.store.mkdir()
    return found


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_second_start_makes_nothing_anew(volumes: Volumes) -> None:
    make_secrets(volumes)
    first = everything(volumes.root), everything(volumes.store)
    make_secrets(volumes)
    assert (everything(volumes.root), everything(volumes.store)) == first


def test_an_executor_has_its_own_token_and_nothing_of_the_database(volumes: Volumes) -> None:
    make_secrets(volumes)
    passwords = {(volumes.database / "postgres.password").read_text(), (volumes.server / "server.password").read_text()}
    assert len(passwords) == 2
    tokens = [(volumes.executor(kind) / "token").read_text() for kind in volumes.kinds]
    assert len(set(tokens)) == len(tokens)
    owner = json.loads((volumes.server / "s3.json").read_text())
    for kind in volumes.kinds:
        held = everything(volumes.executor(kind))
        assert sorted(held) == ["connections.json", "token"]
        text = "".join(held.values())
        assert not any(password.strip() in text for password in passwords)
        assert owner["secret_key"] not in text
        assert not any(token in text for token in tokens if token != held["token"])


def test_connections_lead_to_the_store_by_a_name_that_browsers_know_too(volumes: Volumes) -> None:
    make_secrets(volumes)
    found = json.loads((volumes.executor("dbt") / "connections.json").read_text())
    assert found[objectstore.LAKEHOUSE]["endpoint"] == "http://objectstore.localhost:8333"


def test_secrets_are_read_by_their_owner_alone_but_for_the_one_that_postgres_reads(volumes: Volumes) -> None:
    make_secrets(volumes)
    loose = {path.name for path in volumes.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert loose == {"postgres.password"}


def test_an_unknown_step_is_refused_with_the_known_ones(capsys) -> None:
    assert compose.main(["pasword"]) == compose.MISUSE
    assert "secrets, database" in capsys.readouterr().err


def services() -> dict[str, dict]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_no_executor_reaches_the_database_or_holds_what_opens_it() -> None:
    kinds = set(Volumes().kinds)
    found = {name: one for name, one in services().items() if "executor" in str(one.get("build", {}).get("dockerfile"))}
    assert found.keys() == kinds
    for name, one in found.items():
        assert one["networks"] == ["control"]
        assert not any(key.startswith(("PG", "POSTGRES")) for key in one["environment"])
        mounted = {volume.split(":")[0] for volume in one["volumes"]}
        assert mounted == {f"secrets-executor-{name}", "/work"}


def test_our_services_are_hardened() -> None:
    for name in ("server", "objectstore", *Volumes().kinds):
        one = services()[name]
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["mem_limit"]


def test_every_port_is_published_on_this_machine_alone() -> None:
    ports = [port for one in services().values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
