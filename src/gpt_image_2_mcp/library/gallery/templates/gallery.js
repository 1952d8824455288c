
"use strict";
const field = document.getElementById("search");
const counted = document.querySelector(".search output");
const none = document.querySelector(".empty");
const cards = [...document.querySelectorAll(".card")];
const groups = [...document.querySelectorAll(".line, .session, .grid, .day")];
let texts;
function search() {
  texts ??= cards.map((card) => {
    const day = card.closest(".day").querySelector("time");
    return `${card.textContent} ${day.textContent} ${day.dateTime}`.toLowerCase();
  });
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  cards.forEach((card, at) => {
    card.hidden = !words.every((word) => texts[at].includes(word));
    found += card.hidden ? 0 : 1;
  });
  for (const group of groups) {
    group.hidden = !group.querySelector(".card:not([hidden])");
    if (group.previousElementSibling?.matches(".branch")) group.previousElementSibling.hidden = group.hidden;
  }
  none.hidden = found > 0;
  counted.textContent = words.length ? `${found} of ${cards.length}` : "";
}
if (cards.length) {
  field.closest(".search").hidden = false;
  field.addEventListener("input", search);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && document.activeElement === field) {
      field.value = "";
      search();
    }
  });
}
