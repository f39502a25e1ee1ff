// Keeps count and sum of the selected leads on the button of their form, and says them. Without it the button works
// all the same and the next page says the sum.
const dollars = cents =>
  "$" + (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

for (const form of document.querySelectorAll("form[data-several]")) {
  const button = form.querySelector("button[data-ticked]");
  if (!button) continue;
  const said = form.querySelector("[role=status]");
  const idle = button.dataset.none ?? button.textContent;

  const tell = () => {
    const ticked = [...form.querySelectorAll("input[name=lead]:checked")];
    const cents = ticked.reduce((sum, box) => sum + Number(box.dataset.cents), 0);
    const words = (ticked.length === 1 && button.dataset.tickedOne) || button.dataset.ticked;
    button.textContent = ticked.length
      ? words.replace("{count}", ticked.length).replace("{sum}", () => dollars(cents))
      : idle;
    for (const sum of form.querySelectorAll("[data-sum]")) sum.textContent = dollars(cents);
    for (const left of form.querySelectorAll("[data-left]")) left.textContent = dollars(left.dataset.left - cents);
    return `${ticked.length} selected, ${dollars(cents)}`;
  };

  form.addEventListener("change", () => { said.textContent = tell(); });
  addEventListener("pageshow", tell); // Back brings the ticks along
}
