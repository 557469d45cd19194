"""What tests of several folders start from."""

import pytest


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database migrated once; the tests copy it, since one migration takes seconds."""
    from mlflow import MlflowClient  # 3 s: only for the tests that track something

    path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
