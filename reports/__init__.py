"""From measured numbers to tables, pictures and pages."""
