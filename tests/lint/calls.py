"""Which files call each other in a circle: no more than are one thing."""
import re

import tree

# What a request goes through. The parts of the main thread call each other
# back, each through the one that knows both.
FOLDERS = ["base", "strategies", "router", "conf", "proxy"]

# Each is one machine in several rooms, too large for one file.
CIRCLES = [
    {"conf/read_match.c", "conf/read_rules.c"},
    {"proxy/conn.c", "proxy/conn_send.c", "proxy/conn_tls.c"},
    {"proxy/parking.c", "proxy/txn.c", "proxy/txn_attempt.c",
     "proxy/txn_life.c", "proxy/txn_mirror.c", "proxy/waiting.c"},
    {"proxy/upstream_h2.c", "proxy/upstream_h2_stream.c"},
    {"router/outlier.c", "router/pod_state.c"},
]


def sources():
    return [p for p in tree.files(".c")
            if p.split("/")[0] in FOLDERS]


def own_functions(text):
    """Two sets: what others may call, and what only this file sees."""
    public, hidden = set(), set()
    for m in re.finditer(r"^(\w[^\n;{}()=]*)\n(\w+)\(", text, re.M):
        (hidden if m.group(1).startswith("static") else public).add(m.group(2))
    return public, hidden


def calls():
    """file -> the files that have a function which it names."""
    texts = {path: tree.code(path) for path in sources()}
    own = {path: own_functions(text) for path, text in texts.items()}
    home = {name: path for path, (public, _) in own.items() for name in public}
    return {path: {home[word] for word in set(re.findall(r"\w+", text))
                   if word in home and word not in own[path][1]} - {path}
            for path, text in texts.items()}


def reached(graph, start):
    found, todo = set(), [start]
    while todo:
        for path in graph[todo.pop()] - found:
            found.add(path)
            todo.append(path)
    return found


def circles():
    graph = calls()
    reach = {path: reached(graph, path) for path in graph}
    found = []
    for path in graph:
        circle = {p for p in reach[path] if path in reach[p]}
        if circle and circle not in found:
            found.append(circle)
    return found


def check_call_circles():
    found = circles()
    for circle in found:
        if not any(circle <= known for known in CIRCLES):
            yield "these call each other in a circle: " + " ".join(
                sorted(circle))
    for known in CIRCLES:
        if known not in found:
            yield "no such circle any more: " + " ".join(sorted(known))
