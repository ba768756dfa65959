"""MkDocs hook: the page "Command line" shows what `--help` shows, and options that exist."""

import re
from typing import Any

from cyclopts import App, Parameter
from mkdocs.plugins import event_priority

from textclf.app import app

# The table on the page has one line per command already.
LIST_OF_COMMANDS = re.compile(r"(?<=## All options\n).*?(?=^## textclf)", re.DOTALL | re.MULTILINE)
EMPTY_DEFAULT = re.compile(r' \*\[default: (""|\(\)|False|)\]\*')


def on_config(config: Any) -> Any:
    """Prepare the commands before the plugin `cyclopts` renders them."""
    _prepare(app)
    return config


@event_priority(-100)  # after the plugin
def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leave out the plugin's list of commands, and defaults that say nothing."""
    if page.file.src_uri != "command-line.md":
        return markdown
    markdown = LIST_OF_COMMANDS.sub("\n", markdown)
    return EMPTY_DEFAULT.sub("", markdown).replace("[choices: , ", "[choices: ")


def _prepare(parent: App) -> None:
    """Let each command show its docstring, and inherit that options have no `--no-` form."""
    for name in parent:
        if not name.startswith("-"):
            command = parent[name]
            command.default_parameter = Parameter(negative=())
            if command.default_command:
                command.help = None
            else:
                _prepare(command)
