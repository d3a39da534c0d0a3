"""Views in PostgreSQL: tables from row models, statements through SQLAlchemy Core, two ways to run them."""
