"""The page of the catalogue is what the classes say."""

from __future__ import annotations

from pathlib import Path

from catalogue_page import meanings, render

import sensorium_plugins

PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"
CLASSES = [
    *sensorium_plugins.sensorium_modalities(),
    *sensorium_plugins.sensorium_fusions(),
    *sensorium_plugins.sensorium_tasks(),
]


def test_the_page_is_that_of_the_classes():
    assert PAGE.read_text() == render(), (
        "run PYTHONPATH=engine:plugins python tests/support/catalogue_page.py > docs/catalogue.md"
    )


def test_every_option_says_what_it_means():
    silent = [
        f"{cls.name}.{key}"
        for cls in CLASSES
        for key in cls.Config.model_fields
        if not meanings(cls.Config).get(key)
    ]
    assert silent == []
