"""The analytics lake: events and entities as Parquet, exact, compact and queryable.

Nothing outside of it imports pyarrow; `types` and `tables` do without it, so that whoever only needs the schema of a
domain (a Pulumi program, the command line) needs no pyarrow.
"""
