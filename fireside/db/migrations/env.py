"""Runs the migrations on the connection that `fireside.db.migrate` hands over.

Executed by Alembic, which finds it by its name.
"""

from alembic import context

from fireside.db.base import metadata

connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite can roll DDL back too; all of its migrations are one transaction, which also keeps a
    # second process out. PostgreSQL commits after each file, so that locks are held briefly.
    transactional_ddl=True,
    transaction_per_migration=connection.dialect.name == "postgresql",
)

with context.begin_transaction():
    context.run_migrations()
