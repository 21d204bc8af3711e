"""From rounds of figures to the tables of the terminal and of results.md."""

import datetime
import os
import platform
import re
import statistics

from works import IDLE_CONNECTIONS, IDLES, WORKS

TITLES = {"shunt": "shunt", "nginx": "nginx", "haproxy": "HAProxy",
          "haproxy-splice": "HAProxy, splicing", "nghttpx": "nghttpx",
          "relay": "relay (floor)"}
NOISE = 0.05


def median(rounds, key):
    return statistics.median(r[key] for r in rounds)


def best_peer(values, peers):
    """The peer with the lowest median, or None; values is name -> list."""
    peers = [name for name in peers if values.get(name)]
    return min(peers, key=lambda name: statistics.median(values[name]),
               default=None)


def ratio(values, name, other):
    """The median of the rounds' ratios; a round is one minute's weather."""
    if not values.get(name) or not values.get(other):
        return None
    return statistics.median(
        mine / theirs for mine, theirs in zip(values[name], values[other]))


def number(value, form):
    return "-" if value is None else format(value, form)


def table(head, rows):
    """A Markdown table that also reads well in a terminal."""
    width = [max(len(row[i]) for row in [head, *rows])
             for i in range(len(head))]
    def line(cells):
        rest = [c.rjust(w) for c, w in zip(cells[1:], width[1:])]
        return "| " + " | ".join([cells[0].ljust(width[0]), *rest]) + " |"
    rule = ["-" * width[0]] + ["-" * (w - 1) + ":" for w in width[1:]]
    return "\n".join([line(head), line(rule), *map(line, rows)]) + "\n"


def time_text(us):
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.0f} us"


def work_table(figures, peers):
    """figures: name -> rounds, of one work."""
    cpu = {name: [r["cpu"] for r in rounds]
           for name, rounds in figures.items()}
    best = best_peer(cpu, peers)
    rows = []
    for name, rounds in figures.items():
        middle = statistics.median(cpu[name])
        spread = (max(cpu[name]) - min(cpu[name])) / middle
        rows.append([
            TITLES.get(name, name), f"{middle:.2f}", f"{spread:.0%}",
            number(ratio(cpu, name, best), ".2f"),
            number(ratio(cpu, name, "relay"), ".2f"),
            f"{median(rounds, 'rate'):.0f}",
            time_text(median(rounds, "p50")), time_text(median(rounds, "p99")),
            f"{median(rounds, 'load'):.0%}"])
    return table(["program", "CPU us/request", "spread", "to best peer",
                  "to floor", "requests/s", "p50", "p99", "CPU busy"], rows)


def idle_table(figures, peers):
    best = best_peer(figures, peers)
    return table(["program", "bytes/connection", "to best peer"], [
        [TITLES.get(name, name), f"{statistics.median(sizes):.0f}",
         number(ratio(figures, name, best), ".2f")]
        for name, sizes in figures.items()])


def calls_table(figures):
    return table(["program", "I/O calls/request", "epoll_wait", "other"], [
        [TITLES.get(name, name),
         *(f"{per[kind]:.3f}" for kind in ("io", "wait", "other"))]
        for name, per in figures.items()])


def noise(figures):
    """What else ran on the programs' CPU: the median and the worst round."""
    others = [r["others"] for rounds in figures.values() for r in rounds]
    middle, worst = statistics.median(others), max(others)
    stolen = max(r["stolen"] for rounds in figures.values() for r in rounds)
    text = f"Others on the programs' CPU: {middle:.0%}, at worst {worst:.0%}."
    if stolen > NOISE:
        text += f" The host took up to {stolen:.0%} of it."
    if middle > NOISE:
        text += " The machine was not quiet."
    return text


def titled(works, result, peers):
    """Every section as (title, text), in the order of measuring."""
    titles = {work.name: work.title for work in [*WORKS, *IDLES]}
    idle = [one.name for one in IDLES]
    for name in works:
        if name in idle:
            yield (f"{titles[name]}, of {IDLE_CONNECTIONS}",
                   idle_table(result[name], peers))
        elif name in titles:
            yield titles[name], (work_table(result[name], peers) + "\n" +
                                 noise(result[name]) + "\n")
        elif result[name]:
            yield ("system calls, HTTP/1.1 keep-alive, small GET",
                   calls_table(result[name]))


def summary_table(works, result, peers):
    """One row per work: the cost in each program, shunt's ratio, the target
    for it."""
    loads = {work.name: work.target for work in WORKS}
    idles = {idle.name: idle.target for idle in IDLES}
    measured = []
    for name in works:
        if name in idles:
            measured.append((f"{name} connection, bytes", result[name],
                             idles[name]))
        elif name in loads:
            measured.append((f"{name}, us/request", {
                program: [r["cpu"] for r in rounds]
                for program, rounds in result[name].items()}, loads[name]))
    columns = list(dict.fromkeys(
        program for _, values, _ in measured for program in values))
    rows = []
    for title, values, target in measured:
        best = best_peer(values, peers)
        rows.append([title] + [
            number(statistics.median(values[p]) if values.get(p) else None,
                   ".1f") for p in columns])
        rows[-1] += [number(ratio(values, "shunt", best), ".2f"),
                     f"{target:.2f}"]
    return table(["work", *(TITLES.get(p, p) for p in columns),
                  "shunt to best peer", "target, at most"], rows)


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return (f"{model.group(1) if model else platform.machine()}, "
            f"{os.cpu_count()} CPUs, {platform.system()} "
            f"{platform.release()}")


def secure_notes(works):
    if not any(work.name in works and work.secure
               for work in [*WORKS, *IDLES]):
        return []
    return ["TLS is version 1.3 for all, TLS_AES_128_GCM_SHA256, X25519, one "
            "ECDSA P-256\ncertificate, session tickets on; HTTP/2 and "
            "HTTP/1.1 by ALPN, HTTP/1.1 in clear\ntext to the pods. Every "
            "handshake of the handshake work is a full one.", ""]


def nghttpx_notes(programs):
    if not any(p.name == "nghttpx" for p in programs):
        return []
    return ["nghttpx does less work than the others: it deals the requests "
            "out to the four\npods in turn, has no split by weight and no "
            "rule, and adds no X-Forwarded-Host.\nIt takes part in tls and "
            "h2 only.", ""]


def results(works, result, programs, load, command, shape):
    """The whole of results.md."""
    peers = [p.name for p in programs if p.peer]
    date = datetime.datetime.now(datetime.timezone.utc)
    text = ["# Side by side", "",
            "Written by `" + command + "`; see `bench/run --help`.", "",
            f"- date: {date:%Y-%m-%d %H:%M} UTC",
            f"- machine: {machine()}",
            *(f"- {p.name}: {p.version()}" for p in programs),
            f"- load: {load}",
            f"- shape: {shape}", "",
            "Every program has one worker, pinned to one CPU; origin and load "
            "run on another.\nAll split 80/20 over four pods with a "
            "User-Agent regex and a cookie rule, keep\ntheir connections to "
            "the pods, add X-Forwarded-For, -Proto and -Host, and log\n"
            "nothing. CPU is the program's own time, user and system, of all "
            "its threads, by\nrequest: the median of the rounds. Spread is "
            "from the lowest round to the highest.\nA ratio is the median of "
            "the ratios within each round; the best peer is the\ncheapest of "
            "nginx, HAProxy and nghttpx. The floor parses nothing; it reads "
            "and\nwrites, so what is spliced can cost less.", "",
            *secure_notes(works), *nghttpx_notes(programs),
            summary_table(works, result, peers)]
    for title, body in titled(works, result, peers):
        text += [f"## {title[0].upper()}{title[1:]}", "", body]
    return "\n".join(text)
