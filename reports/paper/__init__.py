"""The paper's tables, figures and claims, its numbers beside ours."""
