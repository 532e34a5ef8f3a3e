import type { NextConfig } from "next";

// `next dev` proxies the API to a running server, so that the dashboard can be worked on with hot reload:
// API_URL=http://127.0.0.1:8000 npm run dev. The build is a plain static export, which knows no rewrites.
const development = process.env.NODE_ENV === "development";

const proxied: NextConfig = {
  rewrites: async () => [
    { source: "/api/:path*", destination: `${process.env.API_URL ?? "http://127.0.0.1:8000"}/api/:path*` },
  ],
  skipTrailingSlashRedirect: true,
};

const config: NextConfig = {
  reactStrictMode: true,
  trailingSlash: true,
  poweredByHeader: false,
  turbopack: { root: import.meta.dirname },
  ...(development ? proxied : { output: "export" }),
};

export default config;
