"""The pure parts of the command executor: what may be started, what placeholders become, how an exit is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.command.allow import AllowList
from executors.command.config import parse_config
from executors.command.container import Container, inspect_arguments, remove_arguments, run_arguments
from executors.command.notes import note_of
from executors.command.order import place
from executors.command.placeholders import Values
from executors.command.settings import CommandSettings
from executors.command.verdict import failure
from executors.runtime.failures import TaskError
from executors.runtime.settings import SettingsError


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def refusal(allow: AllowList, name: str, bundle: Path | None = None) -> tuple[str, str]:
    with pytest.raises(TaskError) as refused:
        allow.resolve(name, bundle)
    return refused.value.code, refused.value.message


def test_a_program_is_allowed_by_its_path_and_not_by_what_it_leads_to(tmp_path: Path) -> None:
    many = program(tmp_path / "bin" / "busybox")
    (tmp_path / "bin" / "list").symlink_to(many)
    (tmp_path / "bin" / "remove").symlink_to(many)
    (tmp_path / "alias").symlink_to(tmp_path / "bin")
    allow = AllowList.of(f"{tmp_path}/alias/list")
    assert allow.resolve(f"{tmp_path}/bin/list", None) == f"{tmp_path}/bin/list"
    assert allow.resolve(f"{tmp_path}/bin/../alias/list", None) == f"{tmp_path}/bin/list"
    for other in ("remove", "busybox"):
        assert refusal(allow, f"{tmp_path}/bin/{other}")[0] == "program_not_allowed"


def test_a_link_that_was_turned_since_the_start_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "tool"
    link.symlink_to(program(tmp_path / "one"))
    allow = AllowList.of(str(link))
    link.unlink()
    link.symlink_to(program(tmp_path / "two"))
    assert refusal(allow, str(link))[0] == "program_changed"
    link.unlink()
    assert refusal(allow, str(link))[0] == "program_missing"


def test_links_and_dots_lead_to_no_program_beside_the_list(tmp_path: Path) -> None:
    allow = AllowList.of(f"{program(tmp_path / 'good')},bundle")
    (tmp_path / "bundle").mkdir()
    for name in (f"{tmp_path}/good/../evil", "../evil", "a/../../evil", "//bin/sh", ""):
        assert refusal(allow, name, tmp_path / "bundle")[0] in ("program_not_allowed", "program_missing"), name


@pytest.mark.parametrize(
    ("pattern", "image", "allowed"),
    [
        ("python:*", "python:3.11-slim", True),
        ("python:*", "python:3.11@sha256:ab", True),
        ("python:*", "python:5000/evil/miner:1", False),
        ("python*", "python.evil.example/miner", False),
        ("python*", "python", True),
        ("team*/tool:*", "team-a/tool:1", True),
        ("team*/tool:*", "team.evil.example/tool:1", False),
        ("l*/tool:*", "localhost/tool:1", False),
        ("registry.example:5000/tool:*", "registry.example:5000/tool:1", True),
        ("registry.example/*", "registry.example/tool:1", True),
        ("registry.example/*", "registry.example/team/tool:1", False),
        ("registry.example/tool:*", "registry.example/tool:5000/miner", False),
        ("*/tool:1", "registry.example/tool:1", True),
        ("*", "tool:1", True),
        ("*", "registry.example/tool:1", False),
    ],
)
def test_a_pattern_of_images_leads_to_no_other_registry(pattern: str, image: str, allowed: bool) -> None:
    allow = AllowList.of(f"image:{pattern}")
    if allowed:
        allow.check_image(image)
        return
    with pytest.raises(TaskError, match="is not on it"):
        allow.check_image(image)


@pytest.mark.parametrize("text", ["", " , ", "tool", "./tool", "/nowhere", "/etc/passwd", "/etc"])
def test_a_list_that_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="OPS_COMMAND_ALLOW"):
        AllowList.of(text)


@given(st.text(), st.text())
def test_a_value_stays_one_argument_whatever_it_holds(value: str, around: str) -> None:
    values = Values({"v": value})
    if "\x00" in value:
        with pytest.raises(TaskError):
            values.fill("{params.v}", "argument 1")
        return
    assert values.fill("{params.v}", "argument 1") == value
    assert values.fill("<{params.v}>{params.v}", "argument 1") == f"<{value}>{value}"


def test_values_are_shown_as_json_and_other_braces_are_text() -> None:
    values = Values({"n": 1.5, "yes": True, "none": None, "many": ["ä", 1], "nested": "{params.n}"}, {"in": "/x/0-in"})
    text = (
        "{params.n} {params.yes} [{params.none}] {params.many} {inputs.in} {print $1} {{x}} {param.n} {params.nested}"
    )
    assert values.fill(text, "x") == '1.5 true [] ["ä",1] /x/0-in {print $1} {{x}} {param.n} {params.n}'


@pytest.mark.parametrize(
    ("code", "options", "expected"),
    [
        (0, {}, None),
        (24, {"expected": (0, 24)}, None),
        (0, {"expected": (1,)}, ("user", "exit_code", "exit code 0, expected 1")),
        (3, {}, ("user", "exit_code", "exit code 3; the end of its stderr:\nfirst\nlast words")),
        (3, {"stderr": ""}, ("user", "exit_code", "nothing to stderr")),
        (137, {"oom": True}, ("resources", "out_of_memory", "memory_bytes")),
        (-9, {"oom": True}, ("resources", "out_of_memory", "memory_bytes")),
        (137, {}, ("user", "exit_code", "SIGKILL ended a program below it")),
        (-9, {}, ("internal", "killed_by_signal", "SIGKILL")),
        (-11, {}, ("user", "killed_by_signal", "SIGSEGV")),
        (127, {}, ("user", "exit_code", "exit code 127")),
        (127, {"image": "tool:1"}, ("user", "program_missing", "was not found in image tool:1")),
        (126, {"image": "tool:1"}, ("user", "program_missing", "may not be executed in image tool:1")),
        (125, {"image": "tool:1"}, ("external", "container_failed", "image tool:1 could not be started")),
    ],
)
def test_an_exit_is_told_by_class_code_and_words(
    code: int, options: dict[str, Any], expected: tuple[str, str, str] | None
) -> None:
    given = {"expected": (0,), "stderr": "first\n\nlast words\n", "oom": False, "image": None} | options
    stderr, wanted = given.pop("stderr"), given.pop("expected")
    error = failure("/bin/tool", code, wanted, stderr, **given)
    if expected is None:
        assert error is None
        return
    assert error is not None
    assert (error.failure_class, error.code) == expected[:2]
    assert expected[2] in error.message


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ('{"fraction": 0.5}', True),
        ('{"current": 1, "total": 2, "unit": "files", "message": "x"}', True),
        ('{"metric": "m", "value": 1}', True),
        ('{"metric": "", "value": 1}', False),
        ('{"metric": "m", "value": "1"}', False),
        ('{"metric": "m", "value": true}', False),
        ('{"metric": "m", "value": NaN}', False),
        ('{"metric": "m"}', False),
        ('{"fraction": "0.5"}', False),
        ('{"other": 1}', False),
        ("{}", False),
        ("[]", False),
        ("{", False),
        ("[" * 100_000, False),
    ],
)
def test_a_line_is_a_note_or_it_is_none(line: str, good: bool) -> None:
    assert (note_of(line.encode()) is not None) is good


CONTAINER = Container(
    "/usr/bin/docker",
    "control-room-r-1",
    "tool:1",
    "/runs/r-1/work",
    "1000:1000",
    memory_bytes=268435456,
    cpus=0.5,
    bundle_dir="/runs/r-1/bundle",
    inputs_dir="/runs/r-1/inputs",
    secret_names=["KEY"],
)


def test_a_container_has_the_runs_caps_no_network_no_privilege_and_nothing_writable_but_its_work() -> None:
    argv = run_arguments(CONTAINER, ["tool", "--x", "a b"], {"MODE": "fast", "KEY": "secret"}, stdin=False)
    flags = argv[: argv.index("tool:1")]
    for flag in (
        *("--memory=268435456b", "--memory-swap=268435456b", "--cpus=0.5", "--network=none", "--read-only"),
        *("--security-opt=no-new-privileges", "--cap-drop=ALL", "--user=1000:1000", "--pids-limit=1024"),
        *("--volume=/runs/r-1/work:/work:rw", "--volume=/runs/r-1/bundle:/bundle:ro"),
        *("--volume=/runs/r-1/inputs:/inputs:ro", "--name=control-room-r-1", "--workdir=/work", "--init"),
    ):
        assert flag in flags, flag
    assert argv[argv.index("tool:1") :] == ["tool:1", "--x", "a b"]
    assert "--entrypoint=tool" in flags
    assert "--privileged" not in argv
    assert "--interactive" not in argv
    assert "--interactive" in run_arguments(CONTAINER, ["tool"], {}, stdin=True)
    assert all(":rw" not in flag for flag in flags if flag.startswith("--volume") and "/work:rw" not in flag)


def test_a_secret_of_a_container_stands_in_no_argument() -> None:
    argv = run_arguments(CONTAINER, ["tool"], {"MODE": "fast", "KEY": "secret"}, stdin=False)
    assert {"--env=KEY", "--env=MODE=fast"} <= set(argv)
    assert not any("secret" in argument for argument in argv)


@pytest.mark.parametrize("name", ["PATH", "DOCKER_HOST", "LD_PRELOAD", "https_proxy"])
def test_a_secret_may_not_take_a_name_that_the_client_reads_itself(name: str) -> None:
    with pytest.raises(TaskError, match="take another one"):
        Container("/d", "n", "i", "/w", "1:1", secret_names=[name])


def test_a_container_is_asked_about_and_removed_by_its_name() -> None:
    assert inspect_arguments(CONTAINER) == [
        "/usr/bin/docker",
        "inspect",
        "--format={{.State.OOMKilled}}",
        CONTAINER.name,
    ]
    assert remove_arguments("/d", "n") == ["/d", "rm", "--force", "--volumes", "n"]


def job(**config: Any) -> dict[str, Any]:
    own = {"run_id": "r", "epoch": 3, "params": {"p": "x"}, "caps": {"memory_bytes": 1000}, "connections": {}}
    folders = {"work_dir": "/runs/r-3/work", "bundle_dir": None, "input_files": {"in": "/runs/r-3/inputs/0-in"}}
    return {**own, **folders, "config": {"argv": ["tool", "{params.p}", "{inputs.in}", "{outputs}"], **config}}


def test_an_image_needs_the_operators_word_twice_and_gets_paths_as_they_are_inside(tmp_path: Path) -> None:
    client = CommandSettings(containers=program(tmp_path / "docker"), cpus=2)
    for allow, settings, code in (
        ("image:tool:*", CommandSettings(), "containers_not_allowed"),
        ("bundle", client, "program_not_allowed"),
        ("image:other:*", client, "program_not_allowed"),
    ):
        with pytest.raises(TaskError) as refused:
            place(job(image="tool:1"), AllowList.of(allow), settings, {})
        assert refused.value.code == code
    document = job(image="tool:1", cpus=8)
    place(document, AllowList.of("image:tool:*"), client, {"DOCKER_HOST": "unix:///x"})
    assert document["command"]["argv"] == ["tool", "x", "/inputs/0-in", "/work/outputs"]
    container = Container(**document["command"]["container"])
    assert (container.name, container.cpus, container.memory_bytes) == ("control-room-r-3", 2, 1000)
    assert (container.network, container.inputs_dir) == ("none", "/runs/r-3/inputs")


def test_a_secret_goes_to_the_program_as_it_is_and_the_connections_go_nowhere() -> None:
    document = job(argv=["/bin/sh"], env={"KEY": {"secret": "partner.dsn"}, "P": "{params.p}"})
    document["connections"] = {"partner": {"dsn": "has {params.p} in it", "password": "other-secret"}}
    place(document, AllowList.of("/bin/sh"), CommandSettings(env="KEY, P"), {})
    assert document["command"]["env"] == {"KEY": "has {params.p} in it", "P": "x"}
    assert document["connections"] == {}
    assert "has {params.p} in it" in document["secrets"]


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"argv": "ls"}, "argv"),
        ({"argv": ["{params.p}"]}, "argv"),
        ({"env": {"a-b": "x"}}, "env.a-b"),
        ({"env": {"A": 1}}, "env.A"),
        ({"env": {"A": {"secret": "nodot"}}}, "env.A"),
        ({"exit_codes": []}, "exit_codes"),
        ({"exit_codes": [True]}, "exit_codes"),
        ({"exit_codes": [256]}, "exit_codes"),
        ({"stdin": 1}, "stdin"),
        ({"image": "--privileged"}, "image"),
        ({"cpus": 0}, "cpus"),
        ({"shell": "x"}, "shell"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_name(config: dict[str, Any], word: str) -> None:
    with pytest.raises(TaskError) as refused:
        parse_config(job(**config))
    assert (refused.value.code, f"config.{word} " in refused.value.message) == ("config_invalid", True)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"containers": "docker"}, "OPS_COMMAND_CONTAINERS"),
        ({"user": "root"}, "OPS_COMMAND_USER"),
        ({"env": "A, B C"}, "OPS_COMMAND_ENV"),
        ({"allow": "bundle,image:x", "containers": "/bin/sh"}, "`bundle` .* OPS_COMMAND_CONTAINERS"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        CommandSettings(**settings).checked()


@pytest.mark.parametrize("name", ["HOME", "OPENSSL_CONF", "LD_PRELOAD", "LANGUAGE", "XDG_CONFIG_HOME", "lang"])
@pytest.mark.parametrize("value", ["{bundle}/x", {"secret": "partner.dsn"}], ids=["text", "secret"])
def test_without_the_bundle_a_template_sets_no_variable_that_the_operator_did_not_name(name: str, value: Any) -> None:
    document = job(argv=["/bin/sh"], env={name: value})
    document["connections"] = {"partner": {"dsn": "long-enough-a-secret"}}
    document["bundle_dir"] = "/runs/r-3/bundle"
    with pytest.raises(TaskError, match=f"config.env.{name} .*OPS_COMMAND_ENV") as refused:
        place(dict(document), AllowList.of("/bin/sh"), CommandSettings(env="MODE"), {})
    assert refused.value.code == "config_invalid"
    for allow, settings in (("/bin/sh", CommandSettings(env=f"MODE,{name}")), ("/bin/sh,bundle", CommandSettings())):
        free = dict(document)
        place(free, AllowList.of(allow), settings, {})
        assert set(free["command"]["env"]) == {name}


def test_language_and_time_zone_may_always_be_set() -> None:
    document = job(argv=["/bin/sh"], env={"LANG": "C", "LC_ALL": "C.UTF-8", "LC_NUMERIC": "C", "TZ": "UTC"})
    place(document, AllowList.of("/bin/sh"), CommandSettings(), {})
    assert set(document["command"]["env"]) == {"LANG", "LC_ALL", "LC_NUMERIC", "TZ"}
