from sqlalchemy import text

from fireside.db.database import Database


async def test_a_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
    try:
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO t VALUES (1)"))
            raise ValueError
    except ValueError:
        pass
    async with database.read() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0


async def test_each_test_has_a_database_of_its_own(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
