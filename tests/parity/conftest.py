"""At the end of a run, say how close the closest call was."""

import sys


def pytest_terminal_summary(terminalreporter):
    """Print the largest difference from PyTorch that each module found."""
    tools = sys.modules.get("parity_tools")  # not there if PyTorch is not
    if tools and tools.worst_by_module:
        terminalreporter.section("largest differences from PyTorch, in float64")
        for module, (worst, what) in sorted(tools.worst_by_module.items()):
            terminalreporter.write_line(f"{module}: {worst:.1e} ({what})")
