"""What the arms of a study did to the benchmarks: changes from the base, and gain against forgetting."""

from collections.abc import Callable

from rayrl.report import distance
from rayrl.report.comparison import IN_DOMAIN, KNOWLEDGE, Benchmarks
from rayrl.report.inference import Difference
from rayrl.report.model_charts import is_logarithmic
from rayrl.report.plot import (
    Plot,
    Row,
    Spec,
    ends,
    interval_layer,
    log_quantity,
    names,
    panelled,
    percent_row,
    quantity,
    reading,
    told_apart,
)
from rayrl.report.study_directory import Arm, Study, Trial

CHANGE, GAIN, KEPT = "change (points)", "Δ in-domain (points)", "Δ knowledge (points)"
MARK: Spec = {"type": "point", "size": 75, "opacity": 1}
ROOM: Spec = {"zero": False, "nice": False, "padding": 9}


def no_change(letter: str, axis: Spec) -> Spec:
    """The line at 0 of an axis."""
    zero = {name: own for name, own in axis.items() if name != "field"} | {"datum": 0}
    return {"mark": {"type": "rule", "color": "#7b8794"}, "encoding": {letter: zero}}


def interval(title: str, change: Difference) -> Row:
    return percent_row(title, change.mean, change.low, change.high)


def forest(study: Study, benchmarks: Benchmarks) -> Plot | None:
    """A panel for each benchmark: every arm's difference to the base. None where nothing was compared."""
    rows: list[Row] = []
    compared = {(one.benchmark, one.arm): one for one in benchmarks.to_base()}
    for name in benchmarks.names:
        for arm in study.trained:
            if one := compared.get((name, arm.name)):
                row = {"panel": name, "role": benchmarks.role(name), "arm": arm.name}
                rows.append(row | interval(CHANGE, one.difference) | {"significant": one.significant})
    if not rows:
        return None
    arms, x = [arm.series for arm in study.trained], quantity(CHANGE, ROOM, tickCount=5)
    looks = told_apart(arms, "color", "shape", "fill", field="arm", legend=False)
    looks["fill"] = {"condition": looks["fill"] | {"test": "datum.significant"}, "value": "white"}
    titles = list(dict.fromkeys(f"{row['panel']} ({row['role']})" for row in rows))
    columns = min(4, len(titles))
    labels = 7 * max(len(arm.label) for arm in arms)
    y = {"y": names("arm", [arm.label for arm in arms])}
    panel: Spec = {
        "width": (870 - labels) / columns - 20,
        "height": {"step": 26},
        "layer": [
            no_change("x", x),
            interval_layer(x, "errorbar") | {"encoding": ends("x", x) | y | {"color": looks["color"]}},
            {"mark": MARK | {"description": reading("arm", CHANGE)}, "encoding": {"x": x} | y | looks},
        ],
    }
    title = {"calculate": "datum.panel + ' (' + datum.role + ')'", "as": "title"}
    return Plot(rows, {"transform": [title]} | panelled(titles, columns, panel, "title"))


def gain_and_forgetting(study: Study, benchmarks: Benchmarks) -> Plot | None:
    """In-domain change against knowledge change, a mark for each finished trial. None where either is not known."""

    def gain(arm: Arm, trial: Trial) -> Row | None:
        found = benchmarks.change(arm, IN_DOMAIN, trial)
        return interval(GAIN, found) if found else None

    rows = _against_forgetting(study, benchmarks, gain)
    return _scatter(study, rows, quantity(GAIN, ROOM), x_interval=True) if rows else None


def forgetting_and_distance(study: Study, benchmarks: Benchmarks) -> Plot | None:
    """Forward KL from the base (of the first set of texts) against knowledge change, a mark for each finished trial."""

    def divergence(_: Arm, trial: Trial) -> Row | None:
        first = next(iter(distance.text_sets([trial.run])), None) if trial.run else None
        kl = distance.last_kl(trial.run, first) if trial.run and first else None
        return {distance.UNIT: kl} if kl else None

    rows = _against_forgetting(study, benchmarks, divergence)
    kls = [row[distance.UNIT] for row in rows]
    x = log_quantity(distance.UNIT, kls) if is_logarithmic(kls) else quantity(distance.UNIT, ROOM)
    return _scatter(study, rows, x) if rows else None


def _against_forgetting(study: Study, benchmarks: Benchmarks, x: Callable[[Arm, Trial], Row | None]) -> list[Row]:
    """A row for each finished trial whose change in knowledge and whose x are known."""
    rows = []
    for arm in study.trained:
        for trial in arm.finished:
            kept, place = benchmarks.change(arm, KNOWLEDGE, trial), x(arm, trial)
            if kept and place:
                rows.append({"series": arm.name, "note": f"seed {trial.seed}"} | place | interval(KEPT, kept))
    return rows


def _scatter(study: Study, rows: list[Row], x: Spec, *, x_interval: bool = False) -> Plot:
    """Hollow marks: not every weight trains."""
    known = {row["series"] for row in rows}
    arms = [arm for arm in study.trained if arm.name in known]
    looks = told_apart([arm.series for arm in arms], "color", "shape", "fill")
    fills = [arm.color if arm.trains_all else "white" for arm in arms]
    looks["fill"]["scale"] = looks["fill"]["scale"] | {"range": fills}
    y = quantity(KEPT, ROOM)
    layers = [
        no_change("y", y),
        interval_layer(y, "errorbar", 0.4) | {"encoding": {"x": x, "color": looks["color"]} | ends("y", y)},
        {
            "mark": MARK | {"description": reading("series", "note", x["field"], KEPT)},
            "encoding": {"x": x, "y": y} | looks,
        },
    ]
    if x_interval:
        layers.insert(0, no_change("x", x))
        bars = interval_layer(x, "errorbar", 0.4)
        layers.insert(2, bars | {"encoding": {"y": y, "color": looks["color"]} | ends("x", x)})
    return Plot(rows, {"layer": layers})
