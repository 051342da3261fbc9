export default {
  async render({ model, el }) {
    const ask = asker(model);
    const page = frame(
      el,
      "Listen",
      "Compare takes without knowing which is which. They are equally loud, in an order drawn by a recorded seed; every vote is kept at once.",
    );
    let first;
    try {
      first = (await ask("open")).data;
    } catch (error) {
      return page.fail(error);
    }
    const sitting = { trials: 0, trial: 0, kind: "pair", began: 0, voting: false };
    const deck = new Deck();

    const studies = select(first.studies.map((name) => [name, name]), first.studies[0] || "", () => list_takes());
    const listener = h("input", { type: "text", value: "me", autocomplete: "off" });
    const kind = select([["pair", "which is better (pairs)"], ["abx", "can I hear a difference (ABX)"]], "pair", () => list_takes());
    const pairs = h("input", { type: "number", min: 1, max: 500, value: 10 });
    const filter = h("input", { type: "search", placeholder: "all takes", onchange: () => list_takes() });
    const one = h("select");
    const other = h("select");
    const choose_two = h("div", { className: "wb-grid wb-wide" }, field("ABX: this take", one), field("against this one", other));
    choose_two.hidden = true;
    const begin = h("button", { type: "button", className: "wb-main", onclick: () => start() }, "Begin");
    const stage = h("div", { className: "wb-stage" });
    const result = h("div", { className: "wb-result" });
    page.body.append(
      h(
        "div",
        { className: "wb-grid" },
        field("Study", studies),
        field("Listener", listener, "your name, or any word that stands for you"),
        field("Question", kind),
        field("Comparisons", pairs),
        field("Only takes whose tags contain", filter),
        choose_two,
      ),
      h("div", { className: "wb-row" }, begin, h("button", { type: "button", onclick: () => show_result() }, "Show the ranking")),
      stage,
      result,
    );

    async function list_takes() {
      choose_two.hidden = kind.value !== "abx";
      if (!studies.value || kind.value !== "abx") return;
      try {
        const { data } = await ask("takes", { study: studies.value, words: filter.value });
        for (const [at, control] of [one, other].entries()) {
          control.replaceChildren(...data.map((take) => h("option", { value: String(take.id) }, take.words)));
          control.selectedIndex = Math.min(at, data.length - 1);
        }
      } catch (error) {
        page.fail(error);
      }
    }

    async function start() {
      if (!studies.value) return page.fail(new Error("There is no study here yet: run a sweep first."));
      const common = { study: studies.value, listener: listener.value, pairs: Number(pairs.value) };
      try {
        const { data } =
          kind.value === "abx"
            ? await ask("begin_abx", { ...common, first: Number(one.value), second: Number(other.value) })
            : await ask("begin_pairs", { ...common, words: filter.value });
        Object.assign(sitting, data, { trial: 0 });
        result.replaceChildren();
        page.say(`Order drawn with seed ${data.seed}.`);
        await load();
      } catch (error) {
        page.fail(error);
      }
    }

    const hear_buttons = [];
    async function load() {
      const place = h("p", { role: "status", className: "wb-place", "data-trial": String(sitting.trial) });
      place.textContent = `Comparison ${sitting.trial + 1} of ${sitting.trials}: loading …`;
      stage.replaceChildren(place);
      const { buffers } = await ask("trial", { trial: sitting.trial });
      await deck.load(buffers);
      deck.heard = 0;
      place.textContent = `Comparison ${sitting.trial + 1} of ${sitting.trials}`;
      hear_buttons.length = 0;
      const letters = ["A", "B", "X"].slice(0, buffers.length);
      const bar = transport(deck, "the comparison");
      const show_time = deck.onchange;
      deck.onchange = () => {
        show_time();
        hear_buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === deck.heard)));
      };
      for (const [at, letter] of letters.entries())
        hear_buttons.push(h("button", { type: "button", onclick: () => hear(at) }, `Hear ${letter}`));
      const comment = h("input", { type: "text", placeholder: "what made the difference?" });
      const votes =
        sitting.kind === "abx"
          ? [["X is A", 0], ["X is B", 1]]
          : [["A is better", 0], ["No difference", null], ["B is better", 1]];
      stage.replaceChildren(
        place,
        h("div", { className: "wb-row" }, ...hear_buttons, bar),
        field("Comment", comment),
        h(
          "div",
          { className: "wb-row" },
          votes.map(([words, choice]) =>
            h("button", { type: "button", className: "wb-main", onclick: () => vote(choice, comment.value) }, words),
          ),
        ),
        h(
          "p",
          { className: "wb-hint" },
          "Keys: ",
          ...["a", "b", ...(letters.length > 2 ? ["x"] : [])].flatMap((key) => [h("kbd", {}, key), " "]),
          "to hear, ",
          h("kbd", {}, "space"),
          " to play or stop, ",
          h("kbd", {}, "1"),
          " for A, ",
          h("kbd", {}, "2"),
          " for B",
          ...(sitting.kind === "abx" ? [] : [", ", h("kbd", {}, "0"), " for no difference"]),
          ".",
        ),
      );
      deck.onchange();
      sitting.began = performance.now();
      stage.tabIndex = -1;
      stage.focus({ preventScroll: true });
      await deck.play(0);
    }

    function hear(at) {
      deck.hear(at);
      if (!deck.is_playing) deck.play();
    }

    async function vote(choice, comment) {
      if (sitting.voting) return;
      sitting.voting = true;
      deck.stop();
      try {
        const wall_s = (performance.now() - sitting.began) / 1000;
        const { data } = await ask("vote", { trial: sitting.trial, choice, comment, wall_s });
        sitting.trial = data.kept;
        const said = data.x_was ? `X was ${data.x_was}.` : `A was “${data.heard[0]}”, B was “${data.heard[1]}”.`;
        page.say(`Kept. ${said}`);
        if (sitting.trial < sitting.trials) await load();
        else {
          stage.replaceChildren(h("p", { "data-trial": "done" }, "That was the last one."));
          await show_result();
        }
      } catch (error) {
        page.fail(error);
      }
      sitting.voting = false;
    }

    page.root.addEventListener("keydown", (event) => {
      const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
      if (typing || !hear_buttons.length || sitting.trial >= sitting.trials) return;
      const comment = stage.querySelector("input")?.value || "";
      const actions = {
        a: () => hear(0),
        b: () => hear(1),
        x: () => hear_buttons[2] && hear(2),
        " ": () => (deck.is_playing ? deck.stop() : deck.play()),
        1: () => vote(0, comment),
        2: () => vote(1, comment),
        0: () => sitting.kind === "pair" && vote(null, comment),
      };
      const action = actions[event.key.toLowerCase()];
      if (!action || (event.key === " " && event.target.tagName === "BUTTON")) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    });

    async function show_result() {
      if (!studies.value) return page.fail(new Error("There is no study here yet: run a sweep first."));
      try {
        const { data } = await ask("result", { study: studies.value, listener: listener.value });
        const parts = [];
        if (data.ranking.length) parts.push(h("h3", {}, `Ranking by this ear (${data.pairs} comparisons)`), ranking(data.ranking));
        if (data.abx)
          parts.push(
            h("h3", {}, "ABX"),
            h(
              "p",
              {},
              `${data.abx.correct} of ${data.abx.n} right (95 % interval ${(100 * data.abx.low).toFixed(0)} to ${(100 * data.abx.high).toFixed(0)} %, p = ${data.abx.p_value.toFixed(3)}).`,
            ),
          );
        if (data.agreement.length)
          parts.push(
            h("h3", {}, "Which measurement agrees with this ear"),
            h("ul", {}, data.agreement.slice(0, 12).map((sentence) => h("li", {}, sentence))),
          );
        if (!parts.length) parts.push(h("p", {}, "No votes yet."));
        result.replaceChildren(...parts);
      } catch (error) {
        page.fail(error);
      }
    }

    /** Strength with its interval, as a dot on a line; 0 is the average take. */
    function ranking(rows) {
      const reach = Math.max(1, ...rows.flatMap((row) => [Math.abs(row.low), Math.abs(row.high)]));
      const line = (row) => {
        const canvas = h("canvas", {
          width: 260,
          height: 22,
          role: "img",
          "aria-label": `strength ${row.strength.toFixed(2)}, 95 % interval ${row.low.toFixed(2)} to ${row.high.toFixed(2)}`,
        });
        canvas.style.width = "260px";
        const pen = canvas.getContext("2d");
        const x = (value) => 130 + (value / reach) * 120;
        pen.fillStyle = colour(page.root, "line");
        pen.fillRect(130, 0, 1, 22);
        pen.fillStyle = colour(page.root, "wave");
        pen.fillRect(x(row.low), 10, Math.max(1, x(row.high) - x(row.low)), 2);
        pen.beginPath();
        pen.arc(x(row.strength), 11, 5, 0, 7);
        pen.fill();
        return canvas;
      };
      const heads = ["take", "tags", "strength (log odds, 0 = average)", "95 % interval", "won", "lost", "tied"];
      return h(
        "table",
        {},
        h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
        h(
          "tbody",
          {},
          rows.map((row) =>
            h(
              "tr",
              {},
              h("td", {}, String(row.take_id)),
              h("td", {}, row.tags),
              h("td", {}, line(row)),
              h("td", {}, `${row.low.toFixed(2)} to ${row.high.toFixed(2)}`),
              ...[row.wins, row.losses, row.ties].map((count) => h("td", {}, String(count))),
            ),
          ),
        ),
      );
    }

    if (!first.studies.length) page.say("No study here yet: run a sweep first.");
    await list_takes();
    return () => deck.stop();
  },
};
