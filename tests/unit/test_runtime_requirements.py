"""What a requirements.txt may hold, and what pip's failures mean."""

from __future__ import annotations

import time

import pytest

from executors.runtime.failures import TaskError
from executors.runtime.requirements import (
    LONGEST_LINE,
    MOST_BYTES,
    environment_digest,
    parse_requirements,
    pip_failure,
    requirements_text,
)

A, B = "a" * 64, "b" * 64


def test_names_versions_markers_and_hashes_are_kept_and_all_else_that_is_no_option_is_dropped() -> None:
    text = f"""\ufeff# made by hand
six==1.17.0 \\
    --hash=sha256:{B} \\
    --hash=sha256:{A}
    # via somebody
Uvicorn[standard]==0.30.1 ; python_version >= "3.11"  --hash=sha256:{A}  # why
"""
    assert parse_requirements(text) == (
        f'Uvicorn[standard]==0.30.1 ; python_version >= "3.11" --hash=sha256:{A}',
        f"six==1.17.0 --hash=sha256:{A} --hash=sha256:{B}",
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_order_blanks_and_line_ends_make_no_other_environment(end: str) -> None:
    one = f"six==1.17.0 --hash=sha256:{A}{end}iniconfig==2.0.0 \\{end}  --hash=sha256:{B}{end}"
    other = f"iniconfig==2.0.0 --hash=sha256:{B}\n\n# x\nsix == 1.17.0   --hash=sha256:{A}\n"
    assert parse_requirements(one) == parse_requirements(other)


@pytest.mark.parametrize(
    "line", ["six", "six==1.17.0", "six>=1", f"six==1.0 --hash=md5:{A}", f"six==1.0 --hash=sha256:{A[1:]}"]
)
def test_what_has_no_hash_or_no_exact_version_is_refused_with_how_to_make_it(line: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_requirements(f"iniconfig==2.0.0 --hash=sha256:{A}\n{line}\n")
    assert caught.value.failure_class == "user"
    assert caught.value.code in ("requirements_unhashed", "requirements_invalid")
    assert "uv pip compile --generate-hashes" in caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        *(
            "-r /etc/passwd",
            "--requirement=/etc/passwd",
            "-c /etc/passwd",
            "--index-url http://evil/",
            "-i http://evil",
        ),
        *(
            "--extra-index-url=http://evil",
            "-f /srv",
            "--find-links /srv",
            "-e .",
            "--trusted-host evil",
            "--no-binary :all:",
        ),
        *(
            "six @ https://evil/six.whl",
            "./six.whl",
            "/srv/six.whl",
            "file:///srv/six.whl",
            "git+https://evil/six",
            "${HOME}",
        ),
        *("six==1.0 --config-settings=x=y", "six==1.* ", "six===1.0", "six==1.0 --global-option=x"),
    ],
)
def test_options_addresses_and_paths_are_refused(line: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_requirements(f"{line} --hash=sha256:{A}\n")
    assert (caught.value.failure_class, caught.value.code) == ("user", "requirements_invalid")


@pytest.mark.parametrize(
    "marker",
    [
        'python_version >= "3.11"',
        "python_version<'3.13' and (sys_platform == 'linux' or os_name != \"nt\")",
        "'linux' in sys_platform",
        'platform_machine not in "x86_64 aarch64"',
        "(python_full_version ~= '3.11.2' and extra == '') or implementation_name=='cpython'",
    ],
)
def test_markers_of_pep_508_are_kept(marker: str) -> None:
    line = f"six==1.0 ; {marker} --hash=sha256:{A}"
    assert parse_requirements(line) == (line,)


@pytest.mark.parametrize(
    "rest",
    [
        *('; python_version > "3" --global-option=x', '; python_version > "3 --no-binary=:all:"', "; -e ."),
        *("; python_version > '-x'", '; python_version == "${PIP_INDEX_URL}"', "; python_version == '$HOME'"),
        *(
            "; evil > '3'",
            "; python_version",
            "; (python_version > '3'",
            "; python_version > '3')",
            "; os_name == 'a' and",
        ),
        *("; os_name == 'a' os_name == 'b'", "; os_name == 'a\\'", "; ()", "[a -e .]", "[--pre]", "[a --pre]"),
    ],
)
def test_what_pip_would_take_for_an_option_or_a_variable_is_no_marker_and_no_extra(rest: str) -> None:
    line = f"six==1.0 {rest}" if rest.startswith(";") else f"six{rest}==1.0"
    with pytest.raises(TaskError) as caught:
        parse_requirements(f"{line} --hash=sha256:{A}\n")
    assert (caught.value.failure_class, caught.value.code) == ("user", "requirements_invalid")


HOSTILE = {
    "blanks": "a" + " " * (LONGEST_LINE - 10) + "x",
    "one word": "a" * (LONGEST_LINE - 10),
    "dashes": "a-" * 2000,
    "extras": "a[" + "a," * 2000,
    "parentheses": "a==1;" + "(" * 4000,
    "words": "a==1; python_version > 'a" + " a" * 2000,
    "hashes": "a==1" + " --hash=" * 500,
    "beyond": "a" * MOST_BYTES,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_line_holds_the_executor(name: str) -> None:
    """All threads of the executor wait while an expression is tried."""
    began = time.process_time()
    with pytest.raises(TaskError):
        parse_requirements(HOSTILE[name])
    assert time.process_time() - began < 0.5


def test_a_file_that_is_too_large_is_refused_and_not_cut() -> None:
    line = f"six==1.0 --hash=sha256:{A}\n".encode()
    assert parse_requirements(requirements_text(line))
    with pytest.raises(TaskError) as caught:
        requirements_text(line * (MOST_BYTES // len(line) + 1))
    assert caught.value.code == "requirements_invalid"


@pytest.mark.parametrize(
    ("output", "failure_class", "code"),
    [
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/six/\n"
            "ERROR: No matching distribution found for six==1.17.0\n",
            "external",
            "package_index_unreachable",
        ),
        ("ERROR: No matching distribution found for nix==9\n", "user", "requirements_not_found"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n",
            "user",
            "requirements_hash_mismatch",
        ),
        ("ERROR: ResolutionImpossible: for help visit\n", "user", "requirements_incomplete"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device\n", "resources", "disk_full"),
        ("Segmentation fault\n", "internal", "environment_failed"),
    ],
)
def test_pips_last_words_are_classified(output: str, failure_class: str, code: str) -> None:
    found = pip_failure(output, sdists=False)
    assert (found.failure_class, found.code) == (failure_class, code)


def test_a_digest_tells_requirements_interpreters_and_ways_to_build_apart() -> None:
    six = (f"six==1.17.0 --hash=sha256:{A}",)
    found = {
        environment_digest(six, ["CPython", "3.11.7"], sdists=False),
        environment_digest(six, ["CPython", "3.11.8"], sdists=False),
        environment_digest(six, ["CPython", "3.11.7"], sdists=True),
        environment_digest((), ["CPython", "3.11.7"], sdists=False),
    }
    assert len(found) == 4
