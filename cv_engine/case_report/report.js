// Sorting, filters and enlarged pictures; without them the page reads as it is.
(() => {
  const rows = [...document.querySelectorAll("#table tbody tr")];
  const list = document.getElementById("cases");
  const number = row => row.cells[0].dataset.sort;
  const card = row => document.getElementById("case-" + number(row));
  const text = new Map(rows.map(row => [row, (row.innerText + " " + card(row).innerText).toLowerCase()]));

  const filters = document.getElementById("filters");
  const search = filters?.querySelector("input");
  const selects = filters ? [...filters.querySelectorAll("select")] : [];
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set();
    for (const row of rows) {
      const fits = selects.every(s => !s.value || row.cells[s.dataset.column].innerText === s.value)
        && words.every(word => text.get(row).includes(word));
      row.hidden = card(row).hidden = !fits;
      if (fits) shown.add(number(row));
    }
    for (const mark of document.querySelectorAll("[data-cases]")) {
      const there = mark.dataset.cases.split(" ").find(each => shown.has(each));
      mark.style.display = there ? "" : "none";
      if (there) mark.setAttribute("href", "#case-" + there);
    }
    filters.querySelector("output").textContent = `${shown.size} of ${rows.length} shown`;
  }
  if (filters) {
    filters.addEventListener("input", filter);
    filters.addEventListener("reset", () => setTimeout(filter));
    filters.addEventListener("submit", event => event.preventDefault());
    filter();
  }

  const heads = [...document.querySelectorAll("#table th")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(each => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => row.cells[column].dataset.sort ?? row.cells[column].innerText;
    const order = (a, b) => value(a).localeCompare(value(b), undefined, {numeric: true});
    rows.sort((a, b) => up ? order(a, b) : order(b, a));
    for (const row of rows) {
      row.parentNode.append(row);
      list.append(card(row));
    }
  }));

  const dialog = document.getElementById("shown");
  list.addEventListener("click", event => {
    const link = event.target.closest(".pictures a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    dialog.querySelectorAll("figure").forEach(each => each.remove());
    const figure = link.parentNode.cloneNode(true);
    const inside = figure.querySelector("a");
    if (inside.getAttribute("href") === "#") inside.replaceWith(...inside.childNodes);
    else inside.target = "_blank";
    dialog.append(figure);
    dialog.showModal();
  });
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach(each => each.open = true);
  });
  addEventListener("afterprint", () => closed.forEach(each => each.open = false));
})();
