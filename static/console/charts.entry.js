/**
 * Draw every chart of the page from the table beside it: what the picture shows stands in the table.
 * Colours are the tokens of the page; they are read again when the theme changes.
 */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from "chart.js";

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
);

const COLOURS = 8;
const BARS = 12; // lying ones; the table has the others
const drawn = new Map();

/** Return a token's colour as the browser computes it: canvas does not know light-dark(). */
function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Return names, labels and figures of the table; null where there is no figure. */
function read(section) {
  const table = section.querySelector("table");
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies[0].rows];
  const value = (cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value));
  return {
    names,
    labels: rows.map((row) => row.cells[0].textContent.trim()),
    columns: names.map((_name, index) => rows.map((row) => value(row.cells[index + 1]))),
  };
}

const figure = new Intl.NumberFormat(document.documentElement.lang, {
  notation: "compact",
  maximumFractionDigits: 2,
});

/** Return a figure of an axis: 40K for 40,000. */
function brief(value) {
  return figure.format(value);
}

/** Return the label without its year, which the tooltip and the table say; a narrow page has no room. */
function short(value) {
  return this.getLabelForValue(value).replace(/^\d{4}-(?=\d\d-\d\d$)/, "");
}

function axes(section, lying) {
  const soft = colour("--color-soft");
  const figures = {
    beginAtZero: true,
    grid: { color: colour("--color-line") },
    border: { display: false },
    ticks: { color: soft, maxTicksLimit: 6, autoSkipPadding: 14, maxRotation: 0, callback: brief },
    title: { display: true, text: section.dataset.unit, color: soft },
  };
  if (section.dataset.unit === "%") figures.max = 100;
  const names = {
    grid: { display: false },
    ticks: {
      color: soft,
      autoSkip: !lying,
      autoSkipPadding: 14,
      maxTicksLimit: lying ? BARS : 8,
      maxRotation: 0,
      callback: short,
    },
  };
  return lying ? { x: figures, y: names } : { x: names, y: figures };
}

function datasets(section, data, rows) {
  const kind = section.dataset.chart === "line" ? "line" : "bar";
  return data.names.map((label, index) => {
    const tone = colour(`--caret-${index % COLOURS}`);
    return {
      type: kind,
      label,
      data: data.columns[index].slice(0, rows),
      borderColor: tone,
      backgroundColor: tone,
      borderWidth: kind === "line" ? 2 : 0,
      pointRadius: 3,
      maxBarThickness: 28,
      spanGaps: true,
    };
  });
}

function draw(section) {
  drawn.get(section)?.destroy();
  const data = read(section);
  data.names = data.names.slice(0, Number(section.dataset.only));
  const lying = section.dataset.chart === "bars";
  const rows = lying ? BARS : data.labels.length;
  const chart = new Chart(section.querySelector("canvas"), {
    data: { labels: data.labels.slice(0, rows), datasets: datasets(section, data, rows) },
    options: {
      animation: false,
      maintainAspectRatio: false,
      indexAxis: lying ? "y" : "x",
      interaction: { mode: "index", intersect: false, axis: lying ? "y" : "x" },
      scales: axes(section, lying),
      plugins: {
        legend: {
          display: data.names.length > 1,
          position: "bottom",
          labels: { color: colour("--color-base-content"), boxWidth: 12, boxHeight: 12 },
        },
      },
    },
  });
  drawn.set(section, chart);
}

function drawAll() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  for (const section of document.querySelectorAll("[data-chart]")) {
    if (section.querySelector("canvas")) draw(section);
  }
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
