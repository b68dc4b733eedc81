// A page of its own for one step.

const main = document.querySelector("main");
showStep(JSON.parse(document.querySelector("script[type='application/json']").textContent), main);
