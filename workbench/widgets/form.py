"""What a musician fills in, as a value: the sweep it stands for, its price, the same in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal

from pydantic import Field

from workbench.engines.base import Engine
from workbench.errors import RequestError
from workbench.request import Request
from workbench.store import Store
from workbench.sweep import REPLICATE, Sweep
from workbench.take import take_key
from workbench.value import Value
from workbench.words import ablate, combine

INSTRUMENTAL = "[inst]"
# Mixes of more choices than this would be a grid that nobody means.
_MIX_MAX = 6
# Cells looked at for a quote while somebody types; further seeds cost what the first ones do.
_QUOTED_MAX = 3_000


class Form(Value):
    """A sweep as the panel asks for it.

    `tags` are always in; `compared` are tried as `tag_mode` says: all of them "together", one
    "each" at a time, all with one left out ("leave-out"), or every "mix". Fields with several
    values are axes; an empty one is not asked for.
    """

    name: str = "first sweep"
    engines: tuple[str, ...] = ("sketch",)
    tags: tuple[str, ...] = ("lo-fi hip-hop", "rhodes piano")
    compared: tuple[str, ...] = ("75 BPM", "90 BPM")
    tag_mode: Literal["together", "each", "leave-out", "mix"] = "each"
    lyrics: str = ""
    instrumental: bool = True
    seeds: int = Field(3, ge=1, le=10_000)
    first_seed: int = Field(0, ge=0)
    durations_s: tuple[float, ...] = (15.0,)
    tempi_bpm: tuple[float, ...] = ()
    carriers: tuple[str, ...] = ("auto",)
    keys: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    budget_usd: str = ""

    @property
    def tag_sets(self) -> tuple[str, ...]:
        """The tag texts to try.

        Raises
        ------
        RequestError
            If there are no tags, or too many for every mix.

        Examples
        --------
        >>> Form(tags=["jazz"], compared=["piano", "sax"], tag_mode="mix").tag_sets
        ('jazz', 'jazz, piano', 'jazz, sax', 'jazz, piano, sax')
        """
        if not self.tags and not self.compared:
            raise RequestError("write at least one tag, for example 'lo-fi hip-hop'.")
        always = ", ".join(self.tags)
        everything = ", ".join([*self.tags, *self.compared])
        if self.tag_mode == "together" or not self.compared:
            return (everything,)
        if self.tag_mode == "leave-out":
            return ablate(everything)
        if self.tag_mode == "each":
            return combine([always], self.compared)
        if len(self.compared) > _MIX_MAX:
            raise RequestError(
                f"every mix of {len(self.compared)} tags is {2 ** len(self.compared)} tag sets: "
                f"compare at most {_MIX_MAX} of them."
            )
        picked = [
            [*self.tags, *some]
            for count in range(len(self.compared) + 1)
            for some in combinations(self.compared, count)
        ]
        return tuple(", ".join(tags) for tags in picked if tags)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The fields with several values, and the seeds."""
        several = {
            "tags": self.tag_sets,
            "duration_s": self.durations_s,
            "tempo_bpm": self.tempi_bpm,
            "tempo_carrier": self.carriers,
            "key": self.keys,
            "language": self.languages,
        }
        axes = {name: list(values) for name, values in several.items() if len(values) > 1}
        axes[REPLICATE] = list(range(self.first_seed, self.first_seed + self.seeds))
        return axes

    @property
    def base(self) -> dict[str, Any]:
        """The fields of the base request that are not at their default."""
        one = {
            "tempo_bpm": self.tempi_bpm[:1],
            "tempo_carrier": self.carriers[:1],
            "key": self.keys[:1],
            "language": self.languages[:1],
            "duration_s": self.durations_s[:1],
        }
        base: dict[str, Any] = {"tags": self.tag_sets[0]}
        base["lyrics"] = INSTRUMENTAL if self.instrumental else self.lyrics
        base |= {name: values[0] for name, values in one.items() if values}
        return Request(**base).to_json()

    def sweep(self) -> Sweep:
        """The sweep.

        Raises
        ------
        RequestError
            If a field is impossible; the sentence says which.

        Examples
        --------
        >>> len(Form(tags=["jazz"], compared=["70 BPM", "90 BPM"], seeds=4).sweep())
        8
        """
        return Sweep(self.base, **self.axes)

    def code(self, store: str) -> str:
        """The same in Python, ready to copy.

        Examples
        --------
        >>> print(Form(tags=["jazz"], compared=[], seeds=2).code("runs/jazz"))
        import workbench as wb
        <BLANKLINE>
        base = wb.Request(tags='jazz', lyrics='[inst]', duration_s=15.0)
        sweep = wb.Sweep(base, seed=range(0, 2))
        engines = [wb.engine('sketch')]
        with wb.Study('first sweep', sweep, engines, store='runs/jazz') as study:
            print(study.quote())
            print(study.run())
            print(wb.table(study))
        """
        axes = {n: repr(v) for n, v in self.axes.items() if n != REPLICATE}
        axes[REPLICATE] = f"range({self.first_seed}, {self.first_seed + self.seeds})"
        budget = f", budget_usd={self.budget_usd!r}" if self.budget_usd else ""
        engines = ", ".join(f"wb.engine({name!r})" for name in self.engines)
        return "\n".join(
            (
                "import workbench as wb",
                "",
                f"base = wb.Request({_arguments(self.base)})",
                f"sweep = wb.Sweep(base, {', '.join(f'{n}={v}' for n, v in axes.items())})",
                f"engines = [{engines}]",
                f"with wb.Study({self.name!r}, sweep, engines, store={store!r}{budget}) as study:",
                "    print(study.quote())",
                "    print(study.run())",
                "    print(wb.table(study))",
            )
        )


def _arguments(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())


def quotes(sweep: Sweep, engines: Sequence[Engine], store: Store) -> list[dict[str, Any]]:
    """What each engine would do and cost, without writing anything.

    Returns
    -------
    list of dict
        ``engine, takes, found, refused, why, quoted_usd, quoted_credits, basis``; beyond 3,000
        cells the first of them are quoted and the rest counted alike.
    """
    cells = [cell for cell, _ in zip(sweep, range(_QUOTED_MAX), strict=False)]
    total = len(sweep)
    share = Decimal(total) / max(1, len(cells))
    rows = []
    for engine in engines:
        refusal, todo, refused = "", [], 0
        keys = [take_key(cell.request, engine.fingerprint) for cell in cells]
        found = store.finished(keys)
        for cell, key in zip(cells, keys, strict=True):
            try:
                engine.check(cell.request)
            except RequestError as error:
                refused, refusal = refused + 1, refusal or str(error)
                continue
            if key not in found:
                todo.append(engine.quote(cell.request))
        rows.append(
            {
                "engine": engine.name,
                "takes": total,
                "found": round(len(found) * share),
                "refused": round(refused * share),
                "why": refusal,
                "quoted_usd": str(sum((q.amount_usd for q in todo), Decimal(0)) * share),
                "quoted_credits": str(sum((q.credits for q in todo), Decimal(0)) * share),
                "basis": todo[0].basis if todo else "nothing to generate",
            }
        )
    return rows
