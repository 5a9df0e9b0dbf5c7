"use strict";
(() => {
  // Tables: a click on a header sorts by its column, a second one the other way round.

  const cellValue = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };

  const compare = (a, b) =>
    typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });

  // Array.sort is stable, and stays so downwards because nothing is reversed. What was not measured
  // is last either way.
  const sortBy = (header) => {
    const body = header.closest("table").tBodies[0];
    const up = header.getAttribute("aria-sort") !== "ascending";
    const keyed = Array.from(body.rows, (row) => [cellValue(row, header.cellIndex), row]);
    const known = keyed.filter(([value]) => value !== null && value !== "");
    const rest = keyed.filter(([value]) => value === null || value === "");
    known.sort(([a], [b]) => (up ? compare(a, b) : compare(b, a)));
    body.append(...known.concat(rest).map(([, row]) => row));
    for (const other of header.parentElement.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
  };

  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sortBy(button.parentElement));
  }

  // Copying: by the clipboard, or where the browser keeps it from a page on disk by a selection.

  const copyBySelection = (words) => {
    const field = document.createElement("textarea");
    field.value = words;
    field.className = "tip";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };

  const copy = async (words, button, said) => {
    let done;
    try {
      await navigator.clipboard.writeText(words);
      done = true;
    } catch {
      done = copyBySelection(words);
      button.focus({ preventScroll: true });
    }
    said.textContent = done ? "Copied." : "Not copied: select the text and copy it.";
  };

  // The curve: a point tells what it is when the pointer is near it or the keyboard is on it. One
  // that was clicked has the focus and stays, so that the pointer can go to its buttons.

  const NEAR = 24; // pixels of the screen
  const LEAVE = 400; // milliseconds in which the pointer may go from a point to its tooltip

  const networks = JSON.parse(document.getElementById("data").textContent).networks;
  const curve = document.querySelector(".tradeoff");
  const tip = document.getElementById("tip");
  if (!networks || !curve || !tip) return;
  let shown = null;
  let leaving = 0;

  const made = (name, words) => {
    const node = document.createElement(name);
    node.textContent = words;
    return node;
  };

  const copyable = ([name, words]) => {
    const line = document.createElement("p");
    const button = made("button", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", `Copy ${name}`);
    button.addEventListener("click", () => copy(words, button, tip.querySelector(".said")));
    line.append(made("span", name), button, made("code", words));
    return line;
  };

  const fill = ({ title, facts, copied }) => {
    tip.querySelector("strong").textContent = title;
    const pairs = facts.flatMap(([name, value]) => [made("dt", name), made("dd", value)]);
    tip.querySelector("dl").replaceChildren(...pairs);
    tip.querySelector(".copied").replaceChildren(...copied.map(copyable));
    tip.querySelector(".said").textContent = "";
  };

  // Beside the drawing where the window is wide enough, else below the point.
  const place = (point) => {
    const outer = curve.getBoundingClientRect();
    const plot = point.closest(".plot").getBoundingClientRect();
    const beside = plot.right - outer.left + 16;
    if (beside + tip.offsetWidth <= outer.width) {
      tip.style.left = `${beside}px`;
      tip.style.top = `${plot.top - outer.top}px`;
      return;
    }
    const at = point.getBoundingClientRect();
    const right = at.right - outer.left + 10;
    const fits = right + tip.offsetWidth <= outer.width;
    const left = fits ? right : at.left - outer.left - 10 - tip.offsetWidth;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${at.bottom - outer.top + 10}px`;
  };

  const show = (point) => {
    clearTimeout(leaving);
    if (shown === point) return;
    if (shown) shown.classList.remove("shown");
    shown = point;
    point.classList.add("shown");
    fill(networks[Number(point.dataset.i)]);
    tip.hidden = false;
    place(point);
  };

  const hide = () => {
    clearTimeout(leaving);
    if (shown) shown.classList.remove("shown");
    shown = null;
    tip.hidden = true;
  };

  const holdsFocus = () => curve.contains(document.activeElement) &&
    document.activeElement.matches(".point, .tip *");

  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => holdsFocus() || hide(), LEAVE);
  };

  const nearest = (points, event) => {
    let best = null;
    let least = NEAR;
    for (const point of points) {
      const box = point.getBoundingClientRect();
      const dx = (box.left + box.right) / 2 - event.clientX;
      const dy = (box.top + box.bottom) / 2 - event.clientY;
      const distance = Math.hypot(dx, dy);
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  };

  const goTo = (points, point) => {
    for (const other of points) other.setAttribute("tabindex", other === point ? "0" : "-1");
    point.focus({ preventScroll: true });
  };

  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

  const keyTarget = (points, event) => {
    const last = points.length - 1;
    if (event.key === "Home") return points[0];
    if (event.key === "End") return points[last];
    if (!(event.key in STEPS)) return null;
    const next = points.indexOf(event.target) + STEPS[event.key];
    return points[Math.min(last, Math.max(0, next))];
  };

  for (const drawing of curve.querySelectorAll(".plot > svg")) {
    const number = (point, name) => Number(point.getAttribute(name));
    const points = [...drawing.querySelectorAll(".point")].sort(
      (a, b) => number(a, "cx") - number(b, "cx") || number(b, "cy") - number(a, "cy"),
    );
    drawing.addEventListener("pointermove", (event) => {
      const point = holdsFocus() ? shown : nearest(points, event);
      if (point) show(point);
      else leave();
    });
    drawing.addEventListener("pointerleave", leave);
    drawing.addEventListener("click", (event) => {
      const point = nearest(points, event);
      if (point) goTo(points, point);
      else hide();
    });
    drawing.addEventListener("keydown", (event) => {
      const point = keyTarget(points, event);
      if (!point) return;
      event.preventDefault();
      goTo(points, point);
    });
  }

  tip.addEventListener("pointerenter", () => clearTimeout(leaving));
  tip.addEventListener("pointerleave", leave);
  // On the frame and not on a drawing: an SVG that listens for the focus may take it itself.
  curve.addEventListener("focusin", (event) => {
    if (event.target.matches(".plot .point")) show(event.target);
  });
  curve.addEventListener("focusout", (event) => {
    if (!tip.contains(event.relatedTarget)) leave();
  });
  curve.addEventListener("change", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown) return;
    if (tip.contains(document.activeElement)) shown.focus({ preventScroll: true });
    hide();
  });
})();
