// Random numbers, the very ones that NumPy draws: PCG64 (O'Neill 2014), seeded by a SeedSequence.

const MASK32 = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const PCG_FACTOR = 0x2360ed051fc65da44385df649fccf645n;

// Spread a seed over 128 bits and more; `key` tells generators apart that were spawned from one.
class SeedSequence {
  constructor(entropy, key = []) {
    this.entropy = BigInt(entropy);
    this.key = key;
    this.spawned = 0;
    const words = value => {
      const found = [];
      for (let rest = BigInt(value); rest > 0n || !found.length; rest >>= 32n)
        found.push(Number(rest & MASK32));
      return found;
    };
    const run = words(this.entropy);
    if (key.length) while (run.length < 4) run.push(0);
    const given = [...run, ...key.flatMap(words)];
    let factor = 0x43b0d7e5;
    const hash = value => {
      value = (value ^ factor) >>> 0;
      factor = Math.imul(factor, 0x931e8875) >>> 0;
      value = Math.imul(value, factor) >>> 0;
      return (value ^ (value >>> 16)) >>> 0;
    };
    const mix = (a, b) => {
      const value = (Math.imul(a, 0xca01f9dd) - Math.imul(b, 0x4973f715)) >>> 0;
      return (value ^ (value >>> 16)) >>> 0;
    };
    this.pool = [0, 1, 2, 3].map(n => hash(n < given.length ? given[n] : 0));
    for (let from = 0; from < 4; from++)
      for (let to = 0; to < 4; to++)
        if (from !== to) this.pool[to] = mix(this.pool[to], hash(this.pool[from]));
    for (const word of given.slice(4))
      for (let to = 0; to < 4; to++) this.pool[to] = mix(this.pool[to], hash(word));
  }

  // So many words of 64 bits.
  state(count) {
    let factor = 0x8b51f9dd;
    const words = [];
    for (let n = 0; n < 2 * count; n++) {
      let value = (this.pool[n % 4] ^ factor) >>> 0;
      factor = Math.imul(factor, 0x58f38ded) >>> 0;
      value = Math.imul(value, factor) >>> 0;
      words.push((value ^ (value >>> 16)) >>> 0);
    }
    return Array.from({ length: count }, (_, n) => BigInt(words[2 * n]) | (BigInt(words[2 * n + 1]) << 32n));
  }

  spawn(count) {
    return Array.from({ length: count }, () => new SeedSequence(this.entropy, [...this.key, this.spawned++]));
  }
}

// The ziggurat for normal numbers (Marsaglia and Tsang 2000), 256 strips of one area: where each ends at the
// right, from the peak down to the one that has the tail, and how high the bell is there.
const TAIL = 3.6541528853610088;
const AREA = 0.004928673233974655;
const bell = x => Math.exp(-0.5 * x * x);
const ENDS = new Float64Array(256);
ENDS[255] = TAIL;
for (let n = 254; n > 0; n--) ENDS[n] = Math.sqrt(-2 * Math.log(AREA / ENDS[n + 1] + bell(ENDS[n + 1])));
const HEIGHTS = ENDS.map(bell);
const BASE = AREA / bell(TAIL); // as wide as the lowest strip would be without its tail

class Generator {
  constructor(seeds) {
    this.seeds = seeds;
    if (!seeds) return;
    const [high, low, highStream, lowStream] = seeds.state(4);
    this.increment = ((((highStream << 64n) | lowStream) << 1n) | 1n) & MASK128;
    this.now = (this.increment + ((high << 64n) | low)) & MASK128;
    this.advance();
    this.half = null; // the upper half of a word of which the lower one has been used
  }

  advance() {
    this.now = (this.now * PCG_FACTOR + this.increment) & MASK128;
  }

  word64() {
    this.advance();
    const turn = this.now >> 122n;
    const folded = ((this.now >> 64n) ^ this.now) & MASK64;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK64;
  }

  word32() {
    if (this.half !== null) {
      const half = this.half;
      this.half = null;
      return half;
    }
    const word = this.word64();
    this.half = Number(word >> 32n);
    return Number(word & MASK32);
  }

  // In [0, 1), in steps of 2^-53; and in steps of 2^-24, as for float32.
  double() {
    return Number(this.word64() >> 11n) / 9007199254740992;
  }
  single() {
    return (this.word32() >>> 8) / 16777216;
  }

  uniform(low, high) {
    return low + (high - low) * this.double();
  }

  normal(scale) {
    return scale * this.standardNormal();
  }
  standardNormal() {
    for (;;) {
      const word = this.word64();
      const strip = Number(word & 0xffn);
      const sign = (word >> 8n) & 1n ? -1 : 1;
      const part = Number((word >> 9n) & 0xfffffffffffffn); // of 2^52
      const x = (part / 4503599627370496) * (strip ? ENDS[strip] : BASE);
      if (x < (strip ? ENDS[strip - 1] : TAIL)) return sign * x;
      if (strip) {
        const height = (HEIGHTS[strip - 1] - HEIGHTS[strip]) * this.double() + HEIGHTS[strip];
        if (height < bell(x)) return sign * x;
        continue;
      }
      for (;;) {
        const beyond = -Math.log1p(-this.double()) / TAIL;
        const wait = -Math.log1p(-this.double());
        if (wait + wait > beyond * beyond)
          return Math.floor(part / 256) % 2 ? -(TAIL + beyond) : TAIL + beyond;
      }
    }
  }

  // An integer from 0 up to and with `most`: what is larger is drawn again.
  integer(most) {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) {
      const value = (this.word32() & mask) >>> 0;
      if (value <= most) return value;
    }
  }

  permutation(count) {
    const order = Int32Array.from({ length: count }, (_, n) => n);
    for (let n = count - 1; n > 0; n--) {
      const other = this.integer(n);
      [order[n], order[other]] = [order[other], order[n]];
    }
    return order;
  }

  spawn(count) {
    return this.seeds.spawn(count).map(seeds => new Generator(seeds));
  }

  // What NumPy's `bit_generator.state` says, with its long numbers as text.
  get state() {
    return { state: String(this.now), inc: String(this.increment), half: this.half };
  }
  set state({ state, inc, half }) {
    this.now = BigInt(state);
    this.increment = BigInt(inc);
    this.half = half;
  }
}
