"""What the suite costs, against what people use instead and against the limit: ``tox -e bench`` prints one table."""
