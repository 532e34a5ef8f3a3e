"""The rules of the state machine: each calls a verb, asks the model, and holds the two together."""

from __future__ import annotations

import json
import uuid
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from psycopg.types.json import Jsonb

from tests.db.machine_room import TOKENS, MachineRoom
from tests.support.core import publication, report
from tests.support.machine_parts import Json, Refusal

ANY = st.integers(0, 40)
WORKER = st.integers(0, len(TOKENS) - 1)
# Whose hands: the holder's, those of another executor of the same or of another token.
HANDS = st.sampled_from(["own"] * 6 + ["other", "another"])
KEYS = st.sampled_from([None] * 6 + ["k1", "k2"])
TEMPLATE = st.sampled_from(
    ["job", "table", "keyed", "table", "keyed", "later", "table", "unsafe", "flow", "tight", "tight"]
)
REPORT = st.fixed_dictionaries(
    {
        "which": ANY,
        "hands": HANDS,
        "kind": st.sampled_from(["succeeded"] * 4 + ["external"] * 2 + ["user", "cancelled", "capped"]),
        "key": st.sampled_from([None] * 6 + ["shared"]),
        "extra": st.integers(0, 1),
    }
)


class QueueMachine(MachineRoom):
    """The rules."""

    @initialize(templates=st.lists(TEMPLATE, min_size=3, max_size=7), held=st.integers(0, 4))
    def set_up(self, templates: list[str], held: int) -> None:
        """A room at work: some runs are there, and some of them are held."""
        self.open_room()
        self.submit_first()
        for template in templates:
            self.submit_one(template, 0, None, None, None)
        if held:
            self.claim(0, held, None, 0)

    def submit_first(self) -> None:
        """What is there before the first run of `set_up`."""

    # Operator -------------------------------------------------------------------------------------------------

    @rule(
        template=TEMPLATE,
        priority=st.sampled_from([0, 0, 5]),
        later=st.sampled_from([None, None, None, 5, 45]),
        deadline=st.sampled_from([None, None, None, 50]),
        key=KEYS,
    )
    def submit(self, template: str, priority: int, later: int | None, deadline: int | None, key: str | None) -> None:
        self.submit_one(template, priority, later, deadline, key)

    def submit_one(
        self, template: str, priority: int, later: int | None, deadline: int | None, key: str | None
    ) -> None:
        body: Json = {"template": template, "params": {}, "priority": priority, "idempotency_key": key}
        if template != "flow":
            tie = next(self.fraction) / 1000 if key is None else 0.5  # no two are due at the same moment
            times = {"not_before": later, "deadline": deadline}
            body |= {name: None if s is None else self.at(self.model.now + s + tie) for name, s in times.items()}
        self.keyed(key, ("submit", json.dumps(body)), "submit_run", self.operator, body)

    def keyed(self, key: str | None, sent: Any, name: str, *arguments: Any) -> None:
        """A request that makes a run, or finds the one that the same request made before."""
        known = self.model.keys.get(key or "")
        if known and known[0] != sent:
            self.refused("OPC03", name, *arguments)
            return
        answer = self.ops.call(name, *arguments)
        if known:
            assert (answer["run_id"], answer["repeated"]) == (known[1], True)
        else:
            if key:
                self.model.keys[key] = (sent, answer["run_id"])
            self.learn()

    @precondition(lambda self: self.model.runs)
    @rule(which=ANY, force=st.booleans(), held=st.booleans())
    def cancel(self, which: int, force: bool, held: bool) -> None:
        """held: one that somebody holds, if there is any."""
        choice = [self.model.runs[run_id] for run_id in reversed(self.model.leases)] if held else []
        run = choice[which % len(choice)] if choice else self.a_run(which)
        body = {"reason": "asked", "force": force}
        _, answer = self.both(
            lambda: self.model.cancel(run.run_id, force=force), "cancel_run", self.operator, run.run_id, body
        )
        assert answer is None or answer["state"] == run.state

    @precondition(lambda self: self.model.runs)
    @rule(which=ANY, key=KEYS, done=st.booleans())
    def retry(self, which: int, key: str | None, done: bool) -> None:
        choice = [r for r in reversed(self.model.runs.values()) if not done or r.ended or r.reason == "rerun_unsafe"]
        run = choice[which % len(choice)] if choice else self.a_run(which)
        known = self.model.keys.get(key or "")
        if known is None and run.reason == "rerun_unsafe":
            self.model.queue(run)
        elif known is None and (not run.ended or self.model.too_early(run) or self.model.retried(run)):
            self.refused("OPC05", "retry_run", self.operator, run.run_id, {"idempotency_key": key})
            return
        self.keyed(key, ("retry", run.run_id), "retry_run", self.operator, run.run_id, {"idempotency_key": key})

    # Executors ------------------------------------------------------------------------------------------------

    @rule(
        worker=WORKER, max_runs=st.integers(1, 4), again=st.sampled_from([None, None, None, "same", "other"]), which=ANY
    )
    def claim_again(self, worker: int, max_runs: int, again: str | None, which: int) -> None:
        self.claim(worker, max_runs, again, which)

    def claim(self, worker: int, max_runs: int, again: str | None, which: int) -> None:
        body = self.claim_body(max_runs)
        asked = [(w, sent) for (w, _), (sent, _) in self.model.claims.items()]
        if again and asked:
            worker, sent = asked[which % len(asked)]
            body = sent if again == "same" else sent | {"max_runs": sent["max_runs"] % 4 + 1}
        arguments = (self.tokens[worker], self.workers[worker], body)
        expected, answer = self.both(lambda: self.model.claim(worker, body), "claim_runs", *arguments)
        self.given(expected, answer)

    def claim_body(self, max_runs: int) -> Json:
        return {"request_id": str(uuid.UUID(int=next(self.chunks) + 1)), "max_runs": max_runs, "queues": None}

    def given(self, expected: list[tuple[str, int]] | None, answer: Json | None) -> None:
        if answer is not None:
            found = [(run["run_id"], run["epoch"]) for run in answer["runs"]]
            assert found == expected, f"claimed: {found}; the model: {expected}"
            for run in answer["runs"]:
                assert run["lease_deadline"][:19] == self.at(self.model.leases[run["run_id"]].deadline)[:19]

    @rule(hands=HANDS, which=st.lists(ANY, min_size=1, max_size=4, unique=True))
    def heartbeat(self, hands: str, which: list[int]) -> None:
        """In the hands of, or beside, the holder of the first run."""
        if self.model.attempts:
            worker = self.attempt(which[0], hands)[2]
            found = {self.attempt(n, "own")[0]: self.attempt(n, "own")[1] for n in which}
            sent = [{"run_id": run_id, "epoch": epoch} for run_id, epoch in found.items()]
            body = {"state": "active", "runs": sent}
            answer = self.ops.call("heartbeat", self.tokens[worker], self.workers[worker], body)
            directives = [run["directive"] for run in answer["runs"]]
            assert directives == self.model.heartbeat(worker, list(found.items()))

    @precondition(lambda self: self.model.attempts)
    @rule(which=ANY, hands=HANDS, seq=st.integers(0, 3), text=st.sampled_from(["good", "good", "evil"]))
    def log(self, which: int, hands: str, seq: int, text: str) -> None:
        run_id, epoch, worker = self.attempt(which, hands)
        chunk = {"stream": "stdout", "seq": seq, "offset": seq * 4, "at": self.at(0), "text": text}
        body = {"epoch": epoch, "chunks": [chunk]}
        said = lambda: self.model.log(worker, run_id, epoch, seq, text)  # noqa: E731
        self.both(said, "append_logs", self.tokens[worker], run_id, body)

    @precondition(lambda self: self.model.attempts)
    @rule(
        which=ANY, hands=HANDS, name=st.sampled_from(["x", "y"]), content=st.sampled_from("aab"), record=st.booleans()
    )
    def artifact(self, which: int, hands: str, name: str, content: str, record: bool) -> None:
        run_id, epoch, worker = self.attempt(which, hands)
        body = {"epoch": epoch, "name": name, "kind": "file", "media_type": "text/plain", "size": 7, "metadata": {}}
        said = lambda: self.model.begin(worker, run_id, epoch, name, content)  # noqa: E731
        _, begun = self.both(said, "begin_artifact", self.tokens[worker], run_id, body | {"sha256": content * 64})
        if begun:
            known = self.artifacts.setdefault((run_id, epoch, name), begun["artifact_id"])
            assert begun["artifact_id"] == known
        if record:
            self.record(which, hands, name)

    @precondition(lambda self: self.model.attempts)
    @rule(which=ANY, hands=HANDS, name=st.sampled_from(["x", "y"]))
    def record(self, which: int, hands: str, name: str) -> None:
        run_id, epoch, worker = self.attempt(which, hands)
        artifact_id = self.artifacts.get((run_id, epoch, name))
        arguments = (self.tokens[worker], run_id, artifact_id or str(uuid.uuid4()), {"epoch": epoch})
        known = name if artifact_id else None
        self.both(lambda: self.model.record(worker, run_id, epoch, known), "record_artifact", *arguments)

    def report_of(self, choice: Json) -> tuple[int, str, Json]:
        """(worker, run, body) of a report."""
        run_id, epoch, worker = self.attempt(choice["which"], choice["hands"])
        run = {"run_id": run_id, "epoch": epoch}
        kind, more = choice["kind"], {"usage": {"gpu_seconds": choice["extra"]}}
        if choice["key"]:
            more["idempotency_key"] = choice["key"]
        if kind in ("external", "user"):
            more["error"] = {"class": kind, "code": "c", "message": "m"}
            kind = "failed"
        if kind == "succeeded" and self.model.runs[run_id].template == "table":
            outputs = self.ops.value("select outputs from ops.runs where run_id = %s", run_id)
            named = {"outputs": outputs}
            more["publications"] = [publication(named, o["name"]) for o in outputs[: (1, 2, 2, 0)[choice["which"] % 4]]]
        return worker, run_id, report(run, kind, **more)

    @precondition(lambda self: self.model.attempts)
    @rule(choice=REPORT)
    def report(self, choice: Json) -> None:
        worker, run_id, body = self.report_of(choice)
        said = lambda: self.model.report(worker, run_id, body)  # noqa: E731
        repeated, answer = self.both(said, "report_attempt", self.tokens[worker], run_id, body)
        self.model.settle()
        if answer is not None:
            self.accepted(run_id, body, repeated, answer)

    def accepted(self, run_id: str, body: Json, repeated: bool, answer: Json) -> None:
        """The first time the model's run, each later time the first answer."""
        if repeated:
            assert answer == self.answers[run_id, body["epoch"]] | {"repeated": True}
            return
        self.answers[run_id, body["epoch"]] = answer
        assert (answer["outcome"], answer["epoch"], answer["repeated"]) == (body["outcome"], body["epoch"], False)
        if answer["route"]["decision"] == "retry" and self.model.runs[run_id].reason == "retry_backoff":
            assert answer["run_state"] == "waiting"

    @rule(choices=st.lists(REPORT, max_size=5), claims=st.lists(st.tuples(WORKER, st.integers(1, 3)), max_size=3))
    def exchange(self, choices: list[Json], claims: list[tuple[int, int]]) -> None:
        reports = [self.report_of(choice) for choice in choices] if self.model.attempts else []
        asked = [(worker, self.claim_body(max_runs)) for worker, max_runs in claims]
        expected: dict[int, Any] = {}
        for n in self.exchange_order(reports):
            try:
                expected[n] = self.model.report(*reports[n])
            except Refusal as refusal:
                expected[n] = refusal
        self.model.settle()
        if asked:  # after the reports: what a report makes ready stands before what its time makes ready
            self.model.promote_ready()
        for n, (worker, body) in enumerate(asked, len(reports)):
            expected[n] = self.model.start(worker, body)
        self.exchanged(reports, expected, self.send_exchange(reports, asked))

    def exchange_order(self, reports: list[tuple[int, str, Json]]) -> list[int]:
        """Plain successes go first, as one statement; then the rest by run."""
        plain = [n for n, member in enumerate(reports) if self.is_plain(*member)]
        first_of_run = {run: n for n, (_, run, _) in reversed(list(enumerate(reports)))}
        first_of_key = {body["idempotency_key"]: n for n, (_, _, body) in reversed(list(enumerate(reports)))}
        firsts = {*first_of_run.values()} & {*first_of_key.values()}
        ahead = [n for n in plain if n in firsts and self.goes_plainly(*reports[n])]
        rest = [n for n in range(len(reports)) if n not in ahead]
        return ahead + sorted(rest, key=lambda n: (reports[n][1], n))

    @staticmethod
    def is_plain(_worker: int, _run_id: str, body: Json) -> bool:
        return body["outcome"] == "succeeded" and not body["publications"]

    def goes_plainly(self, worker: int, run_id: str, body: Json) -> bool:
        attempt, run = self.model.attempts[run_id, body["epoch"]], self.model.runs[run_id]
        held = attempt.outcome == "running" and TOKENS[worker] == TOKENS[attempt.worker]
        used = self.model.key_used(attempt.worker, body["idempotency_key"])
        return held and not used and not attempt.artifacts and run.cancel_at is None

    def send_exchange(self, reports: list[Any], claims: list[Any]) -> dict[int, tuple[str | None, Json]]:
        sent = [{"token_id": str(self.tokens[w]), "run_id": run_id, "body": body} for w, run_id, body in reports]
        asked = [{"token_id": str(self.tokens[w]), "executor_id": str(self.workers[w]), "body": b} for w, b in claims]
        for ordinal, member in enumerate([*sent, *asked]):
            member["ordinal"] = ordinal
        rows = self.ops.server.execute(
            "select * from ops.exchange_each(%s, %s) where ordinal >= 0", [Jsonb(sent), Jsonb(asked)]
        ).fetchall()
        assert sorted(row[0] for row in rows) == list(range(len(sent) + len(asked)))
        return {ordinal: (code, json.loads(detail)) for ordinal, code, detail in rows}

    def exchanged(
        self, reports: list[Any], expected: dict[int, Any], found: dict[int, tuple[str | None, Json]]
    ) -> None:
        for n in [*self.exchange_first(expected, reports), *range(len(reports), len(found))]:
            code, detail = found[n]
            if isinstance(expected[n], Refusal):
                assert code == expected[n].code, detail
            elif n < len(reports):
                assert code is None, detail
                self.accepted(reports[n][1], reports[n][2], expected[n], detail)
            else:
                # a later claim of the same exchange may have taken nothing from an earlier one
                self.given(expected[n], detail)

    @staticmethod
    def exchange_first(expected: dict[int, Any], reports: list[Any]) -> list[int]:
        """Reports in an order in which a first answer stands before its repeat."""
        return sorted(range(len(reports)), key=lambda n: expected[n] is True)

    # Publications ---------------------------------------------------------------------------------------------

    @precondition(lambda self: any(a.publications for a in self.model.attempts.values()))
    @rule(
        which=ANY,
        hands=st.sampled_from(["own", "own", "other", "another", "reactor", "reactor"]),
        output=st.sampled_from("ab"),
        state=st.sampled_from(["committed"] * 4 + ["failed"]),
        version=st.sampled_from([3, 3, 4]),
    )
    def commit(self, which: int, hands: str, output: str, state: str, version: int) -> None:
        pending = [key for key, a in self.model.attempts.items() if a.publications]
        run_id, epoch, worker = self.attempt(which, "own" if hands == "reactor" else hands)
        if pending and which % 4:  # mostly one that is to be committed
            run_id, epoch = pending[which % len(pending)]
            worker = (self.model.attempts[run_id, epoch].worker + {"other": 1, "another": 2}.get(hands, 0)) % len(
                TOKENS
            )
        body: Json = {"epoch": epoch, "state": state}
        body |= {"table_version": version, "rows": 3} if state == "committed" else {"error": report_error()}
        if hands == "reactor":
            name, arguments, by = "commit_publication_as_reactor", (run_id, output, body), None
        else:
            name, arguments, by = "commit_publication", (self.tokens[worker], run_id, output, body), worker
        said = lambda: self.model.commit(by, run_id, epoch, output, state, version)  # noqa: E731
        _, answer = self.both(said, name, *arguments)
        assert answer is None or (answer["state"], answer["run_state"]) == (state, self.model.runs[run_id].state)

    # Reactor and clock ----------------------------------------------------------------------------------------

    @rule(limit=st.sampled_from([100, 100, 1]))
    def sweep(self, limit: int) -> None:
        expired = self.ops.call("expire_leases", limit)["expired"]
        assert [(e["run_id"], e["epoch"]) for e in expired] == self.model.sweep(limit)

    @rule()
    def promote_due(self) -> None:
        self.ops.call("promote_due", 100)
        self.model.promote_due()

    @rule()
    def leases_lapse(self) -> None:
        """A sweeper that looks often enough to miss nothing finds every lease that nobody renews."""
        self.time_passes(19, 4, True)

    @rule(seconds=st.sampled_from([1, 12, 25, 29, 29]), steps=st.integers(1, 4), sweeping=st.booleans())
    def time_passes(self, seconds: int, steps: int, sweeping: bool) -> None:
        """Time goes by, with a sweeper at work or without one."""
        for _ in range(steps):
            self.model.now += seconds
            self.set_clock()
            if sweeping:
                self.sweep(100)
                self.read_backoffs()


def report_error() -> Json:
    return {"class": "user", "code": "schema_mismatch", "message": "another column"}
