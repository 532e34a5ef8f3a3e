// Copies the static export to control_room/web_dist, where the Python package picks it up.
// The new copy is made beside the old one and swapped in, so that a running server never serves half of it.
import { cp, rename, rm, stat } from "node:fs/promises";

const from = new URL("../out/", import.meta.url);
const to = new URL("../../web_dist", import.meta.url);
const fresh = new URL("../../web_dist.new", import.meta.url);

await stat(new URL("index.html", from)).catch(() => {
  console.error("There is no export in control_room/web/out. Run `npm run build` first.");
  process.exit(1);
});
await rm(fresh, { recursive: true, force: true });
await cp(from, fresh, { recursive: true });
await rm(to, { recursive: true, force: true });
await rename(fresh, to);
console.log("control_room/web_dist holds the new export.");
