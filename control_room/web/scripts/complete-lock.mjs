// Give package-lock.json an entry for every optional dependency that is made for another platform.
//
// npm leaves those out when the registry it was run against does not carry them, and `npm ci` then refuses the lock, on
// every machine. The entries name the exact version that the parent asks for, and the platform that its name tells; on
// Linux x64, the platform of this project, none of them is ever installed.
import { readFileSync, writeFileSync } from "node:fs";

const PLATFORMS = [
  "android",
  "darwin",
  "freebsd",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "aix",
  "linux",
  "win32",
];
const PROCESSORS = [
  "arm64",
  "arm",
  "x64",
  "ia32",
  "riscv64",
  "s390x",
  "ppc64",
  "loong64",
  "mips64el",
  "wasm32",
];

/** The platform that a package's name tells, as package.json has it; linux on another processor when it tells none. */
function platform(name) {
  const words = name.split(/[-/@]/);
  const os = PLATFORMS.find((word) => words.includes(word));
  const cpu = PROCESSORS.find((word) =>
    words.some((found) => found === word || (word === "arm" && found === "arm")),
  );
  return {
    os: [os ?? "linux"],
    cpu: [cpu ?? "wasm32"],
    ...(words.includes("musl") ? { libc: ["musl"] } : {}),
  };
}

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const added = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const key = `node_modules/${name}`;
    if (lock.packages[key] || lock.packages[nested]) continue;
    lock.packages[key] = { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platform(name) };
    added.push(`${name}@${version}`);
  }
}
const packages = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`);
console.log(`package-lock.json: ${added.length} entries added for other platforms`);
for (const name of added) console.log(`  ${name}`);
