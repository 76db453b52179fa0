# SPDX-License-Identifier: GPL-2.0-only
"""report.py - results as CSV, tables in reStructuredText, and gnuplot's SVG"""
import csv
import os
import platform
import subprocess
import time

from world import REPO


def line(cmd):
    return subprocess.run(cmd, shell=True, capture_output=True, text=True, cwd=REPO).stdout.strip()


def machine():
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("commit", line("git describe --always --dirty")),
        ("processor", "%s, %d CPUs" % (line("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"),
                                       os.cpu_count())),
        ("memory", line("awk '/MemTotal/ {printf \"%d MB\", $2 / 1024}' /proc/meminfo")),
        ("kernel", platform.release()),
        ("iptables", line("iptables-legacy -V")),
        ("nftables", line("nft --version | cut -d' ' -f2")),
        ("load before the run", "%.1f" % os.getloadavg()[2]),
    ]


def short(v):
    return "%.0f" % v if v >= 100 else "%.1f" % v if v >= 1 else "%.3f" % v


def table(out, head, rows):
    """A simple reST table."""
    cells = [head] + rows
    width = [max(len(r[i]) for r in cells) for i in range(len(head))]
    rule = "  ".join("=" * w for w in width)
    out += [rule, "  ".join(c.ljust(w) for c, w in zip(head, width)).rstrip(), rule]
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


def write(out_dir, rows, notes):
    os.makedirs(out_dir, exist_ok=True)
    with open(os.path.join(out_dir, "results.csv"), "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(("workload", "x", "series", "contender", "unit", "median", "low", "high"))
        w.writerows((*r[:5], *("%.4g" % v for v in r[5:])) for r in rows)
    out = ["Benchmarks", "==========", "",
           "Written by ``make bench``; how to read it and what is measured: ``Documentation/performance.rst``.",
           "A figure is the median of the rounds, with the lowest and highest round, and its ratio to the",
           "first contender of the row.", ""]
    table(out, ("", ""), [(a, b) for a, b in machine()])
    for (workload, series, unit), rs in groups(rows).items():
        title = "%s: %s, %s" % (workload, series, unit)
        xs = list(dict.fromkeys(r[1] for r in rs))
        contenders = list(dict.fromkeys(r[3] for r in rs))
        by = {(r[1], r[3]): r[5:] for r in rs}
        out += [title, "-" * len(title), ""]
        name = "%s-%s-%s.svg" % (workload, series, unit.split("/")[0].replace(" ", "-"))
        if len(xs) > 1:
            plot(os.path.join(out_dir, name), title, unit, xs, contenders, lambda x, c: by.get((x, c)))
            out += [".. image:: " + name, ""]
        lines = []
        for x in xs:
            first = next((by[x, c][0] for c in contenders if (x, c) in by), None)
            cells = [str(x)]
            for c in contenders:
                v = by.get((x, c))
                cells.append("--" if not v else "%s (%s-%s) %.2fx" % (
                    short(v[0]), short(v[1]), short(v[2]), v[0] / first if first else 0))
            lines.append(cells)
        table(out, ["", *contenders], lines)
    if notes:
        out += ["Notes", "-----", ""] + ["* " + n for n in notes] + [""]
    with open(os.path.join(out_dir, "summary.rst"), "w") as f:
        f.write("\n".join(out))
