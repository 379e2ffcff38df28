"""What the server needs to know about a JavaScript module: the modules that it imports."""

import posixpath
import re
from collections.abc import Mapping

_IMPORT = re.compile(r"""^\s*(?:import|export)\b(?:[^"'()`;]*?\bfrom)?\s*["'](\.[^"']+)["']""", re.MULTILINE)
"""An import or export declaration with a relative specifier. An import expression, `import("./x.js")`, is none."""


def static_imports(entry: str, sources: Mapping[str, str]) -> list[str]:
    """Return the modules that a browser loads before it can run `entry`, in the order of discovery, without `entry`.

    Args:
        entry: The path of a module.
        sources: The source of each module, by its path.
    """
    discovered, waiting = {entry: None}, [entry]
    while waiting:
        module = waiting.pop(0)
        for specifier in _IMPORT.findall(sources[module]):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(module), specifier))
            if path not in sources:
                raise FileNotFoundError(f"{module} imports {specifier}, which does not exist")
            if path not in discovered:
                discovered[path] = None
                waiting.append(path)
    return list(discovered)[1:]
