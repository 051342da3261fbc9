"""Does our server word simple requests by a planner, where it is given one?"""

from pathlib import Path

from tests.local.tiny import write_tiny_planner
from tests.server.conftest import Start, sky
from workbench.engines.local.planner import Planner
from workbench.server.compiler import PlannerCompiler


def test_a_simple_request_is_worded_by_the_planner(start: Start, tmp_path: Path) -> None:
    planner = Planner(str(write_tiny_planner(tmp_path / "planner")))
    api = start(compiler=PlannerCompiler(planner))
    reply = api.post("/api/v1/generate", sky("rain on a roof", 10))
    assert reply.status_code == 200, reply.text
    compiled = api.finished_job(reply.json()["id"])["compiled_input"]
    assert compiled["compiler_model"] == planner.name
    # Random words may be none that the engine serves; then the plain wish is used, and told so.
    assert compiled["compiler_used"] is (compiled["prompt"] != "rain on a roof")
