# SPDX-License-Identifier: GPL-2.0-only
"""
report.py - results as CSV, tables in reStructuredText, and gnuplot's SVG

A cell is the median of the rounds, the quartiles, and the ratio to the first contender of
the row: the median and the quartiles of the ratios round by round. The tables of the head
have the medians only, of a whole workload.
"""
import csv
import os
import platform
import shutil
import subprocess
import time

from measure import middle
from world import REPO


def line(cmd):
    return subprocess.run(cmd, shell=True, capture_output=True, text=True, cwd=REPO).stdout.strip()


def machine():
    bfcli = os.environ.get("BPFILTER")
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("commit", line("git describe --always --dirty --abbrev=12")),
        ("processor", "%s, %d CPUs" % (line("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"),
                                       os.cpu_count())),
        ("memory", line("awk '/MemTotal/ {printf \"%d MB\", $2 / 1024}' /proc/meminfo")),
        ("kernel", platform.release()),
        ("iptables", line("iptables-legacy -V")),
        ("nftables", line("nft --version | cut -d' ' -f2")),
        *([("bpfilter", line(bfcli + " --version | sed 's/.* //'"))] if bfcli else []),
        ("load before the run", "%.1f" % os.getloadavg()[2]),
    ]


def short(v):
    return "%.0f" % v if v >= 100 else "%.1f" % v if v >= 1 else "%.3f" % v


def table(out, head, rows):
    """A simple reST table."""
    cells = [head] + rows
    width = [max(len(r[i]) for r in cells) for i in range(len(head))]
    rule = "  ".join("=" * w for w in width)
    out.append(rule)
    if any(head):
        out += ["  ".join(c.ljust(w) for c, w in zip(head, width)).rstrip(), rule]
    out += ["  ".join(c.ljust(w) for c, w in zip(r, width)).rstrip() for r in rows]
    out += [rule, ""]


def plot(path, title, unit, xs, contenders, value):
    """Lines over the rule count when x is a number, bars otherwise."""
    numeric = all(str(x).isdigit() for x in xs) and len(xs) > 2
    data = []
    for c in contenders:
        rows = []
        for i, x in enumerate(xs):
            v = value(x, c)
            if v:
                rows.append("%s %g %g %g" % (max(float(x), 0.5) if numeric else i, *v))
        data.append("\n".join(rows))
    script = ["set terminal svg size 900,520 font 'sans,13' background 'white'",
              "set output '%s'" % path, "set title '%s' noenhanced" % title, "set ylabel '%s'" % unit,
              "set logscale y", "set grid", "set key outside right noenhanced"]
    if numeric:
        script += ["set logscale x", "set xlabel 'rules (0 drawn at 0.5)'"]
        with_ = "with yerrorlines pt 7 ps 0.6"
    else:
        script += ["set xrange [-0.5:%g]" % (len(xs) - 0.5), "set offsets 0.3,0.3,0,0",
                   "set xtics (%s) rotate by -30 noenhanced" % ", ".join("'%s' %d" % (x, i) for i, x in enumerate(xs))]
        with_ = "with yerrorbars pt 7 ps 0.9"
    script.append("plot " + ", ".join("'-' using 1:2:3:4 %s title '%s'" % (with_, c) for c in contenders))
    for d in data:
        script += [d, "e"]
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=False)


def groups(rows):
    seen = {}
    for r in rows:
        seen.setdefault((r[0], r[2], r[4]), []).append(r)
    return seen


def ratios(values, base):
    """@values over @base, round by round where there are as many."""
    if len(values) == len(base):
        return middle([v / b for v, b in zip(values, base) if b] or [0])
    mid = middle(base)[1]
    return tuple(v / mid if mid else 0 for v in middle(values))


COLUMNS = ("workload", "x", "series", "contender", "unit", "rounds", "median", "q1", "q3",
           "against", "ratio", "ratio_q1", "ratio_q3")


def lines_of(rows):
    """What the CSV says, a dict for each line."""
    first = {}
    for workload, x, series, contender, unit, values in rows:
        base = first.setdefault((workload, x, series, unit), (contender, values))
        low, mid, high = middle(values)
        rlow, rmid, rhigh = ratios(values, base[1])
        yield dict(zip(COLUMNS, (workload, x, series, contender, unit, len(values),
                                 *("%.5g" % v for v in (mid, low, high)), base[0],
                                 *("%.4g" % v for v in (rmid, rlow, rhigh)))))


def write_csv(path, lines):
    with open(path, "w", newline="") as f:
        w = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        w.writeheader()
        w.writerows(lines)


def brief(out, lines):
    """A table for each workload: a row's first contender in figures, the others' ratios to it."""
    workloads = {}
    for r in lines:
        workloads.setdefault(r["workload"], []).append(r)
    for workload, rs in workloads.items():
        contenders = list(dict.fromkeys(r["contender"] for r in rs))
        series = list(dict.fromkeys(r["series"] for r in rs))
        cells = {}
        for r in sorted(rs, key=lambda r: series.index(r["series"])):
            row = cells.setdefault(("%s, %s" % (r["series"], r["x"]), r["unit"]), dict.fromkeys(contenders, "--"))
            row[r["contender"]] = short(float(r["median"])) if r["contender"] == r["against"] else \
                "%.2fx" % float(r["ratio"])
        table(out, [workload, "unit", *contenders], [[*k, *row.values()] for k, row in cells.items()])


def cell(values, base):
    if not values:
        return "--"
    low, mid, high = middle(values)
    text = "%s (%s-%s)" % (short(mid), short(low), short(high))
    if not base or base is values:
        return text
    low, mid, high = ratios(values, base)
    return text + " %.2fx (%.2f-%.2f)" % (mid, low, high)


def section(out, out_dir, title, name, rs):
    """One table, a row for each x, and its plot."""
    xs = list(dict.fromkeys(r[1] for r in rs))
    contenders = list(dict.fromkeys(r[3] for r in rs))
    by = {(r[1], r[3]): r[5] for r in rs}
    out += [title, "-" * len(title), ""]
    if len(xs) > 1 and shutil.which("gnuplot"):
        def point(x, c):
            low, mid, high = middle(by.get((x, c)) or [0])
            return (mid, low, high) if mid else None
        plot(os.path.join(out_dir, name), title, rs[0][4], xs, contenders, point)
        out += [".. image:: " + name, ""]
    lines = []
    for x in xs:
        base = next((by[x, c] for c in contenders if (x, c) in by), None)
        lines.append([x] + [cell(by.get((x, c)), base) for c in contenders])
    if len(contenders) > 4:	# a row for each contender is narrower
        table(out, ["", *xs], [[c] + [r[i + 1] for r in lines] for i, c in enumerate(contenders)])
    else:
        table(out, ["", *contenders], lines)


def write(out_dir, described, rows, notes):
    os.makedirs(out_dir, exist_ok=True)
    lines = list(lines_of(rows))
    write_csv(os.path.join(out_dir, "results.csv"), lines)
    out = ["Benchmarks", "==========", "",
           "Written by ``make bench``; what is measured, and how: ``Documentation/performance.rst``.",
           "A figure is the median of the rounds with its quartiles, then its ratio to the first",
           "contender that has one, the median and quartiles of the ratios round by round. The tables",
           "of the head have the medians alone.", ""]
    table(out, ("", ""), described)
    brief(out, lines)
    for (workload, series, unit), rs in groups(rows).items():
        name = ("%s-%s-%s.svg" % (workload, series, unit.split("/")[0])).replace(" ", "-")
        section(out, out_dir, "%s: %s, %s" % (workload, series, unit), name, rs)
    if notes:
        out += ["Notes", "-----", ""] + ["* " + n for n in notes] + [""]
    with open(os.path.join(out_dir, "summary.rst"), "w") as f:
        f.write("\n".join(out))
