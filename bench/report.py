"""The results: kept, added to a JSON file, printed as a table, drawn."""

import fnmatch
import json
import math
import os
import statistics

HERE = os.path.dirname(os.path.abspath(__file__))


def read_targets():
    """[(glob, kind, value)]: kind is wall, cpu (ratios to native), max (absolute) or under (value: a configuration)."""
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
        spread = 0.0
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
    text = "%s ±%.0f%%" % (quantity(f["median"], unit), 50 * f["spread"])
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
    for config in results.configs():
        mean = results.geomean(config)
        if mean and config != "native":
            print("programs, geometric mean of %d, %s: ×%.2f cpu ×%.2f" % (mean[2], config, mean[0], mean[1]))
