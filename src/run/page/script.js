(() => {
  const body = document.body;
  const key = "ugatit " + location.pathname;
  let kept = {};
  try { kept = JSON.parse(sessionStorage.getItem(key)) || {}; } catch { /* no storage: start afresh */ }

  // The slider goes through the sheets of all steps.
  const slider = document.querySelector(".pick input");
  const steps = slider ? slider.dataset.steps.split(" ").map(Number) : [];
  const show = () => {
    const step = steps[slider.value];
    const text = "step " + step.toLocaleString("en");
    document.querySelector(".pick output").textContent = text;
    for (const span of document.querySelectorAll(".sheet figcaption span")) span.textContent = text;
    for (const link of document.querySelectorAll(".sheet a")) {
      const path = "samples/" + link.dataset.direction + "_" + String(step).padStart(7, "0") + ".png";
      const image = link.firstElementChild;
      if (image.getAttribute("src") !== path) image.src = path;
      link.href = path;
    }
  };
  const latest = () => !slider || Number(slider.value) === steps.length - 1;
  if (slider && steps.length > 1) {
    const at = steps.indexOf(kept.step);
    if (at >= 0) slider.value = at;
    slider.parentElement.hidden = false;
    slider.addEventListener("input", show);
    show();
  }

  // A reload leaves everything where it was.
  const details = [...document.querySelectorAll("details")];
  (kept.open || []).forEach((open, i) => { if (details[i]) details[i].open = open; });
  if (kept.y) scrollTo(0, kept.y);
  const reload = () => {
    const state = { y: scrollY, open: details.map(d => d.open) };
    if (!latest()) state.step = steps[slider.value];
    try { sessionStorage.setItem(key, JSON.stringify(state)); } catch { /* the browser's own memory must do */ }
    location.reload();
  };
  try { sessionStorage.removeItem(key); } catch { /* nothing was kept */ }
  const seconds = Number(body.dataset.refresh);
  if (!seconds) return;

  // A process that was killed cannot say so.
  const silence = Date.now() / 1000 - Number(body.dataset.updated);
  if (silence > Math.max(180, 6 * seconds)) {
    const note = document.querySelector(".stale");
    note.hidden = false;
    note.textContent = "Nothing was written for " + Math.round(silence / 60)
      + " minutes: the run may have been ended from outside.";
  }
  let due = false;
  setInterval(() => { due = true; if (!document.hidden) reload(); }, seconds * 1000);
  document.addEventListener("visibilitychange", () => { if (due && !document.hidden) reload(); });
})();
