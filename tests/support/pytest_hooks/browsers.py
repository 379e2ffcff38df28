"""The browser for the tests of the page: which one is used, and what happens without one."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "the tests of the page need Chromium: install it (apt-get install chromium), "
    "or set CHROMIUM_BINARY to the path of one"
)
FIXTURE = "browser"

_DISABLED_BY_PLAYWRIGHT = (
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
"""Chromium uses only the last --disable-features, so these must be repeated."""

_UNUSED = ("SpareRendererForSitePerProcess", "WebUIOmniboxAimPopup", "WebUIOmniboxPopup")
"""Processes that Chromium starts for each window and that no test uses: half of the time to open a window."""

ARGUMENTS = [f"--disable-features={','.join((*_DISABLED_BY_PLAYWRIGHT, *_UNUSED))}"]
"""Arguments of the browser, in addition to those of Playwright."""


def chromium() -> str | None:
    """Return the path of the browser: CHROMIUM_BINARY, or the first one in PATH."""
    if binary := os.environ.get("CHROMIUM_BINARY"):
        return shutil.which(binary)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def is_required() -> bool:
    """Return whether the tests of the page fail without a browser: in CI and in make check."""
    return os.environ.get("CI", "").lower() in {"1", "true"} or os.environ.get("PAGE_TESTS") == "required"


def deselect_without_browser(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that use the browser if there is none and none is required."""
    if chromium() or is_required():
        return
    deselected = [item for item in items if FIXTURE in getattr(item, "fixturenames", ())]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


def summary() -> str | None:
    """Return the line that reports that the tests of the page did not run, or None if they did."""
    return None if chromium() or is_required() else f"The page was not tested: {MISSING}."
