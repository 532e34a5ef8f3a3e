-- Manifests: what a run that has ended read, ran and wrote, by digest, as it was on record when the manifest was made.
-- `text` is canonical JSON (RFC 8785), exactly as it was hashed and signed. See ops.manifest_parts.

-- Public keys (Ed25519) of those that sign; never removed, so that what they signed can be verified for ever.
create table ops.signing_keys (
  key_id     text        not null,               -- sha256 of the raw public key, hex
  public_key bytea       not null,               -- raw
  valid_from timestamptz not null,
  retired_at timestamptz,                        -- what says to be made from then on is not this key's
  constraint signing_keys_pkey primary key (key_id),
  constraint signing_keys_public_key check (length(public_key) = 32),
  constraint signing_keys_id check (key_id = encode(sha256(public_key), 'hex')),
  constraint signing_keys_times check (retired_at >= valid_from)
);
-- one signs at a time
create unique index signing_keys_in_force on ops.signing_keys ((true)) where retired_at is null;

create table ops.manifests (
  run_id   uuid        not null,
  text     text        not null,
  sha256   text        not null,                 -- of the text
  root     text        not null,                 -- of the Merkle tree over its parts
  envelope jsonb,                                -- DSSE; null: made where no key was configured
  key_id   text,
  made_at  timestamptz not null,
  constraint manifests_pkey primary key (run_id),
  constraint manifests_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint manifests_key_fkey foreign key (key_id) references ops.signing_keys (key_id),
  constraint manifests_sha256 check (sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  constraint manifests_root_hex check (root ~ '^[0-9a-f]{64}$'),
  constraint manifests_signed check ((envelope is null) = (key_id is null))
);
