"""The examples in docstrings say what the code does, in every module."""

import doctest
import importlib
import pkgutil

import pipeline
import softalign
import stages

PACKAGES = (pipeline, softalign, stages)


def test_examples_of_every_docstring():
    names = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith("__main__")
    ]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 100
