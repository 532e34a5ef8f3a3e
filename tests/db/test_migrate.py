def test_a_cloned_database_holds_the_schema(pg):
    with pg.connect() as connection:
        assert connection.execute("select count(*) from ops.schema_migrations").fetchone()[0] >= 1
        assert connection.info.server_version // 10000 == int(pg.version)
