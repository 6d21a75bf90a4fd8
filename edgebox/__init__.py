"""The ambulance edge box: cameras, patient data and bonded links in one daemon set."""

__version__ = "0.1.0"
