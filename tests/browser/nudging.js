// A page with an engine that answers every nudge alike, and keeps what it was asked.
window.asked = [];
showStep(
  JSON.parse(document.querySelector("script[type='application/json']").textContent),
  document.querySelector("main"),
  {
    nudge: (code, step) => {
      window.asked.push([code, step]);
      return { minus: 1.5, plus: 2.5, difference: 4, digits: 3.25 };
    },
  },
);
