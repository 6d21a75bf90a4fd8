"""The message catalogues: `translations/<language>/*.po`, compiled when the panel starts.

Nothing compiled is kept in the repository, so that a fresh clone, an edited sentence and a
read-only root file system all work the same way; compiling both takes a few milliseconds.
Message ids are names (`home.start`), the sentences of every language stand in the catalogues.
"""

from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask_babel import Domain, get_locale

DIRECTORY = Path(__file__).parent / "translations"
LANGUAGES = ("nb", "en")
COOKIE = "language"


def compile_catalogue(language: str) -> Translations:
    """Read one language's files; a broken one is a bug and raises babel's PoFileError."""
    first, *others = (_compile(path, language) for path in files(language))
    for other in others:
        first.merge(other)
    return first


def files(language: str) -> list[Path]:
    """Its catalogues: one, `panel.po`, and one for each large area."""
    return sorted((DIRECTORY / language).glob("*.po"))


def _compile(path: Path, language: str) -> Translations:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, domain="panel")


class Catalogues(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """Flask-Babel's domain, served from memory."""

    def __init__(self) -> None:
        super().__init__(domain="panel")
        self._compiled = {language: compile_catalogue(language) for language in LANGUAGES}

    def get_translations(self) -> NullTranslations:
        """The catalogue of the request's language."""
        return self._compiled[str(get_locale())]
