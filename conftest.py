"""Leave out what needs torch where torch is not installed."""

from importlib.util import find_spec

collect_ignore_glob: list[str] = []
if find_spec("torch") is None:
    collect_ignore_glob = [
        f"{top}/{room}" for room in ("models", "losses", "training", "export") for top in ("src/sdgasnet", "tests")
    ]
