// Questions before an answer is shown, and what the things of a beat are like. All words are in words.json.

// Which of the answers is right, and the numbers of the question and of what is told afterwards.
const side = value => (value > 0 ? "up" : value < 0 ? "down" : "none");
const QUESTIONS = {
  forward: state => {
    const [stage, place] = denseOf(state.neuron[0]) ? state.neuron : [];
    if (stage === undefined) return null;
    const { sum } = termsOf(stage, place, state.row);
    return { right: side(sum), row: rowAt(state.row), name: nameOf(stage, place), value: res(sum) };
  },
  loss: () =>
    LOSS.clueless && LOSS.clueless.value !== null
      ? {
          right: LOSS.value < LOSS.clueless.value ? "down" : "up",
          loss: res(LOSS.value),
          other: res(LOSS.clueless.value),
        }
      : null,
  blame: state => {
    const weight = weightOf(state.weight);
    if (!weight) return null;
    const { name, before, grad, after } = weight;
    const change = after - before;
    return { right: side(change), name, value: num(before), gradient: res(grad), change: res(change) };
  },
  fog: () => {
    const { label, why } = verdictAt(FOG.rate, FOG.loss_after);
    return { right: ZONE[label], rate: num(FOG.rate), why: why.flat(9) };
  },
  update: () => {
    const { loss_before: old, loss_after: now } = DATA.update;
    return { right: Number.isFinite(now) ? side(now - old) : "up", loss: res(old), after: res(now) };
  },
  proof: state => {
    const check = checkOf(state.weight);
    if (!check || check.note) return null;
    const weight = weightOf(state.weight);
    const name = weight ? weight.name : check.code;
    return { right: side(check.gradient), name, gradient: res(check.gradient) };
  },
};

// The question of a beat, if it is to be asked: not twice, and not where nothing can be asked.
const questionOf = (beat, state) =>
  state.asks && !state.told[beat] && QUESTIONS[beat] ? QUESTIONS[beat](state) : null;
const questionCard = (beat, found, state) => {
  const { right, ...blanks } = found;
  const begin = `ask_${beat}_`;
  const text = el("p", { class: "said-too" }, tell(`ask_${beat}`, blanks));
  const card = el("section", { class: "card question" }, el("h3", {}, WORDS.question), text);
  const choose = given => {
    state.told[beat] = card;
    const verdict = el("b", {}, given === right ? WORDS.said_right : WORDS.said_wrong);
    const said = [verdict, " ", WORDS[begin + right], ". "];
    const told = el("p", { class: "said-too told" }, said, tell(`told_${beat}`, blanks));
    card.replaceChildren(card.firstChild, text, told);
    state.answered();
  };
  const answers = Object.keys(WORDS).filter(key => key.startsWith(begin));
  card.append(
    el(
      "p",
      { class: "buttons" },
      answers.map(key =>
        el("button", { type: "button", onclick: () => choose(key.slice(begin.length)) }, WORDS[key]),
      ),
    ),
  );
  return card;
};
