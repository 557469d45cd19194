"""What several rivals are built on."""
