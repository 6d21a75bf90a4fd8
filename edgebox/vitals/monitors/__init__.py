"""The protocols of patient monitors, one file each: no I/O, told the time."""
