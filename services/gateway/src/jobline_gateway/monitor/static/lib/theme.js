// Light, dark, or as the system has it. The colours are in the style sheets (light-dark()); charts, which paint pixels, are
// told when to paint again.
import { useEffect, useState } from "../vendor/preact.js";
import { remember, setting } from "./settings.js";

export const THEMES = ["system", "light", "dark"];

const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const chosenTheme = () => setting("theme", "system");

export function chooseTheme(theme) {
  remember("theme", theme);
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
}

const shown = () => root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light");

// "light" or "dark", whatever made it so.
export function useShownTheme() {
  const [theme, setTheme] = useState(shown);
  useEffect(() => {
    const look = () => setTheme(shown());
    const observer = new MutationObserver(look);
    observer.observe(root, { attributeFilter: ["data-theme"] });
    systemIsDark.addEventListener("change", look);
    return () => {
      observer.disconnect();
      systemIsDark.removeEventListener("change", look);
    };
  }, []);
  return theme;
}
