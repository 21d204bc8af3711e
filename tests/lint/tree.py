"""What the checks look at: the project's files, and C text without comments."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SKIPPED = {"build", ".git", "__pycache__", ".pytest_cache", "node_modules"}


def files(*endings):
    """Paths below the root, sorted, whose names end in one of the endings."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if name.endswith(endings) or not endings:
                found.append(path)
    return sorted(found)


def sources():
    return files(".c", ".h")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8",
              errors="replace") as f:
        return f.read()


TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(path):
    """The text of a C file, comments and literals blanked, lines kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return TOKEN.sub(blank, read(path))


def functions(path):
    """(name, first line, last line) of each function, by the KNF layout."""
    lines = code(path).split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line.startswith("}") and start is not None:
            head = start
            while head > 0 and not re.match(r"\w+\(", lines[head]):
                head -= 1
            name = re.match(r"\w*", lines[head]).group(0)
            yield name, head + 1, i + 1
            start = None


def matches(text, pattern):
    """(line number, match) for every match in the text."""
    for m in re.finditer(pattern, text, re.M):
        yield text.count("\n", 0, m.start()) + 1, m
