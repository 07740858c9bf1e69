"""The database: transactions, the base table, migrations."""
