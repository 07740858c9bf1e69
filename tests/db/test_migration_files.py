"""Migrations are numbered, in one line, and safe beside the release before them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fireside.db.migrate import DIRECTORY, head, revisions
from tests.db.lint import problems

FILES = sorted((DIRECTORY / "versions").glob("*.py"))


def test_migrations_form_one_line_in_the_order_of_their_numbers() -> None:
    numbers = [path.name[:4] for path in FILES]
    assert numbers == [f"{number:04}" for number in range(1, len(FILES) + 1)]
    assert [each.revision for each in revisions()] == numbers
    assert [each.down_revision for each in revisions()] == [None, *numbers[:-1]]
    assert head() == numbers[-1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_is_named_by_its_purpose_and_explained(path: Path) -> None:
    assert re.fullmatch(r"\d{4}(_[a-z0-9]+)+", path.stem)
    assert path.read_text().startswith('"""')


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_is_safe_beside_the_release_before_it(path: Path) -> None:
    assert problems(path.read_text()) == []


@pytest.mark.parametrize(
    "unsafe",
    [
        'op.drop_table("t")',
        'op.drop_column("t", "c")',
        'op.rename_table("t", "u")',
        'op.alter_column("t", "c", new_column_name="d")',
        'op.alter_column("t", "c", nullable=False)',
        'op.alter_column("t", "c", type_=sa.Text())',
        'op.add_column("t", sa.Column("c", sa.Text, nullable=False))',
        'op.create_index("i", "t", ["c"])',
        'op.create_unique_constraint("u", "t", ["c"])',
        'op.create_foreign_key("f", "t", "u", ["c"], ["d"])',
        'op.create_check_constraint("k", "t", "c > 0")',
        'op.execute("ALTER TABLE t DROP COLUMN c")',
        'op.execute("ALTER TABLE t RENAME TO u")',
        'op.execute("ALTER TABLE t ALTER COLUMN c SET NOT NULL")',
        'op.execute("ALTER TABLE t ALTER COLUMN c TYPE text")',
        'op.execute("UPDATE t SET c = 1")',
        'op.execute(sa.text("DELETE " "FROM t"))',
        'op.create_table("n", sa.Column("id", sa.Integer))',
        'with op.batch_alter_table("t") as batch:\n    pass',
        "def downgrade():\n    pass",
    ],
)
def test_the_linter_refuses(unsafe: str) -> None:
    assert len(problems(unsafe)) == 1


@pytest.mark.parametrize(
    "safe",
    [
        'op.create_table("n", sa.Column("id", BigInt))\nop.create_index("i", "n", ["id"])',
        'op.add_column("t", sa.Column("c", sa.Text))',
        'op.add_column("t", sa.Column("c", sa.Text, nullable=False, server_default=""))',
        'op.create_table("n", sa.Column("id", BigInt().with_variant(sa.Integer(), "sqlite")))',
        'op.drop_index("i")  # safe: nothing has read it since 0007',
        'op.execute("CREATE TRIGGER t AFTER INSERT ON n BEGIN SELECT 1; END")',
    ],
)
def test_the_linter_lets_through(safe: str) -> None:
    assert problems(safe) == []
