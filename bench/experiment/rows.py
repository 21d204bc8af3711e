"""The rows of the experiment: how each strategy releases v2 and goes back.

A row is what an operator would do by the command line, and nothing more; what
it comes to is counted by the load tester.
"""
import dataclasses
import typing

GOOD, FAILS = "Always-Good", "Sometimes-Fail"
PODS = 3
# The original times, in seconds; the scale divides them.
WARMUP, UPGRADE, ROLLBACK, END = 60, 300, 600, 660


@dataclasses.dataclass(frozen=True)
class Known:
    """The result that is known; None: this row is ours."""
    downtime_up: bool
    errors: float  # percent of all requests, after the upgrade
    downtime_back: bool
    extra: int     # percent of pods


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    strategy: str
    known: typing.Optional[Known] = None
    # of `release`, with durations in seconds of the original
    release: dict = dataclasses.field(default_factory=dict)
    service: dict = dataclasses.field(default_factory=dict)
    # what a person does: when the upgrade is as far as it is meant to go
    settled: str = "phase"     # "phase": paused or done; "mixed": one new pod
    pause: bool = False        # then the person pauses it
    back: str = "abort"        # the verb that goes back; "": nobody does
    act: str = ""              # done to the proxy instead of a release


def matches(agent):
    return {"header": {"User-Agent": {"contains": agent}}}


ROWS = [
    Row("recreate", "recreate", "recreate", Known(True, 25, True, 0),
        {"recreate": {"park": 0}}, back="undo"),
    Row("rolling", "rolling (1 of 3 pods new)", "rolling",
        Known(False, 100 / 12, False, 33),
        {"rolling": {"max_surge": 1, "max_unavailable": 0, "min_ready": 0}},
        settled="mixed", pause=True),
    Row("blue-green", "blue/green", "blue_green", Known(False, 25, False, 100),
        {"blue_green": {"auto_promote": True, "keep_old": END}},
        settled="switched"),
    Row("canary", "canary 20 %", "canary", Known(False, 5, False, 33),
        {"canary": {"steps": [{"weight": 20, "pause": True}], "gates": "off"}},
        settled="share"),
    Row("ab-good", "A/B, Always-Good on v2", "ab",
        Known(False, 0, False, 100),
        {"ab": {"match": matches(GOOD), "duration": END}}, settled="ready"),
    Row("ab-fails", "A/B, Sometimes-Fail on v2", "ab",
        Known(False, 25, False, 100),
        {"ab": {"match": matches(FAILS), "duration": END}}, settled="ready"),
    Row("canary-gates", "canary 20 %, with gates", "canary", None,
        {"canary": {"steps": [{"weight": 20, "hold": 240}],
                    "gates": {"max_error_rate": "1%", "min_requests": 100,
                              "window": 60}}},
        {"errors": {"body": '"status": *"500"'}}, settled="over", back=""),
    Row("recreate-park", "recreate, with park", "recreate", None,
        {"recreate": {"park": 150, "park_limit": 10000}}, back="undo"),
    Row("reload", "reload of the proxy (SIGHUP)", "", act="reload"),
    Row("restart", "restart of the proxy (SIGTERM, start)", "",
        act="restart"),
]
