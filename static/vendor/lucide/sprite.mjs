// Writes icons.svg: one <symbol> for each icon named here, from the npm package lucide-static. How to run: ../README.md.
import { readFileSync, writeFileSync } from "node:fs";

const names = `
  activity arrow-left arrow-right badge-check banknote briefcase building-2 calendar chart-column check chevron-down chevron-right
  chevrons-up-down circle-alert circle-check circle-help circle-x clock coins copy credit-card download ellipsis external-link eye file-text
  file-up graduation-cap hourglass inbox info key-round landmark layers layout-dashboard link list-checks lock log-in log-out mail menu monitor
  moon package palette pencil plus receipt refresh-cw scroll-text search send server settings shield-check sun ticket trash-2 triangle-alert
  undo-2 upload user user-plus users wallet x`.trim().split(/\s+/);

const [icons, target] = process.argv.slice(2);
const symbols = names.map((name) => {
  const source = readFileSync(`${icons}/${name}.svg`, "utf8");
  const shapes = source.slice(source.indexOf(">", source.indexOf("<svg")) + 1, source.lastIndexOf("</svg>")).replace(/\s*\n\s*/g, "");
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
});
const licence = "Lucide icons, ISC licence: vendor/lucide/LICENSE";
writeFileSync(target, `<svg xmlns="http://www.w3.org/2000/svg"><!-- ${licence} -->\n${symbols.join("\n")}\n</svg>\n`);
