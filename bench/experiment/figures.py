"""What a row comes to: from the load tester's counts, and from nothing else,
to a line of the table and a plot."""
from rows import END, ROLLBACK, UPGRADE, WARMUP

# A window in which every request failed is downtime when it is so long, in
# seconds of the original: a few bad answers in a row are none.
DOWNTIME = 3.0
COLOURS = {"1": "#2f6f9f", "2": "#d9822b", "none": "#999999"}


class Figures:
    def __init__(self, row, report, marks, most_pods, pods, scale):
        self.row, self.report, self.scale = row, report, scale
        self.marks, self.pods, self.most_pods = marks, pods, most_pods

    def at(self, second):
        """A second of the load tester, in the original's time."""
        return self.marks["load"] + second * self.scale

    def slots(self, begin, end):
        """Those that lie wholly between two moments of the original."""
        width = self.report["timeline"]["width_s"]
        for slot in self.report["timeline"]["slots"]:
            if self.at(slot["at_s"]) >= begin and \
                    self.at(slot["at_s"] + width) <= end:
                yield slot

    def sums(self, begin, end):
        """{version: [requests, errors]}"""
        total = {}
        for slot in self.slots(begin, end):
            for name, seen in slot["versions"].items():
                one = total.setdefault(name, [0, 0])
                one[0] += seen["requests"]
                one[1] += seen["errors"]
        return total

    def error_rate(self):
        """Percent, from when the upgrade had settled to the way back."""
        sums = self.sums(self.marks["settled"], self.marks["rollback"]).values()
        requests = sum(n for n, _ in sums)
        if requests == 0:
            return None
        return 100 * sum(e for _, e in sums) / requests

    def share(self):
        """Percent of v2 in the same time."""
        sums = self.sums(self.marks["settled"], self.marks["rollback"])
        requests = sum(n for n, _ in sums.values())
        return 100 * sums.get("2", [0, 0])[0] / requests if requests else None

    def downtime(self, begin, end):
        """Seconds of the original in which every request failed."""
        total = 0.0
        for window in self.report["downtime"]:
            start = max(begin, self.at(window["start_s"]))
            stop = min(end, self.at(window["start_s"] + window["length_s"]))
            if window["length_s"] * self.scale >= DOWNTIME and stop > start:
                total += stop - start
        return total

    def downtime_up(self):
        return self.downtime(self.marks["upgrade"], self.marks["rollback"])

    def downtime_back(self):
        return self.downtime(self.marks["rollback"], END + WARMUP)

    def extra(self):
        """Percent of pods beyond those of v1."""
        return 100 * (self.most_pods - self.pods) / self.pods

    def wrong(self):
        """In what it is not as it is known: words; none = nothing."""
        known = self.row.known
        if known is None:
            return
        for what, wanted, seconds in (
                ("upgrade", known.downtime_up, self.downtime_up()),
                ("rollback", known.downtime_back, self.downtime_back())):
            if wanted != (seconds > 0):
                yield (f"downtime at {what}: {seconds:.1f} s, known: "
                       f"{'some' if wanted else 'none'}")
        rate = self.error_rate()
        if rate is None or abs(rate - known.errors) > 2:
            yield f"errors: {rate} %, known: {known.errors:.1f} %"
        if abs(self.extra() - known.extra) > 1:
            yield f"extra pods: {self.extra():.0f} %, known: {known.extra} %"


def path(points):
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def plot(figures):
    """An SVG: shares of the versions above, error rates below."""
    width, height, left, top, gap = 760, 120, 48, 34, 46
    def x(second):
        return left + (second - WARMUP) / (END - WARMUP) * (width - left - 12)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{top + 2 * height + gap + 30}" font-family="sans-serif" '
        'font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="18" font-size="14">{figures.row.title}</text>']
    slot_s = figures.report["timeline"]["width_s"]
    slots = figures.report["timeline"]["slots"]
    names = sorted({n for s in slots for n in s["versions"]})
    for i, title in enumerate(("share of the answers", "error rate")):
        base = top + height + i * (height + gap)
        parts.append(f'<text x="{left}" y="{base - height - 4}">{title}</text>')
        for percent in (0, 50, 100):
            y = base - percent / 100 * height
            parts.append(
                f'<line x1="{left}" x2="{width - 12}" y1="{y}" y2="{y}" '
                f'stroke="#ddd"/><text x="{left - 6}" y="{y + 4}" '
                f'text-anchor="end">{percent} %</text>')
        lines = {n: [] for n in ["all", *names]}
        for slot in slots:
            at = x(figures.at(slot["at_s"] + slot_s / 2))
            total = sum(v["requests"] for v in slot["versions"].values())
            errors = sum(v["errors"] for v in slot["versions"].values())
            if total == 0:
                continue
            if i == 1:
                lines["all"].append((at, base - errors / total * height))
                continue
            for name in names:
                requests = slot["versions"].get(
                    name, {"requests": 0})["requests"]
                lines[name].append((at, base - requests / total * height))
        for name, points in lines.items():
            if points:
                parts.append(
                    f'<path d="{path(points)}" fill="none" stroke-width="1.5" '
                    f'stroke="{COLOURS.get(name, "#b3261e")}"/>')
    bottom = top + 2 * height + gap
    for what, second in figures.marks.items():
        if what == "load":
            continue
        parts.append(
            f'<line x1="{x(second):.1f}" x2="{x(second):.1f}" y1="{top}" '
            f'y2="{bottom}" stroke="#555" stroke-dasharray="3 3"/>'
            f'<text x="{x(second) + 3:.1f}" y="{top + height + 14}">{what}'
            '</text>')
    for second in range(WARMUP, END + 1, 60):
        parts.append(f'<text x="{x(second):.1f}" y="{bottom + 14}" '
                     f'text-anchor="middle">{second}</text>')
    for i, name in enumerate(names):
        words = {"1": "v1", "2": "v2"}.get(name, "no answer")
        parts.append(
            f'<text x="{width - 200 + 66 * i}" y="18" '
            f'fill="{COLOURS.get(name, "#b3261e")}">{words}</text>')
    parts.append(f'<text x="{width - 12}" y="{bottom + 26}" '
                 'text-anchor="end">seconds of the original</text></svg>')
    return "\n".join(parts) + "\n"


assert WARMUP < UPGRADE < ROLLBACK < END
