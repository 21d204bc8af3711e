"""Releases through the API: begun, steered, waited for."""
import harness
from harness import BIN, wait_for

ENDED = ("done", "rolled_back", "failed")


def post(p, verb=None, body=None, of="shop"):
    path = f"/api/v1/services/{of}/rollout"
    if verb is None:
        return p.api("POST", path + "s", body)
    return p.api("POST", f"{path}/{verb}", body)


def start(p, to="v2", strategy=None):
    body = {"to": to}
    if strategy:
        body["strategy"] = strategy
    code, answer = post(p, None, body)
    assert code == 200, answer
    return answer


def verb(p, name, **body):
    code, answer = post(p, name, body or None)
    assert code == 200, answer
    return answer


def now(p):
    """The last rollout, with its decisions."""
    code, answer = p.api("GET", "/api/v1/services/shop/rollout")
    assert code == 200, answer
    return answer


def history(p):
    code, answer = p.api("GET", "/api/v1/services/shop/rollouts")
    assert code == 200, answer
    return answer["rollouts"]


def until(p, *phases):
    def there():
        r = now(p)
        return r if r["phase"] in phases else None
    try:
        return wait_for(there, f"the rollout is {phases}")
    except AssertionError as e:
        raise AssertionError(f"{e}\n{now(p)}") from e


def until_weight(p, share, version="v2"):
    wait_for(lambda: abs(p.version(version)["weight"] - share) < 1e-6
             and p.status()["in_force"], f"weight {share}: {now(p)}")


def actions(r):
    return [d["action"] for d in r["decisions"]]


def reason_of(r, action):
    """Of the first decision of that kind."""
    return next(d["reason"] for d in r["decisions"] if d["action"] == action)


def weights(p):
    return {v["name"]: round(v["weight"], 6) for v in p.status()["versions"]}


def released(versions, **release):
    """A service whose versions are lists of ports, or launched ones."""
    s = harness.service({name: [] for name in versions}, release=release)
    for name, how in versions.items():
        s["versions"][name] = how if isinstance(how, dict) else {
            "pods": [f"127.0.0.1:{port}" for port in how]}
    return s


def launched(version, replicas, *options):
    return {"launch": {"command": [BIN, "app", "--version", version, "--port",
                                   "{port}", *options],
                       "replicas": replicas}}
