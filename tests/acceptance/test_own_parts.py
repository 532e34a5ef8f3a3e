"""The how-to for your own Postgres and S3, followed line by line on servers that are none of our stack's."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from deltalake import DeltaTable
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from tests.support.postgres import NEWEST, Cluster, Database
from tests.support.seaweed import Seaweed, free_ports, object_store
from tests.support.stack import BIN, ROOT, wait_until

__all__ = ["object_store"]

PAGE = "spec/docs/how-to/your-own-postgres-and-s3.md"
TASK = "spec/docs/how-to/write-a-task.md"


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Reader:
    """Somebody who follows the page in `folder`, with `words`: what the page calls things, and what they are here."""

    folder: Path
    words: dict[str, str]
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "PG", "AWS_"))}
        return kept | {"PATH": f"{BIN}:{self.programs}:{kept['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"}

    def own(self, text: str) -> str:
        for there, here in self.words.items():
            text = text.replace(there, here)
        return text

    def does(self, block: str, succeeds: bool = True) -> str:
        """Run one block of the page to its end; answers what it printed."""
        done = subprocess.run(
            ["sh", "-e", "-c", self.own(block)], cwd=self.folder, env=self.environment, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert (done.returncode == 0) == succeeds, f"{block}\n{done.stdout}\n{self.logs()}"
        assert "Traceback" not in done.stdout
        return done.stdout

    @contextmanager
    def leaves_running(self, block: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a block whose last line goes on, as in a terminal of its own."""
        *lines, last = self.own(block).strip().splitlines()
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-e", "-c", "\n".join([*lines, f"exec {last}"])], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in self.folder.glob("*.log"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    """A server that has never seen us, with an administrator who is no superuser."""
    server = Cluster(NEWEST)
    try:
        server.execute(SQL("create role admin login createrole"))
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres: Cluster) -> Iterator[Database]:
    """An empty database in which the administrator may create schemas."""
    name = postgres.create_database(template=None)
    postgres.execute(SQL("grant create on database {} to admin").format(Identifier(name)))
    yield Database(postgres.conninfo(name), NEWEST, postgres)
    postgres.drop_database(name)


@pytest.fixture
def reader(database: Database, object_store: Seaweed, tmp_path: Path) -> Reader:
    place = conninfo_to_dict(database.conninfo)
    [port] = free_ports(1)
    words = {
        "PGHOST=db.example.org PGDATABASE=lakehouse": f"PGHOST={place['host']} PGDATABASE={place['dbname']}",
        "OPS_PORT=8000": f"OPS_PORT={port}",
        "https://control-room.example.org": f"http://127.0.0.1:{port}",
        "https://s3.example.org": object_store.endpoint,
        "eu-central-1": "us-east-1",
        "ARTIFACTS-KEY": object_store.access_key,
        "ARTIFACTS-SECRET": object_store.secret_key,
        "LAKEHOUSE-KEY": object_store.access_key,
        "LAKEHOUSE-SECRET": object_store.secret_key,
    }
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert [there for there in words if there not in page] == []
    return Reader(tmp_path, words, database.cluster.binaries)


def write_the_files(reader: Reader) -> None:
    store, lakehouse, iceberg = blocks(PAGE, "json")
    assert json.loads(iceberg)["iceberg"]["kind"] == "iceberg"  # tried on a stack's own: test_stack_iceberg_keys.py
    for name, text in (("s3.json", store), ("connections.json", lakehouse)):
        (reader.folder / name).write_text(reader.own(text))
    (reader.folder / "words").mkdir()
    (reader.folder / "words" / "count.py").write_text(blocks(TASK, "python")[0])
    (reader.folder / "words.yaml").write_text(blocks(TASK, "yaml")[0])


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_the_page_can_be_followed_line_by_line_and_the_table_lies_below_its_root(
    reader: Reader, object_store: Seaweed
) -> None:
    migrate, login, tokens, server, executor, first_run, revoke = blocks(PAGE, "sh")
    told = reader.does(migrate + login + tokens)
    assert "tables live below s3://lakehouse/team_a" in told
    secrets = [(reader.folder / f"{name}.token").read_text().strip() for name in ("operator", "executor")]
    assert not any(secret in told for secret in secrets)
    assert {stat.S_IMODE(path.stat().st_mode) for path in reader.folder.glob("*.token")} == {0o600}
    write_the_files(reader)
    url = reader.words["https://control-room.example.org"]
    with reader.leaves_running(server, "server"):
        wait_until(lambda: answers(url), seconds=60, what=f"the server; {reader.logs()}")
        with reader.leaves_running(executor, "executor"):
            seen = first_run.split("control-room templates")[0]
            wait_until(lambda: " python " in reader.does(seen), seconds=60, every=0.5, what="the executor to register")
            told = reader.does(first_run)
            assert "succeeded" in told, told + reader.logs()
            reader.does(revoke)
        refused = httpx.get(
            f"{url}/executor/v1/bundles/{'0' * 64}", headers={"Authorization": f"Bearer {secrets[1]}"}, trust_env=False
        )
        assert refused.status_code == 401
    table = DeltaTable(
        "s3://lakehouse/team_a/examples/word_counts", storage_options=object_store.storage_options()
    ).to_pyarrow_table()
    counts = {row["word"]: row["occurrences"] for row in table.to_pylist()}
    assert counts == {"to": 2, "be": 2, "or": 1, "not": 1}


@pytest.fixture
def administrator(reader: Reader) -> Reader:
    """The reader once the schema is there."""
    reader.does(blocks(PAGE, "sh")[0])
    return reader


def as_admin(command: str) -> str:
    """The command with the page's variables of an administrator."""
    return blocks(PAGE, "sh")[0].splitlines()[0] + f"\ncontrol-room migrate {command}"


def test_a_token_file_is_never_overwritten_and_no_token_is_made_without_one(
    administrator: Reader, database: Database
) -> None:
    (administrator.folder / "kept").write_text("mine")
    told = administrator.does(as_admin("token me --role operator --output kept"), succeeds=False)
    assert "never overwritten" in told
    assert (administrator.folder / "kept").read_text() == "mine"
    with database.connect() as connection:
        assert connection.execute("select count(*) from ops.tokens").fetchone() == (0,)


def test_a_refused_token_leaves_no_file(administrator: Reader) -> None:
    told = administrator.does(
        as_admin("token me --role operator --workspace nowhere --output new.token"), succeeds=False
    )
    assert "there is no workspace 'nowhere'" in told
    assert "control-room workspaces ls" in told
    assert not (administrator.folder / "new.token").exists()


def test_a_token_is_printed_where_that_is_asked_for(administrator: Reader) -> None:
    made = json.loads(administrator.does(as_admin("token ci --role viewer --workspace default --output - --json")))
    assert {name: made[name] for name in ("name", "role", "workspaces")} == {
        "name": "ci", "role": "viewer", "workspaces": ["default"],
    }  # fmt: skip
    assert len(made["token"]) >= 40


def test_the_root_comes_from_the_environment_too_and_stays_until_it_is_set_again(
    administrator: Reader, database: Database
) -> None:
    def root() -> object:
        with database.connect() as connection:
            found = connection.execute("select ops.setting('lakehouse_root') #>> '{}'").fetchone()
            return found and found[0]

    assert root() == "s3://lakehouse/team_a"
    administrator.does(as_admin("apply"))
    assert root() == "s3://lakehouse/team_a"
    administrator.does("export OPS_LAKEHOUSE_ROOT=s3://lakehouse/team_b\n" + as_admin("apply"))
    assert root() == "s3://lakehouse/team_b"


@pytest.mark.parametrize("root", ["lakehouse", "s3://", "file:///tables", "s3://lakehouse/a//b", "s3://Lake/x"])
def test_a_root_that_is_no_place_for_tables_is_refused(administrator: Reader, root: str) -> None:
    told = administrator.does(as_admin(f"apply --lakehouse-root '{root}'"), succeeds=False)
    assert f"{root!r} is no place for tables" in told
