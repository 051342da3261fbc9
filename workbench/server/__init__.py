"""Our own server: RunComfy's and SkyStudio's contracts, over real HTTP, on any local engine.

It lets a hosted path be walked without the host: point ``RUNCOMFY_MODEL_API_BASE`` at
``http://127.0.0.1:PORT/v1``, ``RUNCOMFY_SERVERLESS_API_BASE`` at ``.../prod/v2`` and
``SKYSTUDIO_API_BASE`` at ``.../api/v1``, and everything else stays as it is.

* `serve` runs it for a command, `running_server` for a test, a demo or a notebook.
* `make_key`, `list_keys` and `revoke_key` keep the keys; `approve_sign_in` and `deny_sign_in`
  answer a client that signs in. They work on the folder, whether the server runs or not.

On loopback a server without keys is open: every well-formed bearer token is taken and all share
one account of a million dollars and credits. The first key ever made closes it. Any other
address needs a key before the server starts.

Rate and concurrency limits count submissions and active jobs per key. A job that does not
complete is not charged. Jobs live in SQLite and survive the server: what was queued or running
is run again under the same id.
"""

from workbench.server.app import create_app, running_server, serve
from workbench.server.compiler import Compiled, Compiler, RuleCompiler
from workbench.server.faults import Faults
from workbench.server.keys import Key, list_keys, make_key, revoke_key
from workbench.server.settings import Limits, Settings
from workbench.server.signin import approve_sign_in, deny_sign_in

__all__ = [
    "Compiled",
    "Compiler",
    "Faults",
    "Key",
    "Limits",
    "RuleCompiler",
    "Settings",
    "approve_sign_in",
    "create_app",
    "deny_sign_in",
    "list_keys",
    "make_key",
    "revoke_key",
    "running_server",
    "serve",
]
