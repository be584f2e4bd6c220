#!/usr/bin/env python3
"""Every fuzz target under libFuzzer and AFL++, after their canaries: planted faults that must be
found. Prints the seed, then a line a target: executions, coverage, CPU seconds, findings. A finding
is kept as a file and ends the run with 1.

  ./dev torture fuzz [SURFACE…] [--seconds N] [--seed N] [--out DIR] [--merge] [--unit-seconds N]

N seconds for each target and fuzzer, 3600 by default. An input that takes --unit-seconds, 10 by
default, is a finding: give more where other work can hold up the fuzzer. --merge adds what was
found to reach new code to tests/fuzz/corpus, in as few files as do.
"""
import argparse
import contextlib
import ctypes
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus")
BUILD = {"libfuzzer": os.path.join(ROOT, "build", "fuzz"),
         "afl": os.path.join(ROOT, "build", "fuzz-afl")}
CANARY_SECONDS = 60  # at most: a search ends when the fault is found
CANARY_SEARCHES = 5  # by the next seeds, for one may be unlucky
INPUT_BYTES_MAX = 4096
UNIT_SECONDS = 10
MERGED_BYTES_MAX = 512
FINDINGS = ("crash-", "leak-", "oom-", "timeout-")


def binary(fuzzer, kind, surface):
    return os.path.join(BUILD[fuzzer], "%s_%s" % (kind, surface))


def surfaces():
    return sorted(os.listdir(CORPUS))


def dictionary(surface):
    path = os.path.join(ROOT, "tests", "fuzz", "dictionary", surface + ".txt")
    return path if os.path.exists(path) else None


def adopt_orphans():
    """afl-fuzz ends without waiting for the process that runs the inputs: it becomes ours."""
    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def cpu_seconds():
    """Of all processes that have ended below this one."""
    with contextlib.suppress(ChildProcessError):  # none is left
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Result:
    def __init__(self, executions, coverage, findings, seconds):
        self.executions, self.coverage, self.findings = executions, coverage, findings
        self.seconds = seconds


def run_libfuzzer(kind, surface, seconds, seed, out, seeds, unit_seconds=UNIT_SECONDS):
    """seeds: the folder to start from. What is found goes below out."""
    work = os.path.join(out, "libfuzzer", kind, surface)
    corpus = os.path.join(work, "corpus")
    os.makedirs(corpus)
    command = [binary("libfuzzer", kind, surface), "-max_total_time=%d" % seconds,
               "-seed=%d" % seed, "-max_len=%d" % INPUT_BYTES_MAX, "-print_final_stats=1",
               "-artifact_prefix=" + work + "/", "-timeout=%d" % unit_seconds]
    if dictionary(surface):
        command.append("-dict=" + dictionary(surface))
    began = time.monotonic()
    with open(os.path.join(work, "log"), "wb") as log:
        subprocess.run(command + [corpus, seeds], stdout=log, stderr=log, check=False)
    with open(os.path.join(work, "log"), errors="replace") as log:
        text = log.read()
    covered = re.findall(r"cov: (\d+) ft: (\d+)", text)
    counters = re.search(r"\((\d+) inline 8-bit counters\)", text)
    executed = re.search(r"number_of_executed_units: +(\d+)", text)
    last = re.findall(r"^#(\d+)\t", text, re.MULTILINE)
    findings = [os.path.join(work, name) for name in sorted(os.listdir(work))
                if name.startswith(FINDINGS)]
    if not covered or not counters or not (executed or last):
        sys.exit("torture: no figures from libFuzzer, see %s/log" % work)
    count = int(executed.group(1) if executed else last[-1])
    coverage = "%s of %s edges" % (covered[-1][0], counters.group(1))
    return Result(count, coverage, findings, time.monotonic() - began)


def run_afl(kind, surface, seconds, seed, out, seeds, unit_seconds=UNIT_SECONDS):
    work = os.path.join(out, "afl", kind, surface)
    os.makedirs(os.path.dirname(work), exist_ok=True)
    command = ["afl-fuzz", "-i", seeds, "-o", work, "-V", str(seconds), "-s", str(seed),
               "-G", str(INPUT_BYTES_MAX), "-m", "none",
               "-t", str(unit_seconds * 1000)]
    if dictionary(surface):
        command += ["-x", dictionary(surface)]
    # Core patterns and frequency governors are the machine's: not changed for a test.
    environment = dict(os.environ, AFL_NO_UI="1", AFL_SKIP_CPUFREQ="1", AFL_NO_AFFINITY="1",
                       AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1", AFL_NO_STARTUP_CALIBRATION="1")
    if kind == "canary":
        # The planted fault may be in reach of a file of the corpus already.
        environment.update(AFL_BENCH_UNTIL_CRASH="1", AFL_CRASHING_SEEDS_AS_NEW_CRASH="1")
    began = time.monotonic()
    with open(os.path.join(out, "afl", "%s-%s.log" % (kind, surface)), "wb") as log:
        subprocess.run(command + ["--", binary("afl", kind, surface)], stdout=log, stderr=log,
                       env=environment, check=False)
    stats_path = os.path.join(work, "default", "fuzzer_stats")
    if not os.path.exists(stats_path):
        sys.exit("torture: no figures from AFL++, see %s" % log.name)
    with open(stats_path) as file:
        stats = dict(re.split(r"\s*:\s*", line.strip(), maxsplit=1) for line in file)
    found = []
    for folder in ("crashes", "hangs"):
        path = os.path.join(work, "default", folder)
        found += [os.path.join(path, name) for name in sorted(os.listdir(path))
                  if name.startswith("id:")]
    coverage = "%s of %s edges" % (stats["edges_found"], stats.get("total_edges", "?"))
    return Result(int(stats["execs_done"]), coverage, found, time.monotonic() - began)


RUN = {"libfuzzer": run_libfuzzer, "afl": run_afl}


def plain_seed_folder(out, surface):
    """For a canary: only the inputs that its fault does not concern, so that it is searched for."""
    folder = os.path.join(out, "canary-seeds", surface)
    os.makedirs(folder)
    for name in sorted(os.listdir(os.path.join(CORPUS, surface))):
        path = os.path.join(CORPUS, surface, name)
        command = [binary("libfuzzer", "canary", surface), "-artifact_prefix=%s/" % out, path]
        ran = subprocess.run(command, check=False, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        if ran.returncode == 0:
            shutil.copy(path, folder)
    return folder


def hunt_canaries(names, seed, out):
    missed = []
    for surface in names:
        seeds = plain_seed_folder(out, surface)
        for fuzzer in BUILD:
            for search in range(CANARY_SEARCHES):
                work = os.path.join(out, "search-%d" % search)
                result = RUN[fuzzer]("canary", surface, CANARY_SECONDS, seed + search, work, seeds)
                found = bool(result.findings)
                if found:
                    break
            print("canary %-10s %-10s %s after %d executions, %.0f s" % (
                surface, fuzzer, "found" if found else "NOT FOUND", result.executions,
                result.seconds + search * CANARY_SECONDS), flush=True)
            missed += [] if found else [surface]
    return missed


def merge(surface, out):
    """Adds to the corpus the fewest files that reach all the code that was reached."""
    found = [os.path.join(out, "libfuzzer", "fuzz", surface, "corpus"),
             os.path.join(out, "afl", "fuzz", surface, "default", "queue")]
    corpus = os.path.join(CORPUS, surface)
    before = len(os.listdir(corpus))
    subprocess.run([binary("libfuzzer", "fuzz", surface), "-merge=1", "-use_counters=0",
                    "-max_len=%d" % MERGED_BYTES_MAX, corpus]
                   + [one for one in found if os.path.isdir(one)],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return len(os.listdir(corpus)) - before


def main():
    parser = argparse.ArgumentParser(prog="./dev torture fuzz")
    parser.add_argument("surfaces", nargs="*", metavar="SURFACE")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out")
    parser.add_argument("--unit-seconds", type=int, default=UNIT_SECONDS)
    parser.add_argument("--fuzzer", choices=sorted(BUILD), action="append")
    parser.add_argument("--no-canaries", action="store_true")
    parser.add_argument("--merge", action="store_true")
    asked = parser.parse_args()
    names = asked.surfaces or surfaces()
    for name in names:
        if name not in surfaces():
            parser.error("no such surface: %s; there are %s" % (name, ", ".join(surfaces())))
    out = asked.out or tempfile.mkdtemp(prefix="tacit-fuzz-")
    print("seed %d, %d seconds a target and fuzzer, below %s" % (asked.seed, asked.seconds, out),
          flush=True)
    if not asked.no_canaries and hunt_canaries(names, asked.seed, out):
        sys.exit("torture: a planted fault was not found: the figures would prove nothing")
    findings = []
    adopt_orphans()
    for surface in names:
        for fuzzer in asked.fuzzer or BUILD:
            before = cpu_seconds()
            result = RUN[fuzzer]("fuzz", surface, asked.seconds, asked.seed, out,
                                 os.path.join(CORPUS, surface), asked.unit_seconds)
            print("fuzz   %-10s %-10s %12d executions, %s, %.0f CPU s, %d findings" % (
                surface, fuzzer, result.executions, result.coverage, cpu_seconds() - before,
                len(result.findings)), flush=True)
            findings += result.findings
        if asked.merge and not findings:
            print("corpus %-10s %d more files" % (surface, merge(surface, out)), flush=True)
    for path in findings:
        print("FINDING " + path)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
