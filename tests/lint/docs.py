"""The documents name what is there, and everything that is there."""
import os
import re
import subprocess

import tree

SHUNT = os.environ.get("SHUNT_BIN", os.path.join(tree.ROOT, "shunt"))


def find_file(name):
    """A path as a document writes it: with its folder, or without."""
    if "/" in name:
        return [name] if os.path.exists(os.path.join(tree.ROOT, name)) else []
    return [p for p in tree.sources() if p.split("/")[-1] == name]


def check_architecture_names_exist():
    text = tree.read("docs/architecture.md")
    found = 0
    for n, m in tree.matches(text, r"([\w/]+\.[ch]):(\w+)"):
        found += 1
        files = find_file(m.group(1))
        if not files:
            yield f"docs/architecture.md:{n}: no file {m.group(1)}"
        elif not any(re.search(rf"^(#define )?{m.group(2)}\(|"
                               rf"^static inline .*\n{m.group(2)}\(",
                               tree.read(f), re.M) for f in files):
            yield (f"docs/architecture.md:{n}: no function {m.group(2)} in "
                   f"{m.group(1)}")
    if not found:
        yield "docs/architecture.md names no function"


def check_architecture_paths_exist():
    text = tree.read("docs/architecture.md")
    for n, m in tree.matches(text, r"`([a-z]+/[\w/]+\.[ch])`"):
        if not find_file(m.group(1)):
            yield f"docs/architecture.md:{n}: no file {m.group(1)}"


def subcommands():
    """As the binary itself lists them: indented, the name first."""
    done = subprocess.run([SHUNT, "help"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return re.findall(r"^ +(?:shunt )?([a-z]+)\b", done.stdout, re.M)


def check_readme_names_every_subcommand():
    text = tree.read("README.md")
    names = subcommands()
    if not names:
        yield "shunt help lists no subcommand"
    for name in names:
        if not re.search(rf"shunt {name}\b", text):
            yield f"README.md: nothing about `shunt {name}`"
