"""Updates of the box's system: fetched, checked, installed beside the running one, tried, kept."""
