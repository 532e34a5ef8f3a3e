"""Cases of the server kit: publications of Delta tables, Iceberg tables and objects.

Nothing is written to a lakehouse, so every publication is settled as failed: no server shall say that data is there.
"""

import hashlib

from contract.conformance.desk import TEMPLATE, Desk, Json, error_info, report_body
from contract.conformance.verdict import Register, require

CASES: Register[Desk] = Register()
FORMATS = ("delta", "iceberg", "object")
# The largest Iceberg snapshot id.
SNAPSHOT = 2**63 - 1


@CASES.case(
    "publication",
    "settles a publication once",
    "A report with a publication is routed to `publish`; a commit of a stale epoch is 409 `lease_lost`, of another "
    "output 404 `publication_not_found`; the same settlement again is accepted, another is 409 `publication_conflict`.",
)
def publication(desk: Desk) -> None:
    _, run = publishing(desk, "delta")
    report = desk.report(run, publications=[staged(run)])
    require(report["route"]["decision"] == "publish", f"it was routed to {report['route']['decision']}")
    place = f"/runs/{run['run_id']}/publications"
    failed = {"epoch": run["epoch"], "state": "failed", "error": error_info()}
    stale = failed | {"epoch": run["epoch"] + 5}
    desk.refused(409, "lease_lost", "POST", f"{place}/table/commit", stale)
    desk.refused(404, "publication_not_found", "POST", f"{place}/other/commit", failed)
    for _ in range(2):
        settled = desk.ok("POST", f"{place}/table/commit", failed)
        require(settled["state"] == "failed", f"the publication is {settled['state']}")
    other = {"epoch": run["epoch"], "state": "committed", "table_version": 7, "rows": 0}
    desk.refused(409, "publication_conflict", "POST", f"{place}/table/commit", other)
    again = desk.ok("POST", f"/runs/{run['run_id']}/report", report_body(run, publications=[staged(run)]))
    require(again["repeated"], "the report that was accepted is not repeated")


@CASES.case(
    "publication-formats",
    "records publications of each format",
    "Outputs of the formats delta, iceberg and object are told with the claim; a report that names them is recorded, "
    "with the time; each is settled once, and a commit at a version of 63 bits after that is 409 "
    "`publication_conflict`.",
)
def publication_formats(desk: Desk) -> None:
    for format in FORMATS:
        _, run = publishing(desk, format)
        told = run["outputs"][0]["format"]
        require(told == format, f"an output of format {format} was told as {told}")
        (recorded,) = desk.report(run, publications=[staged(run)])["publications"]
        marker = (f"{run['run_id']}/table", run["epoch"])
        found = (recorded["app_id"], recorded["app_version"])
        require(found == marker, f"the marker of format {format} is {found}, not {marker}")
        require(recorded.get("recorded_at"), f"the publication of format {format} does not say when it was recorded")
        place = f"/runs/{run['run_id']}/publications/table/commit"
        for _ in range(2):
            settled = desk.ok("POST", place, {"epoch": run["epoch"], "state": "failed", "error": error_info()})
            require(settled["state"] == "failed", f"the publication of format {format} is {settled['state']}")
        late = {"epoch": run["epoch"], "state": "committed", "table_version": SNAPSHOT, "rows": 0}
        desk.refused(409, "publication_conflict", "POST", place, late | {"location": "s3://conformance/kit"})


@CASES.case(
    "publication-wrong",
    "refuses a publication that is not as the run declares it",
    "Another format, mode or address than the claim told, and an object of two files or of none, are 422 "
    "`invalid_request`; nothing is recorded, and the right report is accepted afterwards.",
)
def publication_wrong(desk: Desk) -> None:
    for format in FORMATS:
        _, run = publishing(desk, format)
        good = staged(run)
        for wrong in unlike(good):
            body = report_body(run, publications=[good | wrong])
            desk.refused(422, "invalid_request", "POST", f"/runs/{run['run_id']}/report", body)
        accepted = desk.report(run, publications=[good])
        require(not accepted["repeated"], "a report that was refused is on record")
        failed = {"epoch": run["epoch"], "state": "failed", "error": error_info()}
        desk.ok("POST", f"/runs/{run['run_id']}/publications/table/commit", failed)


@CASES.case(
    "publication-capable",
    "gives a run with other outputs than Delta to an executor that publishes them",
    "An executor whose capability `publish` does not name the format of an output, or which has none, is not given the "
    "run; one that names it is.",
)
def publication_capable(desk: Desk) -> None:
    for format in ("iceberg", "object"):
        others = [other for other in FORMATS if other != format]
        submit(desk, format)
        for capabilities in ({}, {"publish": {"delta": "full"}}, {"publish": others}):
            found = desk.claim(desk.register(capabilities=capabilities), desk.wish())
            require(
                not found, f"a run that publishes {format} was given to an executor with {capabilities or 'nothing'}"
            )
        found = desk.claim(desk.register(capabilities={"publish": [format]}))
        require(found, f"a run that publishes {format} was not given to an executor that names it")


def submit(desk: Desk, format: str) -> None:
    """One more run in the kit's queue, with an output of this format."""
    output = {"name": "table", "format": format, "mode": "overwrite", "path": "conformance/kit"}
    desk.submit(template=f"{TEMPLATE}-{format}", outputs=[output])


def publishing(desk: Desk, format: str) -> tuple[str, Json]:
    """A new executor that publishes all formats, and the run with such an output that it holds."""
    executor_id = desk.register(capabilities={"publish": list(FORMATS)})
    submit(desk, format)
    found = desk.claim(executor_id)
    require(found, f"a run with an output of format {format} was not claimable by an executor that publishes it")
    return executor_id, found[0]


def staged(run: Json) -> Json:
    """A publication of a file that nobody wrote."""
    output = run["outputs"][0]
    of_object = output["format"] == "object"
    rows = 0 if of_object else 1
    file = {"path": "part-0.parquet", "size": 10, "sha256": hashlib.sha256(b"none").hexdigest(), "rows": rows}
    field = {"name": "a", "type": "long", "nullable": True, "metadata": {}}
    return {
        **{name: output[name] for name in ("format", "mode", "uri")},
        **{"output": output["name"], "files": [file], "rows": rows},
        "schema": {} if of_object else {"type": "struct", "fields": [field]},
    }


def unlike(good: Json) -> list[Json]:
    """What each differs in from the publication that is due."""
    formats = [{"format": other} for other in FORMATS if other != good["format"]]
    wrong = [*formats, {"mode": "create" if good["format"] == "object" else "append"}, {"uri": f"{good['uri']}/x"}]
    return [*wrong, {"files": []}, {"files": good["files"] * 2}] if good["format"] == "object" else wrong
