// What every page needs: the theme, and data that come as scripts.
"use strict";

const corpusforge = (() => {
  const waiting = new Map();   // name → {promise, resolve}
  const recent = new Set();    // names, the longest unused one first
  const KEPT = 3000;

  function put(name, json) {
    waiting.get(name)?.resolve(JSON.parse(json));
  }

  // The data of a name. A script that was not used for long is forgotten, and would be loaded again.
  function load(name) {
    recent.delete(name);
    recent.add(name);
    const known = waiting.get(name);
    if (known) return known.promise;
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const script = document.createElement("script");
      script.src = name + ".js";
      script.onload = () => script.remove();
      script.onerror = () => {
        script.remove();
        waiting.delete(name);
        reject(new Error(`${name}.js is missing: make the page again with corpusforge report`));
      };
      document.head.append(script);
    });
    waiting.set(name, entry);
    for (const old of recent) {
      if (recent.size <= KEPT) break;
      recent.delete(old);
      waiting.delete(old);
    }
    return entry.promise;
  }

  // An element; children are nodes or text, which stays text whatever it says.
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "path"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("corpusforge-theme");
      localStorage.setItem("corpusforge-theme", value);
    } catch {
      // a browser may keep nothing for pages from the file system
    }
    return null;
  }

  const theme = stored();
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  function dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to the ${dark() ? "light" : "dark"} theme`); };
    button.hidden = false;
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = dark() ? "light" : "dark";
      stored(document.documentElement.dataset.theme);
      say();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
    say();
  });

  return { put, load, make };
})();
