"""What only a compiler can say, asked of two compilers."""
import concurrent.futures
import os
import re
import subprocess

import tree


def flags():
    """The Makefile's own warnings, so that there is one list of them."""
    text = tree.read("Makefile").replace("\\\n", " ")
    warnings = re.search(r"^WARNINGS\s*:?=\s*(.*)", text, re.M).group(1)
    return ["-std=c11", "-D_GNU_SOURCE", "-I.", '-DSHUNT_VERSION="lint"',
            "-Werror", *warnings.split()]


def compile_all(command, inputs):
    """Complaints about each input, two compilers at a time."""
    def one(path):
        done = subprocess.run([*command(path)], cwd=tree.ROOT, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return f"{path}:\n{done.stdout}" if done.returncode else None
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [c for c in pool.map(one, inputs) if c]


def units():
    return [p for p in tree.files(".c") if not p.startswith("tests/fuzz/")]


def check_gcc_warnings():
    # -O1 lets gcc see uninitialised values, too.
    return compile_all(lambda p: ["gcc", *flags(), "-O1", "-c", "-o",
                                  "/dev/null", p], units())


def check_clang_warnings():
    return compile_all(lambda p: ["clang", *flags(), "-fsyntax-only", p],
                       tree.files(".c"))


def check_headers_compile_alone():
    return compile_all(lambda p: ["gcc", *flags(), "-fsyntax-only", "-x", "c",
                                  p], tree.files(".h"))
