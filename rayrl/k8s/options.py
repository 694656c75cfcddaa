"""What the cluster gives and how its objects are called: the options of `rayrl k8s`."""

import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError

LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
LONGEST_NAME = 47  # of a RayJob, whose pods' names add to it
IMAGE = r"[\w][\w./:@-]*"


@dataclass(frozen=True, slots=True)
class Options:
    """None: as the config, or the project, says."""

    config: Path
    kind: Literal["RayJob", "RayCluster"] = "RayJob"
    name: str | None = None
    namespace: str | None = None
    image: str | None = None
    claim: str = "rayrl-runs"
    secret: str = "rayrl-tokens"
    nodes: int | None = None
    model: str | None = None
    """Where the model's config.json is found here, if `model.path` is a folder of the cluster."""
    autoscale: bool = False

    def names(self, config: TrainingConfig, gpus: bool) -> dict[str, str | None]:
        """Those that are left out made from the run's, all checked.

        Raises:
            ConfigError: Kubernetes would not take one.
        """
        name = re.sub(r"[^a-z0-9]+", "-", f"rayrl-{config.run.name}".lower()).strip("-")
        made = {
            "name": self.name or name[:LONGEST_NAME].rstrip("-"),
            "namespace": self.namespace,
            "image": self.image or f"rayrl:{version('rayrl')}-{'cuda' if gpus else 'cpu'}",
            "claim": self.claim,
            "secret": self.secret,
        }
        for option, value in made.items():
            image = option == "image"
            if value is None or (re.fullmatch(IMAGE if image else LABEL, value) and (image or len(value) < 64)):
                continue
            takes = "an image's name" if image else "lower-case letters, digits and '-', a letter first, at most 63"
            raise ConfigError(f"--{option} {value!r}: Kubernetes takes {takes}")
        if len(str(made["name"])) > LONGEST_NAME:
            raise ConfigError(f"--name {made['name']!r}: KubeRay takes at most {LONGEST_NAME} characters")
        return made
