const TAG_MODES = [
  ["each", "one of these at a time"],
  ["leave-out", "everything, then with one left out"],
  ["mix", "every mix of these"],
  ["together", "everything together"],
];
const CARRIERS = [
  ["auto", "as the engine likes it"],
  ["field", "as a field"],
  ["tag", "as a tag"],
  ["both", "both"],
];
const SUGGESTED = [
  "lo-fi hip-hop", "house", "techno", "jazz", "ambient pad", "indie pop", "synthwave", "cinematic",
  "rhodes piano", "acoustic guitar", "soft drums", "bright synths", "warm bass", "75 BPM", "90 BPM",
  "120 BPM", "energetic", "calm",
];

/** Tags as chips: type and press Enter or a comma; remove with the button or Backspace. */
function chips(label, hint, tags, onchange) {
  const list = h("span", { className: "wb-chips", role: "list", "aria-label": label });
  const options = h("datalist", { id: `wb-${Math.random().toString(36).slice(2)}` });
  for (const tag of SUGGESTED) options.append(h("option", { value: tag }));
  const input = h("input", { type: "text", placeholder: "type a tag, press Enter" });
  input.setAttribute("list", options.id);
  const draw = () => {
    list.replaceChildren(
      ...tags.map((tag, at) =>
        h(
          "span",
          { className: "wb-chip", role: "listitem" },
          tag,
          h("button", { type: "button", "aria-label": `Remove ${tag}`, onclick: () => remove(at) }, "×"),
        ),
      ),
    );
  };
  const remove = (at) => {
    tags.splice(at, 1);
    draw();
    onchange();
    input.focus();
  };
  const add = () => {
    const fresh = input.value.split(",").map((tag) => tag.trim()).filter((tag) => tag && !tags.includes(tag));
    input.value = "";
    if (!fresh.length) return;
    tags.push(...fresh);
    draw();
    onchange();
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      add();
    } else if (event.key === "Backspace" && !input.value && tags.length) remove(tags.length - 1);
    event.stopPropagation();
  });
  input.addEventListener("change", add);
  draw();
  return h("div", {}, field(label, input, hint), list, options);
}

/** A text area whose section markers stand out. */
function lyrics_editor(text, onchange) {
  const area = h("textarea", { value: text, spellcheck: false, placeholder: "[verse]\nWords of the verse\n[chorus]\n…" });
  const behind = h("pre", { "aria-hidden": "true" });
  const draw = () => {
    const parts = area.value.split(/(\[[^\]\n]*\])/);
    behind.replaceChildren(...parts.map((part, at) => (at % 2 ? h("mark", {}, part) : part)), "\n");
    behind.scrollTop = area.scrollTop;
  };
  area.addEventListener("input", () => {
    draw();
    onchange();
  });
  area.addEventListener("scroll", draw);
  draw();
  const box = h("div", { className: "wb-lyrics" }, behind, area);
  return { box, area };
}

function numbers(text) {
  return text.split(/[\s,;]+/).filter(Boolean).map(Number);
}

function words(text) {
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

export default {
  async render({ model, el }) {
    const ask = asker(model);
    const page = frame(
      el,
      "Sweep",
      "Say what to try. The count and the price follow as you type; nothing runs and nothing is spent before you press Run.",
    );
    let first;
    try {
      first = (await ask("open")).data;
    } catch (error) {
      return page.fail(error);
    }
    const form = first.form;
    let valid = false;

    const text = (value, attributes = {}) => h("input", { type: "text", value, oninput: () => look(), ...attributes });
    const name = text(form.name);
    const budget = text(form.budget_usd, { inputMode: "decimal", placeholder: "no limit" });
    const seeds = text(form.seeds, { type: "number", min: 1, max: 10000 });
    const first_seed = text(form.first_seed, { type: "number", min: 0 });
    const durations = text(form.durations_s.join(", "), { placeholder: "15, 30" });
    const tempi = text(form.tempi_bpm.join(", "), { placeholder: "not asked; or 90, 120" });
    const keys = text(form.keys.join(", "), { placeholder: "not asked; or C minor, G major" });
    const languages = text(form.languages.join(", "), { placeholder: "not asked; or en, de" });
    const carrier = select(CARRIERS, form.carriers[0], () => look());
    const tag_mode = select(TAG_MODES, form.tag_mode, () => look());
    const instrumental = h("input", { type: "checkbox", checked: form.instrumental, onchange: () => look() });
    const lyrics = lyrics_editor(form.lyrics, () => look());
    const engines = h("fieldset", {}, h("legend", {}, "Engines"), h("p", { className: "wb-hint" }, "looking what works here …"));

    const count = h("p", { role: "status", "aria-live": "polite", className: "wb-count" });
    const quote = h("div", { className: "wb-scroll", tabIndex: 0, role: "region", "aria-label": "Price per engine" });
    const preview = h("div");
    const code = h("pre", { className: "wb-code", tabIndex: 0, "aria-label": "The same in Python" });
    const copy = h("button", { type: "button", onclick: () => copy_code() }, "Copy the Python");
    const run = h("button", { type: "button", className: "wb-main", onclick: () => start() }, "Run");
    const pause = h("button", { type: "button", onclick: () => steer(pause.textContent === "Pause" ? "pause" : "go_on") }, "Pause");
    const cancel = h("button", { type: "button", onclick: () => steer("cancel") }, "Cancel");
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress of the run" });
    const told = h("span", { role: "status", className: "wb-told" });
    const faults = h("ul", { className: "wb-bad", "aria-label": "Errors of the run" });

    page.body.append(
      h(
        "div",
        { className: "wb-grid" },
        h("div", { className: "wb-wide" }, field("Name of the study", name)),
        chips("Tags that are always in", "genre, mood, instruments, tempo", form.tags, () => look()),
        h(
          "div",
          {},
          chips("Tags to compare", "what you want to decide on", form.compared, () => look()),
          field("Try them", tag_mode),
        ),
        engines,
        h(
          "div",
          {},
          field("Lyrics", lyrics.area, "section markers such as [verse] stand out"),
          h("label", {}, instrumental, " instrumental"),
        ),
        field("Seeds", seeds, "takes per setting; the same seeds everywhere, so that comparisons are paired"),
        field("First seed", first_seed),
        field("Lengths (s)", durations),
        field("Tempo (BPM)", tempi),
        field("How the tempo travels", carrier),
        field("Key", keys),
        field("Language", languages),
        field("Budget (USD)", budget, "a run stops before it would cost more"),
      ),
      count,
      quote,
      h("details", {}, h("summary", {}, "The first takes of the grid"), preview),
      h("details", {}, h("summary", {}, "The same in Python"), code, copy),
      h("div", { className: "wb-row" }, run, pause, cancel),
      h("div", { className: "wb-row" }, bar, told),
      faults,
    );
    // The label of the lyrics was made for the text area; its frame takes its place.
    lyrics.area.replaceWith(lyrics.box);
    lyrics.box.append(lyrics.area);

    function read() {
      return {
        name: name.value,
        engines: form.engines,
        tags: form.tags,
        compared: form.compared,
        tag_mode: tag_mode.value,
        lyrics: lyrics.area.value,
        instrumental: instrumental.checked,
        seeds: Number(seeds.value),
        first_seed: Number(first_seed.value),
        durations_s: numbers(durations.value),
        tempi_bpm: numbers(tempi.value),
        carriers: [carrier.value],
        keys: words(keys.value),
        languages: words(languages.value),
        budget_usd: budget.value.trim(),
      };
    }

    let asked = 0;
    const look = later(async () => {
      const mine = ++asked;
      lyrics.area.disabled = instrumental.checked;
      try {
        const { data } = await ask("form", { form: read() });
        if (mine !== asked) return;
        valid = true;
        page.say("");
        blame(blamed, null);
        show_quote(data);
      } catch (error) {
        if (mine !== asked) return;
        valid = false;
        page.fail(error);
        blame(blamed, error);
      }
      show_buttons();
    }, 80);
    // What the beginning of a refusal is about.
    const blamed = {
      "tempi_bpm|tempo_bpm": tempi,
      "durations_s|duration_s|the axis duration_s": durations,
      "seeds|first_seed": seeds,
      "keys|key|.* is no key": keys,
      "languages|language": languages,
      ".* is no amount of dollars": budget,
      "a study needs a name": name,
    };

    function show_quote(data) {
      const total = data.quotes.reduce((sum, row) => sum + Number(row.quoted_usd), 0);
      count.textContent = `${data.takes} takes, at most ${total.toFixed(6)} USD in all.`;
      count.dataset.takes = String(data.takes);
      const heads = ["engine", "takes", "found already", "refused", "price (USD)", "credits", "because"];
      quote.replaceChildren(
        table(
          heads,
          data.quotes.map((row) => [
            row.engine,
            row.takes,
            row.found,
            row.refused ? `${row.refused}: ${row.why}` : "0",
            Number(row.quoted_usd).toFixed(6),
            String(Number(row.quoted_credits)),
            row.basis,
          ]),
        ),
      );
      preview.replaceChildren(
        table(
          ["tags", "seed", "length (s)", "tempo (BPM)", "key"],
          data.preview.map((row) => [row.tags, row.seed, row.duration_s, number(row.tempo_bpm), row.key ?? "–"]),
        ),
      );
      code.textContent = data.code;
    }

    function table(heads, rows) {
      return h(
        "table",
        {},
        h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, String(cell)))))),
      );
    }

    async function copy_code() {
      try {
        await navigator.clipboard.writeText(code.textContent);
        page.say("Copied.");
      } catch {
        getSelection().selectAllChildren(code);
        page.say("Selected: copy it with your keyboard.");
      }
    }

    let progress = first.progress;
    function show_buttons() {
      const busy = ["running", "paused", "stopping"].includes(progress.phase);
      run.disabled = busy || !valid;
      run.textContent = progress.phase === "ended" ? "Run or resume" : "Run";
      pause.disabled = !["running", "paused"].includes(progress.phase);
      pause.textContent = progress.phase === "paused" ? "Resume" : "Pause";
      cancel.disabled = !["running", "paused"].includes(progress.phase);
    }

    function show_progress() {
      const done = progress.found + progress.made + progress.failed;
      bar.value = progress.total ? (progress.phase === "ended" ? done / progress.total : progress.share) : 0;
      const parts = [`${done} of ${progress.total} takes`, `${progress.failed} failed`];
      if (progress.phase === "running")
        parts.push(`${progress.takes_per_min.toFixed(0)} takes/min`, `${clock(progress.eta_s)} left`);
      parts.push(`${Number(progress.spent_usd).toFixed(6)} USD spent`);
      const head = { idle: "", running: "", paused: "Paused. ", stopping: "Stopping. ", ended: "" }[progress.phase];
      told.textContent = progress.phase === "idle" ? "" : head + (progress.outcome || parts.join(" · "));
      told.dataset.phase = progress.phase;
      faults.replaceChildren(...progress.faults.map((fault) => h("li", {}, fault)));
      show_buttons();
    }

    async function steer(question, data = {}) {
      try {
        progress = (await ask(question, data)).data;
        show_progress();
      } catch (error) {
        page.fail(error);
      }
    }

    const start = () => steer("run", { form: read() });

    every(page.root, 300, async () => {
      if (!["running", "paused", "stopping"].includes(progress.phase)) return;
      await steer("progress");
      if (progress.phase === "ended") look();
    });

    async function show_engines() {
      const { data } = await ask("engines");
      const row_of = (engine) => {
        const box = h("input", {
          type: "checkbox",
          checked: form.engines.includes(engine.name),
          disabled: !engine.works && !form.engines.includes(engine.name),
          onchange: () => {
            form.engines = form.engines.filter((other) => other !== engine.name);
            if (box.checked) form.engines.push(engine.name);
            look();
          },
        });
        return h("div", {}, h("label", {}, box, ` ${engine.name}`), h("div", { className: "wb-hint" }, engine.words));
      };
      const missing = data.filter((engine) => !engine.works);
      engines.replaceChildren(
        h("legend", {}, "Engines"),
        ...data.filter((engine) => engine.works).map(row_of),
        missing.length
          ? h("details", {}, h("summary", {}, `${missing.length} do not work here: why`), ...missing.map(row_of))
          : "",
      );
    }

    show_progress();
    look();
    show_engines().catch(page.fail);
  },
};
