"""Who may include whom, and where third-party headers may appear."""
import re

import tree

FOLDERS = ["base", "strategies", "router", "conf", "proxy", "load",
           "control", "admin", "cli"]
# The load tester knows no more of the rest than this, and only cli knows it.
LOAD_MAY = ["router/split.h", "proxy/h1_parse.h"]
# Decisions live here: no sockets, no threads, and time is an argument.
PURE = ["strategies", "router"]

# A header, and the files or folders that may include it.
THIRD_PARTY = {
    r"pcre2\.h": ["router/regex.c"],
    r"yaml\.h": ["conf/yaml.c"],
    r"event2/.*|event\.h|evhttp\.h": ["proxy/", "control/", "admin/", "cli/",
                                      "bench/", "load/"],
    r"openssl/.*": ["router/sticky.c", "conf/certificate.c", "conf/pem.c", "conf/ciphers.c",
                    "proxy/tls.c", "proxy/tls_", "proxy/websocket.c",
                    "control/check_tls.c",
                    "control/webhook_tls.c", "load/wire.c", "tests/"],
    r"nghttp2/.*": ["proxy/client_h2", "proxy/upstream_h2", "proxy/h2_link",
                    "control/check_h2.c", "load/h2.c", "tests/"],
    r"jansson\.h": ["admin/", "cli/", "load/judge.c", "load/marks.c",
                    "load/report_json.c"],
    r"sqlite3\.h": ["control/store.c"],
    r"ares.*\.h": ["control/resolver.c"],
    r"cmocka\.h": ["tests/unit/"],
}


def may_include(path, header):
    folder, target = path.split("/")[0], header.split("/")[0]
    if folder == "tests":
        return True
    if folder == "cli" and header == "bench/app.h":
        return True
    if path == "bench/micro.c":  # what it measures
        return target in ("base", "router")
    if folder == "bench":
        return target in ("base", "bench")
    if folder == "load":
        return target in ("base", "load") or header in LOAD_MAY
    if target == "load":
        return folder == "cli"
    if folder not in FOLDERS or target not in FOLDERS:
        return False
    return FOLDERS.index(target) <= FOLDERS.index(folder)


def check_include_directions():
    for path in tree.sources():
        for n, m in tree.matches(tree.read(path), r'^#include "(.*)"'):
            if not may_include(path, m.group(1)):
                yield f"{path}:{n}: may not include {m.group(1)}"


def check_third_party_headers():
    for path in tree.sources():
        for n, m in tree.matches(tree.read(path), r"^#include <(.*)>"):
            for header, allowed in THIRD_PARTY.items():
                if re.fullmatch(header, m.group(1)) and not any(
                        path.startswith(a) for a in allowed):
                    yield (f"{path}:{n}: {m.group(1)} belongs in "
                           + " ".join(allowed))


def check_pure_folders():
    pattern = (r"\b(pthread_create|socket|connect|accept4?|read|write|open|"
               r"fopen|clock_now_us|clock_wall_us|clock_gettime|time|rand|"
               r"random)\(")
    for path in tree.sources():
        if path.split("/")[0] in PURE:
            for n, m in tree.matches(tree.code(path), pattern):
                yield f"{path}:{n}: {m.group(1)}() in a folder without I/O"


def check_magics_unique():
    seen = {}
    for path in tree.sources():
        for n, m in tree.matches(tree.read(path),
                                 r"^#define\s+(\w+_MAGIC)\s+(0x[0-9a-fA-F]+)"):
            value = int(m.group(2), 16)
            if value in seen:
                yield f"{path}:{n}: {m.group(1)} is also {seen[value]}"
            seen[value] = f"{path}:{m.group(1)}"
    if not seen:
        yield "no magic number found"
