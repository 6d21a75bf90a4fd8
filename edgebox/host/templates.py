"""Templates of web pages."""

import jinja2


def templates(package: str) -> jinja2.Environment:
    """Those in the package's folder `templates`: escaped, and a name that is missing is a bug."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
