// Icons of 20 by 20 units, drawn with lines in the colour of the text, and the dots of projects.

import { h, svg } from "../lib/dom.js";
import { effect } from "../lib/signal.js";
import { project } from "../store/projects.js";

/** @type {Record<string, string>} */
const PATHS = {
  brand: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5V10l2.5 1.8M8 1.5h4",
  today: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 6v4l3 2",
  week: "M3.5 5h13v11.5h-13zM3.5 8.5h13M7 3v3.5M13 3v3.5M8 8.5v8M12 8.5v8",
  timesheet: "M3.5 4h13v12h-13zM3.5 8h13M3.5 12h13M8.5 4v12",
  tasks: "M3.5 5.5l1.2 1.2 2-2.2M3.5 10.5l1.2 1.2 2-2.2M3.5 15.5l1.2 1.2 2-2.2M9.5 5.5h7M9.5 10.5h7M9.5 15.5h7",
  projects: "M3 5.5h5l1.5 2H17v8.5H3z",
  reports: "M3.5 16.5h13M5.5 16.5V10M10 16.5V4M14.5 16.5V7.5",
  import: "M10 3v9M6.5 8.5L10 12l3.5-3.5M3.5 13v3.5h13V13",
  settings:
    "M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M10 2.5v2.2M10 15.3v2.2M2.5 10h2.2M15.3 10h2.2M4.7 4.7l1.5 1.5M13.8 13.8l1.5 1.5M4.7 15.3l1.5-1.5M13.8 6.2l1.5-1.5",
  continue: "M6.5 4.5v11l9-5.5z",
  split: "M10 3v14M3.5 7h4v6h-4zM12.5 7h4v6h-4z",
  edit: "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2zM11.4 6l2.6 2.6",
  delete: "M4 6h12M8 6V4h4v2M5.5 6l.8 10.5h7.4L14.5 6M8.5 9v4.5M11.5 9v4.5",
  previous: "M12 4.5L6.5 10l5.5 5.5",
  next: "M8 4.5l5.5 5.5L8 15.5",
  review: "M10 3.5l7 12.5H3zM10 8.5v3.5M10 14.2h.01",
  billable:
    "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M12.3 7.6c-.5-.7-1.3-1-2.3-1-1.3 0-2.2.6-2.2 1.6 0 2.3 4.6 1.2 4.6 3.6 0 1-1 1.7-2.4 1.7-1.1 0-2-.4-2.5-1.2M10 5.3v1.3M10 13.5v1.3",
  expand: "M5 8l5 5 5-5",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  sign_out: "M8 4H4v12h4M8.5 10H17M13.5 6.5L17 10l-3.5 3.5",
};

/**
 * Create an icon. It is hidden from assistive technology: the text beside it says what it means.
 *
 * @param {string} name
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] ?? "" }),
  );
}

/**
 * Create the dot in a project's colour. The name of the project stands next to it.
 *
 * @param {string | null} id
 */
export function projectDot(id) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  effect(() => {
    const color = project(id)?.color;
    if (color) dot.style.setProperty("background", color);
    else dot.style.removeProperty("background");
  });
  return dot;
}
