"""The one thing pyproject.toml cannot say: which packages there are, when their folders have other names."""

from setuptools import find_packages, setup

FOLDERS = {
    "foldstack": "runtime/foldstack",
    "foldstack.components": "components",
    "foldstack.local": "local",
    "foldstack.policies": "policies",
}

setup(
    package_dir=FOLDERS,
    packages=[
        package
        for root, folder in FOLDERS.items()
        for package in (root, *(f"{root}.{name}" for name in find_packages(folder)))
    ],
)
