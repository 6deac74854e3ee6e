"use strict";
// Shows of the changes and findings those that the filters let through. The filters stand in the
// address (`#level=high,medium&kind=plugin&text=numpy`), so that a view can be passed on.
const form = document.getElementById("filters");
if (form) {
  const groups = ["level", "kind"];
  const sections = Array.from(document.querySelectorAll(".items"), (section) => {
    const list = section.querySelector("ul");
    const items = Array.from(list.children, (element) => ({
      element,
      text: element.textContent.toLowerCase(),
    }));
    return { section, list, items };
  });
  const total = sections.reduce((sum, { items }) => sum + items.length, 0);
  const boxes = (group) => Array.from(form.querySelectorAll(`input[name="${group}"]`));
  const checked = (group) => boxes(group).filter((box) => box.checked).map((box) => box.value);

  const show = () => {
    const hidden = (group) => boxes(group).filter((box) => !box.checked).map((box) => box.value);
    const [levels, kinds] = groups.map((group) => new Set(hidden(group)));
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { section, list, items } of sections) {
      const shown = items.filter(
        ({ element, text }) =>
          !levels.has(element.dataset.level) &&
          !kinds.has(element.dataset.kind) &&
          words.every((word) => text.includes(word)),
      );
      // Among thousands, taking elements out is many times as fast as hiding each.
      list.replaceChildren(...shown.map(({ element }) => element));
      section.hidden = shown.length === 0;
      count += shown.length;
    }
    document.getElementById("shown").textContent = `${count} of ${total} shown`;
  };

  const write = () => {
    const filters = new URLSearchParams();
    for (const group of groups) {
      if (checked(group).length < boxes(group).length) filters.set(group, checked(group).join(","));
    }
    const text = form.elements.text.value.trim();
    if (text) filters.set("text", text);
    history.replaceState(null, "", `#${filters}`);
  };

  const read = () => {
    const filters = new URLSearchParams(location.hash.slice(1));
    for (const group of groups) {
      const values = filters.get(group);
      for (const box of boxes(group)) {
        box.checked = values === null || values.split(",").includes(box.value);
      }
    }
    form.elements.text.value = filters.get("text") ?? "";
    show();
  };

  form.addEventListener("input", () => {
    write();
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", "#");
    read();
  });
  // A link within the page sets no filters.
  addEventListener("hashchange", () => {
    if (location.hash === "" || location.hash.includes("=")) read();
  });
  form.hidden = false;
  read();
}
