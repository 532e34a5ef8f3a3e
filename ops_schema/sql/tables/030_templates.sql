-- Code archives, addressed by workspace and content.
create table ops.bundles (
  workspace  text        not null,
  sha256     text        not null,
  size       bigint      not null,
  object_key text        not null,
  state      text        not null,
  created_at timestamptz not null,
  stored_at  timestamptz,
  created_by uuid,
  constraint bundles_pkey primary key (workspace, sha256),
  constraint bundles_workspace_fkey foreign key (workspace) references ops.workspaces (workspace),
  constraint bundles_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint bundles_size check (size >= 0),
  constraint bundles_state check (state in ('begun', 'stored')),
  constraint bundles_stored_at check ((state = 'stored') = (stored_at is not null))
);

-- Templates: one row per version; a version never changes. `spec` is the template as data.
create table ops.templates (
  template_id uuid        not null,
  number      bigint      generated always as identity,
  workspace   text        not null default 'default',
  name        text        not null,
  version     int         not null,
  digest      text        not null,              -- sha256 of the canonical spec, hex
  kind        text        not null,
  description text        not null default '',
  spec        jsonb       not null,
  created_at  timestamptz not null,
  created_by  uuid,
  constraint templates_pkey primary key (template_id),
  constraint templates_number_key unique (number),
  constraint templates_workspace_key unique (template_id, workspace),
  constraint templates_version_key unique (workspace, name, version),
  constraint templates_workspace_fkey foreign key (workspace) references ops.workspaces (workspace),
  constraint templates_name check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  constraint templates_kind check (kind ~ '^[a-z][a-z0-9_-]{0,62}$'),
  constraint templates_version check (version >= 1),
  constraint templates_digest_hex check (digest ~ '^[0-9a-f]{64}$'),
  constraint templates_spec_is_an_object check (jsonb_typeof(spec) = 'object')
);
