# SPDX-License-Identifier: BSD-2-Clause
"""What `make bench-uml` tells: rates, ratios against what is to be reached, and a plot."""
import json
import os
import statistics
import subprocess
import time

PEERS = ["tmpfs", "ext4", "hostfs", "virtiofsd", "vhost-fs", "nfs", "ocfs2", "mpdisk", "code=pool"]
SHARED = ["nfs", "ocfs2", "mpdisk"]
METADATA = ["create", "stat", "readdir", "rename", "unlink"]
READS = ["read-128k", "read-4k"]
WRITES = ["write-128k", "write-4k"]
COLD = ["cold-stat", "cold-readdir", "cold-read-128k", "cold-read-4k"]
JOBS = ["build", "checkout"]
KINDS = METADATA + READS + WRITES + ["fsync"] + COLD + JOBS
TOGETHER = ["create", "stat", "readdir", "rename", "unlink"]
HANDED = ["fcntl", "flock", "fcntl+300", "flock+300", "mmap"]  # +300: given back after 300 us of work
WAYS = {"one": "one guest", "two": "two, a directory each", "both": "two, in one directory"}

# what, ours, against whom, kinds, what decides, reach, aim
REACHES = [
    ("against tmpfs: names", "mpdisk", "tmpfs", ["create", "stat", "unlink", "readdir"], "worst", 0.8, 1.0),
    ("against NFS: names", "mpdisk", "nfs", METADATA, "all", 8, 15),
    ("against virtiofsd: names", "mpdisk", "virtiofsd", METADATA, "all", 8, 15),
    ("against hostfs: names", "mpdisk", "hostfs", METADATA, "all", 1.2, 1.5),
    ("against tmpfs: reads", "mpdisk", "tmpfs", READS, "worst", 0.8, 1.0),
    ("code in the pool against the module's", "code=pool", "mpdisk", METADATA, "all", 0.95, 1.0),
    ("vhost-fs against virtiofsd: names", "vhost-fs", "virtiofsd", METADATA, "all", 1.2, 2),
    ("vhost-fs against virtiofsd: data", "vhost-fs", "virtiofsd", READS + WRITES, "worst", 1.2, 2),
]


def rate(kind, ns):
    """In the unit that the table has for the kind."""
    if kind in JOBS:
        return ns / 1e9
    if kind.endswith("128k"):
        return 128 / 1024 / ns * 1e9
    return 1e6 / ns


def unit(kind):
    return "s" if kind in JOBS else "MiB/s" if kind.endswith("128k") else "k/s"


def number(n):
    return "-" if n is None else f"{n:,.0f}" if n >= 100 else f"{n:.1f}" if n >= 10 else f"{n:.2f}"


class Results:
    def __init__(self, bench):
        self.missing = bench.missing
        self.ns = {key: statistics.median(v) for key, v in bench.samples.items()}
        self.spread = {key: max(v) / min(v) for key, v in bench.samples.items()}
        self.together = {key: statistics.median(v) for key, v in bench.together.items()}
        self.handed = {key: tuple(statistics.median(times) for times in zip(*v)) for key, v in bench.handed.items()}
        self.rows = []

    def verdict(self, what, ratios, decides, reach, aim):
        """One of {name: ratio} decides; nothing is met by what was not measured."""
        n = None if None in ratios.values() else ratios[decides] if decides in ratios else min(ratios.values())
        met = "missing" if n is None else "aim" if n >= aim else "reach" if n >= reach else "missed"
        self.rows.append({"what": what, "ratios": ratios, "reach": reach, "aim": aim, "met": met})

    def ratio(self, ours, theirs, kind):
        a, b = self.ns.get((ours, kind)), self.ns.get((theirs, kind))
        return b / a if a and b else None

    def ratios(self, ours, theirs, kinds, decides):
        """{kind: ratio}, and "all": of the time that each kind once takes, one after the other."""
        ratios = {kind: self.ratio(ours, theirs, kind) for kind in kinds}
        if decides != "all":
            return ratios
        times = [[self.ns.get((peer, kind)) for kind in kinds] for peer in (theirs, ours)]
        return {"all": None if None in times[0] + times[1] else sum(times[0]) / sum(times[1]), **ratios}

    def together_ratio(self, a, b):
        a, b = self.together.get(a), self.together.get(b)
        return a / b if a and b else None

    def judge(self):
        for what, ours, theirs, kinds, decides, reach, aim in REACHES:
            self.verdict(what, self.ratios(ours, theirs, kinds, decides), decides, reach, aim)
        self.verdict("two guests on one tree against one", {
            kind: self.together_ratio(("mpdisk", kind, "two"), ("mpdisk", kind, "one")) for kind in TOGETHER}, "worst",
            1.5, 1.9)
        self.verdict("two guests in one directory against OCFS2", {
            "create": self.together_ratio(("mpdisk", "create", "both"), ("ocfs2", "create", "both"))}, "worst",
            20, 50)

    # ---- text
    def rates(self):
        lines = [f"{'':<16}{'':<6}" + "".join(f"{peer:>11}" for peer in PEERS)]
        for kind in KINDS:
            values = (self.ns.get((peer, kind)) for peer in PEERS)
            lines.append(f"{kind:<16}{unit(kind):<6}" +
                         "".join(f"{number(ns and rate(kind, ns)):>11}" for ns in values))
        return lines

    def rates_together(self):
        lines = [f"{'two guests':<24}{'':<8}" + "".join(f"{kind:>11}" for kind in TOGETHER) + "   k/s"]
        for peer in SHARED:
            for way, text in WAYS.items():
                values = (self.together.get((peer, kind, way)) for kind in TOGETHER)
                lines.append(f"{text:<24}{peer:<8}" + "".join(f"{number(v and v / 1e3):>11}" for v in values))
        return lines

    def hand_overs(self):
        lines = [f"{'one guest to the other':<24}" + "".join(f"{kind:>16}" for kind in HANDED) +
                 "   us: half of them, 95 % of them"]
        for peer in sorted({peer for peer, _ in self.handed}, key=PEERS.index):
            values = (self.handed.get((peer, kind)) for kind in HANDED)
            texts = ("-" if v is None else " / ".join(number(ns / 1e3) for ns in v) for v in values)
            lines.append(f"{peer:<24}" + "".join(f"{text:>16}" for text in texts))
        return lines

    def reaches(self):
        lines = [f"{'what: ratios':<46}{'reach':>6}{'aim':>6}  met"]
        for r in self.rows:
            lines.append(f"{r['what']:<46}{r['reach']:>6}{r['aim']:>6}  {r['met']}")
            lines.append("    " + ", ".join(f"{kind} {number(v)}" for kind, v in r["ratios"].items()))
        return lines

    def text(self):
        blocks = [self.rates(), self.rates_together(), self.hand_overs(), self.reaches()]
        if self.missing:
            blocks.append([f"MISSING {peer}: {why}" for peer, why in self.missing.items()])
        wide = list(self.spread.values())
        if wide:
            blocks.append([f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; slowest round against "
                           f"fastest: {statistics.median(wide):.2f} (median of figures), {max(wide):.1f} (worst)"])
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    # ---- plot
    def plot(self, folder):
        """Speed against tmpfs: a group of bars for each kind."""
        kinds = METADATA + READS + WRITES + COLD
        peers = [peer for peer in PEERS if peer != "tmpfs" and self.ratio(peer, "tmpfs", "create")]
        if not peers:
            return
        with open(f"{folder}/plot.dat", "w") as f:
            f.write("kind " + " ".join(peers) + "\n")
            for kind in kinds:
                ratios = (self.ratio(peer, "tmpfs", kind) for peer in peers)
                f.write(f"{kind} " + " ".join("?" if r is None else f"{r:.4f}" for r in ratios) + "\n")
        bars = f"for [i=2:{len(peers) + 1}] '{folder}/plot.dat' using i:xtic(1) title columnheader(i)"
        script = f"""set terminal svg size 1400,560 dynamic background rgb 'white'
set output '{folder}/results.svg'
set title 'speed against tmpfs in the same User-Mode Linux kernel'
set style data histograms
set style fill solid border -1
set datafile missing '?'
set logscale y
set grid y
set key outside right
set xtics rotate by -30
plot 1 with lines lc 'black' notitle, {bars}
"""
        subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=60)


def write(folder, bench):
    """The exit status: 1 if something could not be measured."""
    results = Results(bench)
    results.judge()
    text = results.text()
    with open(f"{folder}/results.txt", "w") as f:
        f.write(time.strftime("%Y-%m-%d\n", time.gmtime()) + text)
    with open(f"{folder}/results.json", "w") as f:
        json.dump({"rows": results.rows, "missing": results.missing,
                   "ns": {f"{p} {k}": v for (p, k), v in results.ns.items()},
                   "hand_over_ns": {f"{p} {k}": v for (p, k), v in results.handed.items()},
                   "per_second_together": {" ".join(k): v for k, v in results.together.items()}}, f, indent=1)
        f.write("\n")
    print(text, end="", flush=True)
    results.plot(folder)
    return 1 if results.missing else 0
