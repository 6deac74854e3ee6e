"use strict";
// Shows the devices that the filters let through, of 100,000 the first few hundred. The filters
// stand in the address (`#state=missing&text=edge-01`), so that a view can be passed on.
const form = document.getElementById("filters");
const list = document.getElementById("list");
const { states, abouts, rows } = JSON.parse(document.getElementById("data").textContent);
const LIMIT = 300;
const names = rows.map(([name]) => name.toLowerCase());
// What is said of devices names their lock, its channel and what was found; many share a text.
const said = abouts.map((about) => about.toLowerCase());
const boxes = Array.from(form.querySelectorAll('input[name="state"]'));

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};

const item = ([name, state, about]) => {
  const made = element("li", `item state-${states[state]}`, "");
  const head = element("p", "", "");
  head.append(element("strong", `state-${states[state]}`, states[state]), " ", element("code", "", name));
  made.append(head);
  if (abouts[about]) made.append(element("p", "quiet", abouts[about]));
  return made;
};

const show = () => {
  const hidden = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
  const typed = form.elements.text.value.trim().toLowerCase();
  // Of a lock the start of the digest is shown.
  const text = /^[0-9a-f]{13,64}$/.test(typed) ? typed.slice(0, 12) : typed;
  const fits = said.map((about) => about.includes(text));
  const found = [];
  let count = 0;
  for (let index = 0; index < rows.length; index += 1) {
    const [, state, about] = rows[index];
    if (hidden.has(states[state]) || !(names[index].includes(text) || fits[about])) continue;
    count += 1;
    if (found.length < LIMIT) found.push(rows[index]);
  }
  list.replaceChildren(...found.map(item));
  document.getElementById("shown").textContent = `${count} of ${rows.length} devices`;
  document.getElementById("more").textContent =
    count > found.length ? `The first ${found.length} are shown: type a part of a name, a lock or a finding.` : "";
};

const write = () => {
  const filters = new URLSearchParams();
  const checked = boxes.filter((box) => box.checked).map((box) => box.value);
  if (checked.length < boxes.length) filters.set("state", checked.join(","));
  const text = form.elements.text.value.trim();
  if (text) filters.set("text", text);
  history.replaceState(null, "", `#${filters}`);
};

const read = () => {
  const filters = new URLSearchParams(location.hash.slice(1));
  const values = filters.get("state");
  for (const box of boxes) box.checked = values === null || values.split(",").includes(box.value);
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
