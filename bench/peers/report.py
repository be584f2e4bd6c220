"""The table on the terminal, and bench/RESULTS.md."""
import os
import re

from peers.system import ROOT, machine

RESULTS = os.path.join(ROOT, "bench", "RESULTS.md")
HEAD = """# Results

Written by `./dev bench peers`; nothing here is edited by hand. Ratios are of the medians of rounds
that alternate in one run; the figures of each round stand under "figures", divided by "/". Each
section is of one run, and says which.

tacit ran with limits.reads_per_minute and writes_per_minute 0, log.level warn, and all else as by
default (block cache 64 MB; rendered lists: an eighth of the memory, of all threads together), but
for what a section says.
"""
SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
TABLE_HEAD = ["| figure | measured | target | | figures |", "| --- | --- | --- | --- | --- |"]
SUMMARY = "All figures"
MACHINE = "Machine"


def print_table(rows):
    texts = [[row.figure, row.measured, row.target, row.verdict] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    for row, text in zip(rows, texts):
        print("  ".join(part.ljust(width) for part, width in zip(text, widths)).rstrip())
        print("    " + row.detail)


def lines_of(command, rows, plan, about):
    lines = ["`%s`, %s, tacit %s" % (command, about["date"], about["tacit"]), ""] + TABLE_HEAD
    for row in rows:
        cells = [row.figure, row.measured, row.target, row.verdict, row.detail]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines + [""] + ["- " + text for text in plan.settings]


def summary_of(sections):
    """Without the figures of rounds: what the sections' tables say."""
    lines = ["| figure | measured | target | |", "| --- | --- | --- | --- |"]
    for text in sections:
        for line in text.splitlines():
            if line.startswith("| ") and line not in TABLE_HEAD:
                lines.append(" | ".join(line.split(" | ", 4)[:4]) + " |")
    return lines


def write_group(name, order, command, rows, plan):
    """Replaces the section of that name and keeps the others."""
    old = ""
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            old = file.read()
    sections = {title: text.strip() for title, text in SECTION.findall(old) if title in order}
    about = dict(machine())
    sections[name] = "\n".join(lines_of(command, rows, plan, about))
    in_order = [(title, sections[title]) for title in order if title in sections]
    parts = [(SUMMARY, "\n".join(summary_of(text for _, text in in_order)))] + in_order
    parts.append((MACHINE, "\n".join("- %s: %s" % (what, text) for what, text in about.items()
                                     if what not in ("date", "tacit"))))
    page = HEAD + "".join("\n## %s\n\n%s\n" % part for part in parts)
    unfinished = RESULTS + ".new"
    with open(unfinished, "w") as file:
        file.write("\n".join(line.rstrip() for line in page.splitlines()) + "\n")
    os.replace(unfinished, RESULTS)
