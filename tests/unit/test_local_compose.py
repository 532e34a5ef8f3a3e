"""The secrets of compose: made once, at random, and each only where it is needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from control_room.errors import ControlRoomError
from control_room.local import compose, compose_engines, objectstore
from control_room.local.compose import make_secrets
from control_room.local.compose_volumes import Volumes

COMPOSE = Path(__file__).parents[2] / "infra" / "compose.yaml"


# What the executor of an engine has beside that.
OF_ENGINES = {
    "trino": ["trino.password"],
    "spark": ["spark.token", "spark-driver.properties"],
    "dbt": ["trino.password", "spark.token"],
}
OPEN = {"postgres.password", "ca.pem"}


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    found = Volumes(tmp_path / "secrets", tmp_path / "store")
    engines = (found.trino_server, found.trino_data, found.trino_authority, found.spark_server)
    for folder in (found.database, found.server, found.operator, *engines, *map(found.executor, found.kinds)):
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
        assert sorted(held) == sorted(["connections.json", "token", *OF_ENGINES.get(kind, ())])
        text = "".join(held.values())
        assert not any(password.strip() in text for password in passwords)
        assert owner["secret_key"] not in text
        assert not any(token in text for token in tokens if token != held["token"])


def test_connections_lead_to_the_store_by_a_name_that_browsers_know_too(volumes: Volumes) -> None:
    make_secrets(volumes)
    found = json.loads((volumes.executor("dbt") / "connections.json").read_text())
    assert found[objectstore.LAKEHOUSE]["endpoint"] == "http://objectstore.localhost:8333"
    catalog = found[objectstore.ICEBERG]["catalog"]
    assert catalog["uri"] == "http://objectstore.localhost:8181"
    assert catalog["oauth2-server-uri"] == "http://objectstore.localhost:8181/v1/oauth/tokens"
    assert "127.0.0.1" not in json.dumps(found)


def test_secrets_are_read_by_their_owner_alone_but_for_the_one_that_postgres_reads(volumes: Volumes) -> None:
    make_secrets(volumes)
    loose = {path.name for path in volumes.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert loose == OPEN


def test_an_engine_s_server_knows_its_own_executor_and_its_keys_are_in_one_place_of_its_volume(
    volumes: Volumes,
) -> None:
    make_secrets(volumes)
    key = json.loads((volumes.store / "secrets" / objectstore.ENGINES_KEY).read_text())
    held = everything(volumes.trino_server)
    assert {name for name, text in held.items() if key["secret_key"] in text} == {"environment"}
    password = (volumes.executor("trino") / "trino.password").read_text().strip()
    assert not any(password in text for text in held.values())  # a digest of it is
    assert "executor:" in held["passwords.db"]
    assert "http-server.https.keystore.path=/etc/trino/server.pem" in held["config.properties"]
    assert (volumes.trino_data / "tmp").is_dir()
    token = (volumes.executor("spark") / "spark.token").read_text().strip()
    assert token in (volumes.spark_server / "environment").read_text()
    of_dbt = everything(volumes.executor("dbt"))
    assert (of_dbt["trino.password"].strip(), of_dbt["spark.token"].strip()) == (password, token)
    for kind in set(volumes.kinds) - {"trino", "spark", "dbt"}:
        text = "".join(everything(volumes.executor(kind)).values())
        assert password not in text
        assert token not in text


def test_trino_s_certificate_is_for_its_name_in_the_network(volumes: Volumes) -> None:
    make_secrets(volumes)
    found = x509.load_pem_x509_certificate((volumes.trino_server / "trino.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [compose_engines.TRINO_HOST]


def test_the_heap_of_an_engine_is_the_operator_s_word(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRINO_HEAP", "3G")
    make_secrets(volumes)
    assert "-Xmx3072M" in (volumes.trino_server / "jvm.config").read_text()
    monkeypatch.setenv("SPARK_HEAP", "lots")
    with pytest.raises(ControlRoomError, match="lots"):
        make_secrets(volumes)


def test_what_a_shell_sources_it_reads_as_it_was(tmp_path: Path) -> None:
    odd = 'a\'b $HOME `id` "c"'
    (tmp_path / "environment").write_text(compose_engines.exports({"ODD": odd}))
    told = subprocess.run(
        ["sh", "-c", '. ./environment && printf %s "$ODD"'], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.stdout == odd


def test_an_unknown_step_is_refused_with_the_known_ones(capsys) -> None:
    assert compose.main(["pasword"]) == compose.MISUSE
    assert "secrets, database, trino" in capsys.readouterr().err


def services() -> dict[str, dict]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_no_executor_reaches_the_database_or_holds_what_opens_it() -> None:
    kinds = set(Volumes().kinds)
    built = {name: one for name, one in services().items() if "executor" in str(one.get("build", {}).get("dockerfile"))}
    assert built.keys() == kinds | {"spark-server"}  # of the same image
    assert all(one["networks"] == ["control"] for one in built.values())
    for name in kinds:
        one = built[name]
        assert not any(key.startswith(("PG", "POSTGRES")) for key in one["environment"])
        mounted = {volume.split(":")[0] for volume in one["volumes"]}
        assert mounted == {
            f"secrets-executor-{name}",
            "/work",
            *({"trino-authority"} if name in ("trino", "dbt") else ()),
        }


def test_our_services_are_hardened() -> None:
    for name in ("server", "objectstore", "trino-server", "spark-server", *Volumes().kinds):
        one = services()[name]
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["mem_limit"]


def test_objects_of_gigabytes_pass_the_server_on_a_disk_and_not_in_its_memory() -> None:
    server = services()["server"]
    assert server["environment"]["TMPDIR"] in server["volumes"]
    assert not any(place.startswith(server["environment"]["TMPDIR"]) for place in server["tmpfs"])


def test_engines_start_by_their_profiles_alone_and_after_their_servers_are_well() -> None:
    found = services()
    profiles = {name: one["profiles"] for name, one in found.items() if "profiles" in one}
    assert profiles == {
        "cli": ["tools"],
        "command": ["command"],
        **{name: ["trino"] for name in ("trino", "trino-server", "trino-ready")},
        **{name: ["spark"] for name in ("spark", "spark-server")},
    }
    assert found["trino"]["depends_on"]["trino-ready"] == {"condition": "service_completed_successfully"}
    assert found["trino-ready"]["depends_on"] == {"trino-server": {"condition": "service_healthy"}}
    assert found["spark"]["depends_on"]["spark-server"] == {"condition": "service_healthy"}


def test_every_port_is_published_on_this_machine_alone() -> None:
    ports = [port for one in services().values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
