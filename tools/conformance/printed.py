"""Runs the examples of docs/CLIENTS.md as they are printed, and expects of each what is printed below it."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from cases import ROOT, URL, Suite, check

PAGE = (ROOT / "docs" / "CLIENTS.md").read_text()
# A block of code, and the indented lines after it.
EXAMPLE = re.compile(r"^```(\w+)\n(.*?)^```\n\n((?:    [^\n]*\n)+)", re.M | re.S)
NODE_MODULES, E2E = pathlib.Path(sys.argv[1]) / "node_modules", ROOT / "e2e"
suite = Suite("docs/CLIENTS.md")


def output(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, done.stderr)
    return done.stdout


def python(code, folder):
    (folder / "sum.py").write_text(code)
    return output(sys.executable, "sum.py", cwd=folder)


def javascript(code, folder):
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "sum.mjs").write_text(code)
    return output("node", "sum.mjs", cwd=folder)


def go(code, folder):
    # The module of the daemon's own tests has this SDK in a version that is pinned.
    (folder / "main.go").write_text(code)
    output("env", "CGO_ENABLED=0", "go", "build", "-o", folder / "sum", folder / "main.go", cwd=E2E)
    return output(folder / "sum", cwd=folder)


PROGRAMS = {"python": (python, None), "javascript": (javascript, "node"), "go": (go, "go")}
examples = EXAMPLE.findall(PAGE)
check(sorted(language for language, _, _ in examples) == sorted(PROGRAMS), "the page has other examples than are run", examples)
for language, code, printed in examples:
    run, needs = PROGRAMS[language]
    if needs and not shutil.which(needs):
        print(f"skipped: {language} needs {needs}", file=sys.stderr)
        continue

    @suite.case(f"the example in {language}")
    def _():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copy(ROOT / "examples" / "sum.png", folder)
            want = "".join(line[4:] + "\n" for line in printed.splitlines()).rstrip("\n")
            got = run(code.replace("http://127.0.0.1:8080", URL), folder).rstrip("\n")
            check(got == want, got)


suite.end()
