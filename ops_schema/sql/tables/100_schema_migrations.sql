-- Which migrations this database has. migrate.py may have made it first.
create table if not exists ops.schema_migrations (
  version    int         not null,
  name       text        not null,
  sha256     text        not null,
  applied_at timestamptz not null default pg_catalog.now(),
  applied_by text        not null default current_user,
  constraint schema_migrations_pkey primary key (version)
);
