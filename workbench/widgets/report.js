export default {
  async render({ model, el }) {
    const ask = asker(model);
    const page = frame(el, "Report", "The figures of a study, and its report as one file that opens anywhere, offline.");
    let first;
    try {
      first = (await ask("open")).data;
    } catch (error) {
      return page.fail(error);
    }
    const studies = select(first.studies.map((name) => [name, name]), first.studies[0] || "", () => show());
    const export_button = h("button", { type: "button", className: "wb-main", onclick: () => write() }, "Export HTML");
    const figures = h("div", { className: "wb-figures" });
    const links = h("p", { className: "wb-links" });
    page.body.append(
      h("div", { className: "wb-grid" }, field("Study", studies)),
      h("div", { className: "wb-row" }, export_button, h("button", { type: "button", onclick: () => show() }, "Draw again")),
      links,
      figures,
    );

    async function show() {
      if (!studies.value) return page.say("No study here yet: make one in the sweep panel.");
      try {
        page.say("Drawing …");
        const { data, buffers } = await ask("figures", { study: studies.value });
        const counts = Object.entries(data.counts).map(([state, count]) => `${count} ${state}`).join(", ");
        figures.replaceChildren(
          h("p", {}, data.answer),
          h("p", { className: "wb-hint" }, `Takes: ${counts}.`),
          ...data.titles.map((title, at) =>
            h("figure", {}, h("figcaption", {}, title), h("img", { src: address(buffers[at], "image/svg+xml"), alt: title })),
          ),
        );
        page.say("");
      } catch (error) {
        page.fail(error);
      }
    }

    async function write() {
      if (!studies.value) return page.say("No study here yet: make one in the sweep panel.");
      export_button.disabled = true;
      try {
        page.say("Writing the report …");
        const { data, buffers } = await ask("export", { study: studies.value });
        const parts = [`Written: ${data.path} (${data.size_mb.toFixed(1)} MB). `];
        if (buffers.length)
          parts.push(h("a", { href: address(buffers[0], "text/html"), download: data.name }, "Save a copy"));
        links.replaceChildren(...parts);
        page.say("The report is written.");
      } catch (error) {
        page.fail(error);
      }
      export_button.disabled = false;
    }

    // Figures of a large study take a while: they wait until somebody looks.
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      seen.disconnect();
      show();
    });
    seen.observe(page.root);
  },
};
