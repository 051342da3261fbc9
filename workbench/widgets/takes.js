const ROW_PX = 31;
const PAGE = 50;

export default {
  async render({ model, el }) {
    const ask = asker(model);
    const page = frame(
      el,
      "Takes",
      "Every take of a study, asked → delivered. Sort by a column's head, filter, click a row to hear it and to see all that was measured.",
    );
    let first;
    try {
      first = (await ask("open")).data;
    } catch (error) {
      return page.fail(error);
    }
    const state = { study: first.study, rows: new Map(), total: 0, chosen: null, pending: new Set() };
    const shown = { sort: "position", descending: false, state: null, engine: null, words: "" };

    const studies = select(first.studies.map((name) => [name, name]), first.study, () => {
      state.study = studies.value;
      refresh(true);
    });
    const engines = select([["", "all engines"]], "", () => {
      shown.engine = engines.value || null;
      refresh(true);
    });
    const states = select(
      [["", "all states"], ...first.states.map((name) => [name, name])],
      "",
      () => {
        shown.state = states.value || null;
        refresh(true);
      },
    );
    const words = h("input", {
      type: "search",
      placeholder: "part of the tags",
      oninput: later(() => {
        shown.words = words.value;
        refresh(true);
      }, 60),
    });
    const count = h("span", { className: "wb-hint", role: "status", "data-count": "" });
    const space = h("tbody");
    const scroll = h(
      "div",
      { className: "wb-scroll", tabIndex: 0, role: "region", "aria-label": "Table of takes", onscroll: () => draw() },
      h("table", {}, h("thead", {}, heads()), space),
    );
    const detail = h("div", { className: "wb-detail" });
    page.body.append(
      h(
        "div",
        { className: "wb-grid" },
        field("Study", studies),
        field("Engine", engines),
        field("State", states),
        field("Tags contain", words),
      ),
      count,
      scroll,
      detail,
    );

    function heads() {
      const columns = [
        ["take", "position", "the order of the plan"],
        ["engine", "engine"],
        ["tags", "tags"],
        ["seed", "seed"],
        ["tempo (BPM)", "tempo_bpm"],
        ["length (s)", "duration_s"],
        ["key", "key"],
        ["loudness (LUFS)", "loudness_lufs"],
        ["ear", "ear_strength"],
        ["cost (USD)", "cost_usd"],
        ["state", "state"],
      ];
      return h(
        "tr",
        {},
        columns.map(([label, sort]) => {
          const head = h("th", { scope: "col", "aria-sort": "none", "data-sort": sort });
          const click = () => {
            shown.descending = shown.sort === sort && !shown.descending;
            shown.sort = sort;
            for (const other of head.parentNode.children) other.setAttribute("aria-sort", "none");
            head.setAttribute("aria-sort", shown.descending ? "descending" : "ascending");
            refresh(true);
          };
          head.append(h("button", { type: "button", onclick: click, title: `Sort by ${label}` }, label));
          return head;
        }),
      );
    }

    // The table holds only the rows in sight; the rest is two empty rows of the right height.
    function draw() {
      const from = Math.max(0, Math.floor(scroll.scrollTop / ROW_PX) - 8);
      const to = Math.min(state.total, from + Math.ceil(scroll.clientHeight / ROW_PX) + 16);
      const rows = [];
      for (let place = from; place < to; place++) rows.push(line(place));
      space.replaceChildren(gap(from), ...rows, gap(state.total - to));
      for (let part = Math.floor(from / PAGE); part * PAGE < to; part++) fetch_part(part);
    }

    function gap(rows) {
      const row = h("tr", { "aria-hidden": "true" }, h("td", { colspan: 11 }));
      row.firstChild.style.cssText = `height:${rows * ROW_PX}px;padding:0;border:0`;
      return row;
    }

    function line(place) {
      const take = state.rows.get(place);
      if (!take) return h("tr", {}, h("td", { colspan: 11 }, "…"));
      const tempo =
        take.asked_tempo_bpm === null
          ? number(take.tempo_bpm)
          : `${number(take.asked_tempo_bpm)} → ${number(take.tempo_bpm)}`;
      const mark = { match: " ✓", mismatch: " ✗", undecided: " ?" }[take.tempo_match] || "";
      const cells = [
        take.id === null ? "–" : String(take.id),
        take.engine,
        take.tags,
        String(take.seed),
        tempo + mark,
        take.asked_duration_s === null
          ? number(take.duration_s)
          : `${number(take.asked_duration_s)} → ${number(take.duration_s)}`,
        (take.asked_key ? `${take.asked_key} → ` : "") + (take.key ?? "–"),
        number(take.loudness_lufs),
        number(take.ear_strength, 2),
        take.cost_usd === null ? "–" : take.cost_usd.toFixed(6),
        take.state + (take.reason ? `: ${take.reason}` : ""),
      ];
      const row = h(
        "tr",
        {
          tabIndex: take.id === null ? -1 : 0,
          "aria-selected": String(take.id !== null && take.id === state.chosen),
          "data-take": take.id === null ? "" : String(take.id),
          onclick: () => choose(take),
          onkeydown: (event) => event.key === "Enter" && choose(take),
        },
        cells.map((text, at) =>
          h("td", { className: at === 10 && take.state === "failed" ? "wb-bad" : "", title: text }, text),
        ),
      );
      for (const cell of row.children)
        cell.style.cssText = `height:${ROW_PX}px;max-width:260px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap`;
      return row;
    }

    async function fetch_part(part) {
      const key = `${state.version}-${part}`;
      if (state.rows.has(part * PAGE) || state.pending.has(key)) return;
      state.pending.add(key);
      await load_part(part);
      draw();
    }

    async function load_part(part) {
      const version = state.version;
      try {
        const { data } = await ask("page", {
          study: state.study,
          shown: { ...shown },
          offset: part * PAGE,
          limit: PAGE,
        });
        if (version !== state.version) return;
        state.total = data.total;
        data.rows.forEach((row, at) => state.rows.set(part * PAGE + at, row));
        count.textContent = `${data.total} takes`;
        count.dataset.count = String(data.total);
        const known = [...engines.options].map((option) => option.value);
        for (const name of data.engines)
          if (!known.includes(name)) engines.append(h("option", { value: name }, name));
      } catch (error) {
        page.fail(error);
      }
    }

    /** Read anew what is in sight; the old rows stay until the new ones are here. */
    async function refresh(to_top) {
      if (!state.study) return;
      const old = state.rows;
      state.version = (state.version || 0) + 1;
      state.pending.clear();
      if (to_top) scroll.scrollTop = 0;
      const part = Math.floor(Math.floor(scroll.scrollTop / ROW_PX) / PAGE);
      state.rows = new Map();
      await load_part(part);
      if (!state.rows.size && state.total) state.rows = old;
      draw();
    }

    const deck = new Deck();
    async function choose(take) {
      if (take.id === null) return;
      state.chosen = take.id;
      draw();
      deck.stop();
      try {
        const { data, buffers } = await ask("take", { take_id: take.id });
        if (state.chosen === take.id) show_take(data, buffers);
      } catch (error) {
        page.fail(error);
      }
    }

    function show_take(take, buffers) {
      const parts = [h("h3", {}, `Take ${take.id} by ${take.engine}`)];
      if (take.reason) parts.push(h("p", { className: "wb-bad" }, take.reason));
      parts.push(h("p", {}, take.request.tags));
      for (const note of take.notes) parts.push(h("p", { className: "wb-hint" }, note));
      if (buffers.length) parts.push(...player(take, buffers[0]));
      const truth = Object.entries(take.truth);
      if (truth.length)
        parts.push(
          h("p", { className: "wb-hint" }, `Known by construction: ${truth.map(([k, v]) => `${k} ${v}`).join(", ")}`),
        );
      parts.push(measured(take.measurements));
      detail.replaceChildren(...parts);
    }

    function player(take, outline) {
      const canvas = h("canvas", { width: 1200, height: 90, role: "img", "aria-label": `Waveform of take ${take.id}` });
      draw_wave(canvas, floats(outline), colour(page.root, "wave"));
      canvas.style.height = "90px";
      const bar = transport(deck, `take ${take.id}`);
      const button = bar.querySelector("button");
      deck.sounds = [];
      const fetch_first = async (event) => {
        if (deck.sounds.length) return;
        event.stopImmediatePropagation();
        button.textContent = "… loading";
        try {
          const { data, buffers } = await ask("audio", { take_id: take.id });
          await deck.load(buffers);
          page.say(deck.duration_s > data.max_s - 1 ? `You hear the first ${data.max_s} s.` : "");
          await deck.play(0);
        } catch (error) {
          button.textContent = "▶ Play";
          page.fail(error);
        }
      };
      button.addEventListener("click", fetch_first, { capture: true });
      canvas.addEventListener("click", (event) => {
        if (deck.sounds.length) deck.play((event.offsetX / canvas.clientWidth) * deck.duration_s);
      });
      return [canvas, bar];
    }

    function measured(measurements) {
      const rows = measurements.map((one) => {
        const value =
          typeof one.value === "number" ? String(Number(one.value.toPrecision(5))) : String(one.value ?? "unknown");
        const error =
          one.low === null ? one.error : `${one.low.toPrecision(4)} to ${one.high.toPrecision(4)} (95 %)`;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, one.name),
          h("td", {}, one.value === null ? `undefined: ${one.reason}` : value),
          h("td", {}, error || "not stated"),
          h("td", {}, one.method),
        );
      });
      const head = ["measurement", "value", "interval or known error", "method"];
      return h(
        "details",
        { open: true },
        h("summary", {}, `${measurements.length} measurements`),
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", {}, rows),
        ),
      );
    }

    new ResizeObserver(() => draw()).observe(scroll);
    // The change is asked for before the rows: what happens in between is seen the next time.
    let seen = "";
    async function look() {
      try {
        if (!state.study) {
          first = (await ask("open")).data;
          state.study = first.study;
          for (const name of first.studies) studies.append(h("option", { value: name }, name));
          if (!state.study) return page.say("No study here yet: make one in the sweep panel.");
          page.say("");
        }
        const change = `${state.study} ${(await ask("change", { study: state.study })).data}`;
        if (change === seen) return;
        seen = change;
        await refresh(false);
      } catch (error) {
        page.fail(error);
      }
    }
    every(page.root, 1000, look);
    await look();
    return () => deck.stop();
  },
};
