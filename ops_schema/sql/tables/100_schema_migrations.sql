-- Which migrations this database has. compatible_from: the oldest version whose program still runs on this schema.
create table ops.schema_migrations (
  version         int         not null,
  name            text        not null,
  sha256          text        not null,
  compatible_from int         not null,
  applied_at      timestamptz not null default pg_catalog.now(),
  applied_by      text        not null default session_user,
  constraint schema_migrations_pkey primary key (version),
  constraint schema_migrations_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint schema_migrations_compatible check (compatible_from between 1 and version)
);
