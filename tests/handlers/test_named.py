"""Handlers by name: their order, what is turned off, and what MONAI needs of the list that holds them."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from unetpipe.handlers import NamedHandlers


class Note:
    def __init__(self, word: str, notes: list[str]) -> None:
        self.word, self.notes = word, notes

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda: self.notes.append(self.word))


def run(config: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    engine = Engine(lambda engine, batch: None)
    parser = ConfigParser({"handlers": [{"_target_": NamedHandlers, "handlers": "@named"}], "named": config})
    for handler in parser.get_parsed_content("handlers"):
        for each in handler.handlers.values():
            each.notes = notes
        handler.attach(engine)
    engine.run([0])
    return notes


def test_handlers_act_in_the_order_of_their_names() -> None:
    assert run({name: {"_target_": Note, "word": name, "notes": []} for name in ("b", "c", "a")}) == ["b", "c", "a"]


def test_a_handler_that_is_turned_off_is_left_out() -> None:
    named = {name: {"_target_": Note, "word": name, "notes": []} for name in ("b", "c", "a")}
    named["c"]["_disabled_"] = True
    assert run(named) == ["b", "a"]
