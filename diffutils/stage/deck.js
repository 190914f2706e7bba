(function () {
"use strict";
var plan = JSON.parse(document.getElementById("plan").textContent);
var slides = [].slice.call(document.querySelectorAll(".slide"));
var body = document.body, root = document.documentElement;
var presenter = location.hash === "#presenter", other = presenter ? window.opener : null;
var state = { at: presenter ? 0 : Math.min(slides.length, +location.hash.slice(1) || 1) - 1,
  held: false, black: false, started: 0, timers: {} };
var joined = 0;
function byId(id) { return document.getElementById(id); }
function clock(seconds) {
  var s = Math.max(0, Math.floor(seconds));
  return Math.floor(s / 60) + ":" + ("0" + s % 60).slice(-2);
}

// --- one slide at a time ---
function draw() {
  slides.forEach(function (slide, k) {
    slide.classList.toggle("now", k === state.at);
    slide.classList.toggle("next", presenter && k === state.at + 1);
    slide.setAttribute("aria-hidden", k !== state.at);
    var held = slide.querySelector(".held");
    if (held) held.classList.toggle("shown", k === state.at && state.held);
  });
  body.classList.toggle("black", state.black);
  byId("bar").style.width = 100 * state.at / Math.max(1, slides.length - 1) + "%";
  if (presenter) desk();
  else try { history.replaceState(null, "", "#" + (state.at + 1)); } catch (e) { /* not here */ }
  tick();
}
function change(what) {
  for (var key in what) state[key] = what[key];
  draw();
  tell({ state: state });
}
function show(at) {
  at = Math.max(0, Math.min(slides.length - 1, at));
  if (document.activeElement && document.activeElement !== body) document.activeElement.blur();
  var what = { at: at, held: false, black: false };
  if (at > 0 && !state.started) what.started = Date.now();
  change(what);
}
function first(section) {
  for (var k = 0; k < slides.length; k++) if (plan.slides[k].section === section) return k;
  return slides.length - 1;
}
function section() { return plan.slides[state.at].section; }

// --- the window ---
function place() {
  var w = innerWidth, h = innerHeight, set = function (name, value) {
    root.style.setProperty("--" + name, value); };
  if (!presenter) {
    var scale = Math.min(w / 1280, h / 720);
    set("scale", scale);
    set("left", (w - 1280 * scale) / 2 + "px");
    set("top", (h - 720 * scale) / 2 + "px");
  } else {
    var big = Math.min(0.58 * w / 1280, 0.6 * h / 720), top = 64, left = 32 + 1280 * big;
    var small = Math.min((w - left - 16) / 1280, 0.42 * h / 720);
    set("scale", big); set("left", "16px"); set("top", top + "px");
    set("next-scale", small); set("next-left", left + "px"); set("next-top", top + "px");
    set("notes-top", top + 14 + 720 * big + "px"); set("notes-width", 1280 * big + "px");
    set("side-top", top + 14 + 720 * small + "px");
  }
  look();
}
function over(slide) {
  var edge = slide.getBoundingClientRect();
  return [].some.call(slide.querySelectorAll("*"), function (e) {
    var box = e.getBoundingClientRect();
    return box.width && box.height && (box.left < edge.left - 1 || box.top < edge.top - 1 ||
      box.right > edge.right + 1 || box.bottom > edge.bottom + 1);
  });
}
function tight(slide) {
  var inner = slide.querySelector(".body"), edge = inner.getBoundingClientRect();
  return inner.scrollHeight > inner.clientHeight + 1 || inner.scrollWidth > inner.clientWidth + 21 ||
    [].some.call(inner.children, function (e) {
      return e.className !== "corners" && e.className !== "timer" && e.className !== "held" &&
        e.getBoundingClientRect().bottom > edge.bottom + 1; });
}
function fit(slide) { // with fonts that are wider than expected
  var inner = slide.querySelector(".body"), size = 30;
  while (size > 24 && tight(slide)) inner.style.fontSize = --size + "px";
}
function look() {
  var wide = [];
  slides.forEach(function (slide, k) { if (over(slide)) wide.push(k + 1); });
  var scale = +root.style.getPropertyValue("--scale");
  byId("fits").textContent = wide.length ? "Over the edge: slides " + wide.join(", ")
    : "All " + slides.length + " slides fit this window";
  byId("size").textContent = "The window is " + innerWidth + " x " + innerHeight + " pixels, the screen " +
    screen.width + " x " + screen.height + ". The smallest letters are " + Math.round(18 * scale) +
    " pixels high. You should see four blue corners." +
    (innerHeight < screen.height ? " Press f for the full screen." : "");
}

// --- exercises ---
function timer(k) {
  return state.timers[k] || { left: plan.slides[k].seconds, ends: 0 };
}
function left(k) {
  var t = timer(k);
  return t.ends ? (t.ends - Date.now()) / 1000 : t.left;
}
function toggle(k) {
  if (!plan.slides[k].seconds) return;
  var timers = Object.assign({}, state.timers), t = timer(k), now = left(k);
  timers[k] = t.ends ? { left: Math.max(0, now), ends: 0 }
    : { left: 0, ends: Date.now() + 1000 * (now > 0 ? now : plan.slides[k].seconds) };
  change({ timers: timers });
}
function tick() {
  [].forEach.call(document.querySelectorAll(".timer"), function (e) {
    var k = slides.indexOf(e.closest(".slide")), seconds = left(k);
    e.textContent = clock(Math.ceil(seconds)) + (timer(k).ends ? "" : " \u25B8");
    e.classList.toggle("over", seconds <= 0);
  });
  if (presenter) pace();
}

// --- the presenter's window ---
function desk() {
  var here = plan.slides[state.at];
  byId("notes").innerHTML = here.notes || "<p>No notes for this slide.</p>";
  byId("notes").scrollTop = 0;
  [].forEach.call(byId("map").children, function (li, k) {
    li.classList.toggle("at", k === here.section); });
  pace();
}
function spare(k) { // a section that the next shorter cut leaves out
  return k > 0 && plan.shorter > 0 && plan.sections[k].cuts.indexOf(plan.shorter) < 0;
}
function due() { // the minutes at which this slide should begin, and those at which it should end
  var here = section(), before = 0, of = 0, k = 0;
  plan.sections.forEach(function (s, n) { if (n < here) before += s.minutes; });
  plan.slides.forEach(function (s, n) { if (s.section === here) { of++; if (n < state.at) k++; } });
  var minutes = here < 0 ? 0 : plan.sections[here].minutes;
  return [before + minutes * k / of, before + minutes * (k + 1) / of];
}
function nextCut() { // [the first section that may be left out from here on, the one after it]
  for (var k = Math.max(1, section() + 1); k < plan.sections.length; k++)
    if (spare(k)) return [k, k + 1];
  return null;
}
function skipTo(minutes) { // where to go on, so that so many minutes are won back
  var cut = nextCut();
  if (!cut) return null;
  var to = cut[0], won = 0;
  while (to < plan.sections.length && spare(to) && won < minutes) won += plan.sections[to++].minutes;
  return to < plan.sections.length ? [cut[0], to, won] : null;
}
function say(minutes) { return minutes + (minutes === 1 ? " minute" : " minutes"); }
function pace() {
  var seconds = state.started ? (Date.now() - state.started) / 1000 : 0, e = byId("pace");
  var ends = due(), late = Math.floor(seconds / 60 - ends[1]), early = Math.floor(ends[0] - seconds / 60);
  byId("elapsed").textContent = clock(seconds) + " of " + plan.minutes;
  e.classList.toggle("late", late >= 1);
  if (!state.started) e.textContent = "the clock starts with the next slide";
  else if (late >= 1) {
    var to = skipTo(late);
    e.textContent = say(late) + " behind; " + (!to ? "nothing more to leave out: shorten the exercises" :
      to[0] === section() + 1 ? "skip to section " + to[1] :
      "leave out section " + to[0] + ", go on with " + to[1]);
  } else e.textContent = early >= 1 ? say(early) + " ahead" : "on time";
  var cut = nextCut(), s = cut && plan.sections[cut[0]];
  byId("cut").textContent = s ? "Next cut: section " + cut[0] + ", " + s.title + " (" + s.minutes + " min)"
    : "Next cut: none from here on";
}
function furnish() {
  body.classList.add("presenter");
  document.title = "Notes: " + document.title;
  plan.sections.forEach(function (s, k) {
    var li = document.createElement("li");
    li.textContent = (k ? k + " \u00B7 " : "") + s.title + (s.minutes ? ", " + s.minutes + " min" : "");
    li.classList.toggle("spare", spare(k));
    li.onclick = function () { show(first(k)); };
    byId("map").appendChild(li);
  });
  byId("back").onclick = function () { show(state.at - 1); };
  byId("on").onclick = function () { show(state.at + 1); };
  byId("skip").onclick = function () { show(first(section() + 1)); };
  byId("restart").onclick = function () { change({ started: Date.now() }); };
  tell({ hello: true });
  setInterval(function () { tell({ hello: true }); }, 2000);
}

// --- two windows in step ---
function tell(what) {
  what.deck = plan.deck;
  if (other && !other.closed) other.postMessage(what, "*");
}
addEventListener("message", function (event) {
  var what = event.data;
  if (!what || what.deck !== plan.deck) return;
  if (what.hello && event.source !== other) { other = event.source; tell({ state: state }); }
  if (what.state) { state = what.state; joined = joined || Date.now(); draw(); }
  if (what.range) {
    var range = slides[what.range.slide].querySelector("input[type=range]");
    if (range && range.value !== what.range.value) {
      range.dataset.echo = range.value = what.range.value;
      range.dispatchEvent(new Event("input"));
    }
  }
});
new MutationObserver(function (found) {
  found.forEach(function (mutation) {
    var range = mutation.target, slide = slides.indexOf(range.closest(".slide"));
    if (range.dataset.echo === range.value) { delete range.dataset.echo; return; }
    if (slide === state.at && (!presenter || joined)) tell({ range: { slide: slide, value: range.value } });
  });
}).observe(document.querySelector("main"), { subtree: true, attributes: true,
  attributeFilter: ["aria-valuetext"] });
function openDesk() {
  other = open(location.href.replace(/#.*/, "") + "#presenter", "presenter", "width=1280,height=860");
}

// --- keys: a player, a button or a field keeps its own ---
addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  var key = event.key, busy = /^(INPUT|BUTTON|SELECT)$/.test(event.target.tagName);
  if (key === "Escape") { if (document.activeElement) document.activeElement.blur(); return; }
  if (key === "PageDown") show(state.at + 1);
  else if (key === "PageUp") show(state.at - 1);
  else if (busy && !presenter) return;
  else if (busy && (key === " " || key === "Enter" || event.target.tagName === "INPUT")) return;
  else if (key === "ArrowRight" || key === "ArrowDown" || key === " " || key === "Enter") show(state.at + 1);
  else if (key === "ArrowLeft" || key === "ArrowUp" || key === "Backspace") show(state.at - 1);
  else if (key === "Home") show(0);
  else if (key === "End") show(slides.length - 1);
  else if (key === "p") change({ held: !state.held });
  else if (key === "t") toggle(state.at);
  else if (key === "b" || key === ".") change({ black: !state.black });
  else if (key === "w" && !presenter) openDesk();
  else if (key === "f" && root.requestFullscreen) {
    if (document.fullscreenElement) document.exitFullscreen(); else root.requestFullscreen();
  } else return;
  event.preventDefault();
});
document.addEventListener("click", function (event) {
  if (event.target.classList.contains("timer")) toggle(slides.indexOf(event.target.closest(".slide")));
});
slides.forEach(function (slide, k) { slide.querySelector("footer").textContent = k ? k + 1 : ""; });
addEventListener("resize", place);
if (presenter) furnish();
place();
slides.forEach(fit);
draw();
setInterval(tick, 250);
addEventListener("load", function () { slides.forEach(fit); look(); root.dataset.ready = "yes"; });
})();
