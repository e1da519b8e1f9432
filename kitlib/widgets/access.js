// Sees to the box around it, and again whenever something in that box changes.
const label = (part) => part.closest(".jupyter-widgets")?.querySelector(".widget-label")?.textContent;

function set(element, name, value) {
  if (value && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function mend(box) {
  const each = (what, act) => box.querySelectorAll(what).forEach(act);
  each("[title=null]", (one) => one.removeAttribute("title"));            // ipywidgets' word for no tooltip
  each(".noUi-handle, .widget-readout", (one) => set(one, "aria-label", label(one)));
  each("img.widget-image", (one) => set(one, "alt", one.nextElementSibling?.innerText.trim()));
  each(".widget-readout[contenteditable=true]", (one) => set(one, "role", "textbox"));
  each(".widget-toggle-button",
    (one) => set(one, "aria-pressed", String(one.classList.contains("mod-active"))));
  each(".widget-hprogress .progress", (one) => {
    set(one, "role", "progressbar");
    set(one, "aria-label", label(one));
    set(one, "aria-valuenow", String(Math.round(parseFloat(one.firstChild?.style.width) || 0)));
  });
  // Each time that a source is drawn its marked line, the last of them, stands in the middle.
  each(".kit-scroll:not([data-seen])", (one) => {
    const at = [...one.querySelectorAll(".kit-next, .kit-crash, .kit-asked")].at(-1);
    one.dataset.seen = "";
    if (at) one.scrollTop = at.offsetTop - (one.clientHeight - at.offsetHeight) / 2;
  });
  // A new element that says it is a status is seldom spoken; a change within one that was there before is.
  each(".widget-html-content [role=status], .widget-html-content [role=alert]", (said) => {
    set(said.closest(".widget-html-content"), "role", said.getAttribute("role"));
    said.removeAttribute("role");
  });
}

// A button that can be pressed no more loses the keyboard to nobody: the next one in its row has it then, or
// the last one before it.
function hand_on(from, box) {
  const can = (one) => one.checkVisibility() && !one.disabled;
  const after = (one) => from.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
  for (const within of [from.parentElement, box]) {
    const others = [...within.querySelectorAll("button")].filter(can);
    if (others.length) return (others.find(after) ?? others.at(-1)).focus();
  }
}

function render({ el }) {
  let frame, seen, last;
  const begin = () => {                                                   // not before it is in the page
    const box = el.closest(".kit-box");
    if (!box) return void (frame = requestAnimationFrame(begin));
    mend(box);
    box.addEventListener("focusin", (event) => (last = event.target));
    // Whoever leaves by themselves is not called back.
    box.addEventListener("focusout", () => last?.disabled || (last = null));
    seen = new MutationObserver(() => {
      mend(box);
      if (last?.disabled && [last, document.body, null].includes(document.activeElement)) hand_on(last, box);
    });
    const attributeFilter = ["class", "style", "title", "disabled"];
    seen.observe(box, { subtree: true, childList: true, attributeFilter });
  };
  begin();
  return () => (cancelAnimationFrame(frame), seen?.disconnect());
}

export default { render };
