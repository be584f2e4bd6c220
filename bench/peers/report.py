"""The table on the terminal, and bench/RESULTS.md."""
import os
import re

from peers.system import ROOT, machine

RESULTS = os.path.join(ROOT, "bench", "RESULTS.md")
HEAD = """# Results

Written by `./dev bench peers`; nothing here is edited by hand. Ratios are of the medians of rounds
that alternate in one run; the figures of each round stand under "figures", divided by "/".
"""


def print_table(rows):
    texts = [[row.figure, row.measured, row.target, row.verdict] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    for row, text in zip(rows, texts):
        print("  ".join(part.ljust(width) for part, width in zip(text, widths)).rstrip())
        print("    " + row.detail)


def section(name, command, rows, plan):
    lines = ["## " + name, "", "```", command, "```", ""]
    lines += ["| figure | measured | target | | figures |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        cells = [row.figure, row.measured, row.target, row.verdict, row.detail]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "Settings:", ""]
    lines += ["- " + text for text in plan.settings]
    lines += ["", "Machine:", ""]
    lines += ["- %s: %s" % pair for pair in machine()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def write_results(name, command, rows, plan):
    """Replaces the section of that name and keeps the others."""
    old = ""
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            old = file.read()
    kept = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", old, re.MULTILINE | re.DOTALL))
    sections = {title: "## %s\n%s" % (title, text.rstrip("\n") + "\n")
                for title, text in kept.items()}
    sections[name] = section(name, command, rows, plan)
    with open(RESULTS, "w") as file:
        file.write(HEAD + "".join("\n" + text for text in sections.values()))
