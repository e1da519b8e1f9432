// A memory map: every page a square, every pageblock a tile of 32 squares a row, on canvases fed by byte
// buffers.
//
// The kernel sends whole states, never differences: what is drawn is a function of the traits and of where
// the reader looks (zoom, scroll, focus). `frame` is the last trait of every message and the only one that is
// waited for. Words, colours and marks come from Python. Nothing here asks the kernel or the network: a
// tooltip is a row of `rows`. Nothing moves by itself, so `prefers-reduced-motion` has nothing to switch off
// here; it is reported to Python.

const WIDE = 32;                                  // pages in a tile's row
const CELLS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18];     // sizes of a square, in CSS pixels
const MARKED = 7;                                 // from this size on, squares have marks
const NAMED = 120;                                // from this width on, tiles have a head: address and type
const MOST_RINGS = 24;                            // more would hide what they point at
const KEYS = "Zoom in (or +) makes the pages larger; point at one to read of it. Keys on the map: arrows, " +
  "Page Up and Down (a pageblock), Home, End, F next failed page, Enter select, + and - zoom, 0 fit.";

const hex = (pfn) => "0x" + pfn.toString(16).padStart(5, "0");
const number = (n) => n.toLocaleString("en-US");

function element(tag, name, parent, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;                        // never HTML: words may come from a learner's mapping
  parent?.append(made);
  return made;
}

// One page's square with its mark; `side` is the square without the gap. The same shapes as in plots/maps.py.
function stamp(ctx, x, y, side, [fill, , ink], mark) {
  ctx.fillStyle = fill;
  ctx.fillRect(x, y, side, side);
  ctx.fillStyle = ctx.strokeStyle = ink;
  const box = (across, down) => [x + across, y + down, side - 2 * across, side - 2 * down];
  if (mark === "dot") {
    const inset = Math.floor(side / 3);
    ctx.beginPath();
    ctx.arc(x + side / 2, y + side / 2, side / 2 - inset + 0.4, 0, 7);
    ctx.fill();
  } else if (mark === "dash") {
    ctx.fillRect(...box(Math.floor(side * 0.25), Math.floor(side * 0.4)));
  } else if (mark === "outline") {
    ctx.lineWidth = Math.max(1, Math.round(side / 10));
    const inset = Math.round(side / 8) + ctx.lineWidth / 2;
    ctx.globalAlpha = side < 12 ? 0.55 : 1;       // a small square must keep its colour
    ctx.strokeRect(...box(inset, inset));
    ctx.globalAlpha = 1;
  } else if (mark.startsWith("cross")) {
    const inset = side / 5;
    ctx.lineWidth = Math.max(1, side / 8);
    ctx.beginPath();
    ctx.moveTo(x + inset, y + inset);
    ctx.lineTo(x + side - inset, y + side - inset);
    ctx.moveTo(x + side - inset, y + inset);
    ctx.lineTo(x + inset, y + side - inset);
    ctx.stroke();
  }
}

class MapView {
  constructor(model, el) {
    this.model = model;
    this.zoom = null;                             // index into CELLS; null: the largest that fits
    this.focus = this.hover = this.lit = null;    // pfn, pfn, state under the pointer in the legend
    this.build(el);
    this.media = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("(prefers-reduced-motion: reduce)")];
    this.onTheme = () => this.theme();
    this.media.forEach((one) => one.addEventListener("change", this.onTheme));
    this.themes = new MutationObserver(this.onTheme);
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.scroll);
    this.onFrame = () => this.read();
    this.onLook = () => { this.legend(); this.later(); };
    model.on("change:frame", this.onFrame);
    model.on("change:selected change:spotlight", this.onLook);
    this.theme();
  }

  remove() {
    this.model.off("change:frame", this.onFrame);
    this.model.off("change:selected change:spotlight", this.onLook);
    this.media.forEach((one) => one.removeEventListener("change", this.onTheme));
    this.themes.disconnect();
    this.sizes.disconnect();
    cancelAnimationFrame(this.waiting);
  }

  build(el) {
    this.root = element("div", "kit-map", el);
    const head = element("div", "kit-map-head", this.root);
    this.title = element("span", "kit-map-title", head);
    this.size = element("span", "kit-map-size", head);
    const zooms = element("span", "kit-map-zooms", head);
    this.zooms = [["Zoom in", 1], ["Zoom out", -1], ["Fit", 0]].map(([words, by]) => {
      const made = element("button", "", zooms, words);
      made.onclick = () => this.zoomBy(by);
      return made;
    });
    this.scroll = element("div", "kit-map-scroll", this.root);
    this.scroll.tabIndex = -1;                    // a scrolling box would be a second stop for Tab
    this.stack = element("div", "kit-map-stack", this.scroll);
    this.spacer = element("div", "", this.scroll);
    this.base = element("canvas", "", this.stack);
    this.base.setAttribute("aria-hidden", "true");
    this.over = element("canvas", "kit-map-canvas", this.stack);
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "application");
    this.over.setAttribute("aria-roledescription", "memory map");
    this.keys = element("div", "kit-map-keys", this.root, KEYS);
    this.keys.id = `kit-keys-${Math.random().toString(36).slice(2)}`;
    this.over.setAttribute("aria-describedby", this.keys.id);
    this.states = element("div", "kit-map-legend", null);
    this.states.setAttribute("role", "group");
    this.states.setAttribute("aria-label", "Page states: press one to see it alone");
    this.keys.before(this.states);
    this.tip = element("div", "kit-map-tip", this.root);
    this.live = element("div", "kit-hidden", this.root);
    this.live.setAttribute("aria-live", "polite");
    this.scroll.onscroll = () => this.paint();
    this.over.onpointermove = (event) => this.point(this.pageAt(event));
    this.over.onpointerleave = () => this.point(null);
    this.over.onpointerdown = (event) => {
      const pfn = this.pageAt(event);
      if (pfn === null) return;
      this.move(pfn);
      this.select(pfn);
    };
    this.over.onkeydown = (event) => this.key(event);
    this.over.onfocus = () => this.move(this.focus ?? this.first);
    this.over.onblur = () => this.draw();
  }

  // Traits into fields: after this nothing is read from the model but `selected` and `spotlight`.
  read() {
    const get = (name) => this.model.get(name), view = get("pages"), looks = get("looks");
    this.pages = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    // A copy: a view of wider numbers must begin at an even byte, which a message's buffer need not.
    const Numbers = looks.byteLength > 2 * view.byteLength ? Uint32Array : Uint16Array;
    this.looks = new Numbers(looks.buffer.slice(looks.byteOffset, looks.byteOffset + looks.byteLength));
    [this.rows, this.types, this.marks, this.ranges, this.names] =
      ["rows", "types", "marks", "ranges", "names"].map(get);
    this.first = get("first_pfn");
    this.end = this.first + this.pages.length;
    this.block = get("block_pages");
    this.begin = this.first - this.first % this.block;        // where the first tile begins
    this.blocks = Math.ceil((this.end - this.begin) / this.block);
    this.counts = new Array(this.names.length).fill(0);
    for (const state of this.pages) this.counts[state]++;
    if (this.focus !== null) this.focus = Math.min(Math.max(this.focus, this.first), this.end - 1);
    if (this.hover >= this.end || this.hover < this.first) this.hover = null;
    this.title.textContent = get("title");
    const pages = `${number(this.pages.length)} pages`, blocks = this.blocks > 1 ? "pageblocks" : "pageblock";
    this.size.textContent = `${pages}, ${number(this.blocks)} ${blocks} of ${this.block}, one square = 4 KiB`;
    const told = this.names.map((name, state) => `${number(this.counts[state])} ${name}`)
      .filter((_, state) => this.counts[state]);
    this.over.setAttribute("aria-label", `${get("title") || "Memory map"}: ${pages}: ${told.join(", ")}`);
    this.layout();
    if (get("said") !== this.told) this.live.textContent = this.told = get("said");
    if (get("look_at") >= 0 && this.zoom !== null) this.reveal(get("look_at"));
  }

  theme() {
    const told = document.body.dataset.jpThemeLight, [dark, still] = this.media.map((one) => one.matches);
    this.dark = told ? told === "false" : dark;
    this.root.classList.toggle("kit-dark", this.dark);
    this.colours = this.model.get("colours")[this.dark ? "dark" : "light"];
    this.stamps = {};
    if (this.model.get("dark") !== this.dark || this.model.get("reduced_motion") !== still) {
      this.model.set({ dark: this.dark, reduced_motion: still });
      this.model.save_changes();
    }
    this.read();
  }

  // ---- where things stand. Sizes are multiples of a device pixel, so that squares are crisp.

  layout() {
    const width = this.scroll.clientWidth - 4, most = this.model.get("height");
    if (!this.blocks) return;
    // Not on the page yet, or between two themes: observed anew, it calls in time.
    if (width <= 0) {
      this.sizes.unobserve(this.scroll);
      return this.sizes.observe(this.scroll);
    }
    const css = getComputedStyle(this.root);      // has no values before that either
    [this.ink, this.muted, this.paper, this.accent, this.frame] =
      ["ink", "muted", "paper", "focus", "frame"].map((name) => css.getPropertyValue(`--kit-${name}`).trim());
    this.mono = css.getPropertyValue("--jp-code-font-family") || "monospace";
    const grid = (size) => {
      const dpr = devicePixelRatio, cell = Math.max(1, Math.round(size * dpr)) / dpr, wide = WIDE * cell;
      const named = wide >= NAMED, left = named ? 0 : 62, top = named ? 20 : 2;
      const gap = named ? 14 : Math.max(3, cell), high = (this.block / WIDE) * cell;
      const columns = Math.max(1, Math.min(this.blocks, Math.floor((width - left + gap) / (wide + gap))));
      const rows = Math.ceil(this.blocks / columns), stepY = high + top + (named ? 8 : gap);
      // Tiles stand in full width; a map of few pageblocks is not torn apart.
      const over = width - left - columns * (wide + gap) + gap;
      const slack = columns > 1 ? Math.min(20, Math.floor(over / (columns - 1))) : 0;
      const stepX = wide + gap + slack, height = rows * stepY + 4;
      return { cell, wide, high, named, left, top, columns, stepX, stepY, height, width };
    };
    // A map whose squares are too small for marks may be higher.
    const room = (size) => (size <= 2 ? this.model.get("stretch") : 1) * most;
    this.fit = Math.max(0, CELLS.findLastIndex((size) => {
      const it = grid(size);
      return it.height <= room(size) && it.left + it.wide <= width;
    }));
    const size = CELLS[this.zoom ?? this.fit];
    this.grid = grid(size);
    const high = Math.min(this.grid.height, Math.max(room(size), 120));
    this.high = high;
    this.scroll.style.height = `${high + 8}px`;
    this.stack.style.height = `${high}px`;
    this.spacer.style.height = `${this.grid.height - high}px`;
    for (const canvas of [this.base, this.over]) {
      const w = Math.round(width * devicePixelRatio), h = Math.round(high * devicePixelRatio);
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      canvas.style.width = `${width}px`;
      canvas.style.height = `${high}px`;
    }
    const at = this.zoom ?? this.fit;
    const ends = [at >= CELLS.length - 1, at <= 0, this.zoom === null];
    this.zooms.forEach((button, which) => (button.disabled = ends[which]));
    this.legend();
    this.later();
  }

  tile(block) {                                   // its left upper corner, in the whole picture
    const { columns, left, top, stepX, stepY } = this.grid;
    return [left + (block % columns) * stepX, top + Math.floor(block / columns) * stepY];
  }

  corner(pfn) {                                   // of a page's square
    const at = pfn - this.begin, offset = at % this.block, [x, y] = this.tile(Math.floor(at / this.block));
    return [x + (offset % WIDE) * this.grid.cell, y + Math.floor(offset / WIDE) * this.grid.cell];
  }

  pageAt(event) {
    const { left, top, columns, stepX, stepY, cell, wide, high } = this.grid;
    const x = event.offsetX - left, y = event.offsetY + this.scroll.scrollTop - top;
    const column = Math.floor(x / stepX), row = Math.floor(y / stepY);
    const dx = x - column * stepX, dy = y - row * stepY;
    if (x < 0 || y < 0 || column >= columns || dx >= wide || dy >= high) return null;
    const offset = Math.floor(dy / cell) * WIDE + Math.floor(dx / cell);
    const pfn = this.begin + (row * columns + column) * this.block + offset;
    return pfn >= this.first && pfn < this.end ? pfn : null;
  }

  zoomBy(by) {
    const row = Math.floor((this.scroll.scrollTop + 10) / this.grid.stepY);
    const keep = this.focus ?? this.begin + this.block * this.grid.columns * row;
    const wanted = Math.min(CELLS.length - 1, Math.max(0, (this.zoom ?? this.fit) + by));
    this.zoom = by ? wanted : null;
    this.layout();
    this.reveal(Math.min(Math.max(keep, this.first), this.end - 1));
  }

  reveal(pfn) {
    const [, y] = this.corner(pfn), { top, cell } = this.grid, from = this.scroll.scrollTop;
    if (y - top < from) this.scroll.scrollTop = y - top;
    else if (y + cell + 8 > from + this.high) this.scroll.scrollTop = y + cell + 8 - this.high;
  }

  // ---- drawing: the squares into one pixel buffer, then what does not fit into squares; the cursor on a
  // canvas of its own.

  later() {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.paint());
  }

  stampOf(state, side, pitch) {                   // its pixels, the gap left transparent
    const key = `${state} ${side} ${pitch}`;
    if (!this.stamps[key]) {
      const ctx = new OffscreenCanvas(pitch, pitch).getContext("2d", { willReadFrequently: true });
      const mark = this.grid.cell >= MARKED ? this.model.get("shapes")[state] : "";
      stamp(ctx, 0, 0, side, this.colours[state], mark);
      this.stamps[key] = new Uint32Array(ctx.getImageData(0, 0, pitch, pitch).data.buffer);
    }
    return this.stamps[key];
  }

  paint() {
    if (!this.grid) return;
    const dpr = devicePixelRatio, ctx = this.base.getContext("2d");
    const { width, height } = this.base, scrolled = this.scroll.scrollTop;
    const pitch = Math.round(this.grid.cell * dpr);
    const side = pitch - (pitch >= 10 ? Math.round(pitch / 9) : pitch >= 4 ? 1 : 0);
    const lit = this.names.indexOf(this.lit ?? this.model.get("spotlight"));
    const image = ctx.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    // The alpha byte of what is not in the spotlight.
    const stamps = this.names.map((_, state) => {
      const whole = this.stampOf(state, side, pitch);
      if (lit < 0 || lit === state) return whole;
      return whole.map((pixel) => (pixel >>> 24 ? (pixel & 0xffffff) | 0x26000000 : 0) >>> 0);
    });
    const rings = [];
    for (let block = 0; block < this.blocks; block++) {
      const [left, upper] = this.tile(block).map((at) => Math.round(at * dpr));
      const top = upper - Math.round(scrolled * dpr);
      if (top > height || top + this.grid.high * dpr < 0) continue;
      const start = this.begin + block * this.block;
      for (let pfn = Math.max(start, this.first); pfn < Math.min(start + this.block, this.end); pfn++) {
        const x = left + ((pfn - start) % WIDE) * pitch;
        const y = top + Math.floor((pfn - start) / WIDE) * pitch;
        const state = this.pages[pfn - this.first], square = stamps[state];
        if (state === this.names.length - 1) rings.push(pfn);
        for (let dy = Math.max(0, -y); dy < side && y + dy < height; dy++) {
          const to = (y + dy) * width + x, from = dy * pitch;
          for (let dx = 0; dx < side; dx++) pixels[to + dx] = square[from + dx];
        }
      }
    }
    ctx.putImageData(image, 0, 0);
    this.onPicture(ctx, () => {
      for (let block = 0; block < this.blocks; block++) this.head(ctx, block);
      const ringed = lit < 0 || lit === this.names.length - 1;
      if (ringed && this.grid.cell >= MARKED && rings.length <= MOST_RINGS)
        for (const pfn of rings) this.circle(ctx, pfn);
    });
    this.draw();
  }

  onPicture(ctx, act) {                     // in CSS pixels of the whole picture, wherever it is scrolled to
    ctx.save();
    ctx.scale(devicePixelRatio, devicePixelRatio);
    ctx.translate(0, -this.scroll.scrollTop);
    act();
    ctx.restore();
  }

  inSight(y) {
    return y > this.scroll.scrollTop - this.grid.stepY && y < this.scroll.scrollTop + this.high + 20;
  }

  head(ctx, block) {
    const [x, y] = this.tile(block), type = this.types[block] ?? "";
    const { wide, high, named, columns, cell } = this.grid;
    if (!this.inSight(y)) return;
    const isolate = type === "ISOLATE", weight = isolate ? "bold " : "";
    ctx.fillStyle = isolate ? this.frame : this.muted;
    ctx.textBaseline = "alphabetic";
    if (named || block % columns === 0) {
      ctx.font = `${weight}12px ${this.mono}`;
      ctx.textAlign = named ? "left" : "right";
      ctx.fillText(hex(this.begin + block * this.block), named ? x : x - 8, named ? y - 5 : y + high / 2 + 4);
    }
    if (named) {
      ctx.font = `${weight}11px sans-serif`;
      ctx.textAlign = "right";
      ctx.fillText(type, x + wide - 1, y - 5);
    } else if (type && type !== "MOVABLE" && cell * devicePixelRatio >= 2) {
      ctx.fillRect(x, y + high, type === "UNMOVABLE" ? wide - 1 : wide / 2, 1);
    }
    if (isolate) {
      [ctx.strokeStyle, ctx.lineWidth] = [this.frame, 2];
      ctx.strokeRect(x - 3, y - 3, wide + 5, high + 5);
    }
  }

  circle(ctx, pfn) {
    const [x, y] = this.corner(pfn), half = this.grid.cell / 2;
    [ctx.strokeStyle, ctx.lineWidth] = [this.colours[this.names.length - 1][0], 2];
    ctx.beginPath();
    ctx.arc(x + half - 0.5, y + half - 0.5, half + 3.5, 0, 7);
    ctx.stroke();
  }

  draw() {                                  // what moves over the squares: ranges, scanners, selection, focus
    if (!this.grid) return;
    const ctx = this.over.getContext("2d");
    ctx.clearRect(0, 0, this.over.width, this.over.height);
    this.onPicture(ctx, () => {
      for (const [start, end] of this.ranges) this.range(ctx, start, end);
      this.scanners(ctx);
      this.square(ctx, this.model.get("selected"), this.accent, 3);
      this.square(ctx, this.hover, this.ink, 2);
      if (document.activeElement === this.over) this.square(ctx, this.focus, this.ink, 3);
    });
    this.tell();
  }

  square(ctx, pfn, colour, wide) {
    if (pfn === null || pfn < this.first || pfn >= this.end) return;
    const [x, y] = this.corner(pfn), out = wide / 2 + 0.5, cell = this.grid.cell;
    // A halo, so that it stands out on every state.
    for (const [paint, more] of [[this.paper, 3], [colour, 0]]) {
      [ctx.strokeStyle, ctx.lineWidth] = [paint, wide + more];
      ctx.strokeRect(x - out, y - out, cell + 2 * out - 1, cell + 2 * out - 1);
    }
  }

  range(ctx, start, end) {                        // an outline around pages in a row, pageblock by pageblock
    const { cell } = this.grid;
    for (let from = Math.max(start, this.first); from < Math.min(end, this.end);) {
      const to = Math.min(from + this.block - (from - this.begin) % this.block, end, this.end);
      const [x0, y0] = this.corner(from), [x1, y1] = this.corner(to - 1);
      const [left] = this.tile(Math.floor((from - this.begin) / this.block));
      const right = left + WIDE * cell, bottom = y1 + cell;
      ctx.beginPath();
      if (y0 === y1) ctx.rect(x0, y0, x1 + cell - x0, cell);
      else [[x0, y0], [right, y0], [right, y1], [x1 + cell, y1],
        [x1 + cell, bottom], [left, bottom], [left, y0 + cell], [x0, y0 + cell]]
        .forEach(([x, y], corner) => (corner ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
      ctx.closePath();
      [ctx.strokeStyle, ctx.lineWidth] = [this.accent, 2];
      ctx.stroke();
      from = to;
    }
  }

  // A triangle and words: up for the migrate scanner, down for the free one. In a tile's head between address
  // and type, with as many of the words as there is room for; where tiles have no head, beside the page.
  scanners(ctx) {
    const { named, wide, cell, left, width } = this.grid, drawn = [];
    const pfns = this.marks.map(({ pfn }) => Math.min(Math.max(pfn, this.first), this.end - 1));
    const blocks = pfns.map((pfn) => Math.floor((pfn - this.begin) / this.block));
    ctx.font = "11px sans-serif";
    const types = blocks.map((block) => ctx.measureText(this.types[block] ?? "").width);
    ctx.font = "bold 11px sans-serif";
    [ctx.textAlign, ctx.textBaseline] = ["left", "alphabetic"];
    for (const pfn of pfns) this.square(ctx, pfn, this.ink, 2);
    this.marks.forEach(({ words, shape }, which) => {
      const triangle = shape === "up" ? "\u25B2" : "\u25BC", [x, y] = this.corner(pfns[which]);
      const [from, top] = this.tile(blocks[which]), long = (text) => ctx.measureText(text).width + 8;
      const here = blocks.filter((block) => block === blocks[which]).length;
      const room = named ? (wide - 64 - types[which]) / here - 4 : Infinity;
      const texts = [`${triangle} ${words}`, `${triangle} ${words.split(" ")[0]}`, triangle];
      const text = texts.find((one) => long(one) <= room) ?? triangle;
      const by = named ? top - 18 : shape === "up" ? y + cell + 3 : Math.max(1, y - 19);
      let bx = named ? from + 58 : Math.min(Math.max(x - long(text) / 2, left), width - long(text));
      for (const [otherX, otherY, wide] of drawn)             // beside one that is there already
        if (Math.abs(otherY - by) < 17 && bx < otherX + wide && otherX < bx + long(text))
          bx = otherX + wide + 3 + long(text) > width ? otherX - 3 - long(text) : otherX + wide + 3;
      drawn.push([bx, by, long(text)]);
      ctx.fillStyle = this.ink;
      ctx.beginPath();
      ctx.roundRect(bx, by, long(text), 16, 3);
      ctx.fill();
      ctx.fillStyle = this.paper;
      ctx.fillText(text, bx + 4, by + 12);
    });
  }

  legend() {
    const shown = this.model.get("spotlight");
    if (this.states.childElementCount !== this.names.length) {
      this.states.replaceChildren(...this.names.map((name) => {
        const made = element("button", "");
        element("canvas", "", made);
        element("span", "", made, name);
        element("span", "kit-count", made);
        made.onpointerenter = () => { this.lit = name; this.later(); };
        made.onpointerleave = () => { this.lit = null; this.later(); };
        made.onclick = () => {
          this.model.set("spotlight", this.model.get("spotlight") === name ? "" : name);
          this.model.save_changes();
        };
        return made;
      }));
    }
    this.names.forEach((name, state) => {
      const made = this.states.children[state], [canvas, , count] = made.children;
      const side = Math.round(15 * devicePixelRatio);
      made.setAttribute("aria-pressed", shown === name);
      count.textContent = number(this.counts[state]);
      [canvas.width, canvas.height] = [side, side];
      canvas.style.width = canvas.style.height = "15px";
      const ctx = canvas.getContext("2d");
      stamp(ctx, 0, 0, side, this.colours[state], this.model.get("shapes")[state]);
      [ctx.strokeStyle, ctx.lineWidth] = [this.muted, 1];
      ctx.strokeRect(0.5, 0.5, side - 1, side - 1);
    });
  }

  // ---- pointing, moving, telling

  point(pfn) {
    if (pfn === this.hover) return;
    this.hover = pfn;
    this.draw();
  }

  move(pfn) {
    this.focus = Math.min(Math.max(pfn, this.first), this.end - 1);
    this.reveal(this.focus);
    this.live.textContent = this.words(this.focus);
    this.draw();
  }

  select(pfn) {
    this.model.set("selected", pfn);
    this.model.save_changes();
  }

  key(event) {
    const at = this.focus ?? this.first, row = this.grid.columns * this.block;
    const offset = (at - this.begin) % this.block;
    // Up and down stay in their column of squares: from a tile's edge into the tile above or below.
    const up = offset >= WIDE ? -WIDE : this.block - WIDE - row;
    const down = offset < this.block - WIDE ? WIDE : row - this.block + WIDE;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: up, ArrowDown: down,
      PageUp: -this.block, PageDown: this.block }[event.key];
    const is = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    this.hidden = false;
    if (by !== undefined) {
      const there = at + by >= this.first && at + by < this.end;
      if (there || Math.abs(by) === this.block) this.move(at + by);
    } else if (is === "home") this.move(this.first);
    else if (is === "end") this.move(this.end - 1);
    else if (is === "f") this.nextFailed(at, event.shiftKey);
    else if (is === "enter") this.select(at);
    else if (is === "escape") { this.hidden = true; this.draw(); }
    else if ("+-=0".includes(is)) this.zoomBy({ "-": -1, 0: 0 }[is] ?? 1);
    else return;
    event.preventDefault();
    event.stopPropagation();                      // else JupyterLab takes the key for a command of its own
  }

  nextFailed(at, back) {
    const failed = this.names.length - 1, here = at - this.first;
    let next = this.pages.indexOf(failed, here + 1);
    if (back) next = here ? this.pages.lastIndexOf(failed, here - 1) : -1;
    if (next < 0) next = back ? this.pages.lastIndexOf(failed) : this.pages.indexOf(failed);
    if (next < 0) this.live.textContent = "No page has failed.";
    else this.move(this.first + next);
  }

  facts(pfn) {
    const block = Math.floor((pfn - this.begin) / this.block), row = this.rows[this.looks[pfn - this.first]];
    if (!row) return [[], ""];
    const [flags, refcount, mapcount, mapping, asFlags, size, why] = row, at = Math.floor(pfn / this.block);
    const facts = [["flags", flags], ["refcount", refcount], ["mapcount", mapcount], ["mapping", mapping],
      ["AS_ flags", asFlags], ["folio", size], ["pageblock", `${number(at)} ${this.types[block] ?? ""}`]];
    return [facts.filter(([, value]) => value !== ""), why];
  }

  words(pfn) {
    const [facts, why] = this.facts(pfn);
    const state = this.names[this.pages[pfn - this.first]], told = facts.map((pair) => pair.join(" "));
    return `pfn ${number(pfn)}, ${state}. ${told.join(", ")}. ${why}`;
  }

  tell() {
    const focused = document.activeElement === this.over, pfn = this.hover ?? (focused ? this.focus : null);
    const shown = pfn !== null && !(this.hidden && this.hover === null) && this.inSight(this.corner(pfn)[1]);
    this.tip.style.visibility = shown ? "visible" : "hidden";
    if (!shown) return;
    const state = this.pages[pfn - this.first], [facts, why] = this.facts(pfn);
    const [background, color] = this.colours[state];
    this.tip.replaceChildren();
    element("span", "kit-pfn", this.tip, `pfn ${hex(pfn)}`);
    const badge = element("span", "kit-badge", this.tip, this.names[state]);
    Object.assign(badge.style, { background, color, border: `1px solid ${this.muted}` });
    const list = element("dl", "", this.tip);
    for (const [name, value] of [["number", number(pfn)], ...facts]) {
      element("dt", "", list, name);
      element("dd", "", list, String(value));
    }
    if (why) {
      const words = element("p", "", this.tip);
      element("b", "", words, "Why: ");
      words.append(why);
    }
    // Beside the page and below it, or on the other side where the map ends: an output cell cuts off what
    // hangs out.
    const [x, y] = this.corner(pfn);
    const left = this.scroll.offsetLeft + x, top = this.scroll.offsetTop + y - this.scroll.scrollTop;
    const { offsetWidth: w, offsetHeight: h } = this.tip;
    const { clientWidth: wide, clientHeight: high } = this.root;
    const beside = left + w + 28 > wide ? left - w - 14 : left + 24;
    const below = top + 26 + h > high ? top - h - 10 : top + 26;
    this.tip.style.left = `${Math.max(4, beside)}px`;
    this.tip.style.top = `${Math.max(4, Math.min(below, high - h - 4))}px`;
  }
}

export default {
  render({ model, el }) {
    const view = new MapView(model, el);
    return () => view.remove();
  },
};
