"use client";

import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { Section } from "@/components/run/section";
import { CommandLine } from "@/components/shell/command-line";
import { Digest } from "@/components/shell/digest";
import { type KeyValue, KeyValues } from "@/components/shell/key-values";
import { Command } from "@/components/shell/notice";
import { RelativeTime } from "@/components/shell/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { CardContent } from "@/components/ui/card";
import { saveText } from "@/lib/download";
import { formatBytes, formatCount, shortHash } from "@/lib/format";
import { type Manifest, type SigningKey, signingKeysQuery } from "@/services/provenance";
import type { RunDetail } from "@/services/runs";

type Props = { run: RunDetail; manifest: Manifest; rootOnRun: string | null };

export function ManifestSummary({ run, manifest, rootOnRun }: Props) {
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 lg:grid-cols-[minmax(0,1fr)_24rem]">
      <Section title="Manifest">
        <CardContent className="space-y-3">
          {rootOnRun !== manifest.root && <OtherRoot rootOnRun={rootOnRun} number={run.number} />}
          <KeyValues items={facts(manifest)} />
        </CardContent>
      </Section>
      <Section title="Verify and take along">
        <CardContent className="space-y-3">
          <p>
            What stands here was recorded when the run had ended. Whether it still holds is told by a command,
            which recomputes all of it from the database and the object store:
          </p>
          <CommandLine>{`control-room verify ${run.number}`}</CommandLine>
          <p>One archive, verified on a machine without this database:</p>
          <CommandLine>{`control-room export ${run.number} -o run-${run.number}.tar`}</CommandLine>
          <CommandLine>{offline(run.number, manifest.key_id)}</CommandLine>
          <p>
            {run.reproduces_number === null
              ? "The same again, with what differs at its end:"
              : `It did run ${run.reproduces_number} again. What differs:`}
          </p>
          <CommandLine>{again(run)}</CommandLine>
          <Downloads number={run.number} manifest={manifest} />
        </CardContent>
      </Section>
    </div>
  );
}

/** A run that was done again is compared, any other is done again. */
function again(run: RunDetail): string {
  const before = run.reproduces_number;
  return before === null
    ? `control-room reproduce ${run.number} --follow`
    : `control-room diff ${before} ${run.number}`;
}

function offline(number: number, key: string | null): string {
  return `control-room verify --offline run-${number}.tar${key ? ` --key ${key}` : ""}`;
}

/** The one thing that this page can compare: the root of the manifest, and the root that the run names. */
function OtherRoot({ rootOnRun, number }: { rootOnRun: string | null; number: number }) {
  return (
    <p role="alert" className="rounded-md border border-failed/40 bg-failed/6 px-3 py-2">
      The run names {rootOnRun === null ? "no root" : `another root, ${shortHash(rootOnRun)}`}: one of the two
      was changed. <Command>{`control-room verify ${number}`}</Command> says what does not hold.
    </p>
  );
}

function facts(manifest: Manifest): KeyValue[] {
  const { template, bundle, events } = manifest;
  const version = template.version === null ? "" : ` version ${template.version}`;
  return [
    { key: "State", value: <Badge variant="outline">recorded, not verified</Badge> },
    { key: "Recorded", value: <RelativeTime at={manifest.made_at} /> },
    { key: "Merkle root", value: <Digest value={manifest.root} of="Merkle root" whole /> },
    { key: "sha256", value: <Digest value={manifest.sha256} of="sha256 of the manifest" whole /> },
    { key: "Signature", value: <Signature manifest={manifest} /> },
    {
      key: "Events",
      value: events ? (
        <>
          {formatCount(events.length)}, the chain ends at
          <Digest value={events.head} of="head of the chain" whole />
        </>
      ) : (
        "–"
      ),
    },
    {
      key: "Template",
      value: (
        <>
          {template.name}
          {version}
          <Digest value={template.digest} of="digest of the template" whole />
        </>
      ),
    },
    {
      key: "Code",
      value: bundle ? <Bundle bundle={bundle} /> : "no bundle: what it ran stands in the template",
    },
    { key: "Submitted by", value: manifest.submitted_by ?? "–" },
    { key: "Ran on", value: <Executors manifest={manifest} /> },
  ];
}

function Bundle({ bundle }: { bundle: NonNullable<Manifest["bundle"]> }) {
  return (
    <>
      bundle of {formatBytes(bundle.size)}
      <Digest value={bundle.sha256} of="sha256 of the bundle" whole />
    </>
  );
}

function Executors({ manifest }: { manifest: Manifest }): ReactNode {
  if (manifest.executors.length === 0) return "no executor";
  return manifest.executors.map(({ name, kind, version }) => `${name} (${kind} ${version})`).join(", ");
}

function Signature({ manifest }: { manifest: Manifest }) {
  const { data: keys } = useQuery(signingKeysQuery());
  if (manifest.key_id === null) return <NotSigned />;
  const key = keys?.find((one) => one.key_id === manifest.key_id);
  return (
    <>
      recorded as signed by the key
      <Digest value={manifest.key_id} of="id of the key" whole />
      {keys && <KeyStanding signer={key} />}
    </>
  );
}

function KeyStanding({ signer }: { signer: SigningKey | undefined }) {
  if (!signer) {
    return <p className="text-failed">The control room knows no such key: verify the run.</p>;
  }
  return (
    <p className="text-xs text-muted-foreground">
      Ed25519, in force since <RelativeTime at={signer.valid_from} />
      {signer.retired_at && (
        <>
          , retired <RelativeTime at={signer.retired_at} />
        </>
      )}
    </p>
  );
}

function NotSigned() {
  return (
    <>
      not signed
      <p className="text-xs text-muted-foreground">
        Manifests are signed where the server has a key:{" "}
        <Command>openssl genpkey -algorithm ed25519 -out signing.key</Command>, then{" "}
        <Command>OPS_SIGNING_KEY_FILE=signing.key</Command>. This one stays as it is.
      </p>
    </>
  );
}

function Downloads({ number, manifest }: { number: number; manifest: Manifest }) {
  return (
    <div className="flex flex-wrap gap-2">
      <Button
        variant="outline"
        size="sm"
        title="Exactly the text that was hashed"
        onClick={() => saveText(`run-${number}-manifest.json`, manifest.text)}
      >
        <Download aria-hidden /> Manifest
      </Button>
      {manifest.envelope && (
        <Button
          variant="outline"
          size="sm"
          title="DSSE with an in-toto Statement"
          onClick={() => saveText(`run-${number}-envelope.json`, manifest.envelope ?? "")}
        >
          <Download aria-hidden /> Signed envelope
        </Button>
      )}
    </div>
  );
}
