"""The box's door for headsets and guests' cameras: page, pairing and WHIP on the access point."""
