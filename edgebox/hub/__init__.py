"""The web application remote help meets in: invitations, rooms, signalling, the remote page."""
