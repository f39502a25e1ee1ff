// What pages do better with a script. Everything works without it.

// "/" goes to the search box; who types by voice or by accident can turn that off (WCAG 2.1.4).
const OFF = "leadfair-no-shortcuts";
const shortcuts = document.querySelector("#shortcuts");
if (shortcuts) {
  const box = shortcuts.querySelector("input");
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  shortcuts.hidden = false;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(OFF)) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea")) return;
  const search = document.querySelector("main input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
});

// A list that was exchanged in place says how many it found, and the keyboard goes on from there.
document.addEventListener("htmx-after-swap", () => {
  document.querySelector("#no-answer")?.setAttribute("hidden", "");
  const found = document.querySelector("#found");
  const said = document.querySelector("#said");
  if (found && said && said.textContent !== found.textContent.trim()) said.textContent = found.textContent.trim();
  if (document.activeElement === document.body) document.querySelector("#catalogue h1")?.focus();
});

// A place is looked for when its box is left. Not by "change", which also comes before the form is sent in another way.
document.addEventListener("focusout", (event) => {
  const box = event.target;
  if (box.name !== "place" || box.value.trim() === box.defaultValue.trim()) return;
  if (event.relatedTarget?.type !== "submit") box.form?.requestSubmit();
});

// Without a connection the list stays as it was, and the filters say something else: that must not go unnoticed.
document.addEventListener("htmx-error", (event) => {
  const notice = document.querySelector("#no-answer");
  if (notice && event.detail?.error?.name !== "AbortError") notice.hidden = false;
});
