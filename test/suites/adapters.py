# SPDX-License-Identifier: Apache-2.0
"""How each suite is set up, run and read.

A suite has units; a unit is run by one command in folders {work, home, tmp, out} of its own and gives a verdict (pass,
fail, skip, xfail, killed, ...) for each of its named tests. `prepare` what takes long is kept in the cache.
"""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess


def lines_of(path, extent=""):
    """The first words of the lines: with extent quick only of those marked so, without long not of those marked long."""
    with open(path, encoding="ascii") as file:
        words = [line.split("#")[0].split() for line in file]
    marks = {"quick": ["quick"], "": ["", "quick"], "long": ["", "quick", "long"]}[extent]
    return [line[0] for line in words if line and (line[1] if line[1:] else "") in marks]


class Suite:
    """What the suites have in common."""
    name = ""
    environment = {}
    deadline = 1800    # seconds for a unit
    silence = 240      # and for the next sign of life

    def __init__(self, shared, cache):
        self.shared, self.cache = shared, cache

    def furnish(self, unit, folders, call):
        """Put into FOLDERS what UNIT needs; by CALL(word...) if programs are needed."""

    def progress(self, folders):
        """A number that changes while the unit lives."""
        return os.path.getsize(os.path.join(folders["out"], "output"))

    @staticmethod
    def output(folders):
        with open(os.path.join(folders["out"], "output"), "rb") as file:
            return file.read().decode(errors="replace")


class CPython(Suite):
    """CPython's own tests, as Debian's libpython3.X-testsuite installs them: a unit is a module."""
    name = "cpython"
    deadline = 900

    def __init__(self, shared, cache):
        super().__init__(shared, cache)
        found = sorted(glob.glob("/usr/lib/python3.*/test/test_os.py"))
        if not found:
            raise SystemExit("no libpython3.X-testsuite")
        self.python = "/usr/bin/" + found[-1].split("/")[3]
        self.folder = os.path.dirname(found[-1])

    def units(self, extent):
        modules = lines_of(os.path.join(self.shared, "cpython_modules.txt"), extent)
        return [name for name in modules if glob.glob(os.path.join(self.folder, name + "*"))]

    def command(self, unit, folders, wanted):
        return [self.python, os.path.join(self.shared, "cpython_module.py"), unit,
                os.path.join(folders["out"], "results"), *wanted]

    def progress(self, folders):
        try:
            return os.path.getsize(os.path.join(folders["out"], "results"))
        except FileNotFoundError:
            return 0

    def verdicts(self, unit, folders, status):
        verdicts, details = {}, {}
        first = None
        try:
            with open(os.path.join(folders["out"], "results"), encoding="utf-8") as file:
                for line in file:
                    one = json.loads(line)
                    first = first or one["pid"]
                    if one["pid"] != first:
                        continue
                    ended = "killed" if one["verdict"] == "started" else one["verdict"]
                    verdicts[one["test"]] = ended
                    details[one["test"]] = one["detail"]
        except FileNotFoundError:
            pass
        if "the module" not in verdicts and "skip" not in verdicts.values():
            verdicts["the module"] = "killed" if status is None else f"status{status}"
            details["the module"] = self.output(folders)[-3000:]
        return verdicts, details


class StressNg(Suite):
    """stress-ng's file system class with its own checks: a unit is a stressor, run for a second."""
    name = "stress-ng"
    deadline = 120
    ended = {0: "pass", 2: "fail", 3: "no-resource", 4: "not-implemented", 5: "signalled", 6: "exited", 7: "untrustworthy"}

    def units(self, extent):
        # The answer to a class with a question mark: "class 'filesystem' stressors: access bind-mount ..."
        said = subprocess.run(["stress-ng", "--class", "filesystem?"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False).stdout.decode()
        return re.search(r"class 'filesystem' stressors:(.*)", said)[1].split()

    def command(self, unit, folders, wanted):
        return ["stress-ng", "--temp-path", folders["tmp"], "--" + unit, "1", "--timeout", "1s", "--verify", "--no-rand-seed"]

    def verdicts(self, unit, folders, status):
        text = self.output(folders)
        verdicts = {unit: "killed" if status is None else self.ended.get(status, f"status{status}")}
        details = {unit: text[-3000:]}
        # What the checks found, without the numbers that differ from run to run.
        for message in re.findall(r"stress-ng: fail: +\[\d+\] (.*)", text):
            test = f"{unit}: {re.sub('[0-9]+', 'N', re.sub('/[^ ,]*', 'PATH', message)).removeprefix(unit + ': ')}"
            verdicts[test], details[test] = "fail", text[-3000:]
        return verdicts, details


class Gnulib(Suite):
    """The tests of gnulib's modules that have to do with files and processes, as Debian's gnulib makes them: one unit."""
    name = "gnulib"
    deadline = 3600
    silence = 1200
    each = 600    # seconds for one test

    def prepare(self):
        """Make and build the directory of tests, once for each gnulib, list of modules and compiler."""
        there = set(subprocess.run(["gnulib-tool", "--list"], stdout=subprocess.PIPE, check=True).stdout.decode().split())
        modules = [name for name in lines_of(os.path.join(self.shared, "gnulib_modules.txt")) if name in there]
        versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ", "gnulib", "gcc", "libc6-dev"],
                                  stdout=subprocess.PIPE, check=True).stdout
        key = hashlib.sha256(versions + " ".join(modules).encode()).hexdigest()[:16]
        place = os.path.join(self.cache, "gnulib-" + key)
        if os.path.exists(os.path.join(place, "built")):
            return place
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        print(f"building gnulib's tests in {place} (some minutes) ...", flush=True)
        with open(os.path.join(place, "log"), "wb") as log:
            def run(*words, cwd=place):
                environment = {**os.environ, "LC_ALL": "C.UTF-8", "FORCE_UNSAFE_CONFIGURE": "1"}
                if subprocess.run(words, cwd=cwd, stdout=log, stderr=log, env=environment, check=False).returncode:
                    raise SystemExit(f"{words[0]} failed: see {log.name}")
            tree = os.path.join(place, "tree")
            run("gnulib-tool", "--create-testdir", "--single-configure", "--dir", tree, *modules)
            run("./configure", "--disable-nls", "CFLAGS=-O1 -w", cwd=tree)
            jobs = f"-j{os.cpu_count()}"
            run("make", jobs, cwd=tree)
            run("make", jobs, "check", "TESTS=", cwd=tree)
        open(os.path.join(place, "built"), "wb").close()
        return place

    def units(self, extent):
        self.place = self.prepare()
        return ["gltests"]

    def furnish(self, unit, folders, call):
        call("cp", "-a", os.path.join(self.place, "tree"), folders["work"])

    def command(self, unit, folders, wanted):
        limit = f"timeout -s KILL {self.each}"
        words = ["make", "-k", "check", f"LOG_COMPILER={limit}", f"SH_LOG_COMPILER={limit} /bin/sh"]
        if wanted:
            words.append("TESTS=" + " ".join(wanted))
        return ["sh", "-c", 'cd tree/gltests; "$@"; exit 0', "sh", *words]

    def verdicts(self, unit, folders, status):
        names = {"PASS": "pass", "FAIL": "fail", "SKIP": "skip", "XFAIL": "xfail", "XPASS": "xpass", "ERROR": "error"}
        verdicts, details = {}, {}
        for path in glob.glob(os.path.join(folders["work"], "tree", "gltests", "*.trs")):
            with open(path, encoding="utf-8", errors="replace") as file:
                found = re.search(r":test-result: (\w+)", file.read())
            test = os.path.basename(path)[:-4]
            verdicts[test] = names.get(found[1], found[1]) if found else "none"
            with open(path[:-4] + ".log", encoding="utf-8", errors="replace") as file:
                details[test] = file.read()[-3000:]
        if not verdicts:
            verdicts["make check"], details["make check"] = "killed", self.output(folders)[-3000:]
        return verdicts, details


class Perl(Suite):
    """
    The tests of perl itself and of the modules it comes with, run by the installed perl. No binary package has them:
    they are taken from the source package, for which the sources of apt are asked by a list of our own.
    """
    name = "perl"
    deadline = 1200
    silence = 400

    def prepare(self):
        """Fetch and unpack the source; put beside it the modules that are installed, where its tests look for them."""
        version = subprocess.run(["perl", "-e", "printf '%vd', $^V"], stdout=subprocess.PIPE, check=True).stdout.decode()
        place = os.path.join(self.cache, "perl-" + version)
        if os.path.exists(os.path.join(place, "built")):
            return place
        shutil.rmtree(place, ignore_errors=True)
        for folder in ("lists/partial", "cache/archives/partial", "source", "tree"):
            os.makedirs(os.path.join(place, folder))
        targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                                  "Created-By: Packages"], stdout=subprocess.PIPE, check=True).stdout.decode()
        lines = sorted({line for line in targets.splitlines() if re.search("debian|ubuntu", line)})
        with open(os.path.join(place, "sources.list"), "w", encoding="ascii") as file:
            file.writelines(f"deb-src {line}\n" for line in lines)
        apt = ["-qq", "-o", f"Dir::Etc::SourceList={place}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
               "-o", f"Dir::State::Lists={place}/lists", "-o", f"Dir::Cache={place}/cache", "-o", "APT::Sandbox::User=root"]
        print(f"fetching perl's source into {place} ...", flush=True)
        subprocess.run(["apt-get", *apt, "update"], check=True)
        sources = subprocess.run(["apt-cache", *apt, "showsrc", "--only-source", "perl"], stdout=subprocess.PIPE,
                                 check=True).stdout.decode()
        # Any revision of it will do: not every mirror has the source of each.
        for revision in re.findall(r"^Version: (\S+)", sources, re.M):
            if revision.startswith(version + "-") and not subprocess.run(
                    ["apt-get", *apt, "source", "--download-only", "perl=" + revision], stderr=subprocess.DEVNULL,
                    cwd=os.path.join(place, "source"), check=False).returncode:
                break
        tree = os.path.join(place, "tree")
        archive = glob.glob(os.path.join(place, "source", f"perl_{version}*.orig.tar.*"))
        if not archive:
            raise SystemExit(f"the source of perl is not that of {version}")
        subprocess.run(["tar", "-xf", archive[0], "-C", tree, "--strip-components=1"], check=True)
        found = subprocess.run(["perl", "-MConfig", "-e", "print join ' ', @Config{qw(privlibexp archlibexp)}, grep /base/, @INC"],
                               stdout=subprocess.PIPE, check=True).stdout.decode().split()
        for folder in found:
            # Without changing what is tested: only its .t files are the source's own.
            shutil.copytree(os.path.realpath(folder), os.path.join(tree, "lib"), dirs_exist_ok=True)
        open(os.path.join(place, "built"), "wb").close()
        return place

    def units(self, extent):
        self.place = self.prepare()
        self.groups = {}
        with open(os.path.join(self.shared, "perl_tests.txt"), encoding="ascii") as file:
            for line in file:
                words = line.split("#")[0].split()
                if words:
                    group = self.groups.setdefault(words[0], (words[1], []))
                    for pattern in words[2:]:
                        folder = os.path.join(self.place, "tree", words[1])
                        group[1].extend(sorted(os.path.relpath(path, folder)
                                               for path in glob.glob(os.path.join(folder, pattern))))
        return list(self.groups)

    def furnish(self, unit, folders, call):
        tree, work, folder = os.path.join(self.place, "tree"), folders["work"], self.groups[unit][0]
        os.makedirs(os.path.dirname(os.path.join(work, folder)), exist_ok=True)
        for part in {"t", folder}:
            call("cp", "-a", os.path.join(tree, part), os.path.join(work, part))
        os.symlink(os.path.join(tree, "lib"), os.path.join(work, "lib"))

    def progress(self, folders):
        return len(os.listdir(folders["out"]))

    def command(self, unit, folders, wanted):
        folder, files = self.groups[unit]
        # "file#3": that file alone.
        chosen = [file for file in files if not wanted or any(test.split("#")[0] == file for test in wanted)]
        return ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", folder, os.path.join(self.shared, "perl_unit.sh"),
                folders["out"], *chosen]

    def verdicts(self, unit, folders, status):
        verdicts, details = {}, {}
        try:
            with open(os.path.join(folders["out"], "files"), encoding="ascii") as file:
                ran = [line.split(None, 2) for line in file.read().splitlines()]
        except FileNotFoundError:
            ran = []
        for number, ended, name in ran:
            with open(os.path.join(folders["out"], "tap." + number), encoding="utf-8", errors="replace") as file:
                text = file.read()
            verdicts[name] = "pass" if ended == "0" else f"status{ended}"
            details[name] = text[-3000:]
            if re.search(r"^1\.\.0", text, re.M):
                verdicts[name] = "skip"
            for bad, test, rest in re.findall(r"^(not )?ok (\d+)(.*)$", text, re.M):
                key = f"{name}#{test}"
                verdicts[key] = ("skip" if re.search(r"# skip", rest, re.I) else "xfail" if "# TODO" in rest else
                                 "fail" if bad else "pass")
                details[key] = rest + "\n" + text[-2000:]
        if status:
            verdicts["the unit"], details["the unit"] = f"status{status}", self.output(folders)[-2000:]
        if not ran:
            verdicts["the unit"], details["the unit"] = "killed", self.output(folders)[-2000:]
        return verdicts, details


SUITES = {suite.name: suite for suite in (Gnulib, CPython, Perl, StressNg)}
