// Unpacks the browser into a temporary folder and prints where it is.
import chromium from "@sparticuz/chromium";

console.log(await chromium.executablePath());
