"""The control page's interface, and the page itself in a real Chromium."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from playwright.async_api import async_playwright, expect

from edgebox.errors import ConfigError, DeviceError
from edgebox.sim.lane import LaneSettings
from edgebox.sim.link_settings import LinkSettings, LinksSettings, RelaySettings, load
from edgebox.sim.ports import free_port
from edgebox.sim.service import running
from tests.demo import CHROMIUM, CHROMIUM_ARGS

START = LaneSettings(trace="lte:1:3000000", delay_ms=20)


def settings(**other: Any) -> LinksSettings:
    links = tuple(
        LinkSettings(
            name=name,
            label=label,
            listen=f"127.0.0.1:{free_port()}",
            target="127.0.0.1:9",
            up=START,
            down=LaneSettings(rate_bps=20_000_000, delay_ms=20),
        )
        for name, label in (("lte-1", "Telenor"), ("lte-2", "Telia"), ("sat", ""))
    )
    return LinksSettings(control=f"127.0.0.1:{free_port()}", link=links, **other)


@contextlib.asynccontextmanager
async def control(**other: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A session on running links and the address of their page."""
    chosen = settings(**other)
    url = f"http://{chosen.control}"
    async with running(chosen), aiohttp.ClientSession(url) as session:
        yield session, url


async def change(session: aiohttp.ClientSession, name: str, **fields: Any) -> Any:
    async with session.post(f"/links/{name}", json=fields) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_links_are_listed_with_settings_and_counters() -> None:
    async with control() as (session, _), session.get("/links") as answer:
        links = (await answer.json())["links"]
        assert [link["name"] for link in links] == ["lte-1", "lte-2", "sat"]
        assert [link["label"] for link in links] == ["Telenor", "Telia", "sat"]
        assert links[0]["preset"] == "start"
        assert links[0]["up"]["trace"] == START.trace
        assert links[0]["down"]["rate_bps"] == 20_000_000
        assert links[0]["up"]["counters"]["passed"] == 0


async def test_changes_apply_and_the_rest_stays() -> None:
    async with control() as (session, _):
        link = await change(session, "lte-1", cut=True)
        assert link["up"]["cut"] is link["down"]["cut"] is True
        link = await change(session, "lte-1", cut=False, down={"cut": True}, delay_ms=70)
        assert (link["up"]["cut"], link["down"]["cut"]) == (False, True)
        assert (link["up"]["delay_ms"], link["down"]["delay_ms"]) == (70, 70)
        assert link["up"]["trace"] == START.trace
        link = await change(session, "lte-1", up={"rate_bps": 500_000})
        assert (link["up"]["rate_bps"], link["up"]["trace"]) == (500_000, "")
        assert link["down"]["rate_bps"] == 20_000_000
        link = await change(session, "lte-1", preset="weak", loss=0.25)
        assert link["preset"] == ""
        assert link["up"]["loss"] == link["down"]["loss"] == 0.25
        link = await change(session, "lte-1", preset="start")
        assert (link["up"]["trace"], link["up"]["delay_ms"]) == (START.trace, 20)
        assert link["preset"] == "start"


async def test_preset_does_not_restore_a_cut_link() -> None:
    async with control() as (session, _):
        await change(session, "sat", cut=True)
        link = await change(session, "sat", preset="good")
        assert link["up"]["cut"] is link["down"]["cut"] is True


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"loss": 2}', "<= 1.0 - at `$.loss`"),
        (b'{"up": {"delay_ms": -1}}', "$.up.delay_ms"),
        (b'{"los": 1}', "unknown field `los`"),
        (b'{"preset": "awful"}', "$.preset"),
        (b'{"cut": "yes"}', "$.cut"),
        (b'{"rate_bps": NaN}', "malformed"),
        (b"[]", "Expected `object`"),
        (b"", "truncated"),
        (b"\xff\x00", "malformed"),
        (b'{"preset": "\xff"}', "utf-8"),
        (b'{"up":' + b"[" * 4000, ""),
    ],
)
async def test_bad_changes_are_refused_with_the_reason(body: bytes, says: str) -> None:
    async with control() as (session, _):
        headers = {"Content-Type": "application/json"}
        async with session.post("/links/sat", data=body, headers=headers) as answer:
            assert answer.status == 400
            assert says in (await answer.json())["error"]
        async with session.get("/links") as answer:
            assert (await answer.json())["links"][2]["up"]["trace"] == START.trace


async def test_unknown_link_names_those_there_are() -> None:
    async with control() as (session, _), session.post("/links/x", json={}) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == "no link 'x'; there are: lte-1, lte-2, sat"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
    ],
)
async def test_other_sites_cannot_change_anything(headers: dict[str, str], status: int) -> None:
    async with control() as (session, url):
        allowed = {"Content-Type": "application/json", "Origin": url}
        async with session.post(
            "/links/sat", data=b'{"cut":true}', headers={**allowed, **headers}
        ) as answer:
            assert answer.status == status
        async with session.get("/links") as answer:
            assert (await answer.json())["links"][2]["up"]["cut"] is False
        async with session.post("/links/sat", data=b'{"cut":true}', headers=allowed) as answer:
            assert answer.status == 200


async def test_too_large_body_and_junk_requests_leave_it_serving() -> None:
    async with control() as (session, url):
        headers = {"Content-Type": "application/json"}
        async with session.post("/links/sat", data=bytes(100_000), headers=headers) as answer:
            assert answer.status == 413
        host, _, port = url.removeprefix("http://").partition(":")
        for junk in (b"\x16\x03\x01" + bytes(100), b"GET /\xff HTTP/9\r\n\r\n", bytes(70_000)):
            reader, writer = await asyncio.open_connection(host, int(port))
            with contextlib.suppress(OSError):
                writer.write(junk)
                writer.write_eof()
                await reader.read()
            writer.close()
        async with session.get("/links") as answer:
            assert answer.status == 200


async def test_pages_answer_with_a_content_policy() -> None:
    async with control() as (session, _):
        for path in ("/", "/strings", "/static/control.js", "/links"):
            async with session.get(path) as answer:
                assert answer.status == 200
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_taken_port_is_named() -> None:
    chosen = settings()
    async with running(chosen):
        again = msgspec.structs.replace(settings(), control=chosen.control)
        with pytest.raises(DeviceError, match=f"{chosen.control}: cannot listen: "):
            async with running(again):
                pass


def test_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "links.toml"
    file.write_text("""
        control = "127.0.0.1:8070"
        [[link]]
        name = "a"
        listen = "127.0.0.1:1"
        target = "127.0.0.1:2"
        up = {rate_bps = 1, delay_ms = 2}
        [[relay]]
        listen = "127.0.0.1:3"
        target = "127.0.0.1:4"
    """)
    loaded = load(file)
    assert loaded.link[0].up == LaneSettings(rate_bps=1, delay_ms=2)
    assert loaded.relay == (RelaySettings(listen="127.0.0.1:3", target="127.0.0.1:4"),)
    link = "[[link]]\nname='a'\nlisten='a:1'\ntarget='a:1'\n"
    for text, says in (
        ("x = 1", "links.toml:1: x: unknown key"),
        (link + link, "links.toml:6: link.1..name: 'a' stands twice"),
        (
            link + "up={delay_ms=nan}",
            "links.toml:5: link.0..up.delay_ms: nan is not allowed; it takes a number from 0",
        ),
        ("[[relay]]\nlisten='a:1'\ntarget='a:1'\n", "at least one link"),
        ("=", "links.toml:1: not valid TOML: Invalid"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=says):
            load(file)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("language", "cut", "cut_state"), [("nb", "Bryt", "Brutt"), ("en", "Cut", "Cut")]
)
async def test_page_cuts_and_restores(language: str, cut: str, cut_state: str) -> None:
    async with control(language=language) as (session, url), async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGS, headless=True
        )
        page = await browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda line: problems.append(line.text) if line.type == "error" else None
        )
        await page.goto(url)
        card = page.locator(".link", has=page.get_by_role("heading", name="Telia"))
        await card.get_by_role("button", name=cut, exact=True).click()
        await expect(card.get_by_role("status")).to_have_text(cut_state)
        async with session.get("/links") as answer:
            links = (await answer.json())["links"]
        assert [link["up"]["cut"] for link in links] == [False, True, False]
        # What a program changes is seen on the page.
        await change(session, "lte-2", cut=False)
        await expect(card.get_by_role("status")).not_to_have_text(cut_state)
        for preset in ("good", "weak", "tunnel", "start"):
            await card.locator(f"[data-preset='{preset}']").click()
            await expect(card.locator("[aria-pressed='true']")).to_have_attribute(
                "data-preset", preset
            )
        await browser.close()
        assert problems == []
