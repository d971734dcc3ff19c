// Makes pages move. Everything can be read and done without it.

const live = document.getElementById("live");

// -- what the server says has changed

function grown(id) {
  // what did not exist when the page was made, such as the next attempt of a job
  for (const template of document.querySelectorAll("template[data-grows]")) {
    if (!id.startsWith(template.dataset.grows)) continue;
    const element = template.content.firstElementChild.cloneNode(true);
    element.id = id;
    template.parentElement.append(element);
    return element;
  }
  return null;
}

function replace(id, html) {
  const old = document.getElementById(id) ?? grown(id);
  if (!old || old.innerHTML === html) return;
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.dataset.key);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : null;
  const atEnd = old.scrollHeight - old.scrollTop - old.clientHeight < 30;
  old.innerHTML = html; // made by our templates, in which whatever a job carries is text
  for (const details of old.querySelectorAll("details")) {
    if (open.includes(details.dataset.key)) details.open = true;
  }
  if (focused) document.getElementById(focused)?.focus();
  if (atEnd && old.dataset.follow !== undefined) old.scrollTop = old.scrollHeight;
  showTimes(old);
}

function compareLists() {
  // what is not among those that remain goes, such as a server that has stopped; what has no place here is told of
  for (const list of document.querySelectorAll("[data-remain]")) {
    const ids = list.textContent.split(/\s+/).filter(Boolean);
    for (const element of document.querySelectorAll(list.dataset.remain)) {
      if (!ids.includes(element.id)) element.closest("[data-item]").remove();
    }
    const more = document.getElementById(list.dataset.more);
    if (more) more.hidden = ids.every((id) => document.getElementById(id));
  }
}

function showMoves() {
  // buttons that a state allows; the state moves
  const state = document.querySelector("[data-job-state]")?.dataset.jobState;
  if (!state) return;
  for (const form of document.querySelectorAll("form[data-states]")) {
    form.hidden = !form.dataset.states.split(" ").includes(state);
  }
}

function watch() {
  const topics = document.body.dataset.topics.split(" ").filter(Boolean);
  if (!topics.length) return;
  const query = topics.map((topic) => "topic=" + encodeURIComponent(topic)).join("&");
  let source;
  let again;
  let silent; // some servers end the connection behind each event: that is nothing to tell
  const connect = () => {
    source = new EventSource("live?" + query);
    source.addEventListener("open", () => {
      clearTimeout(silent);
      silent = undefined;
      live.hidden = true;
    });
    source.addEventListener("change", (event) => {
      for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
      showMoves();
      compareLists();
    });
    source.addEventListener("error", () => {
      silent ??= setTimeout(() => (live.hidden = false), 5000);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, 3000);
    });
  };
  const rest = () => {
    clearTimeout(again);
    clearTimeout(silent);
    silent = undefined;
    source?.close();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : connect()));
  addEventListener("pagehide", rest);
  if (!document.hidden) connect();
}

// -- preferences, kept in this browser

function preference(name, otherwise) {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`jobrunr_${name}=`));
  return found ? decodeURIComponent(found.split("=")[1]) : otherwise;
}

export function prefer(name, value) {
  document.cookie = `jobrunr_${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax`;
}

// -- times

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };

function timeAsText(moment, way) {
  if (way === "clock") {
    if (preference("times", "relative") === "utc") return moment.toISOString().slice(11, 23);
    return moment.toLocaleTimeString([], CLOCK);
  }
  if (way === "utc") return moment.toISOString().replace("T", " ").slice(0, 19) + " UTC";
  if (way === "local") return moment.toLocaleString();
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.round(seconds / size), unit);
}

function showTimes(within = document) {
  const way = preference("times", "relative");
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = timeAsText(moment, time.dataset.way ?? way);
  }
}

// -- forms

function ask(event) {
  const button = event.submitter;
  const question = button?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
}

function selectAll(event) {
  const all = event.target.closest("[data-select-all]");
  if (!all) return;
  for (const box of all.closest("form, table").querySelectorAll(`input[name="${all.dataset.selectAll}"]`)) {
    box.checked = all.checked;
  }
}

function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard.writeText(button.dataset.copy).then(() => (button.textContent = "Copied"));
}

for (const field of document.querySelectorAll("[data-preference]")) {
  field.value = preference(field.dataset.preference, field.value);
  field.addEventListener("change", () => {
    prefer(field.dataset.preference, field.value);
    document.documentElement.dataset.theme = preference("theme", "system");
    showTimes();
  });
}
for (const box of document.querySelectorAll("[data-follow]")) box.scrollTop = box.scrollHeight;
document.addEventListener("submit", ask);
document.addEventListener("change", selectAll);
document.addEventListener("click", copy);
showTimes();
setInterval(showTimes, 10_000, document);
watch();
