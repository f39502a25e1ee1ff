"""``manage.py import_leads FILE``: take a supplier's file in and say what became of every row."""

import csv
import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from marketplace.core.refusals import Busy
from marketplace.leads.verticals import LABELS
from marketplace.supply.columns import FIELDS, NEEDED_FOR_SALE, REQUIRED
from marketplace.supply.models import ImportBatch
from marketplace.supply.refusals import FileRefused
from marketplace.supply.services import import_file


def _list(names: Iterable[str]) -> str:
    lines = textwrap.wrap(
        ", ".join(names),
        78,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _columns() -> str:
    """The columns a file may have, for the end of the help."""
    always = [*REQUIRED, "last_name (or first_name or full_name)", "vertical (or --vertical)"]
    named = {*REQUIRED, *NEEDED_FOR_SALE, "last_name", "vertical"}
    others = [name for name in FIELDS if name not in named]
    return (
        f"columns needed in every file:\n{_list(always)}\n\n"
        f"needed for a lead to be sold; without them it waits on hold:\n{_list(NEEDED_FOR_SALE)}\n\n"
        f"also read:\n{_list([*others, *LABELS])}\n\n"
        "What each holds, the other names it may have and an example: docs/importing.md"
    )


class HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the list of columns."""


class Command(BaseCommand):
    help = "Import a CSV file of leads. Safe to stop and to run again: the same file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = HelpFormatter, _columns()
        parser.add_argument("file", help="CSV in UTF-8 or Windows-1252, separated by comma, semicolon or tab")
        parser.add_argument("--supplier", default="", help="who delivered the rows that name no supplier")
        parser.add_argument("--vertical", default="", help="what the rows that name no vertical are for")
        parser.add_argument(
            "--keep", nargs="+", default=[], metavar="COLUMN", help="unknown columns to keep as public attributes"
        )
        parser.add_argument("--report", metavar="FILE", help="write line, outcome and reason as CSV too")

    def handle(self, *args: Any, **options: Any) -> None:
        source, report = options["file"], options["report"]
        if report and _same_file(source, report):
            raise CommandError("--report names the file that is imported.")
        try:
            done = import_file(source, supplier=options["supplier"], vertical=options["vertical"], keep=options["keep"])
        except FileRefused as error:
            raise CommandError(str(error)) from error
        except Busy as error:
            raise CommandError("The database is too busy. Run the same command again: it goes on from here.") from error
        if done.was_known:
            self.stderr.write("This file was imported before. Nothing was changed; this is the report of then.")
        elif done.ignored:
            self.stderr.write(f"Columns not imported: {', '.join(done.ignored)}.")
        self._print(done.batch)
        if report:
            _write(done.batch, report)

    def _print(self, batch: ImportBatch) -> None:
        self.stdout.write(f"rows: {batch.total}")
        self.stdout.write(f"accepted: {batch.accepted}")
        self.stdout.write(f"on hold: {batch.held}")
        self.stdout.write(f"duplicates: {batch.duplicates}")
        self.stdout.write(f"rejected: {batch.rejected}")
        for row in batch.rows.worth_a_look().iterator():
            self.stdout.write(f"line {row.line}: {row.get_outcome_display().lower()}: {row.reason}")


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


def _write(batch: ImportBatch, path: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "outcome", "reason"])
            writer.writerows(batch.rows.worth_a_look().values_list("line", "outcome", "reason").iterator())
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "not a path"
        raise CommandError(f"The import is done, but its report could not be written: {words}.") from error
