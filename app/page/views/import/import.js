// The view of imports and exports.

import { define, h } from "../../lib/dom.js";
import { t } from "../../text/index.js";
import { exportPanel } from "./export_panel.js";
import { importList } from "./import_list.js";
import { importPanel } from "./import_panel.js";

define("tt-import", () =>
  h("div", { class: "imports" }, [
    h("div", { class: "view-header" }, h("h1", null, t("import.title"))),
    importPanel(),
    importList(),
    exportPanel(),
  ]),
);
