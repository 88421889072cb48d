// Sets the chosen colours before the first paint; a classic script, because modules run after it.
"use strict";

try {
  const chosen = localStorage.getItem("jobline.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing for us shows the system's colours.
}
