"""Manifests checked by KubeRay's own schemas, in which fields that they do not name are errors."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[3]
CRDS = ROOT.parent / "shared" / "data" / "kuberay"


def strict(schema: Any) -> Any:
    """The JSON schema of a structural openAPIV3Schema in which fields that it does not name are errors."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items() if key not in ("properties", "default", "enum")}
    if "enum" in schema:
        result["enum"] = [*schema["enum"], None] if schema.get("nullable") else schema["enum"]
    if "properties" in schema:
        result["properties"] = {name: strict(child) for name, child in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    elif schema.get("nullable") and "type" in schema:
        result["type"] = [schema["type"], "null"]
    return result


@cache
def validator(kind: str) -> Draft202012Validator:
    path = CRDS / f"{kind.lower()}s.crd.yaml"
    if not path.is_file():
        pytest.skip(f"no KubeRay schemas at {path}")
    crd = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    (version,) = (v for v in crd["spec"]["versions"] if v["name"] == "v1")
    schema = strict(version["schema"]["openAPIV3Schema"])
    # A CRD leaves its own metadata to the API server.
    names = ("name", "namespace", "labels", "annotations")
    schema["properties"]["metadata"] |= {"required": ["name"], "properties": {key: {} for key in names}}
    schema["properties"]["metadata"]["additionalProperties"] = False
    return Draft202012Validator(schema)


def errors(manifest: dict[str, Any]) -> list[str]:
    found = validator(manifest["kind"]).iter_errors(manifest)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
