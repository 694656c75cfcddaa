"""`rayrl k8s`: a KubeRay manifest sized from a config.

layout.py says which pods there are, sizes.py what each needs, manifest.py fills manifest.yaml.j2 with both.
"""
