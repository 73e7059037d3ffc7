"use strict";

// Shows the OpenAPI document of the server that this page is from. Texts are set as text, never as HTML.
const base = new URL(document.currentScript.src).pathname.replace(/\/assets\/docs\.js$/, "");
const mostShown = 64 * 1024;

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function parameters(list) {
  const table = element("table");
  for (const p of list) {
    const row = element("tr");
    row.append(element("td", "", element("code", p.name)), element("td", p.in + (p.required ? ", required" : "")), element("td", p.description || ""));
    table.append(row);
  }
  return table;
}

// A GET that needs nothing and ends can be tried here.
function canBeTried(method, path, operation) {
  const media = Object.keys((operation.responses["200"] || {}).content || {});
  const needs = (operation.parameters || []).some((p) => p.required);
  return method === "get" && !path.includes("{") && !needs && media.includes("application/json");
}

function tried(path) {
  const button = element("button", "Send");
  const out = element("pre");
  out.hidden = true;
  button.addEventListener("click", async () => {
    button.disabled = true;
    out.hidden = false;
    try {
      const response = await fetch(base + path, { headers: { Accept: "application/json" } });
      let text = await response.text();
      try {
        text = pretty(JSON.parse(text));
      } catch {
        // it is shown as it came
      }
      out.textContent = response.status + "\n" + text.slice(0, mostShown);
    } catch (failure) {
      out.textContent = String(failure);
    }
    button.disabled = false;
  });
  return element("div", "", button, out);
}

function shown(method, path, operation) {
  const title = element("summary");
  const verb = element("code", method.toUpperCase());
  verb.className = "method";
  const role = element("span", operation["x-scout-role"] || "");
  role.className = "role";
  title.append(verb, element("code", path), " ", operation.summary || "", role);
  const all = element("details", "", title, element("p", operation.description || ""));
  if ((operation.parameters || []).length) all.append(parameters(operation.parameters));
  for (const content of Object.values((operation.requestBody || {}).content || {})) {
    if (content.example !== undefined) all.append(element("p", "Request"), element("pre", pretty(content.example)));
  }
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    const example = Object.values(answer.content || {}).map((c) => c.example).find((e) => e !== undefined);
    all.append(element("p", status + ": " + answer.description));
    if (example !== undefined) all.append(element("pre", pretty(example)));
  }
  if (canBeTried(method, path, operation)) all.append(tried(path));
  all.dataset.text = (method + " " + path + " " + operation.summary).toLowerCase();
  return all;
}

async function start() {
  const response = await fetch(base + "/openapi.json");
  const api = await response.json();
  const list = document.getElementById("operations");
  list.replaceChildren();
  for (const path of Object.keys(api.paths).sort()) {
    for (const [method, operation] of Object.entries(api.paths[path])) list.append(shown(method, path, operation));
  }
  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const one of list.children) one.hidden = !one.dataset.text.includes(wanted);
  });
  const keys = await fetch(base + "/api/v1/keys");
  const who = keys.ok ? "You are the owner." : keys.status === 403 ? "You are a client: scout open makes you the owner." : "You need a key: scout open.";
  document.getElementById("who").textContent = "Version " + api.info.version + ". " + who;
}

start().catch((failure) => {
  document.getElementById("who").textContent = String(failure);
});
