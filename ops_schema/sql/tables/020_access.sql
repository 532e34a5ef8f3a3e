-- Tenants.
create table ops.workspaces (
  workspace   text        not null,
  description text        not null default '',
  created_at  timestamptz not null default pg_catalog.now(),
  constraint workspaces_pkey primary key (workspace),
  constraint workspaces_name check (workspace ~ '^[a-z0-9][a-z0-9_-]{0,62}$')
);
insert into ops.workspaces (workspace, description) values ('default', 'Where runs go that name no workspace');

-- Bearer tokens; only the SHA-256 is here.
create table ops.tokens (
  token_id     uuid        not null,
  token_sha256 bytea       not null,
  role         text        not null,
  name         text        not null,
  workspaces   text[],                           -- null: all
  created_at   timestamptz not null default pg_catalog.now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  constraint tokens_pkey primary key (token_id),
  constraint tokens_sha256_key unique (token_sha256),
  constraint tokens_sha256_length check (octet_length(token_sha256) = 32),
  constraint tokens_role check (role in ('operator', 'viewer', 'executor'))
);

-- One-time codes that turn an operator's token into a browser session.
create table ops.login_codes (
  code_sha256 bytea       not null,
  token_id    uuid        not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  used_at     timestamptz,
  constraint login_codes_pkey primary key (code_sha256),
  constraint login_codes_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint login_codes_sha256_length check (octet_length(code_sha256) = 32)
);

create table ops.sessions (
  session_sha256 bytea       not null,
  token_id       uuid        not null,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  ended_at       timestamptz,
  constraint sessions_pkey primary key (session_sha256),
  constraint sessions_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint sessions_sha256_length check (octet_length(session_sha256) = 32)
);
