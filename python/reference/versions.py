"""The libraries that made a fixture, for its metadata: `npm run parity` prints them."""

from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch")


def versions():
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            pass
    return ", ".join(found)
