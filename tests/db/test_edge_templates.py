"""Templates and code bundles."""

import pytest

from tests.support.ops import refused

BYTES = "ab" * 32


def test_an_unchanged_template_keeps_its_version_and_a_changed_one_gets_the_next(ops):
    operator = ops.token("operator")
    first = ops.template(operator)
    assert (first["version"], first["created"]) == (1, True)
    again = ops.template(operator)
    assert (again["version"], again["created"], again["digest"]) == (1, False, first["digest"])
    changed = ops.template(operator, description="better")
    assert (changed["version"], changed["created"]) == (2, True)
    assert ops.call("get_template", operator, "job", None)["versions"] == [1, 2]
    assert ops.call("get_template", operator, "job", 1)["spec"].get("description") is None


def test_going_back_to_a_former_spec_makes_a_new_newest_version(ops18):
    operator = ops18.token("operator")
    ops18.template(operator)
    ops18.template(operator, description="better")
    back = ops18.template(operator)
    assert (back["version"], back["created"]) == (3, True)


def test_the_order_of_keys_makes_no_new_version(ops18):
    operator = ops18.token("operator")
    ops18.template(operator, retry={"max_attempts": 2, "on": ["internal"]})
    assert not ops18.template(operator, retry={"on": ["internal"], "max_attempts": 2})["created"]


def test_templates_are_listed_in_their_newest_version(ops18):
    operator = ops18.token("operator")
    ops18.template(operator, "b")
    ops18.template(operator, "a")
    ops18.template(operator, "a", description="two")
    items = ops18.call("list_templates", ops18.token("viewer"))["items"]
    assert [(t["name"], t["version"]) for t in items] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("name", "change", "sqlstate"),
    [
        ("job", {"kind": "cobol"}, "OPV03"),
        ("job", {"name": "other"}, "OPV01"),
        ("../job", {"name": "../job"}, "OPV01"),
        ("job", {"workspace": "nowhere"}, "OPN07"),
        ("job", {"bundle": {"sha256": BYTES, "size": 1}}, "OPN06"),
    ],
)
def test_a_template_that_cannot_work_is_refused(ops18, name, change, sqlstate):
    spec = {"name": name, "kind": "python"} | change
    refused(sqlstate, ops18.call, "put_template", ops18.token("operator"), name, spec)


def test_unknown_templates_and_versions_are_not_found(ops18):
    operator = ops18.token("operator")
    ops18.template(operator)
    refused("OPN02", ops18.call, "get_template", operator, "nothing", None)
    refused("OPN02", ops18.call, "get_template", operator, "job", 9)


def test_viewers_and_executors_put_no_templates(ops18):
    for role in ("viewer", "executor"):
        refused("OPU02", ops18.call, "put_template", ops18.token(role), "job", {"name": "job", "kind": "python"})


def test_a_bundle_can_be_read_once_its_bytes_were_seen(ops):
    operator = ops.token("operator")
    begun = ops.call("put_bundle", operator, {"sha256": BYTES, "size": 10})
    key = f"default/sha256/ab/{BYTES}"
    assert begun == {"sha256": BYTES, "size": 10, "object_key": key, "already_stored": False}
    refused("OPN06", ops.call, "get_bundle", operator, BYTES)
    assert ops.call("put_bundle", operator, {"sha256": BYTES, "size": 10, "stored": True})["already_stored"]
    assert ops.call("put_bundle", operator, {"sha256": BYTES, "size": 10})["already_stored"]
    assert ops.call("get_bundle", operator, BYTES)["size"] == 10


def test_an_executor_reads_a_bundle_only_while_it_holds_a_run_that_uses_it(ops):
    operator, token, other = ops.token("operator"), ops.token("executor"), ops.token("executor")
    ops.call("put_bundle", operator, {"sha256": BYTES, "size": 10, "stored": True})
    ops.template(operator, bundle={"sha256": BYTES, "size": 10})
    ops.template(operator, "plain")
    ops.submit(operator, "plain")
    worker = ops.executor(token)
    ops.claim(token, worker)
    refused("OPN06", ops.call, "get_bundle", token, BYTES)
    run = ops.submit(operator)
    (claimed,) = ops.claim(token, worker)
    assert ops.call("get_bundle", token, BYTES)["size"] == 10
    refused("OPN06", ops.call, "get_bundle", other, BYTES)
    ops.call("cancel_run", operator, run["run_id"], {"reason": "test", "force": True})
    assert claimed["run_id"] == run["run_id"]
    refused("OPN06", ops.call, "get_bundle", token, BYTES)


def test_a_digest_alone_opens_no_bundle_of_another_workspace(ops18):
    operator = ops18.token("operator")
    ops18.call("put_workspace", operator, {"workspace": "lab"})
    ops18.call("put_bundle", operator, {"sha256": BYTES, "size": 10, "stored": True})
    lab, viewer = ops18.token("operator", workspaces=["lab"]), ops18.token("viewer", workspaces=["lab"])
    refused("OPN06", ops18.call, "get_bundle", viewer, BYTES)
    refused("OPU02", ops18.call, "put_bundle", lab, {"sha256": BYTES, "size": 10, "workspace": "default"})
    spec = {"name": "job", "kind": "python", "workspace": "lab", "bundle": {"sha256": BYTES, "size": 10}}
    refused("OPN06", ops18.call, "put_template", lab, "job", spec)
    # announcing it is not having it
    begun = ops18.call("put_bundle", lab, {"sha256": BYTES, "size": 10})
    assert (begun["already_stored"], begun["object_key"]) == (False, f"lab/sha256/ab/{BYTES}")
    refused("OPN06", ops18.call, "put_template", lab, "job", spec)
    ops18.call("put_bundle", lab, {"sha256": BYTES, "size": 10, "stored": True})
    assert ops18.call("put_template", lab, "job", spec)["created"]


@pytest.mark.parametrize("body", [{"sha256": "ab", "size": 1}, {"sha256": BYTES}, {"sha256": BYTES, "size": -1}, {}])
def test_a_bundle_needs_a_digest_and_a_size(ops18, body):
    refused("OPV01", ops18.call, "put_bundle", ops18.token("operator"), body)


def test_a_bundle_has_one_size(ops18):
    operator = ops18.token("operator")
    ops18.call("put_bundle", operator, {"sha256": BYTES, "size": 9})
    ops18.call("put_bundle", operator, {"sha256": BYTES, "size": 10, "stored": True})  # nothing was seen of size 9
    refused("OPC04", ops18.call, "put_bundle", operator, {"sha256": BYTES, "size": 11})
