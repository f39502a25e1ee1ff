// Keeps count and sum of the selected leads on the button of their form, and says them. Without it the button works
// all the same and the next page says the sum.
const dollars = (cents) =>
  "$" + (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const tell = (form) => {
  const button = form.querySelector("button[data-ticked]");
  if (!button) return "";
  const ticked = [...form.querySelectorAll("input[name=lead]:checked")];
  const cents = ticked.reduce((sum, box) => sum + Number(box.dataset.cents), 0);
  const words = (ticked.length === 1 && button.dataset.tickedOne) || button.dataset.ticked;
  button.dataset.none ??= button.textContent;
  button.textContent = ticked.length
    ? words.replace("{count}", ticked.length).replace("{sum}", () => dollars(cents))
    : button.dataset.none;
  for (const sum of form.querySelectorAll("[data-sum]")) sum.textContent = dollars(cents);
  for (const left of form.querySelectorAll("[data-left]")) left.textContent = dollars(left.dataset.left - cents);
  return `${ticked.length} selected, ${dollars(cents)}`;
};

const tellAll = () => document.querySelectorAll("form[data-several]").forEach(tell);

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-several]");
  if (form) form.querySelector("[role=status]").textContent = tell(form);
});
document.addEventListener("htmx-after-swap", tellAll); // the list is another one now
addEventListener("pageshow", tellAll); // Back brings the ticks along
