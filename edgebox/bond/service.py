"""The bond as a service: `async def run(config)` for both roles.

Each role is imported when it runs: the hub's end needs neither bus nor network events.
"""

from edgebox.config import Config


async def run(config: Config) -> None:
    """Forward until cancelled. Raises ConfigError."""
    if config.bond.role == "hub":
        from edgebox.bond import hub_service

        await hub_service.run(config)
    else:
        from edgebox.bond import box_service

        await box_service.run(config)
