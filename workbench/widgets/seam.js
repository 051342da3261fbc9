const VERDICTS = { clear: "wb-bad", possible: "wb-bad", "none found": "wb-good", unknown: "" };

export default {
  async render({ model, el }) {
    const ask = asker(model);
    const page = frame(
      el,
      "Seam",
      "Choose a song, drag a window over the part to make anew, press Inpaint, then hear both in step and read what the edges measure.",
    );
    let first;
    try {
      first = (await ask("open")).data;
    } catch (error) {
      return page.fail(error);
    }
    const song = { duration_s: 0, beats_s: [], edges_s: [], extremes: null, busy: false };
    const view = { start_s: 0, end_s: 0 };
    const deck = new Deck();

    const path = h("input", { type: "text", value: first.path, placeholder: "path of an audio file" });
    const takes = select([["", "a take of this store …"], ...first.takes.map((take) => [String(take.id), take.words])], "", () => {
      if (takes.value) load({ take_id: Number(takes.value) });
    });
    const open = h("button", { type: "button", onclick: () => load({ path: path.value }) }, "Open the file");
    const start = h("input", { type: "number", min: 0, step: 0.1, value: 0, oninput: () => typed() });
    const end = h("input", { type: "number", min: 0, step: 0.1, value: 0, oninput: () => typed() });
    const snap = h("input", { type: "checkbox", checked: true });
    const tags = h("input", { type: "text", value: "", placeholder: "what the new part should sound like" });
    const engine = select(first.engines.map((name) => [name, name]), "sketch", () => {});
    const seed = h("input", { type: "number", min: 0, value: 1 });
    const before = h("input", { type: "number", min: 0, step: 1, value: 0 });
    const after = h("input", { type: "number", min: 0, step: 1, value: 8 });
    const inpaint = h("button", { type: "button", className: "wb-main", onclick: () => edit("inpaint") }, "Inpaint the window");
    const outpaint = h("button", { type: "button", onclick: () => edit("outpaint") }, "Outpaint");
    const splice = h("button", { type: "button", onclick: () => repair(), disabled: true }, "Splice the original back");

    const wave = h("canvas", { width: 1200, height: 130 });
    const over = h("canvas", {
      className: "wb-over",
      width: 1200,
      height: 130,
      tabIndex: 0,
      role: "slider",
      "aria-label": "Window on the waveform: drag with the pointer, or move it with the arrow keys",
      "aria-valuemin": "0",
      "aria-valuemax": "0",
      "aria-valuenow": "0",
    });
    const spectrum = h("img", { alt: "Spectrogram, 30 Hz to 16 kHz upwards, 80 dB deep" });
    spectrum.className = "wb-spectrum";
    spectrum.hidden = true;
    const where = h("span", { className: "wb-hint" });
    const bar = transport(deck, "what is in view");
    const hear = h("span", { className: "wb-row" });
    const loops = h("span", { className: "wb-row" });
    const verdict = h("div", { className: "wb-verdict" });
    const price = h("span", { className: "wb-hint", role: "status" });
    const stop = h("button", { type: "button", onclick: () => ask("stop"), disabled: true }, "Stop");

    page.body.append(
      h("div", { className: "wb-grid" }, field("File", path), h("div", {}, h("div", { className: "wb-hint" }, "or"), open), field("Take", takes)),
      h("div", { className: "wb-stack" }, wave, over),
      spectrum,
      h("div", { className: "wb-row" }, bar, hear, loops, where),
      h(
        "div",
        { className: "wb-grid" },
        field("Window from (s)", start),
        field("to (s)", end),
        h("label", {}, snap, " snap to beats"),
        field("Tags of the new part", tags),
        field("Engine", engine),
        field("Seed", seed),
        field("Outpaint: add before (s)", before),
        field("add after (s)", after),
      ),
      h("div", { className: "wb-row" }, inpaint, outpaint, stop, splice, price),
      verdict,
    );

    function snapped(time_s) {
      if (!snap.checked || !song.beats_s.length) return Math.round(time_s * 100) / 100;
      const near = song.beats_s.reduce((best, beat) => (Math.abs(beat - time_s) < Math.abs(best - time_s) ? beat : best));
      return Math.abs(near - time_s) < 1 ? near : Math.round(time_s * 100) / 100;
    }

    function set_window(start_s, end_s) {
      [view.start_s, view.end_s] = [Math.min(start_s, end_s), Math.max(start_s, end_s)];
      start.value = view.start_s.toFixed(2);
      end.value = view.end_s.toFixed(2);
      draw_over();
      show_price();
    }

    function typed() {
      view.start_s = Number(start.value);
      view.end_s = Number(end.value);
      draw_over();
    }

    function draw_over() {
      const pen = over.getContext("2d");
      const x = (time_s) => (time_s / song.duration_s) * over.width;
      pen.clearRect(0, 0, over.width, over.height);
      if (!song.duration_s) return;
      pen.fillStyle = colour(page.root, "line");
      for (const beat_s of song.beats_s) pen.fillRect(x(beat_s), 0, 1, 8);
      pen.fillStyle = colour(page.root, "window");
      pen.fillRect(x(view.start_s), 0, x(view.end_s) - x(view.start_s), over.height);
      pen.fillStyle = colour(page.root, "edge");
      for (const edge_s of [view.start_s, view.end_s]) pen.fillRect(x(edge_s) - 1, 0, 2, over.height);
      for (const edge_s of song.edges_s) {
        pen.fillRect(x(edge_s) - 2, 0, 4, over.height);
        pen.fillRect(x(edge_s) - 7, 0, 14, 5);
      }
      if (deck.is_playing) {
        pen.fillStyle = colour(page.root, "ink");
        pen.fillRect(x(song.offset_s + deck.position_s), 0, 2, over.height);
      }
      over.setAttribute("aria-valuemax", song.duration_s.toFixed(1));
      over.setAttribute("aria-valuenow", view.start_s.toFixed(2));
      over.setAttribute("aria-valuetext", `from ${view.start_s.toFixed(2)} to ${view.end_s.toFixed(2)} seconds`);
      where.textContent = `Window ${view.start_s.toFixed(2)} to ${view.end_s.toFixed(2)} s of ${song.duration_s.toFixed(2)} s`;
      if (deck.is_playing) requestAnimationFrame(draw_over);
    }

    let drag_s = null;
    const time_at = (event) => Math.max(0, Math.min(1, event.offsetX / over.clientWidth)) * song.duration_s;
    over.addEventListener("pointerdown", (event) => {
      if (!song.duration_s) return;
      drag_s = snapped(time_at(event));
      over.setPointerCapture(event.pointerId);
    });
    over.addEventListener("pointermove", (event) => {
      if (drag_s !== null) set_window(drag_s, snapped(time_at(event)));
    });
    over.addEventListener("pointerup", (event) => {
      if (drag_s !== null) set_window(drag_s, snapped(time_at(event)));
      drag_s = null;
    });
    over.addEventListener("keydown", (event) => {
      const step_s = { ArrowLeft: -0.5, ArrowRight: 0.5 }[event.key];
      if (!step_s) return;
      event.preventDefault();
      event.stopPropagation();
      set_window(
        Math.max(0, view.start_s + (event.shiftKey ? 0 : step_s)),
        Math.min(song.duration_s, view.end_s + step_s),
      );
    });

    function show_sound(data, buffers) {
      song.duration_s = data.duration_s;
      song.extremes = floats(buffers[0]);
      const pen = wave.getContext("2d");
      pen.clearRect(0, 0, wave.width, wave.height);
      draw_wave(wave, song.extremes, colour(page.root, "wave"));
      URL.revokeObjectURL(spectrum.src);
      spectrum.hidden = false;
      spectrum.src = address(buffers[1], "image/png");
      deck.stop();
      deck.sounds = [];
      draw_over();
    }

    async function load(what) {
      try {
        page.say("Reading …");
        const { data, buffers } = await ask("load", what);
        song.edges_s = [];
        song.beats_s = data.beats_s;
        if (data.tags) tags.value = data.tags;
        show_sound(data, buffers);
        const third_s = song.duration_s / 3;
        set_window(snapped(third_s), snapped(Math.min(2 * third_s, third_s + 8)));
        verdict.replaceChildren();
        splice.disabled = true;
        show_players(["original"]);
        page.say(`${data.name}: ${data.duration_s.toFixed(1)} s, ${data.beats_s.length} beats.`);
      } catch (error) {
        page.fail(error);
      }
    }

    // Loads what is asked for, once: around an edge sample for sample, else from the window on.
    async function play(from_s, to_s, loop) {
      try {
        const { data, buffers } = await ask("sounds", { start_s: from_s, end_s: to_s });
        await deck.load(buffers);
        song.offset_s = from_s;
        deck.heard = Math.min(deck.heard, data.names.length - 1);
        await deck.play(0, loop ? [0, deck.duration_s] : null);
        draw_over();
      } catch (error) {
        page.fail(error);
      }
    }

    bar.querySelector("button").addEventListener(
      "click",
      (event) => {
        if (deck.is_playing || !song.duration_s) return;
        event.stopImmediatePropagation();
        const from_s = Math.max(0, view.start_s - 3);
        play(from_s, Math.min(song.duration_s, from_s + 60), false);
      },
      { capture: true },
    );

    function show_players(names) {
      const buttons = names.map((name, at) =>
        h("button", { type: "button", "aria-pressed": String(at === 0), onclick: () => choose(at) }, `Hear ${name}`),
      );
      const choose = (at) => {
        deck.hear(at);
        buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === at)));
      };
      hear.replaceChildren(...buttons);
      deck.heard = 0;
      if (names.length > 1) choose(names.length - 1);
      loops.replaceChildren(
        ...song.edges_s.map((edge_s) =>
          h(
            "button",
            { type: "button", onclick: () => play(Math.max(0, edge_s - 3), edge_s + 3, true) },
            `Loop ±3 s around ${edge_s.toFixed(2)} s`,
          ),
        ),
      );
    }

    function wish(kind) {
      const [start_s, end_s] =
        kind === "inpaint" ? [view.start_s, view.end_s] : [Number(before.value), Number(after.value)];
      return { kind, start_s, end_s, tags: tags.value, engine: engine.value, seed: Number(seed.value) };
    }

    const show_price = later(async () => {
      if (!song.duration_s || song.busy) return;
      const told = await Promise.all(
        ["inpaint", "outpaint"].map(async (kind) => {
          try {
            return `${kind}: ${(await ask("quote", wish(kind))).data}`;
          } catch (error) {
            return `${kind}: ${error.message}`;
          }
        }),
      );
      price.textContent = told.join(" · ");
    }, 200);
    for (const control of [start, end, tags, engine, seed, before, after]) control.addEventListener("input", show_price);

    async function edit(kind) {
      if (song.busy) return;
      song.busy = true;
      inpaint.disabled = outpaint.disabled = true;
      stop.disabled = false;
      page.say("Making it …");
      const watch = setInterval(async () => {
        const { data } = await ask("progress");
        if (song.busy) page.say(`Making it: ${(100 * data).toFixed(0)} % …`);
      }, 500);
      try {
        const { data, buffers } = await ask("edit", wish(kind));
        show_judged(data, buffers);
        page.say(`Made: take ${data.take}.`);
      } catch (error) {
        page.fail(error);
      }
      clearInterval(watch);
      song.busy = false;
      stop.disabled = true;
      inpaint.disabled = outpaint.disabled = false;
    }

    async function repair() {
      try {
        const { data, buffers } = await ask("splice");
        show_judged(data, buffers);
        page.say(`Spliced: ${data.path}`);
      } catch (error) {
        page.fail(error);
      }
    }

    function show_judged(data, buffers) {
      song.edges_s = data.seams.map((seam) => seam.edge_s);
      show_sound(data, buffers);
      show_players(data.names);
      splice.disabled = false;
      verdict.replaceChildren(
        h("h3", {}, "Edges"),
        ...data.seams.map(seam_words),
        data.seams.length ? null : h("p", {}, "This edit has no inner edge."),
        h("h3", {}, "What was to stay untouched"),
        h("p", { "data-kept": data.kept.verdict }, kept_words(data.kept)),
        ...data.notes.map((note) => h("p", { className: "wb-hint" }, note)),
      );
    }

    function seam_words(seam) {
      if (seam.why) return h("p", { "data-verdict": "unknown" }, `At ${seam.edge_s.toFixed(2)} s: unknown, ${seam.why}`);
      const above = seam.elsewhere.filter((score) => score >= seam.score).length;
      const strip = h("canvas", {
        width: 400,
        height: 40,
        role: "img",
        "aria-label": `Score ${seam.score.toFixed(2)} at the edge; ${above} of ${seam.elsewhere.length} other moments of this track score as high`,
      });
      strip.style.width = "400px";
      draw_strip(strip, seam);
      return h(
        "div",
        { "data-verdict": seam.verdict },
        h(
          "p",
          { className: VERDICTS[seam.verdict] },
          `At ${seam.edge_s.toFixed(2)} s: ${seam.verdict} (score ${seam.score.toFixed(2)} of 1; ${(100 * seam.false_alarm_rate).toFixed(1)} % of untouched places score as high).`,
        ),
        h("p", {}, seam.reasons.length ? `What stands out: ${seam.reasons.join("; ")}.` : "Nothing stands out."),
        strip,
        h("p", { className: "wb-hint" }, `Score from 0 (left) to 1 (right): dots are ${seam.elsewhere.length} other moments of this track, the line is the edge; ${above} of them score as high.`),
      );
    }

    function draw_strip(strip, seam) {
      const pen = strip.getContext("2d");
      const x = (score) => 6 + score * (strip.width - 12);
      pen.fillStyle = colour(page.root, "wave");
      seam.elsewhere.forEach((score, at) => {
        pen.beginPath();
        pen.arc(x(score), 10 + ((at * 7) % 20), 3, 0, 7);
        pen.fill();
      });
      pen.fillStyle = colour(page.root, "edge");
      pen.fillRect(x(seam.score) - 2, 0, 4, strip.height);
    }

    function kept_words(kept) {
      if (kept.why) return `Unknown: ${kept.why}`;
      const noise = kept.kept_snr_db === null ? "no difference at all" : `signal over difference ${kept.kept_snr_db.toFixed(1)} dB`;
      const where_changed = kept.changed_s.map(([from_s, to_s]) => `${from_s.toFixed(1)}–${to_s.toFixed(1)} s`).join(", ");
      return `${kept.verdict}: ${noise} over ${kept.kept_s.toFixed(1)} s, level ${kept.gain_db.toFixed(2)} dB${where_changed ? `; changed at ${where_changed}` : ""}.`;
    }

    if (first.path) await load({ path: first.path });
    return () => deck.stop();
  },
};
