"""Ending a program that writes more than anybody reads."""

import asyncio

from edgebox.host.program import end_program


async def test_flooding_program_is_ended_though_nobody_reads() -> None:
    process = await asyncio.create_subprocess_exec(
        "cat", "/dev/zero", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    while not process.stdout._paused:  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end_program(process)
    assert process.returncode == -9


async def test_program_that_has_ended_is_left() -> None:
    process = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)
    await process.communicate()
    await end_program(process)
    assert process.returncode == 0
