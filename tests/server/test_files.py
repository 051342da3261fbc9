"""Do results last as long as promised, and do links open nothing else?"""

import time
from pathlib import Path

from tests.server.conftest import Api, Start, until
from workbench.server import Limits


def test_links_end_and_a_fresh_one_is_to_be_had(start: Start) -> None:
    api = start(limits=Limits(link_s=1.5))
    job = api.submit()
    link = api.finished(job)["output"]["audio"]
    assert api.files.get(link).status_code == 200
    until(lambda: {"status": api.files.get(link).status_code}, lambda r: r["status"] == 410)
    fresh = api.result(job)["output"]["audio"]
    assert fresh != link
    assert api.files.get(fresh).status_code == 200


def test_after_retention_the_file_is_gone(start: Start) -> None:
    api = start(limits=Limits(retention_s=1.5))
    job, sky_job = api.submit(), api.generate()
    link = api.finished(job)["output"]["audio"]
    expires_at = api.finished_job(sky_job)["output_expires_at"]
    outputs = api.folder / "outputs"
    assert {path.stem for path in outputs.iterdir()} == {job, sky_job}
    until(
        lambda: {"status": api.get(f"/v1/requests/{job}/status").status_code},
        lambda r: r["status"] == 404,
    )
    assert api.get(f"/v1/requests/{job}/result").json()["error_code"] == 404001
    assert api.files.get(link).status_code == 410
    until(lambda: api.job(sky_job), lambda r: "output_url" not in r)
    late = api.job(sky_job)
    assert late["status"] == "completed"
    assert late["output_expires_at"][:18] == expires_at[:18]
    deadline = time.monotonic() + 15
    while list(outputs.iterdir()):
        assert time.monotonic() < deadline, "the sweep deletes what expired"
        time.sleep(0.1)


def test_links_cannot_be_made_up_or_bent(api: Api) -> None:
    job = api.submit()
    link = api.finished(job)["output"]["audio"]
    head, ticket, name = link.rsplit("/", 2)
    later = f"{int(ticket.split('-')[0]) + 999}-{ticket.split('-')[1]}"
    for bent in (
        f"{head}/{later}/{name}",
        f"{head}/{ticket[:-1]}x/{name}",
        f"{head}/{ticket}",
        f"{head}/-/{name}",
        f"{head}/٣-{ticket}/{name}",
        f"{head[:-1]}0/{ticket}/{name}",
        f"{head}/{ticket}/..%2f..%2fserver.sqlite",
        f"{head}/{ticket}/../../../../../server.sqlite",
        f"{api.base_url}/files/server.sqlite",
        f"{api.base_url}/files/..%2fserver.sqlite",
    ):
        reply = api.files.get(bent)
        assert reply.status_code == 404 or reply.content[:4] == b"RIFF", bent
        assert b"SQLite" not in reply.content
    assert api.files.get(f"{head}/{ticket}/%00..").content[:4] == b"RIFF", "the name means nothing"


def test_parts_of_a_file_and_its_head(api: Api) -> None:
    link = api.finished(api.submit())["output"]["audio"]
    part = api.files.get(link, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")
    head = api.files.head(link)
    assert head.status_code == 200
    assert int(head.headers["content-length"]) == 5 * 48_000 * 2 * 2 + 44


def test_a_result_is_whole_or_absent(api: Api) -> None:
    api.finished(api.submit())
    assert [path.suffix for path in Path(api.folder / "outputs").iterdir()] == [".wav"]
