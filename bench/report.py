"""The results: kept, added to a JSON file, printed as a table, drawn."""

import fnmatch
import json
import math
import os
import statistics

HERE = os.path.dirname(os.path.abspath(__file__))


def read_targets():
    """[(glob, kind, value)]: kind is wall, cpu (ratios to native), max (absolute), over (more than native) or under (value: a configuration)."""
    out = []
    with open(os.path.join(HERE, "targets")) as f:
        for line in f:
            word = line.partition("#")[0].split()
            if not word:
                continue
            if word[1].startswith("<"):
                out.append((word[0], "under", word[1][1:]))
            else:
                out.append((word[0], "wall" if len(word) == 2 else word[1], float(word[-1])))
    return out


TARGETS = read_targets()


def quantity(value, unit):
    if unit == "ns":
        for limit, scale, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if value < limit:
                return "%.3g %s" % (value / scale, name)
    if value >= 1000:
        return "%.0f %s" % (value, unit)
    return "%.3g %s" % (value, unit)


class Results:
    def __init__(self, path, keep=False):
        self.path = path
        self.data = {"machine": {}, "versions": {}, "noise": [], "results": {}}
        self.fresh = set()
        if path and os.path.exists(path):
            with open(path) as f:
                self.data = json.load(f)
        elif keep:
            raise SystemExit("bench/run: --show needs a --json FILE that is there")

    def describe(self, machine, versions):
        self.data["machine"] = machine
        self.data["versions"].update(versions)

    def cell(self, b, config):
        row = self.data["results"].setdefault(b.name, {"unit": b.unit, "configs": {}})
        if (b.name, config) not in self.fresh:
            self.fresh.add((b.name, config))
            row["configs"][config] = {"samples": [], "cpu": []}
        return row["configs"][config]

    def add(self, b, config, samples, cpu):
        cell = self.cell(b, config)
        cell["samples"] += [round(s, 4) for s in samples]
        if cpu is not None:
            cell["cpu"].append(round(cpu, 4))

    def fail(self, b, config, why):
        self.cell(b, config)["error"] = why

    def failed(self, name, config):
        return (name, config) in self.fresh and "error" in self.data["results"][name]["configs"][config]

    def add_noise(self, noise):
        self.data["noise"].append(noise.figures())

    def save(self):
        if self.path:
            with open(self.path + ".new", "w") as f:
                json.dump(self.data, f, indent=1)
            os.replace(self.path + ".new", self.path)

    def names(self):
        return list(self.data["results"])

    def configs(self):
        every = {c for r in self.data["results"].values() for c in r["configs"]}
        import configs
        return [c for c in configs.NAMES if c in every]

    def figures(self, name, config):
        """{median, spread, cpu, ratio, cpu_ratio}, {error} or None."""
        row = self.data["results"].get(name)
        cell = row and row["configs"].get(config)
        if not cell:
            return None
        if "error" in cell or not cell["samples"]:
            return {"error": cell.get("error", "no figures")}
        median = statistics.median(cell["samples"])
        spread = None
        if len(cell["samples"]) > 2 and median > 0:
            q = statistics.quantiles(cell["samples"], n=4, method="inclusive")
            spread = (q[2] - q[0]) / median
        out = {"median": median, "spread": spread, "cpu": statistics.median(cell["cpu"]) if cell["cpu"] else None}
        native = row["configs"].get("native")
        if native and native["samples"] and config != "native":
            base = statistics.median(native["samples"])
            out["ratio"] = median / base if base > 0 else None
            if out["cpu"] is not None and native["cpu"]:
                base = statistics.median(native["cpu"])
                out["cpu_ratio"] = out["cpu"] / base if base > 0 else None
        return out

    def geomean(self, config):
        """(ratio of wall time, of CPU time) over the programs that both have; None without any."""
        both = [f for f in (self.figures(n, config) for n in self.names() if n.startswith("prog-")) if f and f.get("ratio")]
        if not both:
            return None
        mean = lambda key: math.exp(statistics.mean(math.log(f[key]) for f in both if f.get(key)))
        return mean("ratio"), mean("cpu_ratio"), len(both)

    def verdicts(self, name, config):
        """[(target as text, met)] of a configuration of moat."""
        out = []
        f = self.figures(name, config)
        for glob, kind, value in TARGETS:
            if not fnmatch.fnmatch(name, glob) or not f:
                continue
            if "error" in f:
                out.append(("failed", False))
                break
            if kind == "under":
                other = self.figures(name, value)
                if other and "median" in other:
                    out.append(("< %s" % value, f["median"] < other["median"]))
            elif kind == "over":
                native = self.figures(name, "native")
                if native and "median" in native:
                    out.append(("native + ≤ %g" % value, f["median"] - native["median"] <= value))
            elif kind == "max":
                out.append(("≤ %g" % value, f["median"] <= value))
            else:
                got = f.get("ratio" if kind == "wall" else "cpu_ratio")
                if got is not None:
                    out.append(("%s≤ %g" % ("" if kind == "wall" else "cpu ", value), got <= value))
        return out


def cells(results, name, config):
    """A configuration's figures as text: what the table, and its Markdown, show."""
    f = results.figures(name, config)
    unit = results.data["results"][name]["unit"]
    if f is None:
        return "-"
    if "error" in f:
        return "failed: " + f["error"]
    text = quantity(f["median"], unit)
    if f["spread"] is not None:
        text += " ±%.0f%%" % (50 * f["spread"])
    if f.get("ratio") is not None:
        text += "  ×%.2f" % f["ratio"]
    if f.get("cpu_ratio") is not None:
        text += " cpu ×%.2f" % f["cpu_ratio"]
    return text


def verdict_text(results, name, config):
    return ", ".join("%s %s" % (t, "met" if met else "MISSED") for t, met in results.verdicts(name, config))


def print_row(results, name, configs):
    print(name)
    for config in configs:
        line = "  %-14s%s" % (config, cells(results, name, config))
        if config.startswith("moat"):
            verdict = verdict_text(results, name, config)
            line = "%-60s%s" % (line, "  target " + verdict if verdict else "")
        print(line.rstrip(), flush=True)


def print_table(results):
    for name in results.names():
        print_row(results, name, results.configs())
    print_summary(results)


def print_summary(results):
    for config in results.configs():
        mean = results.geomean(config)
        if mean and config != "native":
            print("programs, geometric mean of %d, %s: ×%.2f cpu ×%.2f" % (mean[2], config, mean[0], mean[1]))
    rows = list(target_rows(results))
    missed = [(name, config, text) for name, config, text, met in rows if not met]
    if rows:
        print("targets: %d met, %d missed%s" % (len(rows) - len(missed), len(missed), ":" if missed else ""))
    for name, config, text in missed:
        print("  %-14s %s: %s" % (config, name, text))


def machine_text(results):
    m = results.data["machine"]
    if not m:
        return "no machine described"
    return "%s%s with %d cores, Linux %s, %s, %s" % ("virtual machine, " if m["virtual machine"] else "", m["cpu"], m["cores"],
                                                     m["kernel"], m["memory"], m["date"])


def noise_text(results):
    noise = results.data["noise"]
    if not noise:
        return ""
    return "worst of %d runs: spin varied by %.0f %%, %.2f processors busy before, %.2f stolen" % (
        len(noise), 100 * max(n["spin_spread"] for n in noise), max(n["busy_before"] for n in noise), max(n["stolen"] for n in noise))


def target_rows(results):
    """(name, configuration, text, met) of every verdict; the geometric mean is one, too."""
    for name in results.names():
        for config in results.configs():
            if config.startswith("moat"):
                for text, met in results.verdicts(name, config):
                    yield name, config, text, met
    most = next(value for glob, _, value in TARGETS if glob == "programs")
    for config in results.configs():
        mean = results.geomean(config)
        if mean and config.startswith("moat"):
            yield "programs, geometric mean ×%.2f" % mean[0], config, "≤ %g" % most, mean[0] <= most


def markdown(results, path):
    found = results.configs()
    lines = ["# Results", "", machine_text(results) + ".", noise_text(results), "",
             "Cells: median ± half the distance of the quartiles, ratio to native; cpu: ratio of CPU time of all processes.", "",
             "| | %s | target |" % " | ".join(found), "| --- |" + " --- |" * (len(found) + 1)]
    for name in results.names():
        verdict = "; ".join(filter(None, (verdict_text(results, name, c) for c in found if c.startswith("moat"))))
        lines.append("| %s | %s | %s |" % (name, " | ".join(cells(results, name, c).replace("|", "/") for c in found), verdict))
    means = [results.geomean(c) if c != "native" else None for c in found]
    if any(means):
        lines.append("| programs, geometric mean | %s | |" % " | ".join("×%.2f cpu ×%.2f" % m[:2] if m else "" for m in means))
    rows = list(target_rows(results))
    lines += ["", "Targets met: %d of %d." % (sum(met for *_, met in rows), len(rows))]
    if results.data["versions"]:
        lines += ["", "Peers: " + "; ".join("%s: %s" % kv for kv in sorted(results.data["versions"].items())) + "."]
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


# --- the drawing -----------------------------------------------------------------------------------

COLOURS = {"moat": "#0b6e4f", "moat-patch": "#2fa37c", "moat-nopatch": "#8ccfb6", "bwrap": "#5b7db1", "crun": "#8b6bb1", "proot": "#b08a3e",
           "runsc": "#c0504d", "runsc-ptrace": "#e0a09e"}
LEFT, WIDTH, BAR, GAP, TOP = 170, 760, 9, 9, 70


def draw(results, path):
    """Bars from 1 (native) to the ratio, on a logarithmic axis; shorter than native to the left."""
    found = [c for c in results.configs() if c != "native"]
    rows = [(n, [(c, results.figures(n, c)) for c in found]) for n in results.names()]
    rows = [(n, [(c, f) for c, f in each if f and ("error" in f or f.get("ratio"))]) for n, each in rows]
    rows = [(n, each) for n, each in rows if each]
    ratios = [f["ratio"] for _, each in rows for _, f in each if f.get("ratio")] or [1]
    low, high = math.floor(math.log10(min(ratios + [0.5]))), math.ceil(math.log10(max(ratios + [2])))
    x = lambda ratio: LEFT + WIDTH * (math.log10(ratio) - low) / (high - low)
    height = TOP + sum(len(each) * BAR + GAP for _, each in rows) + 30
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">' % (LEFT + WIDTH + 80, height),
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="18" font-size="14">Wall time as a ratio to native (logarithmic; less is better)</text>',
           '<text x="10" y="34" fill="#555">%s</text>' % machine_text(results)]
    at = 10
    for c in found:
        out.append('<rect x="%d" y="42" width="10" height="10" fill="%s"/><text x="%d" y="51">%s</text>' % (at, COLOURS[c], at + 14, c))
        at += 34 + 7 * len(c)
    for power in range(low, high + 1):
        out.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555">%g</text>'
                   % (x(10**power), x(10**power), TOP, height - 25, "#000" if power == 0 else "#ddd", x(10**power), height - 10, 10**power))
    y = TOP + 4
    for name, each in rows:
        out.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (LEFT - 6, y + len(each) * BAR / 2 + 4, name))
        for config, f in each:
            if "error" in f:
                out.append('<text x="%.1f" y="%.1f" font-size="8" fill="%s">failed</text>' % (x(1) + 3, y + BAR - 1, COLOURS[config]))
            else:
                a, b = sorted((x(1), x(f["ratio"])))
                out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%.1f" font-size="8">%.2f</text>'
                           % (a, y, max(b - a, 1), BAR - 1, COLOURS[config], max(b, x(1)) + 3, y + BAR - 2, f["ratio"]))
            y += BAR
        y += GAP
    with open(path, "w") as f:
        f.write("\n".join(out + ["</svg>"]) + "\n")
