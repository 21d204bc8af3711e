"""Layout, sizes and calls that the house does not use."""
import re
import subprocess

import tree

BANNED = {
    "strcpy": "strlcpy-like copies with a length", "strcat": "snprintf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "strtok": "span_cut",
    "atoi": "span_to_u64", "gets": "getline", "alloca": "an arena",
    "strncpy": "memcpy with a length", "assert": "CHECK",
}
FUNCTION_MAX, FILE_MAX = 100, 700


def check_clang_format():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror",
                           *tree.sources()],
                          cwd=tree.ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        for line in done.stderr.splitlines():
            if "error:" in line:
                yield line


def check_banned_calls():
    pattern = r"\b(" + "|".join(BANNED) + r")\("
    for path in tree.sources():
        code = tree.code(path)
        for n, m in tree.matches(code, pattern):
            yield f"{path}:{n}: {m.group(1)}(): use {BANNED[m.group(1)]}"
        if path != "cli/main.c":
            for n, m in tree.matches(code, r"(?<![\w_])exit\("):
                yield f"{path}:{n}: exit() outside main"


def check_no_ifdef_in_functions():
    for path in tree.sources():
        lines = tree.code(path).split("\n")
        for name, first, last in tree.functions(path):
            for n in range(first, last):
                if re.match(r"#\s*(if|ifdef|ifndef)\b", lines[n - 1]):
                    yield f"{path}:{n}: #if inside {name}()"


def check_no_leftovers():
    pattern = r"\b(TODO|FIXME|XXX|HACK)\b"
    for path in tree.files(".c", ".h", ".py", ".md", ".yaml", "Makefile"):
        if path.startswith("tests/lint/"):
            continue
        for n, m in tree.matches(tree.read(path), pattern):
            yield f"{path}:{n}: {m.group(1)}"


def check_sizes():
    for path in tree.sources():
        count = tree.read(path).count("\n")
        if count > FILE_MAX:
            yield f"{path}: {count} lines, at most {FILE_MAX}"
        for name, first, last in tree.functions(path):
            if last - first + 1 > FUNCTION_MAX:
                yield (f"{path}:{first}: {name}() has {last - first + 1} "
                       f"lines, at most {FUNCTION_MAX}")


def check_files_open_with_their_job():
    for path in tree.sources():
        if not tree.read(path).startswith("/*"):
            yield f"{path}:1: does not open with its job"


def check_no_foreign_paths():
    # Spelled in pieces, so that this file does not find itself.
    pattern = "|".join(["/wo" + "rk/", "/ho" + "me/", "/tmp/ba" + "sh",
                        r"\.\./sha" + "red"])
    for path in tree.files():
        if path.endswith((".png", ".ico")) or path == "shunt":
            continue
        for n, m in tree.matches(tree.read(path), pattern):
            yield f"{path}:{n}: {m.group(0)}"


def check_shell_syntax():
    for path in tree.files():
        text = tree.read(path) if "." not in path.split("/")[-1] else ""
        if not re.match(r"#!.*\b(sh|bash)\n", text):
            continue
        shell = re.match(r"#!.*\b(sh|bash)\n", text).group(1)
        done = subprocess.run([shell, "-n", path], cwd=tree.ROOT,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            yield done.stderr.strip()
